//! An image as the catalogue knows it.

use glint_image::{Epoch, ImageId, Seq, Status, Visibility};
use time::PrimitiveDateTime;

/// One image with everything that hangs on it. Times are UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The image's id.
    pub id: ImageId,
    /// A name, not unique, at most 255 characters.
    pub name: Option<String>,
    /// Where it stands in its life.
    pub status: Status,
    /// Who may see it.
    pub visibility: Visibility,
    /// Whether it refuses to be deleted.
    pub protected: bool,
    /// Whether lists leave it out by default.
    pub os_hidden: bool,
    /// Owning project.
    pub owner: Option<String>,
    /// Disk format; required before bytes may be stored.
    pub disk_format: Option<String>,
    /// Container format; required before bytes may be stored.
    pub container_format: Option<String>,
    /// Least disk to boot it, GiB.
    pub min_disk: i32,
    /// Least memory to boot it, MiB.
    pub min_ram: i32,
    /// Size in bytes, once stored.
    pub size: Option<i64>,
    /// Size of the disk inside, in bytes, where the format tells it.
    pub virtual_size: Option<i64>,
    /// Hexadecimal MD5.
    pub checksum: Option<String>,
    /// Name of the second hash, as Python's hashlib spells it.
    pub os_hash_algo: Option<String>,
    /// Hexadecimal value of the second hash.
    pub os_hash_value: Option<String>,
    /// When it was created.
    pub created_at: PrimitiveDateTime,
    /// When it was last changed.
    pub updated_at: PrimitiveDateTime,
    /// Custom properties in database order (by row id). A stored NULL is an empty text, as Glance
    /// shows it.
    pub properties: Vec<(String, String)>,
    /// Tags, without duplicates.
    pub tags: Vec<String>,
    /// Where the bytes lie, in database order; active rows only.
    pub locations: Vec<ImageLocation>,
    /// Project ids of the members whatever their status.
    pub members: Vec<String>,
    /// Epoch of the open upload, if there is one.
    pub upload: Option<Epoch>,
    /// The newest change of this image in the outbox; 0 for one that Glint never changed.
    pub seq: Seq,
}

/// One row of `image_locations`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageLocation {
    /// The URL, e.g. `file:///var/lib/glance/images/<id>`.
    pub url: String,
    /// JSON object text of `meta_data`, e.g. `{"store": "fast"}`.
    pub metadata: String,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use time::macros::datetime;

    /// A queued image without anything set, for the tests of this crate.
    pub(crate) fn image() -> Image {
        Image {
            id: ImageId::parse("9191ce3a-f1bf-4d56-838f-835540663deb").expect("a UUID"),
            name: None,
            status: Status::Queued,
            visibility: Visibility::Shared,
            protected: false,
            os_hidden: false,
            owner: Some("proj-a".into()),
            disk_format: None,
            container_format: None,
            min_disk: 0,
            min_ram: 0,
            size: None,
            virtual_size: None,
            checksum: None,
            os_hash_algo: None,
            os_hash_value: None,
            created_at: datetime!(2026-11-21 05:54:40),
            updated_at: datetime!(2026-11-21 05:54:40),
            properties: Vec::new(),
            tags: Vec::new(),
            locations: Vec::new(),
            members: Vec::new(),
            upload: None,
            seq: Seq(0),
        }
    }
}
