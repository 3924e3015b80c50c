//! Answers to uploads that go wrong, in Glance's words, and the bounds of the middle part. Whole
//! uploads with every fault at every step are simulated in `tests/sim`.

use super::*;
use crate::head::{Parsed, parse};
use crate::time::Millis;
use crate::view::Writer;
use glint_image::limits::{BODY_SPAN_BYTES_MIN, BODY_SPAN_MS, WRITE_BUFFERS_PER_UPLOAD};
use glint_link::wire::Mark;

const ID: &str = "71c675ab-d94f-49cd-a114-e12490b328d9";
const AT: Mark = Mark { session: 1, number: 1 };

fn begin(headers: &str, id_text: &str) -> Step {
    let text = format!("PUT /x HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    let Parsed::Head(head, _) = parse(text.as_bytes()) else { panic!("{text:?} is a head") };
    start(*head, id_text, &RequestId::adopt(b"req-1").expect("a good id"), String::new())
}

fn reserved(size_bytes_max: u64) -> Answer {
    Answer::Reserved { epoch: 7, size_bytes_max, store: String::new(), at: AT }
}

/// A machine that is receiving.
fn receiving(headers: &str) -> Receive {
    let Step::Reserve(reserve) = begin(headers, ID) else { panic!("it reserves") };
    let Step::Open(open) = reserve.answered(reserved(1 << 40)) else { panic!("it opens") };
    match open.opened() {
        Step::Receive(receive) => receive,
        other => panic!("it receives, not {other:?}"),
    }
}

fn digests() -> Digests {
    Digests { md5: glint_image::Md5([0; 16]), sha512: glint_image::Sha512([0; 64]) }
}

/// Lets everything that is under way end well, and nothing be left; gives the answer.
fn follow(mut step: Step) -> (String, bool) {
    loop {
        step = match step {
            Step::Settle(settle) => match settle.waits_for() {
                Settling::Write => settle.completed(Ok(())),
                Settling::Digests => settle.hashed(digests()),
            },
            Step::Seal(seal) => seal.done(),
            Step::Undo(undo) => undo.done(),
            Step::Suspect(suspect) => suspect.marked(),
            Step::Abort(abort) => abort.answered(&Answer::Aborted, Millis(0)),
            Step::Commit(commit) => commit.answered(&Answer::Committed { at: AT }, Millis(0)),
            Step::Clean(clean) => clean.done(),
            Step::Wait(wait) => wait.over(),
            Step::Done(done) => {
                let text = match done.response {
                    Some(Response::Fault(fault)) => {
                        format!("{} {}", fault.status, fault.explanation.unwrap_or_default())
                    }
                    Some(response) => response.status().to_string(),
                    None => "nothing".to_owned(),
                };
                assert_eq!(done.unread, done.persistence == Persistence::Close);
                return (text, done.unread);
            }
            other => panic!("not expected here: {other:?}"),
        }
    }
}

/// Sends this many bytes to a machine with these headers.
fn check_sizes(headers: &str, sent: u64, expected: &str) {
    let mut receive = receiving(headers);
    let mut left = sent;
    while left > 0 && receive.want() == Want::Body {
        let bytes = receive.direct_bytes().min(left).min(4096);
        if bytes == 0 {
            break;
        }
        receive.received(bytes);
        left -= bytes;
        let _ = receive.submit();
        receive.completed(Ok(()));
    }
    if receive.want() == Want::Body {
        receive.ended();
    }
    let (got, _) = follow(receive.settle());
    assert_eq!(got, expected, "{headers:?} with {sent}");
}

#[test]
fn sizes_are_checked_in_glances_words() {
    let with = |declared: &str, length: u64| {
        format!("x-openstack-image-size: {declared}\r\nContent-Length: {length}\r\n")
    };
    check_sizes(&with("10", 10), 10, "204");
    check_sizes(&with(" +1_0", 10), 10, "204");
    check_sizes(&with("0", 10), 10, "204");
    check_sizes(&with("99", 10), 10, "400 Size mismatch: expected 99 bytes, got 10 bytes");
    check_sizes(
        &with("99", 10_240),
        10_240,
        "400 Size exceeds: expected 99 bytes, got 10240 bytes",
    );
    check_sizes(&with("5", 10), 10, "400 Size exceeds: expected 5 bytes, got 10 bytes");
    check_sizes(&with("-5", 10), 10, "400 Size exceeds: expected -5 bytes, got 10 bytes");
    check_sizes(
        &with("70000", 1 << 20),
        1 << 20,
        "400 Size exceeds: expected 70000 bytes, got 131072 bytes",
    );
    check_sizes(&with("1", 0), 0, "400 Size mismatch: expected 1 bytes, got 0 bytes");
    check_sizes("Content-Length: 0\r\n", 0, "204");
    check_sizes("", 0, "204");
    let short = "400 The request body ended before its end was due.";
    check_sizes("Content-Length: 10\r\n", 9, short);
    check_sizes("Content-Length: 10\r\n", 0, short);
    check_sizes("Transfer-Encoding: chunked\r\n", 0, short);
}

#[test]
fn refusals_before_the_body() {
    let respond = |step: Step| follow(step).0;
    assert_eq!(respond(begin("Content-Length: 5\r\n", "a b")), "404 No image found with ID a b");
    let ask = |headers: &str, answer: Answer| {
        let Step::Reserve(reserve) = begin(headers, ID) else { panic!("it reserves") };
        let Ask::Reserve { size_bytes, .. } = reserve.ask() else { panic!("it asks for that") };
        (size_bytes, reserve.answered(answer))
    };
    let unavailable = Answer::Unavailable { reason: "test".to_owned() };
    let (size, step) = ask("Content-Length: 5\r\n", unavailable);
    assert_eq!((size, &respond(step)[..4]), (Some(5), "503 "));
    let refused = Answer::Refused { status: 409, headers: Vec::new(), body: Vec::new() };
    let (size, step) = ask("Transfer-Encoding: chunked\r\n", refused);
    assert_eq!((size, follow(step)), (None, ("409".to_owned(), true)));
    let too_large = "413 The incoming image is too large: The provided image is too large.";
    assert_eq!(respond(ask("Content-Length: 5\r\n", reserved(4)).1), too_large);
    let (_, step) = ask("Expect: 100-continue\r\nContent-Length: 5\r\n", reserved(5));
    let Step::Open(open) = step else { panic!("it opens") };
    assert_eq!(open.size_bytes(), Some(5));
    let Step::Continue(wait) = open.opened() else { panic!("it lets the client go on") };
    assert_eq!(respond(wait.failed()), "nothing");
    for (error, expected) in [
        (
            StoreError::Full,
            "413 Image storage media is full: \
             There is not enough disk space on the image storage media.",
        ),
        (
            StoreError::Denied,
            "503 Insufficient permissions on image storage media: \
             Permission to write image storage media denied.",
        ),
        (StoreError::Suspect, "503 The image store cannot be written to at present."),
        (StoreError::Failed, "500 "),
    ] {
        let (_, step) = ask("Content-Length: 5\r\n", reserved(5));
        let Step::Open(open) = step else { panic!("it opens") };
        assert_eq!(respond(open.failed(error)), expected);
    }
}

#[test]
fn the_body_stops_for_good_reasons() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    let check = |act: &dyn Fn(&mut Receive), expected: &str| {
        let mut receive = receiving(chunked);
        act(&mut receive);
        assert_eq!(receive.want(), Want::Settle, "{expected}");
        let (got, unread) = follow(receive.settle());
        assert!(unread);
        assert_eq!(got, expected);
    };
    let gone = format!(
        "410 Image {ID} could not be found after upload. \
         The image may have been deleted during the upload, cleaning up the chunks uploaded."
    );
    check(
        &|r| {
            r.decode(b"x", 9);
        },
        "400 The request body is not valid: the size of a chunk is not valid.",
    );
    check(&|r| r.gone(), "nothing");
    check(&|r| r.watched(Writer::Closed), &gone);
    let deleted_then_broken = |r: &mut Receive| {
        r.decode(b"x", 9);
        r.watched(Writer::Closed);
    };
    check(&deleted_then_broken, &gone);
    let late = |r: &mut Receive| {
        let deadline = r.deadline(Millis(100));
        assert_eq!(deadline, Millis(100 + BODY_SPAN_MS));
        assert_eq!(r.deadline(Millis(200)), deadline, "the span stays where it began");
        r.timed_out(deadline);
    };
    check(&late, "408 ");
}

#[test]
fn a_client_that_is_fast_enough_is_not_timed_out() {
    let mut receive = receiving("Content-Length: 10000000\r\n");
    let deadline = receive.deadline(Millis(0));
    receive.received(BODY_SPAN_BYTES_MIN);
    receive.timed_out(deadline);
    assert_eq!(receive.want(), Want::Body);
    let next = receive.deadline(deadline);
    assert_eq!(next, deadline.after(BODY_SPAN_MS));
    receive.received(BODY_SPAN_BYTES_MIN - 1);
    receive.timed_out(next);
    assert_eq!(receive.want(), Want::Settle);
}

#[test]
fn buffers_are_bounded_and_written_in_place() {
    let mut receive = receiving("Content-Length: 1000\r\n");
    for number in 0..u64::from(WRITE_BUFFERS_PER_UPLOAD) {
        assert_eq!(receive.want(), Want::Body);
        receive.received(10);
        assert_eq!(receive.submit(), number * 10);
    }
    assert_eq!(receive.want(), Want::Completion);
    receive.completed(Ok(()));
    assert_eq!(receive.want(), Want::Body);
    receive.completed(Err(StoreError::Full));
    let Step::Settle(settle) = receive.settle() else { panic!("writes are under way") };
    assert_eq!(settle.waits_for(), Settling::Write);
    assert!(follow(Step::Settle(settle)).0.starts_with("413 "));
}

#[test]
fn bytes_refused_at_the_commit_are_removed_and_their_epoch_is_not_given_back() {
    let mut step = receiving("Content-Length: 0\r\n").settle();
    let mut removed = Vec::new();
    let response = loop {
        step = match step {
            Step::Commit(commit) => {
                let (status, body) = (413, b"full".to_vec());
                let answer = Answer::Refused { status, headers: Vec::new(), body };
                commit.answered(&answer, Millis(0))
            }
            Step::Undo(undo) => {
                removed.push(undo.op());
                undo.done()
            }
            Step::Done(done) => break done.response,
            Step::Settle(settle) => settle.hashed(digests()),
            Step::Seal(seal) => seal.done(),
            other => panic!("not expected here: {other:?}"),
        };
    };
    assert_eq!(response.map(|response| response.status()), Some(413));
    let expected = [UndoOp::UnlinkFinal, UndoOp::SyncDatadir, UndoOp::UnlinkTemp];
    assert_eq!(removed, expected);
}
