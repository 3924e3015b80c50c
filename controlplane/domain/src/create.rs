//! Making a new image of what a caller asked for (Glance: `glance/api/v2/images.py`,
//! `RequestDeserializer.create`; `glance/domain/__init__.py`, `ImageFactory.new_image`).
//!
//! Leaves the schema check, which comes between [`check_allowed`] and [`new_image`], and the id and
//! the time to its caller. Invariant: an image that comes out of here is queued, has no bytes, and
//! fits its columns.

use glint_image::{ImageId, Seq, Status, Visibility};
use serde_json::{Map, Value};
use time::PrimitiveDateTime;

use crate::attributes;
use crate::context::Context;
use crate::image::Image;
use crate::policy::{Policy, PolicyRefused};
use crate::property_protection::{Action, Guard, PropertyRules};
use crate::quota::{QuotaExceeded, Quotas};
use crate::value::{self, ValueRefused};

/// What a new image is measured against.
#[derive(Clone, Copy, Debug)]
pub struct Measures<'a> {
    /// The limits per image.
    pub quotas: Quotas,
    /// Who may do what to custom properties, where that is restricted.
    pub protection: Option<&'a PropertyRules>,
}

/// Why an image is not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateRefused {
    /// An attribute only the service sets.
    #[error("Attribute '{0}' is read-only.")]
    ReadOnly(String),
    /// A name kept for older versions or for the service.
    #[error("Attribute '{0}' is reserved.")]
    ReservedName(String),
    /// An attribute that cannot be given at creation.
    #[error("Attribute '{0}' is reserved.")]
    ReservedAttribute(String),
    /// A property that the caller may not create.
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

/// Refuses the attributes that may not even be mentioned. Comes before the schema.
///
/// # Errors
/// [`CreateRefused::ReadOnly`].
pub fn check_allowed(body: &Map<String, Value>) -> Result<(), CreateRefused> {
    match attributes::DISALLOWED_AT_CREATION.iter().find(|name| body.contains_key(**name)) {
        Some(name) => Err(CreateRefused::ReadOnly((*name).to_owned())),
        None => Ok(()),
    }
}

/// Makes the image. The body fits the image schema; `fresh` is its id unless the body brings one.
///
/// # Errors
/// The first [`CreateRefused`] in Glance's order of checks.
pub fn new_image(
    body: &Map<String, Value>,
    caller: &Context,
    policy: &Policy,
    measures: Measures<'_>,
    fresh: ImageId,
    now: PrimitiveDateTime,
) -> Result<Image, CreateRefused> {
    check_names(body)?;
    let owner = match body.get("owner") {
        Some(owner) => text(owner),
        None => caller.project.clone(),
    };
    let visibility = body.get("visibility").and_then(Value::as_str).and_then(Visibility::parse);
    policy.new_image(caller, owner.as_deref(), visibility).add_image()?;
    let guard = Guard::new(measures.protection, caller, policy);
    if let Some((name, _)) = custom(body).find(|(name, _)| !guard.allows(name, Action::Create)) {
        return Err(CreateRefused::Protected(name.clone()));
    }
    if let Some(name) = attributes::READ_ONLY_AT_CREATION
        .iter()
        .find(|name| at_creation(name) && body.contains_key(**name))
    {
        return Err(CreateRefused::ReadOnly((*name).to_owned()));
    }
    if body.contains_key("locations") {
        return Err(CreateRefused::ReservedAttribute("locations".to_owned()));
    }
    let image = Image {
        id: body
            .get("id")
            .and_then(Value::as_str)
            .and_then(|id| ImageId::parse(id).ok())
            .unwrap_or(fresh),
        name: body.get("name").and_then(text),
        status: Status::Queued,
        visibility: visibility.unwrap_or(Visibility::Shared),
        protected: flag(body, "protected"),
        os_hidden: flag(body, "os_hidden"),
        owner: owner.filter(|owner| !owner.is_empty()),
        disk_format: body.get("disk_format").and_then(text),
        container_format: body.get("container_format").and_then(text),
        min_disk: quantity(body, "min_disk")?,
        min_ram: quantity(body, "min_ram")?,
        size: None,
        virtual_size: None,
        checksum: None,
        os_hash_algo: None,
        os_hash_value: None,
        created_at: now,
        updated_at: now,
        properties: custom(body)
            .map(|(name, value)| (name.clone(), text(value).unwrap_or_default()))
            .collect(),
        tags: tags(body.get("tags")),
        locations: Vec::new(),
        members: Vec::new(),
        upload: None,
        seq: Seq(0),
    };
    let quotas = measures.quotas;
    quotas.check_tags(image.tags.len())?;
    quotas.check_properties(image.properties.iter().map(|(name, _)| name.as_str()))?;
    value::check_characters(&image)?;
    Ok(image)
}

/// Checks the names of the custom properties.
fn check_names(body: &Map<String, Value>) -> Result<(), CreateRefused> {
    for (name, _) in custom(body) {
        if name.chars().count() > attributes::PROPERTY_NAME_CHARS_MAX {
            return Err(CreateRefused::PropertyNameTooLong);
        }
        if attributes::is_reserved(name) {
            return Err(CreateRefused::ReservedName(name.clone()));
        }
    }
    Ok(())
}

/// The members of a body that are no attributes.
fn custom(body: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    body.iter().filter(|(name, _)| !at_creation(name))
}

/// The tags of a JSON array, without duplicates, in order of first appearance.
pub(crate) fn tags(value: Option<&Value>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).filter(|tag| seen.insert(*tag)).map(str::to_owned).collect()
}

pub(crate) fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn at_creation(name: &str) -> bool {
    attributes::AT_CREATION.contains(&name)
}

fn flag(body: &Map<String, Value>, name: &str) -> bool {
    body.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn quantity(body: &Map<String, Value>, name: &'static str) -> Result<i32, ValueRefused> {
    body.get(name).map_or(Ok(0), |value| value::quantity(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::property_protection::RuleFormat;
    use serde_json::json;
    use time::macros::datetime;

    const QUOTAS: Quotas = Quotas { properties: 2, tags: 2, locations: 3 };

    fn create(body: &Value, caller: &Context) -> Result<Image, CreateRefused> {
        let body = body.as_object().expect("a test's body is an object");
        check_allowed(body)?;
        let now = datetime!(2026-11-21 05:54:39);
        let fresh = ImageId::parse("9aaf2ed9-ea3b-4c12-bcec-3cc68371eab0").expect("a UUID");
        let rules = "[^closed$]\ncreate=!\nread=@\nupdate=@\ndelete=@\n\
                     [.*]\ncreate=@\nread=@\nupdate=@\ndelete=@\n";
        let rules = PropertyRules::parse(rules, RuleFormat::Roles).expect("a good file");
        let measures = Measures { quotas: QUOTAS, protection: Some(&rules) };
        new_image(body, caller, &Policy::defaults(), measures, fresh, now)
    }

    #[test]
    fn protected_properties_are_not_created() {
        let refused = create(&json!({"open": "x", "closed": "y"}), &member());
        assert_eq!(refused, Err(CreateRefused::Protected("closed".to_owned())));
        assert!(create(&json!({"open": "x"}), &member()).is_ok());
    }

    fn member() -> Context {
        Context {
            project: Some("proj-a".into()),
            roles: vec!["member".into()],
            ..Context::default()
        }
    }

    #[test]
    fn an_empty_body_makes_a_shared_queued_image_of_the_callers_project() {
        let image = create(&json!({}), &member()).expect("nothing is refused");
        assert_eq!(image.id.as_str(), "9aaf2ed9-ea3b-4c12-bcec-3cc68371eab0");
        assert_eq!((image.status, image.visibility), (Status::Queued, Visibility::Shared));
        assert_eq!((image.owner.as_deref(), image.name), (Some("proj-a"), None));
    }

    #[test]
    fn attributes_properties_and_tags_are_told_apart() {
        let body = json!({
            "name": "n", "disk_format": "qcow2", "min_disk": 1, "visibility": "private",
            "tags": ["b", "a", "b"], "my_prop": "x", "hw_disk_bus": "virtio",
            "id": "F9C54903-f38e-422b-911b-2955dda06f6e",
        });
        let image = create(&body, &member()).expect("nothing is refused");
        assert_eq!(image.id.as_str(), "F9C54903-f38e-422b-911b-2955dda06f6e");
        assert_eq!(image.tags, ["b", "a"]);
        let expected = [("my_prop", "x"), ("hw_disk_bus", "virtio")];
        assert_eq!(image.properties, expected.map(|(name, value)| (name.into(), value.into())));
        assert_eq!((image.min_disk, image.visibility), (1, Visibility::Private));
    }

    #[test]
    fn refusals_read_as_glances() {
        let check = |body: Value, expected: &str| {
            let refused = create(&body, &member()).expect_err("the body is to be refused");
            assert_eq!(refused.to_string(), expected, "{body}");
        };
        check(json!({"direct_url": "x", "name": "n"}), "Attribute 'direct_url' is read-only.");
        check(json!({"status": "active"}), "Attribute 'status' is read-only.");
        check(json!({"location": "x"}), "Attribute 'location' is reserved.");
        check(json!({"os_glancefoo": "x"}), "Attribute 'os_glancefoo' is reserved.");
        check(json!({"locations": []}), "Attribute 'locations' is reserved.");
        check(json!({"owner": "b"}), "You are not permitted to create images owned by 'b'");
        check(
            json!({"k".repeat(256): "v"}),
            "Custom property should not be greater than 255 characters.",
        );
        check(
            json!({"min_disk": -1, "min_ram": 99_999_999_999_i64}),
            "Invalid value '-1' for parameter 'min_disk': Cannot be a negative value",
        );
        check(
            json!({"tags": ["1", "2", "3"]}),
            "The limit has been exceeded on the number of allowed image tags. \
             Attempted: 3, Maximum: 2",
        );
        check(
            json!({"a": "", "b": "", "c": ""}),
            "The limit has been exceeded on the number of allowed image properties. \
             Attempted: 3, Maximum: 2",
        );
        check(json!({"name": "\u{1f600}"}), "Name can't contain 4 byte unicode characters.");
        check(json!({"p": "\u{1f600}"}), "P can't contain 4 byte unicode characters.");
        check(json!({"\u{1f600}": "p"}), "Property names can't contain 4 byte unicode.");
        check(json!({"tags": ["\u{1f600}"]}), "Param values can't contain 4 byte unicode.");
    }

    #[test]
    fn administrators_create_for_anybody_and_for_nobody() {
        let admin = Context::unauthenticated();
        let owner = |body: Value| create(&body, &admin).expect("admins may").owner;
        assert_eq!(owner(json!({"owner": "b"})).as_deref(), Some("b"));
        assert_eq!(owner(json!({"owner": ""})), None);
        assert_eq!(owner(json!({})), None);
    }
}
