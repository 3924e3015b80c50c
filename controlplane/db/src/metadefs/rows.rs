//! Rows of metadata definitions as the domain's nouns.
//!
//! Invariant: a row that Glance can show can be read here: what Glance presets when it reads is
//! preset, and JSON is read leniently (`glance/db/__init__.py`, `_format_*_from_db`).

use crate::pool::Row;
use controlplane_domain::metadefs::{
    Association, AssociationFields, Namespace, NamespaceFields, NamespaceId, NamespaceVisibility,
    Object, ObjectFields, Property, ResourceType, Tag, body,
};
use serde_json::{Map, Value};
use time::{Duration, PrimitiveDateTime};

use crate::error::DatabaseError;
use crate::text;

/// The columns of a namespace.
pub(super) const NAMESPACE: [&str; 9] = [
    "id",
    "namespace",
    "display_name",
    "description",
    "visibility",
    "protected",
    "owner",
    "created_at",
    "updated_at",
];

/// The columns of an object.
pub(super) const OBJECT: [&str; 6] =
    ["name", "description", "required", "json_schema", "created_at", "updated_at"];

pub(super) fn namespace(row: &Row) -> Result<Namespace, DatabaseError> {
    let visibility = text::text_or_null(row, "visibility")?;
    Ok(Namespace {
        id: NamespaceId(text::int(row, "id")?),
        fields: NamespaceFields {
            name: text::text(row, "namespace")?,
            display_name: text::text_or_null(row, "display_name")?,
            description: text::text_or_null(row, "description")?,
            visibility: visibility.as_deref().map(NamespaceVisibility::parse).unwrap_or_default(),
            protected: text::int_or_null(row, "protected")?.unwrap_or(0) != 0,
            owner: text::text(row, "owner")?,
        },
        created_at: text::time(row, "created_at")?,
        updated_at: text::time_or_null(row, "updated_at")?,
    })
}

pub(super) fn resource_type(row: &Row) -> Result<ResourceType, DatabaseError> {
    Ok(ResourceType {
        name: text::text(row, "name")?,
        created_at: text::time(row, "created_at")?,
        updated_at: text::time_or_null(row, "updated_at")?,
    })
}

pub(super) fn association(row: &Row) -> Result<Association, DatabaseError> {
    Ok(Association {
        fields: AssociationFields {
            name: text::text(row, "name")?,
            prefix: text::text_or_null(row, "prefix")?,
            properties_target: text::text_or_null(row, "properties_target")?,
        },
        created_at: text::time(row, "created_at")?,
        updated_at: text::time_or_null(row, "updated_at")?,
    })
}

pub(super) fn property(row: &Row) -> Result<Property, DatabaseError> {
    Ok(Property {
        name: text::text(row, "name")?,
        schema: body::stored_property(&json_schema(row)?),
    })
}

pub(super) fn object(row: &Row) -> Result<Object, DatabaseError> {
    let required = text::text_or_null(row, "required")?.unwrap_or_default();
    let properties = json_schema(row)?.into_iter().filter_map(|(name, stored)| {
        Some((name, Value::Object(body::stored_property(stored.as_object()?))))
    });
    Ok(Object {
        fields: ObjectFields {
            name: text::text(row, "name")?,
            description: text::text_or_null(row, "description")?,
            required: required_names(&required),
            properties: properties.collect(),
        },
        created_at: text::time(row, "created_at")?,
        updated_at: text::time_or_null(row, "updated_at")?,
    })
}

pub(super) fn tag(row: &Row) -> Result<Tag, DatabaseError> {
    Ok(Tag {
        name: text::text(row, "name")?,
        created_at: text::time(row, "created_at")?,
        updated_at: text::time_or_null(row, "updated_at")?,
    })
}

/// The text of a JSON column.
pub(super) fn json_text(members: &Map<String, Value>) -> String {
    serde_json::to_string(members).expect("a JSON value has only text keys")
}

/// The list of required properties as its column holds it.
pub(super) fn required_text(required: &[String]) -> Option<String> {
    (!required.is_empty()).then(|| required.join(","))
}

/// And back. A name with a comma falls apart here, as in Glance.
pub(super) fn required_names(text: &str) -> Vec<String> {
    text.split(',').filter(|_| !text.is_empty()).map(str::to_owned).collect()
}

/// The time of the `at`th of several rows written at once: a microsecond apart, so that sorting by
/// time gives the order in which they were given.
pub(super) fn nth(now: PrimitiveDateTime, at: usize) -> PrimitiveDateTime {
    now + Duration::microseconds(i64::try_from(at).expect("lists in memory are shorter than 2^63"))
}

/// What a column of JSON says. Objects that Glance loaded from a file without properties have
/// `null` there.
pub(super) fn json_schema(row: &Row) -> Result<Map<String, Value>, DatabaseError> {
    let stored = text::text(row, "json_schema")?;
    let members: Option<Option<Map<String, Value>>> = serde_json::from_str(&stored).ok();
    members.map(Option::unwrap_or_default).ok_or_else(|| text::damaged("json_schema", &stored))
}
