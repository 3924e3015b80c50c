//! Metadata definitions as JSON, in the order of WSME's attributes
//! (`glance/api/v2/model/metadef_*.py`).
//!
//! Invariant: what is absent is left out; there are no nulls but those that callers sent.

use controlplane_domain::metadefs::{
    Association, Contents, Namespace, Object, Property, ResourceType, Tag,
};
use serde_json::{Map, Value, json};
use time::PrimitiveDateTime;

use crate::images::view::iso;

/// Path of a namespace.
pub(super) fn namespace_href(name: &str) -> String {
    format!("/v2/metadefs/namespaces/{name}")
}

/// A namespace; `contents` are put where they belong, as they are.
pub(super) fn namespace(namespace: &Namespace, contents: Map<String, Value>) -> Value {
    let fields = &namespace.fields;
    let mut view = Map::new();
    put(&mut view, "namespace", Some(&fields.name));
    put(&mut view, "display_name", fields.display_name.as_ref());
    put(&mut view, "description", fields.description.as_ref());
    put(&mut view, "visibility", Some(fields.visibility.as_str()));
    put(&mut view, "protected", Some(fields.protected));
    put(&mut view, "owner", Some(&fields.owner));
    times(&mut view, namespace.created_at, namespace.updated_at);
    view.extend(contents);
    put(&mut view, "self", Some(namespace_href(&fields.name)));
    put(&mut view, "schema", Some("/v2/schemas/metadefs/namespace"));
    Value::Object(view)
}

/// The contents of a namespace. With a prefix it stands before all names of properties.
pub(super) fn contents(
    namespace: &Namespace,
    contents: &Contents,
    prefix: &str,
) -> Map<String, Value> {
    let properties = contents.properties.iter();
    let properties: Map<String, Value> = properties
        .map(|property| (format!("{prefix}{}", property.name), property.schema.clone().into()))
        .collect();
    let objects = contents.objects.iter();
    let objects: Vec<Value> =
        objects.map(|each| object(&namespace.fields.name, each, prefix)).collect();
    let (associations, tags) = (associations(&contents.associations), tag_names(&contents.tags));
    let mut view = Map::new();
    let some = |items: Vec<Value>| (!items.is_empty()).then_some(items);
    put(&mut view, "resource_type_associations", some(associations));
    put(&mut view, "properties", (!properties.is_empty()).then_some(properties));
    put(&mut view, "objects", some(objects));
    put(&mut view, "tags", some(tags));
    view
}

/// Associations of a namespace.
pub(super) fn associations(associations: &[Association]) -> Vec<Value> {
    associations.iter().map(association).collect()
}

/// One association.
pub(super) fn association(association: &Association) -> Value {
    let fields = &association.fields;
    let mut view = Map::new();
    put(&mut view, "name", Some(&fields.name));
    put(&mut view, "prefix", fields.prefix.as_ref());
    put(&mut view, "properties_target", fields.properties_target.as_ref());
    times(&mut view, association.created_at, association.updated_at);
    Value::Object(view)
}

/// A resource type.
pub(super) fn resource_type(resource_type: &ResourceType) -> Value {
    let mut view = Map::new();
    put(&mut view, "name", Some(&resource_type.name));
    times(&mut view, resource_type.created_at, resource_type.updated_at);
    Value::Object(view)
}

/// All properties of a namespace by name. Each shows the `name` it was stored with, if any.
pub(super) fn properties(properties: &[Property]) -> Value {
    let shown = properties.iter().map(|each| (each.name.clone(), each.schema.clone().into()));
    json!({"properties": shown.collect::<Map<String, Value>>()})
}

/// An object as it is stored. With a prefix it stands before all names of properties.
pub(super) fn object(namespace: &str, object: &Object, prefix: &str) -> Value {
    let fields = &object.fields;
    let prefixed = |name: &String| format!("{prefix}{name}");
    let required: Vec<String> = fields.required.iter().map(prefixed).collect();
    let properties: Map<String, Value> =
        fields.properties.iter().map(|(name, each)| (prefixed(name), each.clone())).collect();
    let mut view = Map::new();
    put(&mut view, "name", Some(&fields.name));
    put(&mut view, "required", Some(required));
    put(&mut view, "description", fields.description.as_ref());
    put(&mut view, "properties", Some(properties));
    times(&mut view, object.created_at, object.updated_at);
    links(&mut view, namespace, &fields.name);
    Value::Object(view)
}

/// An object that was made or changed just now: it shows what the body said and nothing else.
pub(super) fn object_echo(
    namespace: &str,
    name: &str,
    body: Map<String, Value>,
    created_at: PrimitiveDateTime,
    updated_at: PrimitiveDateTime,
) -> Value {
    let mut view = body;
    times(&mut view, created_at, Some(updated_at));
    links(&mut view, namespace, name);
    Value::Object(view)
}

/// A tag by itself.
pub(super) fn tag(tag: &Tag) -> Value {
    let mut view = Map::new();
    put(&mut view, "name", Some(&tag.name));
    times(&mut view, tag.created_at, tag.updated_at);
    Value::Object(view)
}

/// Tags in a list: their names only.
pub(super) fn tag_names(tags: &[Tag]) -> Vec<Value> {
    tags.iter().map(|tag| json!({"name": tag.name})).collect()
}

fn links(view: &mut Map<String, Value>, namespace: &str, name: &str) {
    put(view, "self", Some(format!("{}/objects/{name}", namespace_href(namespace))));
    put(view, "schema", Some("/v2/schemas/metadefs/object"));
}

fn times(
    view: &mut Map<String, Value>,
    created_at: PrimitiveDateTime,
    updated_at: Option<PrimitiveDateTime>,
) {
    put(view, "created_at", Some(iso(created_at)));
    put(view, "updated_at", updated_at.map(iso));
}

fn put(view: &mut Map<String, Value>, name: &str, value: Option<impl serde::Serialize>) {
    if let Some(value) = value {
        view.insert(name.to_owned(), json!(value));
    }
}
