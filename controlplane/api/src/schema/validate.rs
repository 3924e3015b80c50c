//! The part of JSON Schema that Glance's documents use, with the error texts of `jsonschema` 4.
//!
//! Knows `type`, `enum`, `minLength`, `maxLength`, `pattern` (only the one that UUIDs have),
//! `minimum`, `minItems`, `uniqueItems`, `items`, `properties`, `additionalProperties`, `required`,
//! `dependentRequired`, `allOf` and `$ref` to the document's own definitions; other keywords describe and do not check,
//! as in the documents. Invariant: which of several errors is told is decided as by
//! `jsonschema.exceptions.best_match`.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use glint_image::{ImageId, limits};
use serde_json::{Map, Value};

use super::python::{pretty, repr, repr_text};

/// A step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Item(usize),
    Member(String),
}

/// An error, with what its text is made of.
struct Failure<'a> {
    message: String,
    keyword: &'static str,
    path: Vec<Step>,
    schema_path: Vec<Step>,
    schema: &'a Value,
    instance: &'a Value,
}

/// Checks a document; the error is the text after `Provided object does not match schema '…': `.
pub(crate) fn validate(schema: &Value, instance: &Value) -> Result<(), String> {
    let mut walk = Walk { root: schema, best: None, path: Vec::new(), schema_path: Vec::new() };
    walk.check(schema, instance);
    match walk.best {
        None => Ok(()),
        Some(failure) => Err(failure.text()),
    }
}

struct Walk<'a> {
    /// The whole document, to which references refer.
    root: &'a Value,
    best: Option<Failure<'a>>,
    path: Vec<Step>,
    schema_path: Vec<Step>,
}

impl<'a> Walk<'a> {
    fn check(&mut self, schema: &'a Value, instance: &'a Value) {
        let Some(keywords) = schema.as_object() else { return };
        for (keyword, wanted) in keywords {
            match (keyword.as_str(), instance) {
                ("items", Value::Array(items)) => {
                    self.schema_path.push(Step::Member("items".to_owned()));
                    for (at, item) in items.iter().enumerate() {
                        self.path.push(Step::Item(at));
                        self.check(wanted, item);
                        self.path.pop();
                    }
                    self.schema_path.pop();
                }
                ("properties", Value::Object(members)) => {
                    self.check_properties(wanted, members);
                }
                ("additionalProperties", Value::Object(members)) => {
                    self.check_additional(schema, keywords, wanted, instance, members);
                }
                ("required", Value::Object(members)) => {
                    let names = wanted.as_array().into_iter().flatten().filter_map(Value::as_str);
                    for name in names.filter(|name| !members.contains_key(*name)) {
                        let message = format!("{} is a required property", repr_text(name));
                        self.report("required", message, schema, instance);
                    }
                }
                ("dependentRequired", Value::Object(members)) => {
                    self.check_dependent(wanted, members, schema, instance);
                }
                ("allOf", _) => {
                    self.schema_path.push(Step::Member("allOf".to_owned()));
                    for (at, each) in wanted.as_array().into_iter().flatten().enumerate() {
                        self.schema_path.push(Step::Item(at));
                        self.check(each, instance);
                        self.schema_path.pop();
                    }
                    self.schema_path.pop();
                }
                // What is referred to takes the place of the reference, in the path too.
                ("$ref", _) => self.check(self.definition(wanted), instance),
                _ => self.check_value(keyword, wanted, schema, instance),
            }
        }
    }

    /// The keywords that look at one value and not into it.
    fn check_value(
        &mut self,
        keyword: &str,
        wanted: &'a Value,
        schema: &'a Value,
        instance: &'a Value,
    ) {
        match (keyword, instance) {
            ("type", _) if !types(wanted).any(|kind| is_type(instance, kind)) => {
                let kinds: Vec<String> = types(wanted).map(repr_text).collect();
                let what = format!("is not of type {}", kinds.join(", "));
                self.fail("type", &what, schema, instance);
            }
            ("enum", _) if !wanted.as_array().is_some_and(|all| all.contains(instance)) => {
                let what = format!("is not one of {}", repr(wanted));
                self.fail("enum", &what, schema, instance);
            }
            ("maxLength", Value::String(text)) if length(text) > bound(wanted) => {
                self.fail("maxLength", "is too long", schema, instance);
            }
            ("minLength", Value::String(text)) if length(text) < bound(wanted) => {
                self.fail("minLength", "is too short", schema, instance);
            }
            // The only pattern in Glance's documents is that of a UUID.
            ("pattern", Value::String(text)) if ImageId::parse(text).is_err() => {
                let what = format!("does not match {}", repr(wanted));
                self.fail("pattern", &what, schema, instance);
            }
            ("minimum", Value::Number(number)) if number.as_f64() < wanted.as_f64() => {
                let what = format!("is less than the minimum of {}", repr(wanted));
                self.fail("minimum", &what, schema, instance);
            }
            // Glance's documents know no other least number of items than one.
            ("minItems", Value::Array(items)) if (items.len() as u64) < bound(wanted) => {
                self.fail("minItems", "should be non-empty", schema, instance);
            }
            ("uniqueItems", Value::Array(items)) if *wanted == true && !are_unique(items) => {
                self.fail("uniqueItems", "has non-unique elements", schema, instance);
            }
            _ => {}
        }
    }

    fn definition(&self, reference: &Value) -> &'a Value {
        let pointer = reference.as_str().and_then(|reference| reference.strip_prefix('#'));
        let found = pointer.and_then(|pointer| self.root.pointer(pointer));
        found.expect("the documents refer to their own definitions")
    }

    fn check_properties(&mut self, schemas: &'a Value, members: &'a Map<String, Value>) {
        self.schema_path.push(Step::Member("properties".to_owned()));
        for (name, schema) in schemas.as_object().into_iter().flatten() {
            if let Some(member) = members.get(name) {
                self.path.push(Step::Member(name.clone()));
                self.schema_path.push(Step::Member(name.clone()));
                self.check(schema, member);
                self.schema_path.pop();
                self.path.pop();
            }
        }
        self.schema_path.pop();
    }

    fn check_dependent(
        &mut self,
        wanted: &Value,
        members: &Map<String, Value>,
        schema: &'a Value,
        instance: &'a Value,
    ) {
        for (name, needed) in wanted.as_object().into_iter().flatten() {
            let needed = needed.as_array().into_iter().flatten().filter_map(Value::as_str);
            for other in needed.filter(|other| !members.contains_key(*other)) {
                if members.contains_key(name) {
                    let (other, name) = (repr_text(other), repr_text(name));
                    let message = format!("{other} is a dependency of {name}");
                    self.report("dependentRequired", message, schema, instance);
                }
            }
        }
    }

    fn check_additional(
        &mut self,
        schema: &'a Value,
        keywords: &'a Map<String, Value>,
        wanted: &'a Value,
        instance: &'a Value,
        members: &'a Map<String, Value>,
    ) {
        let known = keywords.get("properties").and_then(Value::as_object);
        let extra = members
            .iter()
            .filter(|(name, _)| !known.is_some_and(|known| known.contains_key(*name)));
        if *wanted == Value::Bool(false) {
            let mut names: Vec<&String> = extra.map(|(name, _)| name).collect();
            names.sort_unstable();
            let names: Vec<String> = names.into_iter().map(|name| repr_text(name)).collect();
            if !names.is_empty() {
                let verb = if names.len() == 1 { "was" } else { "were" };
                let message = format!(
                    "Additional properties are not allowed ({} {verb} unexpected)",
                    names.join(", ")
                );
                self.report("additionalProperties", message, schema, instance);
            }
            return;
        }
        self.schema_path.push(Step::Member("additionalProperties".to_owned()));
        for (name, member) in extra {
            self.path.push(Step::Member(name.clone()));
            self.check(wanted, member);
            self.path.pop();
        }
        self.schema_path.pop();
    }

    fn fail(&mut self, keyword: &'static str, what: &str, schema: &'a Value, instance: &'a Value) {
        // Only the best failure is told: the others need no text.
        if self.is_better(schema, instance) {
            let message = format!("{} {what}", quoted(instance, repr));
            self.report(keyword, message, schema, instance);
        }
    }

    fn report(
        &mut self,
        keyword: &'static str,
        message: String,
        schema: &'a Value,
        instance: &'a Value,
    ) {
        if self.is_better(schema, instance) {
            self.best = Some(Failure {
                message,
                keyword,
                path: self.path.clone(),
                schema_path: self.schema_path.clone(),
                schema,
                instance,
            });
        }
    }

    /// `best_match` with its default key: the shortest path; of these the last in order; of these
    /// one whose value has not even the schema's type; of these the first found.
    fn is_better(&self, schema: &Value, instance: &Value) -> bool {
        let Some(best) = &self.best else { return true };
        let order = best.path.len().cmp(&self.path.len()).then_with(|| self.path.cmp(&best.path));
        let mismatch = |schema: &Value, instance: &Value| {
            !schema
                .get("type")
                .is_some_and(|kinds| types(kinds).any(|kind| is_type(instance, kind)))
        };
        let order = order
            .then_with(|| mismatch(schema, instance).cmp(&mismatch(best.schema, best.instance)));
        order == Ordering::Greater
    }
}

impl Failure<'_> {
    /// `jsonschema.ValidationError.__str__`.
    fn text(&self) -> String {
        format!(
            "{}\n\nFailed validating {} in {}:\n    {}\n\nOn {}:\n    {}",
            self.message,
            repr_text(self.keyword),
            indexed("schema", &self.schema_path),
            pretty(self.schema, 4),
            indexed("instance", &self.path),
            quoted(self.instance, |instance| pretty(instance, 4)),
        )
    }
}

/// A value's text, unless it is so large that quoting it would be a burden.
fn quoted(instance: &Value, print: impl Fn(&Value) -> String) -> String {
    let mut left = limits::QUOTED_VALUE_BYTES_MAX;
    if fits(instance, &mut left) { print(instance) } else { "<a value too long to quote>".into() }
}

/// Whether a value's text is roughly within a budget; stops looking where it is not.
fn fits(value: &Value, left: &mut usize) -> bool {
    let own = 8 + value.as_str().map_or(0, str::len);
    let Some(rest) = left.checked_sub(own) else { return false };
    *left = rest;
    match value {
        Value::Array(items) => items.iter().all(|item| fits(item, left)),
        Value::Object(members) => members.iter().all(|(name, member)| {
            *left = left.saturating_sub(name.len());
            fits(member, left)
        }),
        _ => true,
    }
}

fn indexed(container: &str, path: &[Step]) -> String {
    path.iter().fold(container.to_owned(), |text, step| match step {
        Step::Item(at) => format!("{text}[{at}]"),
        Step::Member(name) => format!("{text}[{}]", repr_text(name)),
    })
}

fn types(wanted: &Value) -> impl Iterator<Item = &str> {
    let many = wanted.as_array().into_iter().flatten().filter_map(Value::as_str);
    wanted.as_str().into_iter().chain(many)
}

fn is_type(instance: &Value, kind: &str) -> bool {
    match (kind, instance) {
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("string", Value::String(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_))
        | ("number", Value::Number(_)) => true,
        ("integer", Value::Number(number)) => {
            !number.is_f64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
        }
        _ => false,
    }
}

/// Whether no item is there twice; their texts are compared.
fn are_unique(items: &[Value]) -> bool {
    let mut seen = BTreeSet::new();
    items.iter().all(|item| seen.insert(item.to_string()))
}

/// Lengths are in characters.
fn length(text: &str) -> u64 {
    text.chars().count() as u64
}

fn bound(wanted: &Value) -> u64 {
    wanted.as_u64().expect("the length bounds of the documents are small integers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ApiOptions;
    use crate::schema::document;
    use serde_json::json;

    fn check(instance: Value, expected: &str) {
        let schema = document::image(&ApiOptions::default());
        let found = validate(&schema, &instance).err().unwrap_or_default();
        assert_eq!(found, expected, "{instance}");
    }

    #[test]
    fn documents_that_fit_pass() {
        check(json!({}), "");
        check(json!({"min_ram": 1.0, "name": null, "tags": [], "p": "x", "size": null}), "");
        check(json!({"name": "\u{e9}".repeat(255)}), "");
        check(json!([]), "");
    }

    #[test]
    fn errors_read_as_glances() {
        // Each text was taken from Glance 33.
        check(
            json!({"name": 5}),
            "5 is not of type 'null', 'string'\n\nFailed validating 'type' in \
             schema['properties']['name']:\n    {'type': ['null', 'string'],\n     \
             'description': 'Descriptive name for the image',\n     'maxLength': 255}\n\n\
             On instance['name']:\n    5",
        );
        check(
            json!({"p": {"a": [1, 2, {"b": null}], "c": "it's", "d": 1.5e20}}),
            "{'a': [1, 2, {'b': None}], 'c': \"it's\", 'd': 1.5e+20} is not of type 'string'\n\n\
             Failed validating 'type' in schema['additionalProperties']:\n    {'type': 'string'}\
             \n\nOn instance['p']:\n    {'a': [1, 2, {'b': None}], 'c': \"it's\", 'd': 1.5e+20}",
        );
        check(
            json!({"id": "x"}),
            "'x' does not match '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-\
             ([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$'\n\nFailed validating 'pattern' in \
             schema['properties']['id']:\n    {'type': 'string',\n     'description': 'An \
             identifier for the image',\n     'pattern': '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-\
             ([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$'}\n\nOn instance['id']:\n    'x'",
        );
    }

    #[test]
    fn of_several_errors_the_one_glance_tells_is_told() {
        check(
            json!({"name": 5, "visibility": "x"}),
            "'x' is not one of ['community', 'public', 'private', 'shared']\n\nFailed validating \
             'enum' in schema['properties']['visibility']:\n    {'type': 'string',\n     \
             'description': 'Scope of image accessibility',\n     'enum': ['community', 'public', \
             'private', 'shared']}\n\nOn instance['visibility']:\n    'x'",
        );
        check(
            json!({"tags": ["a", 5, 6]}),
            "6 is not of type 'string'\n\nFailed validating 'type' in \
             schema['properties']['tags']['items']:\n    {'type': 'string', 'maxLength': 255}\n\n\
             On instance['tags'][2]:\n    6",
        );
    }

    #[test]
    fn huge_values_are_not_quoted() {
        let schema = document::image(&ApiOptions::default());
        let text = validate(&schema, &json!({"name": "n".repeat(1 << 20)})).expect_err("too long");
        assert!(text.starts_with("<a value too long to quote> is too long"));
        assert!(text.len() < 1024);
    }

    #[test]
    fn definitions_stand_where_they_are_referred_to() {
        // A document of the test's own, with the keywords of metadata definitions.
        let schema = json!({
            "properties": {
                "least": {"allOf": [{"$ref": "#/definitions/size"}, {"default": 0}]},
                "names": {"$ref": "#/definitions/names"},
            },
            "additionalProperties": false,
            "definitions": {
                "size": {"type": "integer", "minimum": 0},
                "names": {"type": "array", "minItems": 1, "uniqueItems": true},
            },
        });
        let check = |instance: Value, expected: &str| {
            let found = validate(&schema, &instance).err().unwrap_or_default();
            assert_eq!(found.lines().take(3).collect::<Vec<_>>().join("|"), expected);
        };
        check(json!({"least": 0, "names": ["a", "b"]}), "");
        check(
            json!({"least": -1}),
            "-1 is less than the minimum of 0||Failed validating 'minimum' in \
             schema['properties']['least']['allOf'][0]:",
        );
        check(
            json!({"least": "x"}),
            "'x' is not of type 'integer'||Failed validating 'type' in \
             schema['properties']['least']['allOf'][0]:",
        );
        check(
            json!({"names": []}),
            "[] should be non-empty||Failed validating 'minItems' in \
             schema['properties']['names']:",
        );
        check(
            json!({"names": ["a", 1, "a"]}),
            "['a', 1, 'a'] has non-unique elements||Failed validating 'uniqueItems' in \
             schema['properties']['names']:",
        );
        check(
            json!({"zebra": 1, "ant": 2}),
            "Additional properties are not allowed ('ant', 'zebra' were unexpected)||Failed \
             validating 'additionalProperties' in schema:",
        );
    }
}
