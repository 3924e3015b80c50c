//! Metadata definitions: namespaces of what images, volumes and flavors may say about themselves.
//!
//! The nouns stand here; reading a request's body is in [`body`], who may in [`access`]. Leaves
//! storing, time and the JSON schemas to its callers. Invariant: what comes out of [`body`] has
//! Glance's attributes in Glance's order, so showing it is writing it down.

pub mod access;
pub mod body;
mod characters;
pub mod file;
mod number;

use serde_json::{Map, Value};
use time::PrimitiveDateTime;

pub use access::Action;
pub use body::{BodyRefused, Kind};
pub use characters::FourByte;
pub use file::{FileFault, FileObject, NamespaceFile};
pub use number::python_number;

use crate::context::Context;

/// The row of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamespaceId(pub i64);

/// Who sees a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NamespaceVisibility {
    /// Everybody.
    Public,
    /// Its owner and administrators.
    #[default]
    Private,
}

/// What a caller sets on a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NamespaceFields {
    /// Its unique name.
    pub name: String,
    /// Its name for people.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who sees it.
    pub visibility: NamespaceVisibility,
    /// Whether it and its contents are kept from deletion.
    pub protected: bool,
    /// The project that owns it; empty for nobody's.
    pub owner: String,
}

/// A namespace as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its row.
    pub id: NamespaceId,
    /// What callers set.
    pub fields: NamespaceFields,
    /// When it was made.
    pub created_at: PrimitiveDateTime,
    /// When it was changed; rows loaded from files may have none.
    pub updated_at: Option<PrimitiveDateTime>,
}

/// A kind of resource that namespaces apply to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceType {
    /// Its name, as Heat calls it.
    pub name: String,
    /// When it was made.
    pub created_at: PrimitiveDateTime,
    /// When it was changed.
    pub updated_at: Option<PrimitiveDateTime>,
}

/// What a caller sets on the association of a namespace with a resource type.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AssociationFields {
    /// The resource type.
    pub name: String,
    /// What names of properties begin with on resources of this type.
    pub prefix: Option<String>,
    /// Which of several sets of properties of the resource is meant.
    pub properties_target: Option<String>,
}

/// An association as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// What callers set.
    pub fields: AssociationFields,
    /// When it was made.
    pub created_at: PrimitiveDateTime,
    /// When it was changed.
    pub updated_at: Option<PrimitiveDateTime>,
}

/// A property of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name in the namespace.
    pub name: String,
    /// What is known of it, in Glance's order of attributes.
    pub schema: Map<String, Value>,
}

/// What a caller sets on an object.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ObjectFields {
    /// Its name in the namespace.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Names of the properties that must be given.
    pub required: Vec<String>,
    /// Its properties by name, each as in [`Property::schema`].
    pub properties: Map<String, Value>,
}

/// An object (a group of properties) as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What callers set.
    pub fields: ObjectFields,
    /// When it was made.
    pub created_at: PrimitiveDateTime,
    /// When it was changed.
    pub updated_at: Option<PrimitiveDateTime>,
}

/// A tag of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its name in the namespace.
    pub name: String,
    /// When it was made.
    pub created_at: PrimitiveDateTime,
    /// When it was changed.
    pub updated_at: Option<PrimitiveDateTime>,
}

/// All that a namespace contains.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Contents {
    /// Resource types, in the order in which they were associated.
    pub associations: Vec<Association>,
    /// Properties by name.
    pub properties: Vec<Property>,
    /// Objects by name.
    pub objects: Vec<Object>,
    /// Tags, newest first.
    pub tags: Vec<Tag>,
}

/// A namespace to be made, with its first contents.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NewNamespace {
    /// The namespace.
    pub fields: NamespaceFields,
    /// Resource types to associate it with.
    pub associations: Vec<AssociationFields>,
    /// Its objects.
    pub objects: Vec<ObjectFields>,
    /// Names of its tags.
    pub tags: Vec<String>,
    /// Its properties.
    pub properties: Vec<Property>,
}

// === impl NamespaceVisibility ===

impl NamespaceVisibility {
    /// The text in JSON and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }

    /// Reads the text; what is not understood is private.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "public" { Self::Public } else { Self::Private }
    }
}

// === impl NamespaceFields ===

impl NamespaceFields {
    /// Reads what [`body::read`] made of a namespace. What is absent is preset as at creation, also
    /// in an update (`glance/api/v2/metadef_namespaces.py`, `NamespaceController.update`). Without
    /// authentication there is no project to own it: it is nobody's, where Glance fails with 500.
    #[must_use]
    pub fn of(body: &Map<String, Value>, caller: &Context) -> Self {
        let visibility = text(body, "visibility");
        Self {
            name: text(body, "namespace").unwrap_or_default(),
            display_name: text(body, "display_name"),
            description: text(body, "description"),
            visibility: visibility.as_deref().map(NamespaceVisibility::parse).unwrap_or_default(),
            protected: body.get("protected").and_then(Value::as_bool).unwrap_or(false),
            owner: text(body, "owner").or_else(|| caller.project.clone()).unwrap_or_default(),
        }
    }

    /// Refuses characters that MySQL's `utf8` cannot hold.
    ///
    /// # Errors
    /// [`FourByte`] for the first field in Glance's order.
    pub fn check_characters(&self) -> Result<(), FourByte> {
        characters::check([
            ("namespace", Some(self.name.as_str())),
            ("display_name", self.display_name.as_deref()),
            ("description", self.description.as_deref()),
            ("owner", Some(self.owner.as_str())),
        ])
    }
}

// === impl NewNamespace ===

impl NewNamespace {
    /// Reads what [`body::read`] made of a namespace with its contents.
    #[must_use]
    pub fn of(body: &Map<String, Value>, caller: &Context) -> Self {
        Self {
            fields: NamespaceFields::of(body, caller),
            associations: records(body, "resource_type_associations")
                .map(AssociationFields::of)
                .collect(),
            objects: records(body, "objects").map(ObjectFields::of).collect(),
            tags: tag_names(body),
            properties: body
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(name, schema)| Property {
                    name: name.clone(),
                    schema: schema.as_object().cloned().unwrap_or_default(),
                })
                .collect(),
        }
    }

    /// Refuses characters that MySQL's `utf8` cannot hold, where Glance looks for them: in the
    /// namespace, its objects, tags and properties, in this order.
    ///
    /// # Errors
    /// The first [`FourByte`].
    pub fn check_characters(&self) -> Result<(), FourByte> {
        self.fields.check_characters()?;
        self.objects.iter().try_for_each(ObjectFields::check_characters)?;
        self.tags.iter().try_for_each(|tag| check_tag(tag))?;
        self.properties.iter().try_for_each(Property::check_characters)
    }
}

// === impl AssociationFields ===

impl AssociationFields {
    /// Reads what [`body::read`] made of an association.
    #[must_use]
    pub fn of(body: &Map<String, Value>) -> Self {
        Self {
            name: text(body, "name").unwrap_or_default(),
            prefix: text(body, "prefix"),
            properties_target: text(body, "properties_target"),
        }
    }
}

// === impl Property ===

impl Property {
    /// Reads what [`body::read`] made of a property.
    #[must_use]
    pub fn of(body: Map<String, Value>) -> Self {
        Self { name: text(&body, "name").unwrap_or_default(), schema: body }
    }

    /// The property by itself: its name in the namespace is its `name`
    /// (`glance/api/v2/metadef_properties.py`, `_to_model`).
    #[must_use]
    pub fn shown(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.insert("name".to_owned(), Value::String(self.name.clone()));
        for (name, value) in &self.schema {
            if name != "name" {
                shown.insert(name.clone(), value.clone());
            }
        }
        shown
    }

    /// Refuses characters that MySQL's `utf8` cannot hold.
    ///
    /// # Errors
    /// The first [`FourByte`].
    pub fn check_characters(&self) -> Result<(), FourByte> {
        characters::check([("name", Some(self.name.as_str()))])?;
        characters::check_map(&self.schema)
    }
}

// === impl ObjectFields ===

impl ObjectFields {
    /// Reads what [`body::read`] made of an object.
    #[must_use]
    pub fn of(body: &Map<String, Value>) -> Self {
        let required = body.get("required").and_then(Value::as_array).into_iter().flatten();
        Self {
            name: text(body, "name").unwrap_or_default(),
            description: text(body, "description"),
            required: required.filter_map(Value::as_str).map(str::to_owned).collect(),
            properties: body
                .get("properties")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
        }
    }

    /// Refuses characters that MySQL's `utf8` cannot hold. The names of the properties are not
    /// looked at, as in Glance: they are part of a JSON text whose escapes are ASCII.
    ///
    /// # Errors
    /// The first [`FourByte`].
    pub fn check_characters(&self) -> Result<(), FourByte> {
        let required = self.required.join(",");
        characters::check([
            ("name", Some(self.name.as_str())),
            ("required", Some(required.as_str())),
            ("description", self.description.as_deref()),
        ])?;
        self.properties.values().filter_map(Value::as_object).try_for_each(characters::check_map)
    }
}

/// The names in the `tags` of a body that [`body::read`] made.
#[must_use]
pub fn tag_names(body: &Map<String, Value>) -> Vec<String> {
    records(body, "tags").map(|tag| text(tag, "name").unwrap_or_default()).collect()
}

/// Refuses a tag with characters that MySQL's `utf8` cannot hold.
///
/// # Errors
/// [`FourByte`].
pub fn check_tag(name: &str) -> Result<(), FourByte> {
    characters::check([("name", Some(name))])
}

fn text(body: &Map<String, Value>, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn records<'a>(
    body: &'a Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a Map<String, Value>> {
    body.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

#[cfg(test)]
mod tests;
