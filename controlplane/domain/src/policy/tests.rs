//! Roles, owners and visibility against Glance's defaults, and rules of every kind of attribute.

use super::*;
use crate::image::tests::image;
use crate::metadefs::access::Action;
use crate::metadefs::{Namespace, NamespaceFields, NamespaceId, NamespaceVisibility};
use time::macros::datetime;

/// A caller as Keystone describes one: a role implies those below it.
fn of(project: &str, role: &str) -> Context {
    const ORDER: [&str; 4] = ["admin", "manager", "member", "reader"];
    let from = ORDER.iter().position(|each| *each == role).unwrap_or(ORDER.len());
    let roles = ORDER[from..].iter().map(|each| (*each).to_owned()).collect();
    let mut caller = Context { project: Some(project.to_owned()), roles, ..Context::default() };
    caller.is_admin = Policy::defaults().is_admin(&caller);
    caller
}

fn policy(file: &str, enforce_new_defaults: bool) -> Policy {
    let files = vec![file.to_owned()];
    let sources = Sources { files, enforce_new_defaults, ..Sources::default() };
    Policy::new(sources, 1).expect("a policy file").0
}

fn not_authorized(policy: &str) -> Result<(), PolicyRefused> {
    Err(PolicyRefused::NotAuthorized(policy.to_owned()))
}

const HIDDEN: Result<(), PolicyRefused> = Err(PolicyRefused::Hidden);

#[test]
fn roles_decide_by_the_defaults() {
    let policy = Policy::defaults();
    let mut image = image();
    image.visibility = Visibility::Private;
    let check = |caller: &Context, read: Result<(), PolicyRefused>, delete| {
        let asked = policy.image(caller, &image);
        assert_eq!((asked.get_image(), asked.delete_image()), (read, delete), "{caller:?}");
    };
    check(&of("proj-a", "admin"), Ok(()), Ok(()));
    check(&of("proj-b", "admin"), Ok(()), Ok(()));
    check(&of("proj-a", "member"), Ok(()), Ok(()));
    check(&of("proj-a", "reader"), Ok(()), not_authorized("delete_image"));
    check(&of("proj-a", "auditor"), HIDDEN, HIDDEN);
    check(&of("proj-b", "member"), HIDDEN, HIDDEN);
    check(&Context::unauthenticated(), Ok(()), Ok(()));
    let system = Context { system_scope: Some("all".to_owned()), ..of("proj-a", "admin") };
    check(&system, HIDDEN, HIDDEN);
}

#[test]
fn members_are_those_who_see_what_another_shares() {
    let policy = policy("get_image: 'project_id:%(member_id)s'", true);
    let mut image = image();
    let check = |image: &Image, project: &str, expected: bool| {
        assert_eq!(policy.image(&of(project, "reader"), image).sees(), expected, "{project}");
    };
    check(&image, "proj-b", true);
    check(&image, "proj-a", false);
    image.visibility = Visibility::Public;
    check(&image, "proj-b", false);
}

#[test]
fn rules_may_ask_for_every_attribute_and_property() {
    let mut image = image();
    image.properties.push(("os_distro".to_owned(), "debian".to_owned()));
    image.tags.push("blue".to_owned());
    let check = |rule: &str, expected: bool| {
        let policy = policy(&format!("get_image: \"{rule}\""), true);
        assert_eq!(policy.image(&of("proj-a", "reader"), &image).sees(), expected, "{rule}");
    };
    check("'debian':%(os_distro)s", true);
    check("'debian':%(os_version)s", false);
    check("'queued':%(status)s and False:%(protected)s and 0:%(min_disk)s", true);
    check("None:%(disk_format)s and None:%(size)s", true);
    check("'9191ce3a-f1bf-4d56-838f-835540663deb':%(id)s", true);
    check("user_id:%(owner)s or @ and is_admin_project:True", true);
}

#[test]
fn creating_is_for_the_own_project_and_public_images_for_administrators() {
    let defaults = Policy::defaults();
    let check = |role: &str, owner, visibility, expected| {
        let caller = of("proj-a", role);
        let found = defaults.new_image(&caller, owner, visibility).add_image();
        assert_eq!(found, expected, "{role} {owner:?} {visibility:?}");
    };
    let foreign = |owner: &str| Err(PolicyRefused::ForeignOwner(owner.to_owned()));
    let own = Some("proj-a");
    check("member", own, None, Ok(()));
    check("reader", own, None, not_authorized("add_image"));
    check("member", Some("proj-b"), None, foreign("proj-b"));
    check("member", None, None, foreign("None"));
    check("admin", Some("proj-b"), Some(Visibility::Public), Ok(()));
    check("member", own, Some(Visibility::Community), Ok(()));
    check("member", own, Some(Visibility::Public), not_authorized("publicize_image"));
}

#[test]
fn without_the_new_defaults_owners_are_checked_beside_the_rules() {
    let old = policy("{}", false);
    let image = image();
    let (owner, other) = (of("proj-a", "nobody"), of("proj-b", "nobody"));
    assert_eq!(old.image(&owner, &image).delete_image(), Ok(()));
    assert_eq!(old.image(&other, &image).delete_image(), Err(PolicyRefused::NotOwner));
    assert_eq!(old.image(&other, &image).get_image(), Ok(()));
    let foreign = Err(PolicyRefused::LegacyForeignOwner("proj-a".to_owned()));
    assert_eq!(old.new_image(&other, Some("proj-a"), None).add_image(), foreign);
    assert_eq!(old.new_image(&owner, Some("proj-a"), None).add_image(), Ok(()));
}

#[test]
fn member_checks_ask_for_the_image_first() {
    let defaults = Policy::defaults();
    let image = image();
    let check = |caller: &Context, add, modify| {
        let asked = defaults.members(caller, &image);
        assert_eq!((asked.add_member(), asked.modify_member()), (add, modify), "{caller:?}");
    };
    check(&of("proj-a", "member"), Ok(()), not_authorized("modify_member"));
    check(&of("proj-b", "member"), not_authorized("add_member"), Ok(()));
    check(&of("proj-b", "auditor"), HIDDEN, HIDDEN);
}

#[test]
fn visibility_has_policies_of_its_own() {
    let defaults = Policy::defaults();
    let image = image();
    let check = |role: &str, visibility, expected| {
        let caller = of("proj-a", role);
        let found = defaults.image(&caller, &image).update_property(visibility);
        assert_eq!(found, expected, "{role} {visibility:?}");
    };
    check("member", Some(Visibility::Public), not_authorized("publicize_image"));
    check("member", Some(Visibility::Community), Ok(()));
    check("admin", Some(Visibility::Public), Ok(()));
    check("reader", Some(Visibility::Private), not_authorized("modify_image"));
}

fn namespace(visibility: NamespaceVisibility) -> Namespace {
    let owner = "proj-a".to_owned();
    Namespace {
        id: NamespaceId(1),
        fields: NamespaceFields { visibility, owner, ..NamespaceFields::default() },
        created_at: datetime!(2026-11-21 05:54:39),
        updated_at: None,
    }
}

#[test]
fn refusals_about_namespaces_tell_only_those_who_may_read() {
    let defaults = Policy::defaults();
    let check = |caller: &Context, action: Action, visibility, expected| {
        let found = defaults.metadefs(caller, Some(&namespace(visibility))).enforce(action);
        assert_eq!(found, expected, "{caller:?} {action:?}");
    };
    let delete = || not_authorized("delete_metadef_tag");
    let (public, private) = (NamespaceVisibility::Public, NamespaceVisibility::Private);
    check(&of("proj-a", "reader"), Action::GetTag, private, Ok(()));
    check(&of("proj-a", "reader"), Action::DeleteTag, private, delete());
    check(&of("proj-b", "reader"), Action::GetTag, public, Ok(()));
    check(&of("proj-b", "reader"), Action::DeleteTag, public, delete());
    check(&of("proj-b", "reader"), Action::DeleteTag, private, HIDDEN);
    check(&of("proj-a", "auditor"), Action::GetTag, public, HIDDEN);
    check(&Context::unauthenticated(), Action::DeleteTag, private, Ok(()));
    let without = |action| defaults.metadefs(&of("proj-a", "reader"), None).enforce(action);
    assert_eq!(without(Action::AddNamespace), not_authorized("add_metadef_namespace"));
    assert_eq!(without(Action::GetNamespaces), Ok(()));
}

#[test]
fn who_is_administrator_is_a_rule_too() {
    let by_user = policy("context_is_admin: 'user_id:root or role:boss'", true);
    let root = Context { user: Some("root".to_owned()), ..Context::default() };
    assert!(by_user.is_admin(&root) && !by_user.is_admin(&of("p", "admin")));
    assert_eq!(by_user.tasks_api_access(&root), Ok(()));
    assert_eq!(Policy::defaults().tasks_api_access(&root), not_authorized("tasks_api_access"));
}
