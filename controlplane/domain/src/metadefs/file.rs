//! A namespace in a file: what `glance-manage db load_metadefs` reads and `export_metadefs` writes
//! (`glance/db/sqlalchemy/metadata.py`).
//!
//! Leaves files and rows to its callers. What is said of properties is kept as it stands: files may
//! say more than the API knows. Invariant: reading what was written gives what was written.

use glint_image::limits::METADEF_PARTS_MAX;
use serde_json::{Map, Value, json};

use super::AssociationFields;

/// Whom a namespace belongs to whose file does not say.
const OWNER: &str = "admin";

/// A namespace and all that it contains.
#[derive(Clone, Debug, PartialEq)]
pub struct NamespaceFile {
    /// Its unique name.
    pub namespace: String,
    /// Its name for people.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who sees it.
    pub visibility: Option<String>,
    /// Whether it is kept from deletion.
    pub protected: Option<bool>,
    /// The project that owns it.
    pub owner: String,
    /// The resource types it applies to.
    pub associations: Vec<AssociationFields>,
    /// Properties by name, each with what is said of it.
    pub properties: Map<String, Value>,
    /// Objects.
    pub objects: Vec<FileObject>,
    /// Names of tags.
    pub tags: Vec<String>,
}

/// An object in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileObject {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Names of properties it must have. Glance neither reads nor writes them in files.
    pub required: Vec<String>,
    /// Its properties by name.
    pub properties: Map<String, Value>,
}

/// The file is not that of a namespace.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// Not JSON.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A member is missing or of the wrong kind.
    #[error("{0:?} is not {1}")]
    Member(&'static str, &'static str),
    /// More than a namespace may hold.
    #[error("more than {METADEF_PARTS_MAX} {0:?}")]
    Full(&'static str),
}

// === impl NamespaceFile ===

impl NamespaceFile {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`FileFault`].
    pub fn read(text: &str) -> Result<Self, FileFault> {
        let whole: Map<String, Value> = serde_json::from_str(text)?;
        let properties = map(&whole, "properties")?;
        if properties.len() > METADEF_PARTS_MAX {
            return Err(FileFault::Full("properties"));
        }
        Ok(Self {
            namespace: must(&whole, "namespace")?,
            display_name: may(&whole, "display_name")?,
            description: may(&whole, "description")?,
            visibility: may(&whole, "visibility")?,
            protected: match whole.get("protected") {
                None | Some(Value::Null) => None,
                Some(Value::Bool(protected)) => Some(*protected),
                Some(_) => return Err(FileFault::Member("protected", "true or false")),
            },
            owner: may(&whole, "owner")?.unwrap_or_else(|| OWNER.to_owned()),
            associations: each(&whole, "resource_type_associations", association)?,
            properties,
            objects: each(&whole, "objects", object)?,
            tags: each(&whole, "tags", |tag| must(tag, "name"))?,
        })
    }

    /// The file's text.
    #[must_use]
    pub fn write(&self) -> String {
        let associations = self.associations.iter().map(|one| {
            json!({
                "name": one.name,
                "prefix": one.prefix,
                "properties_target": one.properties_target,
            })
        });
        let objects = self.objects.iter().map(|one| {
            let mut shown = json!({
                "name": one.name,
                "description": one.description,
                "properties": one.properties,
            });
            if !one.required.is_empty() {
                shown["required"] = json!(one.required);
            }
            shown
        });
        let whole = json!({
            "namespace": self.namespace,
            "display_name": self.display_name,
            "description": self.description,
            "visibility": self.visibility,
            "protected": self.protected,
            "owner": self.owner,
            "resource_type_associations": associations.collect::<Vec<_>>(),
            "properties": self.properties,
            "objects": objects.collect::<Vec<_>>(),
            "tags": self.tags.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
        });
        format!("{whole:#}\n")
    }

    /// What the file is called without its ending: the letters and digits of the display name, or
    /// of the name where there is none.
    #[must_use]
    pub fn stem(&self) -> String {
        let name = self.display_name.as_deref().filter(|name| name.contains(char::is_alphanumeric));
        name.unwrap_or(&self.namespace).chars().filter(|one| one.is_alphanumeric()).collect()
    }
}

fn association(one: &Map<String, Value>) -> Result<AssociationFields, FileFault> {
    Ok(AssociationFields {
        name: must(one, "name")?,
        prefix: may(one, "prefix")?,
        properties_target: may(one, "properties_target")?,
    })
}

fn object(one: &Map<String, Value>) -> Result<FileObject, FileFault> {
    let required = match one.get("required") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or(FileFault::Member("required", "a list of names"))?,
        Some(_) => return Err(FileFault::Member("required", "a list of names")),
    };
    Ok(FileObject {
        name: must(one, "name")?,
        description: may(one, "description")?,
        required,
        properties: map(one, "properties")?,
    })
}

fn may(of: &Map<String, Value>, name: &'static str) -> Result<Option<String>, FileFault> {
    match of.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(FileFault::Member(name, "text")),
    }
}

fn must(of: &Map<String, Value>, name: &'static str) -> Result<String, FileFault> {
    may(of, name)?.ok_or(FileFault::Member(name, "text"))
}

fn map(of: &Map<String, Value>, name: &'static str) -> Result<Map<String, Value>, FileFault> {
    match of.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members.clone()),
        Some(_) => Err(FileFault::Member(name, "an object")),
    }
}

fn each<T>(
    of: &Map<String, Value>,
    name: &'static str,
    read: impl Fn(&Map<String, Value>) -> Result<T, FileFault>,
) -> Result<Vec<T>, FileFault> {
    let items = match of.get(name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() > METADEF_PARTS_MAX => {
            return Err(FileFault::Full(name));
        }
        Some(Value::Array(items)) => items,
        Some(_) => return Err(FileFault::Member(name, "a list")),
    };
    let one = |item: &Value| read(item.as_object().ok_or(FileFault::Member(name, "of objects"))?);
    items.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{
        "namespace": "OS::A", "display_name": "A & B_1", "visibility": "public",
        "protected": true, "resource_type_associations": [{"name": "OS::Nova::Server"}],
        "properties": {"p": {"type": "string", "more": 1}},
        "objects": [{"name": "o", "required": ["p"], "properties": {"p": {"type": "string"}}}],
        "tags": [{"name": "t"}]
    }"#;

    #[test]
    fn what_is_written_is_read_again() {
        let file = NamespaceFile::read(WHOLE).expect("a namespace");
        assert_eq!(file.owner, "admin");
        assert_eq!(file.stem(), "AB1");
        assert_eq!(NamespaceFile::read(&file.write()).expect("its own text"), file);
    }

    #[test]
    fn what_is_no_namespace_is_refused() {
        let check = |text: &str, expected: &str| {
            let found = NamespaceFile::read(text).expect_err("no namespace").to_string();
            assert_eq!(found, expected, "{text}");
        };
        check("{}", "\"namespace\" is not text");
        check(r#"{"namespace": 5}"#, "\"namespace\" is not text");
        check(r#"{"namespace": "a", "tags": [{}]}"#, "\"name\" is not text");
        check(r#"{"namespace": "a", "tags": ["x"]}"#, "\"tags\" is not of objects");
        check(r#"{"namespace": "a", "objects": {}}"#, "\"objects\" is not a list");
        check(r#"{"namespace": "a", "properties": []}"#, "\"properties\" is not an object");
        check(r#"{"namespace": "a", "protected": 1}"#, "\"protected\" is not true or false");
        assert!(NamespaceFile::read("[").is_err());
    }
}
