//! The names of an image's attributes, and which of them callers may set
//! (Glance: `glance/api/v2/images.py`, class `RequestDeserializer`; `glance/domain/__init__.py`,
//! class `ImageFactory`).
//!
//! Invariant: every name that is in none of these tables is a custom property.

/// Attributes a body of a create request may bring: the rest of its keys are custom properties.
pub const AT_CREATION: [&str; 17] = [
    "checksum",
    "created_at",
    "container_format",
    "disk_format",
    "id",
    "min_disk",
    "min_ram",
    "name",
    "size",
    "virtual_size",
    "status",
    "tags",
    "owner",
    "updated_at",
    "visibility",
    "protected",
    "os_hidden",
];

/// Attributes nobody may set at creation, checked before anything else.
pub const DISALLOWED_AT_CREATION: [&str; 5] = ["direct_url", "self", "file", "schema", "stores"];

/// Attributes among [`AT_CREATION`] that only the service sets.
pub const READ_ONLY_AT_CREATION: [&str; 8] = [
    "created_at",
    "updated_at",
    "status",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
    "size",
    "virtual_size",
];

/// Attributes no change may touch.
pub const READ_ONLY_IN_CHANGES: [&str; 13] = [
    "created_at",
    "updated_at",
    "status",
    "checksum",
    "size",
    "virtual_size",
    "direct_url",
    "self",
    "file",
    "schema",
    "id",
    "os_hash_algo",
    "os_hash_value",
];

/// Names that mean something to older versions of the API.
pub const RESERVED: [&str; 3] = ["location", "deleted", "deleted_at"];

/// Attributes that a change may replace or add, but not remove.
pub const CHANGEABLE: [&str; 10] = [
    "name",
    "visibility",
    "protected",
    "os_hidden",
    "owner",
    "disk_format",
    "container_format",
    "min_disk",
    "min_ram",
    "tags",
];

/// Longest name of a custom property, in characters: the width of its column.
pub const PROPERTY_NAME_CHARS_MAX: usize = 255;

/// Whether a name begins with the prefix kept for the service itself (`os_glance`, also without a
/// following underscore).
#[must_use]
pub fn is_reserved_namespace(name: &str) -> bool {
    name.starts_with("os_glance")
}

/// Whether a name may not be used by callers at all.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || is_reserved_namespace(name)
}
