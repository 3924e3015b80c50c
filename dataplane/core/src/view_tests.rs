//! Pushes, marks, leases and writers.

use super::*;
use glint_link::wire::{ImageRecord, Location, Settings};

fn id() -> ImageId {
    ImageId::parse("71c675ab-d94f-49cd-a114-e12490b328d9").expect("a UUID")
}

fn record(seq: u64, status: &str, epoch: u64) -> Push {
    Push::Image(ImageRecord {
        image: *id().as_bytes(),
        seq,
        status: status.to_owned(),
        visibility: "shared".to_owned(),
        owner: None,
        members: Vec::new(),
        size_bytes: None,
        checksum: None,
        epoch,
        locations: Vec::<Location>::new(),
        attributes: Vec::new(),
    })
}

fn absent(seq: u64) -> Push {
    Push::Absent { image: *id().as_bytes(), seq }
}

/// A view of pushes in one session, with a lease.
fn view(pushes: &[Push]) -> View {
    let mut view = View::new([1; 32]);
    view.grant_lease(Millis(100));
    for (number, push) in (1..).zip(pushes) {
        view.apply(SessionId(7), PushNumber(number), push);
    }
    view
}

fn status(view: &View) -> Option<Status> {
    match view.lookup(id(), Millis(0)) {
        Lookup::Known(image) => image.status,
        _ => None,
    }
}

#[test]
fn a_record_never_gives_way_to_an_older_one() {
    let check = |pushes: &[Push], expected: Option<Status>| {
        assert_eq!(status(&view(pushes)), expected, "{pushes:?}");
    };
    check(&[record(2, "queued", 0)], Some(Status::Queued));
    check(&[record(2, "queued", 0), record(3, "active", 0)], Some(Status::Active));
    check(&[record(3, "active", 0), record(2, "queued", 0)], Some(Status::Active));
    check(&[record(3, "active", 0), absent(4)], None);
    check(&[absent(4), record(3, "active", 0)], None);
    check(&[record(3, "no such status", 0)], None);
}

#[test]
fn what_cannot_be_read_is_not_kept_and_what_is_no_hex_is_not_sent() {
    let Push::Image(record) = record(1, "active", 0) else { unreachable!("it is one") };
    let unreadable = ImageRecord { image: [b'x'; 36], ..record.clone() };
    assert_eq!(view(&[Push::Image(unreadable)]).held(), 0);
    let check = |checksum: &str, kept: bool| {
        let record = ImageRecord { checksum: Some(checksum.to_owned()), ..record.clone() };
        let image = ImageView::try_from(&record).expect("readable");
        assert_eq!(image.checksum.is_some(), kept, "{checksum:?}");
    };
    check("c3cd26e07e555c0116db237fbc06d99c", true);
    check("", false);
    check("c3\r\nX-Injected: 1", false);
}

#[test]
fn marks() {
    let mark = |session, number| Mark { session, number };
    let check = |view: &View, at: Mark, expected: bool| {
        assert_eq!(view.reached(at), expected, "{at:?}");
    };
    let mut view = view(&[record(1, "queued", 0), record(2, "active", 0)]);
    check(&view, mark(7, 0), true);
    check(&view, mark(7, 2), true);
    check(&view, mark(7, 3), false);
    // Not heard of yet: its pushes are on their way.
    check(&view, mark(8, 1), false);
    view.begin_session(SessionId(8));
    view.begin_session(SessionId(8));
    check(&view, mark(8, 1), false);
    check(&view, mark(7, 2), false);
    view.apply(SessionId(8), PushNumber(1), &Push::Current);
    check(&view, mark(8, 1), true);
    check(&view, mark(7, 2), true);
    check(&view, mark(7, 99), true);
    check(&view, mark(9, 1), false);
    // What a past session still had in flight changes nothing.
    assert_eq!(view.apply(SessionId(7), PushNumber(3), &absent(9)), Noticed::Other);
    assert_eq!(status(&view), Some(Status::Active));
    // A new session of which nothing but pushes was heard.
    view.apply(SessionId(9), PushNumber(1), &record(5, "active", 0));
    check(&view, mark(9, 1), true);
    check(&view, mark(8, 1), false);
    for session in 10..40 {
        view.begin_session(SessionId(session));
    }
    assert_eq!(view.past.len(), SESSIONS_REMEMBERED);
}

#[test]
fn leases_only_grow_and_a_new_catalogue_starts_over() {
    let mut view = view(&[record(1, "active", 0)]);
    view.grant_lease(Millis(50));
    assert!(view.leased(Millis(99)) && !view.leased(Millis(100)));
    assert_eq!(view.lookup(id(), Millis(100)), Lookup::Stale);
    view.evict(id());
    assert_eq!(view.lookup(id(), Millis(100)), Lookup::Unknown);
    view.clear();
    assert!(!view.leased(Millis(0)));
}

#[test]
fn writers() {
    let check = |pushes: &[Push], expected: Writer| {
        assert_eq!(view(pushes).writer(id(), Epoch(5)), expected, "{pushes:?}");
    };
    check(&[], Writer::Open);
    check(&[record(4, "queued", 0)], Writer::Open);
    check(&[absent(4)], Writer::Open);
    check(&[record(5, "saving", 5)], Writer::Open);
    check(&[record(9, "saving", 5)], Writer::Open);
    check(&[record(6, "queued", 0)], Writer::Closed);
    check(&[record(6, "saving", 6)], Writer::Closed);
    check(&[record(6, "deleted", 0)], Writer::Closed);
    check(&[absent(6)], Writer::Closed);
}

#[test]
fn settings() {
    let settings = Push::Settings(Settings { minor_versions: vec![0, 9], ..Settings::default() });
    assert_eq!(view(&[settings]).minor_versions(), [0, 9]);
}
