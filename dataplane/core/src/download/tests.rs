//! Requests and their answers, in Glance's order and words. The sending half, with faults, is
//! simulated in `tests/sim`.

use super::*;
use crate::head::{Parsed, parse};
use crate::testing::{admin, everybody, head, member_of, settings};
use crate::time::Millis;
use crate::view::View;
use glint_image::{PushNumber, RequestId, SessionId};
use glint_link::wire::{Caller, Grant, ImageRecord, Push};

const ID: &str = "71c675ab-d94f-49cd-a114-e12490b328d9";
const CHECKSUM: &str = "c3cd26e07e555c0116db237fbc06d99c";
const NOW: Millis = Millis(5);

/// A mark that every view has reached.
const HERE: Mark = Mark { session: 1, number: 0 };

fn id() -> ImageId {
    ImageId::parse(ID).expect("a UUID")
}

fn image(status: &str, size_bytes: u64, locations: &[&str]) -> ImageRecord {
    ImageRecord {
        image: *ImageId::parse(ID).expect("a UUID").as_bytes(),
        seq: 1,
        status: status.to_owned(),
        visibility: "public".to_owned(),
        owner: None,
        members: Vec::new(),
        size_bytes: Some(size_bytes),
        checksum: Some(CHECKSUM.to_owned()),
        epoch: 0,
        locations: locations
            .iter()
            .map(|url| Location { store: String::new(), url: (*url).to_owned() })
            .collect(),
        attributes: Vec::new(),
    }
}

fn view_of(record: Option<ImageRecord>) -> View {
    view_for(admin(), record)
}

/// What a caller with this grant meets.
fn view_for(grant: Grant, record: Option<ImageRecord>) -> View {
    let mut view = View::new([1; 32]);
    view.grant_lease(Millis(100));
    view.apply(SessionId(1), PushNumber(1), &Push::Settings(everybody(grant)));
    if let Some(record) = record {
        view.apply(SessionId(1), PushNumber(2), &Push::Image(record));
    }
    view
}

fn begin(request: &str, id_text: &str) -> Step {
    let text = format!("{}\r\nHost: a\r\n\r\n", request.replace(" | ", "\r\n"));
    let Parsed::Head(head, _) = parse(text.as_bytes()) else { panic!("{text:?} is a head") };
    start(&head, id_text, Who::Everybody)
}

/// Follows a request to its head; the file behind a URL is as long as the number in it, `-` is
/// missing and `!` unreachable.
fn follow(mut step: Step, view: &View) -> String {
    loop {
        step = match step {
            Step::Look(look) => {
                let sight = view.sight(look.who(), look.image(), NOW);
                look.found(&sight)
            }
            Step::Open(open) => match open.location().url.as_str() {
                "-" => open.failed(OpenError::Missing),
                "!" => open.failed(OpenError::Unreachable),
                "?" => open.failed(OpenError::Unsupported),
                length => {
                    let length = length.parse().expect("the length of a file");
                    open.opened(length)
                }
            },
            Step::Head(head) => {
                let mut out = Vec::new();
                head.write(&mut out, &RequestId::adopt(b"req-1").expect("a good id"), &[]);
                let text = String::from_utf8(out).expect("a head is ASCII");
                return text.replace("\r\n", "|");
            }
            // Nothing has changed when it is asked about.
            Step::Resolve(resolve) => resolve.answered(&Answer::Resolved { at: HERE }),
            Step::Wait(wait) => wait.reached(),
            Step::Respond(Response::Fault(fault), persistence) => {
                let text = fault.explanation.or(fault.detail).unwrap_or_default();
                return format!("{} {text} {persistence:?}", fault.status);
            }
            Step::Respond(response, persistence) => {
                return format!("{} {persistence:?}", response.status());
            }
            other => return format!("{other:?}"),
        }
    }
}

fn check(request: &str, record: Option<ImageRecord>, expected: &str) {
    let step = begin(request, ID);
    assert_eq!(follow(step, &view_of(record)), expected, "{request}");
}

const GET: &str = "GET /v2/images/x/file HTTP/1.1";

#[test]
fn heads_of_downloads() {
    let active = || Some(image("active", 10, &["10"]));
    check(
        GET,
        active(),
        "HTTP/1.1 200 OK|Content-Type: application/octet-stream|\
         Content-MD5: c3cd26e07e555c0116db237fbc06d99c|Content-Length: 10|\
         x-openstack-request-id: req-1||",
    );
    check(
        &format!("{GET} | Range: bytes=8- | Connection: close"),
        active(),
        "HTTP/1.1 206 Partial Content|Content-Type: application/octet-stream|\
         Content-Range: bytes 8-9/10|Content-MD5: c3cd26e07e555c0116db237fbc06d99c|\
         Content-Length: 2|x-openstack-request-id: req-1|Connection: close||",
    );
    let unsummed = ImageRecord { checksum: None, ..image("active", 0, &["0"]) };
    check(
        GET,
        Some(unsummed),
        "HTTP/1.1 200 OK|Content-Type: application/octet-stream|Content-Length: 0|\
         x-openstack-request-id: req-1||",
    );
}

/// What another node's client was told is in force here too, although the push comes late.
#[test]
fn nobody_is_refused_on_what_was_known_before_the_request() {
    let check = |grant: Grant, before: ImageRecord, after: ImageRecord| {
        let mut view = view_for(grant, Some(before));
        let Step::Look(look) = begin(GET, ID) else { panic!("it looks first") };
        let sight = view.sight(look.who(), look.image(), NOW);
        let Step::Resolve(resolve) = look.found(&sight) else { panic!("it asks anew") };
        view.apply(SessionId(1), PushNumber(3), &Push::Image(ImageRecord { seq: 2, ..after }));
        let step = resolve.answered(&Answer::Resolved { at: HERE });
        assert!(follow(step, &view).starts_with("HTTP/1.1 200 OK"));
    };
    let active = || image("active", 10, &["10"]);
    let private =
        || ImageRecord { visibility: "shared".into(), owner: Some("a".into()), ..active() };
    check(admin(), image("saving", 0, &[]), active());
    check(member_of("a"), image("deactivated", 10, &["10"]), active());
    check(member_of("b"), private(), ImageRecord { members: vec!["b".into()], ..private() });
}

#[test]
fn what_is_known_refuses_where_nobody_can_be_asked() {
    let check = |record: ImageRecord, expected: &str| {
        let view = view_for(member_of("b"), Some(record));
        let Step::Look(look) = begin(GET, ID) else { panic!("it looks first") };
        let sight = view.sight(look.who(), look.image(), NOW);
        let Step::Resolve(resolve) = look.found(&sight) else { panic!("it asks anew") };
        let step = resolve.answered(&Answer::Unavailable { reason: String::new() });
        assert!(follow(step, &view).starts_with(expected), "{expected}");
    };
    let active = || image("active", 10, &["10"]);
    let foreign = Some("a".to_owned());
    check(ImageRecord { visibility: "private".into(), owner: foreign, ..active() }, "404");
    check(image("deactivated", 10, &["10"]), "403");
    // An image without bytes may have some by now.
    check(image("queued", 0, &[]), "503");
}

#[test]
fn refusals_come_in_glances_order() {
    let active = || Some(image("active", 10, &["10"]));
    let body = "400 A body is not expected with this request. Close";
    check(&format!("{GET} | Content-Length: 5"), active(), body);
    check(&format!("{GET} | Transfer-Encoding: chunked"), active(), body);
    check(&format!("{GET} | Content-Length: 5"), Some(image("deleted", 1, &[])), body);
    let store = "400 Store selection for download is not available when multiple backends are not \
                 enabled. Keep";
    let prefer = "GET /v2/images/x/file?a=b&prefer=fast HTTP/1.1 | Range: bytes=x";
    check(prefer, active(), store);
    check(
        "GET /v2/images/x/file?prefer=,+ HTTP/1.1 | Range: x",
        active(),
        "416 Invalid Range header. Keep",
    );
    let gone = format!("404 No image found with ID {ID} Keep");
    check(&format!("{GET} | Range: bytes=0-1,2-3"), Some(image("deleted", 1, &[])), &gone);
    let several = format!("{GET} | Range: bytes=0-1,2-3");
    let text = "400 Requests with multiple ranges are not supported in Glance. \
                You may make multiple single-range requests instead. Keep";
    check(&several, Some(image("queued", 0, &[])), text);
    check(
        &format!("{GET} | Range: x"),
        Some(image("queued", 0, &[])),
        "416 Invalid Range header. Keep",
    );
    check(&format!("{GET} | Range: bytes=0-1"), Some(image("queued", 0, &[])), "204 Keep");
    let outside = "416 Invalid start position in Range header. \
                   Start position MUST be in the inclusive range [0, 9]. Keep";
    check(&format!("{GET} | Range: bytes=10-"), active(), outside);
    let step = begin(&format!("{GET} | Range: x"), ID);
    let deactivated = view_for(member_of("other"), Some(image("deactivated", 10, &["10"])));
    let text =
        "403 The requested image has been deactivated. Image data download is forbidden. Keep";
    assert_eq!(follow(step, &deactivated), text);
    let step = begin(GET, "a b");
    assert_eq!(follow(step, &view_of(None)), "404 No image found with ID a b Keep");
}

#[test]
fn locations_are_tried_in_turn() {
    let check = |locations: &[&str], expected: &str| {
        let step = begin(GET, ID);
        let got = follow(step, &view_of(Some(image("active", 10, locations))));
        assert!(got.starts_with(expected), "{locations:?}: {got}");
    };
    let unreachable = "503 Remote server where the image is present is unavailable.";
    check(&["10"], "HTTP/1.1 200");
    check(&["-", "!", "9", "10"], "HTTP/1.1 200");
    check(&["-"], "204 Keep");
    check(&["!", "-"], "204 Keep");
    check(&["-", "!"], unreachable);
    check(&["?"], "400 Getting images from this store is not supported.");
    // A file of another length is another file.
    check(&["9"], unreachable);
    check(&["11"], unreachable);
    check(&[], "204 Keep");
}

#[test]
fn an_unknown_image_is_asked_about_so_many_times() {
    let mut step = begin(GET, ID);
    let at = Mark { session: 1, number: 4 };
    for round in 0..=RESOLVE_ATTEMPTS_MAX {
        let Step::Look(look) = step else { panic!("it looks, round {round}: {step:?}") };
        step = look.found(&view_of(None).sight(Who::Everybody, Some(id()), NOW));
        if let Step::Resolve(resolve) = step {
            assert_eq!(
                resolve.ask(),
                Ask::Resolve { image: *ID.as_bytes().first_chunk().expect("36") }
            );
            step = resolve.answered(&Answer::Resolved { at });
            let Step::Wait(wait) = step else { panic!("it waits, round {round}") };
            assert_eq!(wait.mark(), at);
            step = wait.reached();
        }
    }
    assert!(matches!(step, Step::Respond(ref response, _) if response.status() == 503), "{step:?}");
}

#[test]
fn without_an_answer_it_is_503() {
    let unavailable = Answer::Unavailable { reason: "test".to_owned() };
    for timed_out in [false, true] {
        let Step::Look(look) = begin(GET, ID) else { panic!("it looks") };
        let Step::Resolve(resolve) =
            look.found(&view_of(None).sight(Who::Everybody, Some(id()), NOW))
        else {
            panic!("it asks")
        };
        let step = if timed_out {
            let at = Mark { session: 1, number: 4 };
            let Step::Wait(wait) = resolve.answered(&Answer::Resolved { at }) else {
                panic!("it waits")
            };
            wait.timed_out()
        } else {
            resolve.answered(&unavailable)
        };
        assert!(matches!(step, Step::Respond(ref r, _) if r.status() == 503), "{step:?}");
    }
    let Step::Look(look) = begin(GET, ID) else { panic!("it looks") };
    let view = view_of(Some(image("active", 10, &["10"])));
    let step = look.found(&view.sight(Who::Everybody, Some(id()), Millis(100)));
    assert!(matches!(step, Step::Respond(ref r, _) if r.status() == 503), "{step:?}");
}

/// A request of a caller who is asked about, and the view it meets.
fn stranger(request: &str) -> (Head, View) {
    let mut view = view_of(Some(image("active", 10, &["10"])));
    let rules = [("download_image", "@"), ("get_image", "@")];
    view.apply(SessionId(1), PushNumber(3), &Push::Settings(settings(2, &rules)));
    (head(&format!("{request} | X-Auth-Token: secret")), view)
}

#[test]
fn an_unknown_caller_is_asked_about_before_anything_else() {
    let (head, view) = stranger("GET /v2/images/x/file");
    let at = Mark { session: 1, number: 4 };
    let mut step = start(&head, "no such id", view.who(&head));
    for round in 0..=IDENTIFY_ATTEMPTS_MAX {
        let Step::Look(look) = step else { panic!("it looks, round {round}: {step:?}") };
        step = look.found(&view.sight(view.who(&head), None, NOW));
        if let Step::Identify(identify) = step {
            let headers = view.identity_headers(&head);
            let Ask::Identify { key, headers } = identify.ask(headers) else { panic!("it asks") };
            assert_eq!((Who::Caller(CallerKey(key)), headers.len()), (view.who(&head), 1));
            let Step::Wait(wait) = identify.answered(&Answer::Identified { at }) else {
                panic!("it waits, round {round}")
            };
            step = wait.reached();
        }
    }
    assert!(matches!(step, Step::Respond(ref response, _) if response.status() == 503), "{step:?}");
}

#[test]
fn who_is_not_let_in_learns_nothing_else() {
    let check = |request: &str, id_text: &str, grant: Option<Grant>, expected: &str| {
        let (head, mut view) = stranger(request);
        let Who::Caller(key) = view.who(&head) else { panic!("a caller") };
        let caller = Caller { key: key.bytes(), generation: 2, grant, valid_ms: 50 };
        view.take_caller(SessionId(1), PushNumber(4), &caller.into(), NOW);
        let got = follow(start(&head, id_text, view.who(&head)), &view);
        assert!(got.starts_with(expected), "{request} {id_text}: {got}");
    };
    for (request, id_text, let_in) in [
        ("GET /v2/images/x/file", ID, "HTTP/1.1 200"),
        ("GET /v2/images/x/file", "x", "404"),
        ("GET /v2/images/x/file | Content-Length: 1", ID, "400"),
        ("GET /v2/images/x/file | Range: x", ID, "416"),
    ] {
        check(request, id_text, Some(admin()), let_in);
        check(request, id_text, None, "TurnAway");
    }
}
