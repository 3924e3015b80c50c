//! The schema documents of metadata definitions, `/v2/schemas/metadefs/…`
//! (`get_schema` and `get_collection_schema` of `glance/api/v2/metadef_*.py`).
//!
//! They are part of the wire contract, down to the order of their keys and the wording of the
//! descriptions: clients build their forms from them. Bodies are checked against them too, with two
//! documents that are not shown: that of a list of tags as callers send it, and that of a property
//! without a name.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use controlplane_domain::metadefs::Kind;
use http::header;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::Refusal;
use crate::json;
use crate::request::expect_no_body;
use crate::schema::validate::validate;

/// The documents there are, as their paths end.
pub(super) const NAMES: [&str; 10] = [
    "namespace",
    "namespaces",
    "resource_type",
    "resource_types",
    "property",
    "properties",
    "object",
    "objects",
    "tag",
    "tags",
];

/// The documents, made once.
#[derive(Debug)]
pub(crate) struct Documents {
    /// In the order of [`NAMES`], rendered.
    shown: [Bytes; 10],
    namespace: Value,
    association: Value,
    property: Value,
    nameless_property: Value,
    object: Value,
    tag: Value,
    sent_tags: Value,
}

/// `GET /v2/schemas/metadefs/…`
pub(super) async fn show(
    State(app): State<Arc<App>>,
    request: Request,
    name: &'static str,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let place = NAMES.iter().position(|known| *known == name);
    let place = place.expect("routes are made of the names there are");
    let document = app.schemas.metadefs.shown[place].clone();
    Ok(([(header::CONTENT_TYPE, "application/json")], document).into_response())
}

// === impl Documents ===

impl Documents {
    pub(crate) fn new() -> Self {
        let namespace = with_definitions(item("namespace", namespace(), &["namespace"]));
        let association = item("resource_type_association", association(), &["name"]);
        let property =
            with_own_definitions(item("property", property(), &["type", "title", "name"]));
        let nameless_property = item("property", self::property(), &["type", "title"]);
        let object = with_definitions(item("object", object(), &["name"]));
        let tag = item("tag", tag(), &["name"]);
        let bare = |name, properties, required: &[&str]| item(name, properties, required);
        let namespaces =
            list("namespaces", bare("namespace", self::namespace(), &["namespace"]), "items");
        let objects = list("objects", bare("object", self::object(), &["name"]), "items");
        let properties = list("properties", nameless_property.clone(), "additionalProperties");
        let shown = [
            &namespace,
            &append(namespaces, "definitions", definitions()),
            &association,
            &list("resource_type_associations", association.clone(), "items"),
            &property,
            &append(properties, "definitions", own_definitions()),
            &object,
            &append(objects, "definitions", definitions()),
            &tag,
            &list("tags", tag.clone(), "items"),
        ]
        .map(|document| Bytes::from(json::write(document)));
        Self {
            shown,
            namespace,
            association,
            property,
            nameless_property: with_own_definitions(nameless_property),
            object,
            tag,
            sent_tags: sent_tags(),
        }
    }

    /// Checks a body; the error is Glance's whole text.
    pub(super) fn check(&self, kind: Kind, body: &Value) -> Result<(), String> {
        let (document, name) = match kind {
            Kind::Namespace => (&self.namespace, "namespace"),
            Kind::Association => (&self.association, "resource_type_association"),
            Kind::Property => (&self.property, "property"),
            Kind::Object => (&self.object, "object"),
            Kind::Tag => (&self.tag, "tag"),
            Kind::Tags => (&self.sent_tags, "tags"),
        };
        told(name, validate(document, body))
    }

    /// Checks a property of an object that is made.
    pub(super) fn check_nameless_property(&self, body: &Value) -> Result<(), String> {
        told("property", validate(&self.nameless_property, body))
    }
}

/// `glance/common/exception.py`, `InvalidObject`.
fn told(name: &str, checked: Result<(), String>) -> Result<(), String> {
    checked.map_err(|text| format!("Provided object does not match schema '{name}': {text}"))
}

/// The document of one thing (`glance/schema.py`, `Schema.raw`), but for its definitions.
fn item(name: &str, properties: Value, required: &[&str]) -> Value {
    json!({
        "name": name,
        "properties": properties,
        "additionalProperties": false,
        "required": required,
    })
}

/// The document of many (`CollectionSchema.raw`, `DictCollectionSchema.raw`).
fn list(name: &str, item: Value, keyword: &str) -> Value {
    let kind = if keyword == "items" { "array" } else { "object" };
    json!({
        "name": name,
        "properties": {
            name: {"type": kind, keyword: item},
            "first": {"type": "string"},
            "next": {"type": "string"},
            "schema": {"type": "string"},
        },
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    })
}

fn append(mut document: Value, name: &str, value: Value) -> Value {
    document[name] = value;
    document
}

/// Puts the definitions before `required`.
fn with_definitions(document: Value) -> Value {
    before_required(document, definitions())
}

fn with_own_definitions(document: Value) -> Value {
    before_required(document, own_definitions())
}

fn before_required(mut document: Value, definitions: Value) -> Value {
    let required = document["required"].take();
    let members = document.as_object_mut().expect("a document is an object");
    members.shift_remove("required");
    members.insert("definitions".to_owned(), definitions);
    members.insert("required".to_owned(), required);
    document
}

fn time(description: &str) -> Value {
    json!({
        "type": "string",
        "readOnly": true,
        "description": description,
        "format": "date-time",
    })
}

fn namespace() -> Value {
    json!({
        "namespace": {
            "type": "string",
            "description": "The unique namespace text.",
            "maxLength": 80,
        },
        "display_name": {
            "type": "string",
            "description": "The user friendly name for the namespace. Used by UI if available.",
            "maxLength": 80,
        },
        "description": {
            "type": "string",
            "description": "Provides a user friendly description of the namespace.",
            "maxLength": 500,
        },
        "visibility": {
            "type": "string",
            "description": "Scope of namespace accessibility.",
            "enum": ["public", "private"],
        },
        "protected": {
            "type": "boolean",
            "description": "If true, namespace will not be deletable.",
        },
        "owner": {"type": "string", "description": "Owner of the namespace.", "maxLength": 255},
        "created_at": time("Date and time of namespace creation"),
        "updated_at": time("Date and time of the last namespace modification"),
        "schema": {"readOnly": true, "type": "string"},
        "self": {"readOnly": true, "type": "string"},
        "resource_type_associations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "prefix": {"type": "string"},
                    "properties_target": {"type": "string"},
                },
            },
        },
        "properties": {"$ref": "#/definitions/property"},
        "objects": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "description": {"type": "string"},
                    "required": {"$ref": "#/definitions/stringArray"},
                    "properties": {"$ref": "#/definitions/property"},
                },
            },
        },
        "tags": {
            "type": "array",
            "items": {"type": "object", "properties": {"name": {"type": "string"}}},
        },
    })
}

fn association() -> Value {
    json!({
        "name": {
            "type": "string",
            "description": "Resource type names should be aligned with Heat resource types \
                           whenever possible: \
                           https://docs.openstack.org/heat/latest/template_guide/openstack.html",
            "maxLength": 80,
        },
        "prefix": {
            "type": "string",
            "description": "Specifies the prefix to use for the given resource type. Any \
                           properties in the namespace should be prefixed with this prefix when \
                           being applied to the specified resource type. Must include prefix \
                           separator (e.g. a colon :).",
            "maxLength": 80,
        },
        "properties_target": {
            "type": "string",
            "description": "Some resource types allow more than one key / value pair per \
                           instance.  For example, Cinder allows user and image metadata on \
                           volumes. Only the image properties metadata is evaluated by Nova \
                           (scheduling or drivers). This property allows a namespace target to \
                           remove the ambiguity.",
            "maxLength": 80,
        },
        "created_at": time("Date and time of resource type association"),
        "updated_at": time("Date and time of the last resource type association modification"),
    })
}

fn object() -> Value {
    json!({
        "name": {"type": "string", "maxLength": 80},
        "description": {"type": "string"},
        "required": {"$ref": "#/definitions/stringArray"},
        "properties": {"$ref": "#/definitions/property"},
        "schema": {"readOnly": true, "type": "string"},
        "self": {"readOnly": true, "type": "string"},
        "created_at": time("Date and time of object creation"),
        "updated_at": time("Date and time of the last object modification"),
    })
}

fn tag() -> Value {
    json!({
        "name": {"type": "string", "maxLength": 80},
        "created_at": time("Date and time of tag creation"),
        "updated_at": time("Date and time of the last tag modification"),
    })
}

/// What a list of tags is checked against (`metadef_tags.py`, `get_schema_for_list`).
fn sent_tags() -> Value {
    json!({
        "name": "tags",
        "properties": {
            "tags": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}},
                    "required": ["name"],
                    "additionalProperties": false,
                },
            },
        },
        "additionalProperties": false,
    })
}

fn kinds() -> Value {
    json!(["array", "boolean", "integer", "number", "object", "string", null])
}

fn property() -> Value {
    json!({
        "name": {"type": "string", "maxLength": 80},
        "title": {"type": "string"},
        "description": {"type": "string"},
        "operators": {"type": "array", "items": {"type": "string"}},
        "type": {"type": "string", "enum": kinds()},
        "required": {"$ref": "#/definitions/stringArray"},
        "minimum": {"type": "number"},
        "maximum": {"type": "number"},
        "maxLength": {"$ref": "#/definitions/positiveInteger"},
        "minLength": {"$ref": "#/definitions/positiveIntegerDefault0"},
        "pattern": {"type": "string", "format": "regex"},
        "enum": {"type": "array"},
        "readonly": {"type": "boolean"},
        "default": {},
        "items": {
            "type": "object",
            "properties": {
                "type": {"type": "string", "enum": kinds()},
                "enum": {"type": "array"},
            },
        },
        "maxItems": {"$ref": "#/definitions/positiveInteger"},
        "minItems": {"$ref": "#/definitions/positiveIntegerDefault0"},
        "uniqueItems": {"type": "boolean", "default": false},
        "additionalItems": {"type": "boolean"},
    })
}

/// The definitions of namespaces and objects (`metadef_namespaces.py`, `get_schema_definitions`).
fn definitions() -> Value {
    json!({
        "positiveInteger": {"type": "integer", "minimum": 0},
        "positiveIntegerDefault0": {
            "allOf": [{"$ref": "#/definitions/positiveInteger"}, {"default": 0}],
        },
        "stringArray": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
        "property": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["title", "type"],
                "properties": property(),
            },
        },
    })
}

/// The definitions of properties by themselves (`metadef_properties.py`, `_get_base_definitions`).
fn own_definitions() -> Value {
    json!({
        "positiveInteger": {"type": "integer", "minimum": 0},
        "positiveIntegerDefault0": {
            "allOf": [{"$ref": "#/definitions/positiveInteger"}, {"default": 0}],
        },
        "stringArray": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "uniqueItems": true,
        },
    })
}
