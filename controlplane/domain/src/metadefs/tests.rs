//! Tests of reading bodies. Expectations are what Glance 33 answered or stored.

use serde_json::json;

use super::*;

const SMILE: &str = "\u{1f600}";

#[test]
fn attributes_are_put_in_order_and_into_their_types() {
    let check = |kind: Kind, given: Value, expected: Value| {
        let read = body::read(kind, &given).expect("the body is good");
        assert_eq!(Value::Object(read).to_string(), expected.to_string(), "{given}");
    };
    check(
        Kind::Property,
        json!({"items": {"enum": ["a", null], "type": "string"}, "maximum": 7.9, "minimum": -1.5,
            "maxLength": 2.0, "default": 5, "title": "T", "type": "string", "name": "n"}),
        json!({"name": "n", "type": "string", "title": "T", "default": "5", "minimum": -1,
            "maximum": 7, "maxLength": 2, "items": {"type": "string", "enum": ["a", null]}}),
    );
    check(
        Kind::Namespace,
        json!({"tags": [{"updated_at": "u", "name": "t"}],
            "objects": [{"schema": "s", "name": "o"}],
            "properties": {"b": {"title": "B", "type": "string", "confidential": "yes"}},
            "namespace": "N"}),
        json!({"namespace": "N",
            "properties": {"b": {"type": "string", "title": "B", "confidential": true}},
            "objects": [{"name": "o", "schema": "s"}], "tags": [{"name": "t", "updated_at": "u"}]}),
    );
}

#[test]
fn defaults_become_text() {
    let check = |given: Value, expected: Value| {
        let given = json!({"type": "string", "title": "T", "default": given});
        let read = body::read(Kind::Property, &given).expect("the body is good");
        assert_eq!(read["default"], expected, "{given}");
    };
    check(json!("a"), json!("a"));
    check(json!(-7), json!("-7"));
    check(json!(1.0), json!("1.0"));
    check(json!(1e30), json!("1e+30"));
    check(json!(1e-7), json!("1e-07"));
    check(json!(true), json!("True"));
    check(json!(null), json!(null));
    check(json!(["a"]), json!(null));
    check(json!({"a": 1}), json!(null));
}

#[test]
fn what_glance_fails_on_is_refused() {
    let check = |kind: Kind, given: Value, expected: &str| {
        let refused = body::read(kind, &given).expect_err("the body is to be refused");
        assert_eq!(refused.to_string(), expected, "{given}");
    };
    let property = |name: &str, value: Value| {
        let mut property = json!({"type": "string", "title": "T"});
        property[name] = value;
        property
    };
    check(Kind::Object, json!([]), "Unexpected body type. Expected dict.");
    check(Kind::Tags, json!({}), "Attribute 'tags' is required.");
    check(
        Kind::Namespace,
        json!({"namespace": "N", "tags": [{"zebra": 1}]}),
        "Unknown attribute 'zebra'.",
    );
    check(
        Kind::Namespace,
        json!({"namespace": "N", "objects": [{"description": "d"}]}),
        "Attribute 'name' is required.",
    );
    check(Kind::Property, property("required", json!(["a"])), "Unknown attribute 'required'.");
    check(Kind::Property, property("items", json!({})), "Attribute 'type' is required.");
    check(
        Kind::Property,
        property("enum", json!([1])),
        "Invalid value for attribute 'enum': expected a list of strings.",
    );
    check(
        Kind::Property,
        property("confidential", json!("maybe")),
        "Invalid value for attribute 'confidential': expected a boolean.",
    );
    check(
        Kind::Property,
        property("maximum", json!(1e30)),
        "Invalid value for attribute 'maximum': expected an integer of 64 bits.",
    );
    check(
        Kind::Property,
        property("default", json!("\u{e4}")),
        "Error decoding your request. Either the URL or the request body contained characters \
         that could not be decoded by Glance",
    );
}

#[test]
fn read_only_attributes_may_not_be_mentioned() {
    let check = |kind: Kind, given: Value, expected: Option<&str>| {
        let found = body::check_allowed(kind, &given).err().map(|refused| refused.to_string());
        assert_eq!(found.as_deref(), expected, "{given}");
    };
    let own = Some("Attribute 'self' is read-only.");
    let created = Some("Attribute 'created_at' is read-only.");
    check(Kind::Namespace, json!({"self": 1, "created_at": 1}), own);
    check(Kind::Object, json!(["self"]), own);
    check(Kind::Property, json!({"self": 1}), None);
    check(Kind::Tags, json!({"created_at": null}), created);
    check(Kind::Tag, json!([["created_at"]]), None);
}

#[test]
fn rows_are_read_leniently() {
    let stored = json!({"zebra": 1, "title": "T", "enum": [1], "type": "string", "minimum": 1.5});
    let read = body::stored_property(stored.as_object().expect("an object"));
    let expected = json!({"type": "string", "title": "T", "minimum": 1});
    assert_eq!(Value::Object(read).to_string(), expected.to_string());
}

#[test]
fn what_is_absent_is_preset() {
    let check = |caller: &Context, given: Value, expected: NamespaceFields| {
        let body = body::read(Kind::Namespace, &given).expect("the body is good");
        assert_eq!(NamespaceFields::of(&body, caller), expected, "{given}");
    };
    let project = |project: &str| Context { project: Some(project.into()), ..Context::default() };
    let named = |owner: &str| NamespaceFields {
        name: "N".into(),
        owner: owner.into(),
        ..NamespaceFields::default()
    };
    check(&project("p"), json!({"namespace": "N"}), named("p"));
    check(&project("p"), json!({"namespace": "N", "owner": "q"}), named("q"));
    check(&Context::unauthenticated(), json!({"namespace": "N"}), named(""));
}

#[test]
fn four_byte_characters_are_refused_where_glance_looks_for_them() {
    let check = |given: Value, expected: Option<&'static str>| {
        let body = body::read(Kind::Namespace, &given).expect("the body is good");
        let new = NewNamespace::of(&body, &Context::unauthenticated());
        assert_eq!(new.check_characters().err(), expected.map(FourByte), "{given}");
    };
    let property = json!({"type": "string", "title": SMILE});
    let plain = json!({"type": "string", "title": "T", "enum": [SMILE]});
    check(json!({"namespace": "N", "display_name": SMILE, "owner": SMILE}), Some("display_name"));
    check(json!({"namespace": "N", "properties": {"p": property}}), Some("title"));
    check(json!({"namespace": "N", "properties": {SMILE: plain}}), Some("name"));
    check(json!({"namespace": "N", "objects": [{"name": SMILE}]}), Some("name"));
    check(
        json!({"namespace": "N", "objects": [{"name": "o", "required": [SMILE]}]}),
        Some("required"),
    );
    check(
        json!({"namespace": "N", "objects": [{"name": "o", "properties": {"p": property}}]}),
        Some("title"),
    );
    check(json!({"namespace": "N", "tags": [{"name": SMILE}]}), Some("name"));
    check(
        json!({"namespace": "N", "objects": [{"name": "o", "properties": {SMILE: plain}}],
            "resource_type_associations": [{"name": SMILE, "prefix": SMILE}]}),
        None,
    );
}

#[test]
fn a_property_shows_its_name_in_the_namespace() {
    let schema = json!({"name": "old", "type": "string", "title": "T"});
    let schema = schema.as_object().cloned().expect("an object");
    let property = Property { name: "new".into(), schema };
    let expected = json!({"name": "new", "type": "string", "title": "T"});
    assert_eq!(Value::Object(property.shown()).to_string(), expected.to_string());
}
