//! Bodies of requests about metadata definitions, behind their JSON schemas.
//!
//! Glance hands what fits the schema to WSME, which knows the attributes of each type, puts them in
//! their order and turns values into the attribute's type (`glance/api/v2/model/metadef_*.py`;
//! `wsme/rest/json.py`, `fromjson`). What the schema lets pass and WSME does not is a 500 there and
//! a [`BodyRefused`] here. Invariant: what [`read`] returns has known attributes only, in Glance's
//! order, each of its type or null.

use serde_json::{Map, Number, Value};

use super::number::python_number;

/// What a body describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A namespace with its contents.
    Namespace,
    /// The association with a resource type.
    Association,
    /// A property.
    Property,
    /// An object.
    Object,
    /// One tag.
    Tag,
    /// A list of tags.
    Tags,
}

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyRefused {
    /// It mentions an attribute that only the service sets.
    #[error("Attribute '{0}' is read-only.")]
    ReadOnly(&'static str),
    /// It is a list.
    #[error("Unexpected body type. Expected dict.")]
    NotAnObject,
    /// It has an attribute that its type does not know.
    #[error("Unknown attribute '{0}'.")]
    Unknown(String),
    /// It lacks an attribute.
    #[error("Attribute '{0}' is required.")]
    Missing(&'static str),
    /// A value is not of the attribute's type.
    #[error("Invalid value for attribute '{0}': expected {1}.")]
    Invalid(&'static str, &'static str),
    /// The default of a property is not ASCII (`wsme/rest/json.py`, `bytes_tojson`).
    #[error(
        "Error decoding your request. Either the URL or the request body contained characters \
         that could not be decoded by Glance"
    )]
    NotAscii,
}

/// The type of an attribute.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Text,
    Flag,
    Integer,
    /// The default of a property: a text, or a number that becomes one; all else becomes null.
    Default,
    Texts,
    Record(&'static [Attribute]),
    Records(&'static [Attribute]),
    RecordsByName(&'static [Attribute]),
}

/// An attribute of a type.
#[derive(Clone, Copy, Debug)]
struct Attribute {
    name: &'static str,
    shape: Shape,
    mandatory: bool,
}

const fn may(name: &'static str, shape: Shape) -> Attribute {
    Attribute { name, shape, mandatory: false }
}

const fn must(name: &'static str, shape: Shape) -> Attribute {
    Attribute { name, shape, mandatory: true }
}

const NAMESPACE: &[Attribute] = &[
    must("namespace", Shape::Text),
    may("display_name", Shape::Text),
    may("description", Shape::Text),
    may("visibility", Shape::Text),
    may("protected", Shape::Flag),
    may("owner", Shape::Text),
    may("resource_type_associations", Shape::Records(ASSOCIATION)),
    may("properties", Shape::RecordsByName(PROPERTY)),
    may("objects", Shape::Records(OBJECT)),
    may("tags", Shape::Records(TAG)),
];

const ASSOCIATION: &[Attribute] = &[
    must("name", Shape::Text),
    may("prefix", Shape::Text),
    may("properties_target", Shape::Text),
    may("created_at", Shape::Text),
    may("updated_at", Shape::Text),
];

const PROPERTY: &[Attribute] = &[
    may("name", Shape::Text),
    must("type", Shape::Text),
    must("title", Shape::Text),
    may("description", Shape::Text),
    may("operators", Shape::Texts),
    may("default", Shape::Default),
    may("readonly", Shape::Flag),
    may("minimum", Shape::Integer),
    may("maximum", Shape::Integer),
    may("enum", Shape::Texts),
    may("pattern", Shape::Text),
    may("minLength", Shape::Integer),
    may("maxLength", Shape::Integer),
    may("confidential", Shape::Flag),
    may("items", Shape::Record(ITEMS)),
    may("uniqueItems", Shape::Flag),
    may("minItems", Shape::Integer),
    may("maxItems", Shape::Integer),
    may("additionalItems", Shape::Flag),
];

const ITEMS: &[Attribute] = &[must("type", Shape::Text), may("enum", Shape::Texts)];

const OBJECT: &[Attribute] = &[
    must("name", Shape::Text),
    may("required", Shape::Texts),
    may("description", Shape::Text),
    may("properties", Shape::RecordsByName(PROPERTY)),
    may("created_at", Shape::Text),
    may("updated_at", Shape::Text),
    // `self` too is an attribute of Glance's type, and a 500 where a caller gives it.
    may("schema", Shape::Text),
];

const TAG: &[Attribute] =
    &[must("name", Shape::Text), may("created_at", Shape::Text), may("updated_at", Shape::Text)];

// The list alone would do nothing: Glance fails with 500 without it.
const TAGS: &[Attribute] = &[must("tags", Shape::Records(TAG))];

/// Refuses attributes that may not even be mentioned. Comes before the schema. A list that has the
/// name as an item counts as mentioning it, as in Glance.
///
/// # Errors
/// [`BodyRefused::ReadOnly`].
pub fn check_allowed(kind: Kind, body: &Value) -> Result<(), BodyRefused> {
    const ALL: [&str; 4] = ["self", "schema", "created_at", "updated_at"];
    let disallowed = match kind {
        Kind::Namespace | Kind::Object => &ALL[..],
        Kind::Association | Kind::Property | Kind::Tag | Kind::Tags => &ALL[2..],
    };
    let mentions = |name: &str| match body {
        Value::Object(members) => members.contains_key(name),
        Value::Array(items) => items.iter().any(|item| item == name),
        _ => false,
    };
    match disallowed.iter().find(|name| mentions(name)) {
        Some(name) => Err(BodyRefused::ReadOnly(name)),
        None => Ok(()),
    }
}

/// Reads a body that fits its schema.
///
/// # Errors
/// [`BodyRefused`], where the schema lets pass what Glance cannot take.
pub fn read(kind: Kind, body: &Value) -> Result<Map<String, Value>, BodyRefused> {
    let attributes = match kind {
        Kind::Namespace => NAMESPACE,
        Kind::Association => ASSOCIATION,
        Kind::Property => PROPERTY,
        Kind::Object => OBJECT,
        Kind::Tag => TAG,
        Kind::Tags => TAGS,
    };
    record(attributes, body.as_object().ok_or(BodyRefused::NotAnObject)?)
}

/// Reads a property from its row. What cannot be understood is left out: rows loaded from files
/// were never checked, and Glance fails with 500 on them.
#[must_use]
pub fn stored_property(stored: &Map<String, Value>) -> Map<String, Value> {
    let mut read = Map::new();
    for attribute in PROPERTY {
        let value = stored.get(attribute.name).and_then(|value| convert(attribute, value).ok());
        if let Some(value) = value {
            read.insert(attribute.name.to_owned(), value);
        }
    }
    read
}

fn record(
    attributes: &'static [Attribute],
    body: &Map<String, Value>,
) -> Result<Map<String, Value>, BodyRefused> {
    let is_known = |name: &str| attributes.iter().any(|attribute| attribute.name == name);
    if let Some(name) = body.keys().find(|name| !is_known(name)) {
        return Err(BodyRefused::Unknown(name.clone()));
    }
    let mut read = Map::new();
    for attribute in attributes {
        match body.get(attribute.name) {
            Some(value) => {
                read.insert(attribute.name.to_owned(), convert(attribute, value)?);
            }
            None if attribute.mandatory => return Err(BodyRefused::Missing(attribute.name)),
            None => {}
        }
    }
    Ok(read)
}

/// The value in the attribute's type. Null passes, whatever the type.
fn convert(attribute: &Attribute, value: &Value) -> Result<Value, BodyRefused> {
    let invalid = |expected| BodyRefused::Invalid(attribute.name, expected);
    if value.is_null() {
        return Ok(Value::Null);
    }
    Ok(match attribute.shape {
        Shape::Text => value.as_str().ok_or(invalid("a string"))?.into(),
        Shape::Flag => flag(value).ok_or(invalid("a boolean"))?.into(),
        Shape::Integer => integer(value).ok_or(invalid("an integer of 64 bits"))?.into(),
        Shape::Default => default_text(value)?,
        Shape::Texts => {
            let items = value.as_array().ok_or(invalid("a list of strings"))?;
            if !items.iter().all(|item| item.is_string() || item.is_null()) {
                return Err(invalid("a list of strings"));
            }
            value.clone()
        }
        Shape::Record(attributes) => {
            record(attributes, value.as_object().ok_or(invalid("an object"))?)?.into()
        }
        Shape::Records(attributes) => {
            let items = value.as_array().ok_or(invalid("a list of objects"))?;
            let read = |item: &Value| {
                let item = item.as_object().ok_or(invalid("a list of objects"))?;
                Ok(Value::Object(record(attributes, item)?))
            };
            Value::Array(items.iter().map(read).collect::<Result<_, BodyRefused>>()?)
        }
        Shape::RecordsByName(attributes) => {
            let members = value.as_object().ok_or(invalid("an object of objects"))?;
            let mut read = Map::new();
            for (name, member) in members {
                let member = member.as_object().ok_or(invalid("an object of objects"))?;
                read.insert(name.clone(), record(attributes, member)?.into());
            }
            Value::Object(read)
        }
    })
}

/// `wsme/rest/json.py`, `bool_fromjson`.
fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) if !number.is_f64() => Some(number.as_i64() != Some(0)),
        Value::String(text) => match text.as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// `numeric_fromjson` with `int`: fractions are cut off. What 64 bits cannot hold is refused;
/// Python has no such bound.
fn integer(value: &Value) -> Option<Number> {
    let Value::Number(number) = value else { return None };
    if !number.is_f64() {
        return Some(number.clone());
    }
    let whole = number.as_f64()?.trunc();
    // 2^63, which is a floating point number without rounding.
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if !(-BOUND..BOUND).contains(&whole) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and within i64, as just checked")]
    let whole = whole as i64;
    Some(whole.into())
}

/// `str_fromjson` with `bytes`, and the ASCII that `bytes_tojson` wants of it later.
fn default_text(value: &Value) -> Result<Value, BodyRefused> {
    Ok(match value {
        Value::String(text) if !text.is_ascii() => return Err(BodyRefused::NotAscii),
        Value::String(text) => text.as_str().into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(number) => python_number(number).into(),
        Value::Null | Value::Array(_) | Value::Object(_) => Value::Null,
    })
}
