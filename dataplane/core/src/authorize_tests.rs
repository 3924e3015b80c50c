//! Who may download what, in Glance's order.

use super::*;
use crate::caller::Who;
use crate::testing::{admin, everybody, member_of, settings, with_roles};
use crate::time::Millis;
use crate::view::View;
use glint_image::{PushNumber, SessionId};
use glint_link::wire::{Attribute, AttributeValue, ImageRecord, Location, Push, Settings};

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
        attributes: Vec::new(),
    }
}

/// What comes of it, in one word.
fn verdict(push: Option<Push>, leased: bool, grant: &Grant) -> String {
    let id = ImageId::parse(ID).expect("a UUID");
    let mut view = View::new([1; 32]);
    view.grant_lease(Millis(10));
    view.apply(SessionId(1), PushNumber(1), &Push::Settings(everybody(grant.clone())));
    if let Some(push) = push {
        view.apply(SessionId(1), PushNumber(2), &push);
    }
    let now = if leased { Millis(9) } else { Millis(10) };
    match authorize(id, &view.sight(Who::Everybody, Some(id), now), grant) {
        Verdict::Permitted(permit) => format!("permit {:?}", permit.size_bytes().expect("a size")),
        Verdict::NoData => "no data".to_owned(),
        Verdict::Refused(fault) => fault.status.to_string(),
        Verdict::Resolve => "resolve".to_owned(),
    }
}

#[test]
fn status_decides_for_admins() {
    let admin = admin();
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
    let admin = admin();
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
        let got = verdict(Some(Push::Image(record)), true, &member_of(project));
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
    let other = member_of("other");
    assert_eq!(verdict(Some(Push::Image(ownerless)), true, &other), "permit 5");
}

/// The answer to a caller under rules of its own.
fn ruled(rules: &[(&str, &str)], record: ImageRecord, grant: &Grant) -> String {
    let id = ImageId::parse(ID).expect("a UUID");
    let mut view = View::new([1; 32]);
    view.grant_lease(Millis(10));
    let settings = Settings { everybody: Some(grant.clone()), ..settings(1, rules) };
    view.apply(SessionId(1), PushNumber(1), &Push::Settings(settings));
    view.apply(SessionId(1), PushNumber(2), &Push::Image(record));
    match authorize(id, &view.sight(Who::Everybody, Some(id), Millis(1)), grant) {
        Verdict::Refused(fault) => format!("{} {:?}", fault.status, fault.explanation),
        Verdict::Permitted(_) => "permit".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn policy_is_asked_after_sight_and_status() {
    let public = || record("active", "public");
    let refused = r#"403 Some("You are not authorized to complete download_image action.")"#;
    let hidden = "404 None";
    let check = |rules: &[(&str, &str)], record: ImageRecord, grant: &Grant, expected: &str| {
        assert_eq!(ruled(rules, record, grant), expected, "{rules:?}");
    };
    let member = member_of("other");
    check(&[("download_image", "!"), ("get_image", "@")], public(), &member, refused);
    check(&[("download_image", "!"), ("get_image", "!")], public(), &member, hidden);
    check(&[("get_image", "@")], public(), &member, refused);
    check(&[], public(), &admin(), hidden);
    check(&[("download_image", "role:member"), ("get_image", "!")], public(), &member, "permit");
    let reader = with_roles(&["reader"], Some("other"));
    check(&[("download_image", "role:member"), ("get_image", "@")], public(), &reader, refused);
    let out_of_scope = Grant { in_scope: false, ..admin() };
    check(&[("download_image", "@"), ("get_image", "@")], public(), &out_of_scope, hidden);
    // Status comes first, and sight before it.
    let deactivated = record("deactivated", "public");
    let none = [("download_image", "!"), ("get_image", "!")];
    assert!(ruled(&none, deactivated, &member).contains("deactivated"));
    let private = record("deactivated", "private");
    assert!(ruled(&none, private, &member).contains("No image found"));
    assert_eq!(ruled(&none, record("queued", "public"), &member), hidden);
}

#[test]
fn rules_compare_the_image_and_the_caller() {
    let check = |rule: &str, record: ImageRecord, grant: &Grant, expected: bool| {
        let got = ruled(&[("download_image", rule), ("get_image", "@")], record, grant);
        assert_eq!(got == "permit", expected, "{rule}: {got}");
    };
    let shared = || record("active", "shared");
    check("project_id:%(owner)s", shared(), &member_of("owner"), true);
    check("project_id:%(project_id)s", shared(), &member_of("friend"), false);
    check("project_id:%(member_id)s", shared(), &member_of("friend"), true);
    check("project_id:%(member)s", shared(), &member_of("owner"), false);
    check("'shared':%(visibility)s", shared(), &member_of("friend"), true);
    check("'public':%(visibility)s", shared(), &member_of("friend"), false);
    check(&format!("'{ID}':%(id)s"), shared(), &member_of("friend"), true);
    let color =
        Attribute { name: "color".to_owned(), value: AttributeValue::Text("red".to_owned()) };
    let red = ImageRecord { attributes: vec![color], ..shared() };
    check("'red':%(color)s", red.clone(), &member_of("friend"), true);
    check("'red':%(shape)s", red, &member_of("friend"), false);
    check("not 'red':%(color)s", shared(), &member_of("friend"), true);
}
