//! Changes to an image asked for as a JSON patch (Glance: `glance/api/v2/images.py`,
//! `RequestDeserializer.update`, `ImagesController.update`).
//!
//! [`parse`] reads the operations of both media types, [`apply`] performs them on an image in
//! memory. Leaves looking up and saving the image, and the schema of the values, to its caller.
//! Invariant: an image that [`apply`] returns fits its columns and its quotas; one it refuses is to
//! be thrown away.

use serde_json::{Map, Value};

use glint_image::{Status, Visibility};

use crate::attributes;
use crate::context::Context;
use crate::create;
use crate::image::Image;
use crate::locations::{self, LocationRefused, Terms};
use crate::policy::{self, ImagePolicy, ImageTarget, Policy, PolicyRefused};
use crate::properties::Properties;
use crate::property_protection::{Action, Guard, PropertyRules};
use crate::quota::{QuotaExceeded, Quotas};
use crate::value::{self, ValueRefused};

/// Which of the two media types the operations are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draft {
    /// `application/openstack-images-v2.0-json-patch`: `{"add": "/name", "value": …}`.
    V20,
    /// `application/openstack-images-v2.1-json-patch`:
    /// `{"op": "add", "path": "/name", "value": …}`.
    V21,
}

/// What to do with an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Set it; in the older media type only where it is not there yet.
    Add(Value),
    /// Take it away.
    Remove,
    /// Set it where it is there.
    Replace(Value),
}

/// One operation on one attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What to do.
    pub operation: Operation,
    /// The attribute, or the name of a custom property.
    pub root: String,
    /// The place in `locations` that is meant; empty: all of it.
    position: String,
    draft: Draft,
}

/// What a patch is measured against.
#[derive(Clone, Copy, Debug)]
pub struct Measures<'a> {
    /// The limits per image.
    pub quotas: Quotas,
    /// What changes of locations are measured against.
    pub locations: Terms<'a>,
    /// Who may do what to custom properties, where that is restricted.
    pub protection: Option<&'a PropertyRules>,
}

/// Why a patch cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseRefused {
    /// It is not what the media type describes; the text says where.
    #[error("{0}")]
    Malformed(String),
    /// An attribute only the service sets.
    #[error("Attribute '{0}' is read-only.")]
    ReadOnly(String),
    /// A name kept for older versions or for the service.
    #[error("Attribute '{0}' is reserved.")]
    Reserved(String),
    /// The value does not fit the image schema; the text is the schema's.
    #[error("{0}")]
    Schema(String),
}

/// Why a patch is not performed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyRefused {
    /// Nothing there to replace or remove.
    #[error("Property {0} does not exist.")]
    Missing(String),
    /// Already there, in the media type where that matters.
    #[error("Property {0} already present.")]
    Present(String),
    /// An attribute every image has.
    #[error("Property {0} may not be removed.")]
    NotRemovable(String),
    /// Formats are fixed once bytes are there.
    #[error("Attribute {0} can be only replaced for a queued image.")]
    NotQueued(&'static str),
    /// Only administrators give images away.
    #[error("Owner can't be updated by non admin.")]
    Owner,
    /// Locations.
    #[error(transparent)]
    Location(#[from] LocationRefused),
    /// A property to which the caller may not do this.
    #[error("Attribute '{0}' is reserved.")]
    Protected(String),
    /// The name of a custom property does not fit its column.
    #[error("Custom property should not be greater than 255 characters.")]
    PropertyNameTooLong,
    /// The policy does not let the caller.
    #[error(transparent)]
    Policy(#[from] PolicyRefused),
    /// A value behind the schema.
    #[error(transparent)]
    Value(#[from] ValueRefused),
    /// Too many tags or properties.
    #[error(transparent)]
    Quota(#[from] QuotaExceeded),
}

/// The attribute whose parts can be changed one by one.
const LOCATIONS: &str = "locations";

impl Change {
    /// Whether it changes what goes with the bytes.
    #[must_use]
    pub fn is_of_locations(&self) -> bool {
        self.root == LOCATIONS
    }
}

/// Reads the operations. `schema` checks an image of one attribute against the image schema.
///
/// # Errors
/// The first [`ParseRefused`], going through the operations in order.
pub fn parse(
    body: &Value,
    draft: Draft,
    schema: &dyn Fn(Value) -> Result<(), String>,
) -> Result<Vec<Change>, ParseRefused> {
    let operations = body.as_array().ok_or_else(|| {
        malformed("Request body must be a JSON array of operation objects.".into())
    })?;
    operations.iter().map(|operation| parse_change(operation, draft, schema)).collect()
}

/// Performs the operations in order.
///
/// # Errors
/// The first [`ApplyRefused`].
pub fn apply(
    mut image: Image,
    changes: &[Change],
    caller: &Context,
    rules: &Policy,
    measures: Measures<'_>,
) -> Result<Image, ApplyRefused> {
    let quotas = measures.quotas;
    let guard = Guard::new(measures.protection, caller, rules);
    let member = policy::member(caller, &image);
    let mut properties = Properties::of(std::mem::take(&mut image.properties));
    for change in changes {
        // Each change is judged on the image as the changes before it left it.
        let target = ImageTarget::changing(&image, member, &properties);
        authorize(&rules.target(caller, target), change, caller)?;
        apply_change(&mut image, &mut properties, change, measures, guard)?;
    }
    let grown = properties.has_new();
    image.properties = properties.into_vec();
    if grown {
        quotas.check_properties(image.properties.iter().map(|(name, _)| name.as_str()))?;
    }
    value::check_characters(&image)?;
    Ok(image)
}

fn parse_change(
    raw: &Value,
    draft: Draft,
    schema: &dyn Fn(Value) -> Result<(), String>,
) -> Result<Change, ParseRefused> {
    let raw =
        raw.as_object().ok_or_else(|| malformed("Operations must be JSON objects.".into()))?;
    let (name, pointer) = match draft {
        Draft::V21 => {
            let name = operation_v21(raw)?;
            let missing = || malformed("Unable to find 'path' in JSON Schema change".into());
            (name, raw.get("path").ok_or_else(missing)?)
        }
        Draft::V20 => operation_v20(raw)?,
    };
    // Glance fails with 500 on a pointer that is no text; here it is the caller's fault.
    let pointer = pointer
        .as_str()
        .ok_or_else(|| malformed(format!("Pointer `{pointer}` does not start with \"/\".")))?;
    let path = decode_pointer(pointer)?;
    let (root, rest) = path.split_first().expect("a split text has at least one part");
    let depth = match (root.as_str(), name) {
        (LOCATIONS, "add" | "remove") => 2,
        _ => 1,
    };
    if path.len() != depth {
        let shown = path.join("/");
        return Err(malformed(format!("Invalid JSON pointer for this resource: '/{shown}'")));
    }
    let value = match (name, raw.get("value")) {
        ("remove", _) => None,
        (_, Some(value)) => Some(value.clone()),
        (_, None) => {
            let text = format!("Operation \"{name}\" requires a member named \"value\".");
            return Err(malformed(text));
        }
    };
    if attributes::READ_ONLY_IN_CHANGES.contains(&root.as_str()) {
        return Err(ParseRefused::ReadOnly(root.clone()));
    }
    if attributes::is_reserved(root) {
        return Err(ParseRefused::Reserved(root.clone()));
    }
    let operation = match value {
        None => Operation::Remove,
        Some(value) => {
            let checked =
                if rest.is_empty() { value.clone() } else { Value::Array(vec![value.clone()]) };
            let partial: Map<String, Value> = [(root.clone(), checked)].into_iter().collect();
            schema(Value::Object(partial)).map_err(ParseRefused::Schema)?;
            if name == "add" { Operation::Add(value) } else { Operation::Replace(value) }
        }
    };
    let position = rest.first().cloned().unwrap_or_default();
    Ok(Change { operation, root: root.clone(), position, draft })
}

const OPERATIONS: [&str; 3] = ["add", "remove", "replace"];

fn operation_v21(raw: &Map<String, Value>) -> Result<&'static str, ParseRefused> {
    let available = "It must be one of the following: add, remove, replace.";
    let given = match raw.get("op") {
        None | Some(Value::Null) => {
            return Err(malformed(format!(
                "Unable to find `op` in JSON Schema change. {available}"
            )));
        }
        Some(given) => given,
    };
    OPERATIONS.into_iter().find(|name| given.as_str() == Some(*name)).ok_or_else(|| {
        let shown = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
        malformed(format!("Invalid operation: `{shown}`. {available}"))
    })
}

fn operation_v20(raw: &Map<String, Value>) -> Result<(&'static str, &Value), ParseRefused> {
    let mut found = OPERATIONS.into_iter().filter_map(|name| Some((name, raw.get(name)?)));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (found, _) => {
            let how_many = if found.is_some() { "only" } else { "exactly" };
            Err(malformed(format!(
                "Operation objects must contain {how_many} one member named \"add\", \"remove\", \
                 or \"replace\"."
            )))
        }
    }
}

/// Splits a pointer into its unescaped parts (`RequestDeserializer._decode_json_pointer`). A second
/// slash at the front is let through, as there.
fn decode_pointer(pointer: &str) -> Result<Vec<String>, ParseRefused> {
    let refuse = |what: &str| Err(malformed(format!("Pointer `{pointer}` {what}")));
    let Some(rest) = pointer.strip_prefix('/') else {
        return refuse("does not start with \"/\".");
    };
    let mut parts = rest.split('/');
    // Between the first slash after the front one and the last there may be no blank part.
    parts.next();
    let inner: Vec<&str> = parts.collect();
    if inner.len() > 1 && inner[..inner.len() - 1].iter().any(|part| part.trim().is_empty()) {
        return refuse("contains adjacent \"/\".");
    }
    if rest.ends_with('/') {
        return refuse("end with \"/\".");
    }
    if rest.trim() == "/" {
        return refuse("does not contains valid token.");
    }
    let escapes = pointer.split('~').skip(1);
    if escapes.into_iter().any(|after| !after.starts_with(['0', '1'])) {
        return refuse("contains \"~\" not part of a recognized escape sequence.");
    }
    let parts = pointer.trim_start_matches('/').split('/');
    Ok(parts.map(|part| part.replace("~1", "/").replace("~0", "~").trim().to_owned()).collect())
}

/// Whether the caller may make this change at all (`_do_replace`, `_do_add`, `_do_remove`).
fn authorize(
    policy: &ImagePolicy<'_>,
    change: &Change,
    caller: &Context,
) -> Result<(), ApplyRefused> {
    match (change.root.as_str(), &change.operation) {
        (LOCATIONS, Operation::Replace(value)) if value.as_array().is_some_and(Vec::is_empty) => {
            return Err(LocationRefused::Empty.into());
        }
        (LOCATIONS, Operation::Remove) => policy.delete_image_location()?,
        (LOCATIONS, _) => policy.set_image_location()?,
        ("owner", Operation::Add(_) | Operation::Replace(_)) if !caller.is_admin => {
            return Err(ApplyRefused::Owner);
        }
        ("visibility", Operation::Add(value) | Operation::Replace(value)) => {
            policy.update_property(value.as_str().and_then(Visibility::parse))?;
        }
        _ => policy.update_property(None)?,
    }
    Ok(())
}

fn apply_change(
    image: &mut Image,
    properties: &mut Properties,
    change: &Change,
    measures: Measures<'_>,
    guard: Guard<'_>,
) -> Result<(), ApplyRefused> {
    let root = change.root.as_str();
    let is_attribute = attributes::CHANGEABLE.contains(&root);
    if root == LOCATIONS {
        return Ok(change_locations(image, change, measures)?);
    }
    // What a caller may not see is not there for it.
    let seen = properties.contains(root) && guard.allows(root, Action::Read);
    let may = |action| match guard.allows(root, action) {
        true => Ok(()),
        false => Err(ApplyRefused::Protected(root.to_owned())),
    };
    let value = match &change.operation {
        Operation::Remove if is_attribute => {
            return Err(ApplyRefused::NotRemovable(root.to_owned()));
        }
        Operation::Remove if seen => {
            may(Action::Delete)?;
            properties.remove(root);
            return Ok(());
        }
        Operation::Remove => return Err(ApplyRefused::Missing(root.to_owned())),
        Operation::Replace(_) if !is_attribute && !seen => {
            return Err(ApplyRefused::Missing(root.to_owned()));
        }
        Operation::Add(_) if change.draft == Draft::V20 && (is_attribute || seen) => {
            return Err(ApplyRefused::Present(root.to_owned()));
        }
        Operation::Add(value) | Operation::Replace(value) => value,
    };
    if is_attribute {
        return set_attribute(image, root, value, measures.quotas);
    }
    may(if seen { Action::Update } else { Action::Create })?;
    if root.chars().count() > attributes::PROPERTY_NAME_CHARS_MAX {
        return Err(ApplyRefused::PropertyNameTooLong);
    }
    properties.set(root, create::text(value).unwrap_or_default());
    Ok(())
}

fn change_locations(
    image: &mut Image,
    change: &Change,
    measures: Measures<'_>,
) -> Result<(), LocationRefused> {
    let Measures { quotas, locations: terms, .. } = measures;
    let place = change.position.as_str();
    match &change.operation {
        Operation::Add(value) => locations::add(image, place, value, quotas, terms),
        Operation::Remove => locations::remove(image, place, terms),
        Operation::Replace(value) => {
            let values = value.as_array().map(Vec::as_slice).unwrap_or_default();
            locations::replace(image, values, quotas, terms)
        }
    }
}

/// Sets an attribute to a value that fits the schema.
fn set_attribute(
    image: &mut Image,
    name: &str,
    value: &Value,
    quotas: Quotas,
) -> Result<(), ApplyRefused> {
    let formats_open = matches!(image.status, Status::Queued | Status::Importing);
    match name {
        "name" => image.name = create::text(value),
        "visibility" => {
            let given = value.as_str().and_then(Visibility::parse);
            image.visibility = given.expect("the schema lists exactly the visibilities there are");
        }
        "protected" => image.protected = value.as_bool().unwrap_or(false),
        "os_hidden" => image.os_hidden = value.as_bool().unwrap_or(false),
        "owner" => image.owner = create::text(value).filter(|owner| !owner.is_empty()),
        "disk_format" if !formats_open => return Err(ApplyRefused::NotQueued("disk_format")),
        "disk_format" => image.disk_format = create::text(value),
        "container_format" if !formats_open => {
            return Err(ApplyRefused::NotQueued("container_format"));
        }
        "container_format" => image.container_format = create::text(value),
        "min_disk" => image.min_disk = value::quantity("min_disk", value)?,
        "min_ram" => image.min_ram = value::quantity("min_ram", value)?,
        "tags" => {
            let tags = create::tags(Some(value));
            quotas.check_tags(tags.len())?;
            image.tags = tags;
        }
        _ => unreachable!("attributes::CHANGEABLE has no other name"),
    }
    Ok(())
}

fn malformed(text: String) -> ParseRefused {
    ParseRefused::Malformed(text)
}

#[cfg(test)]
mod tests;
