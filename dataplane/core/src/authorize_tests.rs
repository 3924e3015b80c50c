//! Who may download what, in Glance's order.

use super::*;
use crate::time::Millis;
use crate::view::View;
use glint_image::{PushNumber, SessionId};
use glint_link::wire::{ImageRecord, Location, Push};

const ID: &str = "71c675ab-d94f-49cd-a114-e12490b328d9";

fn record(status: &str, visibility: &str) -> ImageRecord {
    ImageRecord {
        image: *ImageId::parse(ID).expect("a UUID").as_bytes(),
        seq: 1,
        status: status.to_owned(),
        visibility: visibility.to_owned(),
        owner: Some("owner".to_owned()),
        members: vec!["friend".to_owned()],
        size_bytes: Some(5),
        checksum: None,
        epoch: 0,
        locations: vec![Location { store: String::new(), url: "file:///x".to_owned() }],
    }
}

/// What comes of it, in one word.
fn verdict(push: Option<Push>, leased: bool, grant: &Grant) -> String {
    let id = ImageId::parse(ID).expect("a UUID");
    let mut view = View::new();
    view.grant_lease(Millis(10));
    if let Some(push) = push {
        view.apply(SessionId(1), PushNumber(1), &push);
    }
    let now = if leased { Millis(9) } else { Millis(10) };
    match authorize(id, &view.lookup(id, now), grant) {
        Verdict::Permitted(permit) => format!("permit {:?}", permit.size_bytes().expect("a size")),
        Verdict::NoData => "no data".to_owned(),
        Verdict::Refused(fault) => fault.status.to_string(),
        Verdict::Resolve => "resolve".to_owned(),
    }
}

#[test]
fn status_decides_for_admins() {
    let admin = Grant::unauthenticated();
    let check = |status: &str, expected: &str| {
        let record = record(status, "private");
        assert_eq!(verdict(Some(Push::Image(record)), true, &admin), expected, "{status}");
    };
    check("active", "permit 5");
    check("deactivated", "permit 5");
    check("queued", "no data");
    check("saving", "no data");
    check("uploading", "no data");
    check("importing", "no data");
    check("killed", "no data");
    check("deleted", "404");
    check("pending_delete", "404");
    check("a status of the future", "503");
    let bare = ImageRecord { locations: Vec::new(), ..record("active", "private") };
    assert_eq!(verdict(Some(Push::Image(bare)), true, &admin), "no data");
}

#[test]
fn nothing_is_decided_without_knowledge_or_lease() {
    let admin = Grant::unauthenticated();
    let absent = || Push::Absent { image: *ImageId::parse(ID).expect("a UUID").as_bytes(), seq: 1 };
    let check = |push: Option<Push>, leased: bool, expected: &str| {
        assert_eq!(verdict(push, leased, &admin), expected);
    };
    check(None, true, "resolve");
    check(None, false, "resolve");
    check(Some(absent()), true, "404");
    check(Some(absent()), false, "503");
    check(Some(Push::Image(record("active", "public"))), false, "503");
}

#[test]
fn visibility_decides_for_members() {
    let check = |project: &str, visibility: &str, status: &str, expected: &str| {
        let record = record(status, visibility);
        let got = verdict(Some(Push::Image(record)), true, &Grant::member_of(project));
        assert_eq!(got, expected, "{project} {visibility} {status}");
    };
    check("owner", "private", "active", "permit 5");
    check("owner", "shared", "active", "permit 5");
    check("friend", "private", "active", "404");
    check("friend", "shared", "active", "permit 5");
    check("other", "private", "active", "404");
    check("other", "shared", "active", "404");
    check("other", "public", "active", "permit 5");
    check("other", "community", "active", "permit 5");
    check("other", "a visibility of the future", "active", "404");
    check("other", "private", "deactivated", "404");
    check("other", "public", "deactivated", "403");
    check("owner", "private", "deactivated", "403");
    let ownerless = ImageRecord { owner: None, ..record("active", "private") };
    let other = Grant::member_of("other");
    assert_eq!(verdict(Some(Push::Image(ownerless)), true, &other), "permit 5");
}
