//! Patches as Glance's recorded answers read them, and pointers of every odd kind.

use serde_json::json;

use super::*;
use crate::image::tests::image;
use crate::property_protection::RuleFormat;
use glint_policy::glance::Sources;

const QUOTAS: Quotas = Quotas { properties: 3, tags: 2, locations: 3 };

/// Everything in order, and locations invisible.
fn measures(found: &std::collections::BTreeMap<String, locations::Place>) -> Measures<'_> {
    let locations = Terms {
        visible: false,
        hashing_algorithm: "sha512",
        storage: crate::quota::StorageQuota::NONE,
        used_by_others: 0,
        found,
    };
    Measures { quotas: QUOTAS, locations, protection: None }
}

fn anything(_: Value) -> Result<(), String> {
    Ok(())
}

/// Performs a patch on an image with the property `my`, by a caller who is no administrator.
fn patched(body: &Value, draft: Draft, status: Status) -> Result<Image, String> {
    let mut image = image();
    image.status = status;
    image.properties = vec![("my".into(), "x".into())];
    let changes = parse(body, draft, &anything).map_err(|refused| refused.to_string())?;
    let roles = vec!["member".to_owned(), "reader".to_owned()];
    let caller = Context { project: Some("proj-a".into()), roles, ..Context::default() };
    let files = vec!["publicize_image: '@'\ndelete_image_location: '@'".to_owned()];
    let sources = Sources { files, ..Sources::default() };
    let (policy, _) = Policy::new(sources, 1).expect("a policy file");
    let nothing = std::collections::BTreeMap::new();
    apply(image, &changes, &caller, &policy, measures(&nothing))
        .map_err(|refused| refused.to_string())
}

fn check_refused(body: Value, expected: &str) {
    let refused = patched(&body, Draft::V21, Status::Active).expect_err("to be refused");
    assert_eq!(refused, expected, "{body}");
}

#[test]
fn attributes_and_properties_change_in_order() {
    let body = json!([
        {"op": "replace", "path": "/name", "value": "renamed"},
        {"op": "add", "path": "/gone", "value": "y"},
        {"op": "add", "path": "/my", "value": "z"},
        {"op": "remove", "path": "/gone"},
        {"op": "replace", "path": "/tags", "value": ["x", "y", "x"]},
        {"op": "replace", "path": "/visibility", "value": "public"},
        {"op": "add", "path": "/ a~1b~0 ", "value": "w"},
    ]);
    let image = patched(&body, Draft::V21, Status::Active).expect("nothing is refused");
    assert_eq!(image.name.as_deref(), Some("renamed"));
    let expected = [("my", "z"), ("a/b~", "w")];
    assert_eq!(image.properties, expected.map(|(name, value)| (name.into(), value.into())));
    assert_eq!(image.tags, ["x", "y"]);
    assert_eq!(image.visibility, Visibility::Public);
}

#[test]
fn the_older_media_type_adds_only_what_is_not_there() {
    let check = |body: Value, expected: Result<(), &str>| {
        let found = patched(&body, Draft::V20, Status::Active).map(|_| ());
        assert_eq!(found.as_ref().map_err(String::as_str), expected.as_ref().map_err(|text| *text));
    };
    check(json!([{"replace": "/name", "value": "v20"}]), Ok(()));
    check(json!([{"add": "/x", "value": "1"}]), Ok(()));
    check(json!([{"add": "/my", "value": "1"}]), Err("Property my already present."));
    check(json!([{"add": "/name", "value": "1"}]), Err("Property name already present."));
    check(
        json!([{"add": "/x", "remove": "/x", "value": "1"}]),
        Err("Operation objects must contain only one member named \"add\", \"remove\", or \
             \"replace\"."),
    );
    check(
        json!([{"op": "add", "path": "/x"}]),
        Err("Operation objects must contain exactly one member named \"add\", \"remove\", or \
             \"replace\"."),
    );
}

#[test]
fn what_is_no_patch_is_refused() {
    check_refused(json!({}), "Request body must be a JSON array of operation objects.");
    check_refused(json!([5]), "Operations must be JSON objects.");
    check_refused(
        json!([{"op": "test", "path": "/name", "value": "x"}]),
        "Invalid operation: `test`. It must be one of the following: add, remove, replace.",
    );
    check_refused(
        json!([{"op": 5, "path": "/x"}]),
        "Invalid operation: `5`. It must be one of the following: add, remove, replace.",
    );
    check_refused(
        json!([{"op": null, "path": "/x"}]),
        "Unable to find `op` in JSON Schema change. \
         It must be one of the following: add, remove, replace.",
    );
    check_refused(
        json!([{"op": "add", "value": "x"}]),
        "Unable to find 'path' in JSON Schema change",
    );
    check_refused(
        json!([{"op": "add", "path": "/x"}]),
        "Operation \"add\" requires a member named \"value\".",
    );
}

#[test]
fn pointers_are_limited() {
    let check = |pointer: &str, expected: Result<&[&str], &str>| {
        let found = decode_pointer(pointer).map_err(|refused| refused.to_string());
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{pointer}"),
            (Err(found), Err(expected)) => {
                assert_eq!(found, format!("Pointer `{pointer}` {expected}"));
            }
            (found, expected) => panic!("{pointer}: {found:?}, expected {expected:?}"),
        }
    };
    check("/name", Ok(&["name"]));
    check("/", Ok(&[""]));
    check("//a", Ok(&["a"]));
    check("/a/b", Ok(&["a", "b"]));
    check("/a~01", Ok(&["a~1"]));
    check("name", Err("does not start with \"/\"."));
    check("", Err("does not start with \"/\"."));
    check("/a//b", Err("contains adjacent \"/\"."));
    check("/a/ /b", Err("contains adjacent \"/\"."));
    check("/a/", Err("end with \"/\"."));
    check("//", Err("end with \"/\"."));
    check("// ", Err("does not contains valid token."));
    check("/a~2", Err("contains \"~\" not part of a recognized escape sequence."));
    check("/a~", Err("contains \"~\" not part of a recognized escape sequence."));
    check_refused(
        json!([{"op": "add", "path": "/a/b", "value": "x"}]),
        "Invalid JSON pointer for this resource: '/a/b'",
    );
    check_refused(
        json!([{"op": "add", "path": "/tags/-", "value": "x"}]),
        "Invalid JSON pointer for this resource: '/tags/-'",
    );
    check_refused(
        json!([{"op": "add", "path": "/locations", "value": []}]),
        "Invalid JSON pointer for this resource: '/locations'",
    );
}

#[test]
fn protected_names_and_missing_ones_are_refused() {
    let set = |path: &str, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
    check_refused(set("/size", json!(1)), "Attribute 'size' is read-only.");
    check_refused(set("/os_glance_x", json!("x")), "Attribute 'os_glance_x' is reserved.");
    check_refused(set("/deleted", json!("x")), "Attribute 'deleted' is reserved.");
    check_refused(set("/gone", json!("1")), "Property gone does not exist.");
    check_refused(json!([{"op": "remove", "path": "/gone"}]), "Property gone does not exist.");
    check_refused(json!([{"op": "remove", "path": "/name"}]), "Property name may not be removed.");
    check_refused(set("/owner", json!("z")), "Owner can't be updated by non admin.");
    check_refused(
        set("/disk_format", json!("qcow2")),
        "Attribute disk_format can be only replaced for a queued image.",
    );
    check_refused(set("/locations", json!([])), "Cannot set locations to empty list.");
    check_refused(
        json!([{"op": "remove", "path": "/locations/0"}]),
        "It's not allowed to remove locations if locations are invisible.",
    );
}

#[test]
fn values_and_quotas_are_checked_behind_the_schema() {
    let set = |path: &str, value: Value| json!([{"op": "add", "path": path, "value": value}]);
    check_refused(
        set("/min_ram", json!(2_147_483_648_i64)),
        "'min_ram' value out of range, must not exceed 2147483647.",
    );
    check_refused(
        set("/min_ram", json!(-5)),
        "Invalid value '-5' for parameter 'min_ram': Cannot be a negative value",
    );
    check_refused(set("/my", json!("\u{1f600}")), "My can't contain 4 byte unicode characters.");
    check_refused(
        set("/tags", json!(["a", "b", "c"])),
        "The limit has been exceeded on the number of allowed image tags. \
         Attempted: 3, Maximum: 2",
    );
    let three = json!([
        {"op": "add", "path": "/a", "value": ""},
        {"op": "add", "path": "/b", "value": ""},
        {"op": "add", "path": "/c", "value": ""},
    ]);
    check_refused(
        three,
        "The limit has been exceeded on the number of allowed image properties. \
         Attempted: 4, Maximum: 3",
    );
}

#[test]
fn formats_may_change_while_the_image_is_queued() {
    let body = json!([{"op": "replace", "path": "/disk_format", "value": "qcow2"}]);
    let image = patched(&body, Draft::V21, Status::Queued).expect("nothing is refused");
    assert_eq!(image.disk_format.as_deref(), Some("qcow2"));
}

#[test]
fn the_schema_sees_an_image_of_one_attribute() {
    let seen = std::cell::RefCell::new(Vec::new());
    let schema = |value: Value| {
        seen.borrow_mut().push(value);
        Err("no".to_owned())
    };
    let body = json!([{"op": "add", "path": "/locations/-", "value": {"url": "x"}}]);
    assert_eq!(parse(&body, Draft::V21, &schema), Err(ParseRefused::Schema("no".into())));
    assert_eq!(seen.into_inner(), [json!({"locations": [{"url": "x"}]})]);
}

#[test]
fn protected_properties_change_as_their_rules_say() {
    let section = |name: &str, [create, read, update, delete]: [&str; 4]| {
        format!("[{name}]\ncreate={create}\nread={read}\nupdate={update}\ndelete={delete}\n")
    };
    let file = section("^seen$", ["!", "@", "!", "!"])
        + &section("^mine$", ["member", "member", "member", "member"])
        + &section("^hidden$", ["@", "!", "@", "@"])
        + &section("^closed$", ["!", "!", "!", "!"]);
    let rules = PropertyRules::parse(&file, RuleFormat::Roles).expect("a good file");
    let nothing = std::collections::BTreeMap::new();
    let check = |operation: Value, expected: Result<&[&str], &str>| {
        let mut image = image();
        let names = ["seen", "mine", "hidden", "closed"];
        image.properties = names.map(|name| (name.to_owned(), "old".to_owned())).to_vec();
        let body = json!([operation]);
        let changes = parse(&body, Draft::V21, &anything).expect("a good patch");
        let roles = vec!["member".to_owned()];
        let caller = Context { project: Some("proj-a".into()), roles, ..Context::default() };
        let measures = Measures { protection: Some(&rules), ..measures(&nothing) };
        let quotas = Quotas { properties: -1, ..QUOTAS };
        let measures = Measures { quotas, ..measures };
        let found = apply(image, &changes, &caller, &Policy::defaults(), measures);
        let found = found.map_err(|refused| refused.to_string()).map(|image| {
            image.properties.iter().map(|(name, value)| format!("{name} {value}")).collect()
        });
        let found: Result<Vec<String>, String> = found;
        let expected = expected.map(|all| all.iter().map(|&each| each.to_owned()).collect());
        assert_eq!(found, expected.map_err(str::to_owned), "{operation}");
    };
    let op = |op: &str, name: &str| json!({"op": op, "path": format!("/{name}"), "value": "new"});
    for (name, refused) in [("seen", "Attribute 'seen' is reserved."), ("other", "")] {
        for each in ["add", "replace", "remove"] {
            let text = match (name, each) {
                ("seen", _) => refused,
                (_, "add") => "Attribute 'other' is reserved.",
                _ => "Property other does not exist.",
            };
            check(op(each, name), Err(text));
        }
    }
    check(op("add", "mine"), Ok(&["seen old", "mine new", "hidden old", "closed old"]));
    check(op("replace", "mine"), Ok(&["seen old", "mine new", "hidden old", "closed old"]));
    check(op("remove", "mine"), Ok(&["seen old", "hidden old", "closed old"]));
    // What is hidden is not there: it can be made where that is allowed, and nothing else.
    check(op("replace", "hidden"), Err("Property hidden does not exist."));
    check(op("remove", "hidden"), Err("Property hidden does not exist."));
    check(op("add", "hidden"), Ok(&["seen old", "mine old", "hidden new", "closed old"]));
    check(op("add", "closed"), Err("Attribute 'closed' is reserved."));
    check(op("remove", "closed"), Err("Property closed does not exist."));
    check(op("replace", "name"), Ok(&["seen old", "mine old", "hidden old", "closed old"]));
}
