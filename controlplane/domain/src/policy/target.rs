//! What rules may ask of that which a request is about (Glance: `glance/api/policy.py`,
//! `ImageTarget`, and the dicts of `glance/api/v2/policy.py`).

use glint_image::Visibility;
use glint_policy::{Attributes, Value};

use crate::context::{Context, text};
use crate::image::Image;
use crate::properties::Properties;

/// An image: its attributes by name, then its custom properties. `project_id` is the owner, and
/// `member_id` the caller's project where the image is shared by somebody else: that is how the
/// caller came to see it (`glance/db/__init__.py`, `ImageRepo._format_image_from_db`). Locations
/// and times cannot be asked for.
#[derive(Clone, Copy, Debug)]
pub struct ImageTarget<'a> {
    image: &'a Image,
    member: Option<&'a str>,
    changed: Option<&'a Properties>,
}

/// An image that is to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProposedTarget<'a> {
    pub(super) owner: Option<&'a str>,
    pub(super) visibility: Visibility,
}

/// Something of the caller's own project.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnTarget<'a>(pub(super) &'a Context);

/// The caller itself (`RequestContext.to_dict`).
#[derive(Clone, Copy, Debug)]
pub(super) struct CallerTarget<'a>(pub(super) &'a Context);

/// Nothing in particular.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nothing;

// === impl ImageTarget ===

impl<'a> ImageTarget<'a> {
    /// The image as the caller sees it.
    #[must_use]
    pub fn of(caller: &'a Context, image: &'a Image) -> Self {
        Self { image, member: member(caller, image), changed: None }
    }

    /// An image whose custom properties are being changed; `member` is that of the image as it was
    /// looked up.
    pub(crate) fn changing(
        image: &'a Image,
        member: Option<&'a str>,
        properties: &'a Properties,
    ) -> Self {
        Self { image, member, changed: Some(properties) }
    }

    pub(super) fn owner(&self) -> Option<&'a str> {
        self.image.owner.as_deref()
    }

    fn property(&self, name: &str) -> Option<Value<'_>> {
        let found = match self.changed {
            Some(properties) => properties.get(name),
            None => {
                let mut all = self.image.properties.iter();
                all.find(|(each, _)| each == name).map(|(_, value)| value.as_str())
            }
        };
        found.map(Value::Text)
    }
}

/// The caller's project, where the image is shared by another.
pub(crate) fn member<'a>(caller: &'a Context, image: &Image) -> Option<&'a str> {
    let by_sharing = image.visibility == Visibility::Shared && caller.project != image.owner;
    caller.project.as_deref().filter(|_| by_sharing)
}

impl Attributes for ImageTarget<'_> {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        let image = self.image;
        let number = |value: Option<i64>| value.map_or(Value::None, Value::Int);
        Some(match name {
            "id" | "image_id" => Value::Text(image.id.as_str()),
            "owner" | "project_id" => text(&image.owner),
            "member" | "member_id" => self.member.map_or(Value::None, Value::Text),
            "name" => text(&image.name),
            "status" => Value::Text(image.status.as_str()),
            "visibility" => Value::Text(image.visibility.as_str()),
            "protected" => Value::Bool(image.protected),
            "os_hidden" => Value::Bool(image.os_hidden),
            "disk_format" => text(&image.disk_format),
            "container_format" => text(&image.container_format),
            "min_disk" => Value::Int(image.min_disk.into()),
            "min_ram" => Value::Int(image.min_ram.into()),
            "size" => number(image.size),
            "virtual_size" => number(image.virtual_size),
            "checksum" => text(&image.checksum),
            "os_hash_algo" => text(&image.os_hash_algo),
            "os_hash_value" => text(&image.os_hash_value),
            "tags" => Value::Texts(&image.tags),
            "locations" | "created_at" | "updated_at" => return None,
            name => return self.property(name),
        })
    }
}

impl Attributes for ProposedTarget<'_> {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        match name {
            "owner" | "project_id" => Some(self.owner.map_or(Value::None, Value::Text)),
            "visibility" => Some(Value::Text(self.visibility.as_str())),
            _ => None,
        }
    }
}

impl Attributes for OwnTarget<'_> {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        (name == "project_id").then(|| text(&self.0.project))
    }
}

impl Attributes for CallerTarget<'_> {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        let Self(caller) = self;
        Some(match name {
            "user" => text(&caller.user),
            "project" | "project_id" => text(&caller.project),
            "domain" => text(&caller.domain),
            "user_domain" => text(&caller.user_domain),
            "project_domain" => text(&caller.project_domain),
            "system_scope" => text(&caller.system_scope),
            "roles" => Value::Texts(&caller.roles),
            "is_admin" => Value::Bool(caller.is_admin),
            "read_only" => Value::Bool(caller.read_only),
            "is_admin_project" => Value::Bool(!caller.is_ordinary_project),
            _ => return None,
        })
    }
}

impl Attributes for Nothing {
    fn attribute(&self, _: &str) -> Option<Value<'_>> {
        None
    }
}
