//! Where an image's bytes lie, changed by hand (Glance: `glance/api/v2/images.py`,
//! `_do_add_locations` and its neighbours; `glance/location.py`, `StoreLocations`;
//! `glance/quota/__init__.py`, `QuotaImageLocationsProxy`).
//!
//! Leaves looking at places to the caller: where a size is wanted that is not known yet, the change
//! is refused with [`LocationRefused::Unknown`], and tried again when it is. Invariants: no URL
//! gets into an image that nobody looked at; an image with bytes keeps a location; the store's own
//! files are never named by hand.

use std::collections::BTreeMap;

use glint_image::Status;
use serde_json::Value;

use crate::image::{Image, ImageLocation};
use crate::quota::{QuotaExceeded, Quotas, StorageFull, StorageQuota};
use crate::upload::{self, UploadRefused};
use crate::uri;

/// What changes of locations are measured against.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// `show_multiple_locations`: without it locations cannot be changed.
    pub visible: bool,
    /// `hashing_algorithm`.
    pub hashing_algorithm: &'a str,
    /// `user_storage_quota`.
    pub storage: StorageQuota,
    /// How many bytes the other images of the image's project take.
    pub used_by_others: u64,
    /// What is known of places by their URL.
    pub found: &'a BTreeMap<String, Place>,
}

/// What was found at a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// So many bytes.
    Bytes(u64),
    /// Nothing, or nothing that this deployment lets images lie in.
    Unfit,
    /// Something that does not answer as a store does.
    Malformed,
}

/// Why locations are not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationRefused {
    /// Not decided: somebody has to look at this URL first.
    #[error("nothing is known of {0}")]
    Unknown(String),
    /// Who cannot see locations cannot change them.
    #[error("It's not allowed to {0} locations if locations are invisible.")]
    Invisible(&'static str),
    /// Not in this status.
    #[error("It's not allowed to {0} locations if image status is {1}.")]
    Status(&'static str, Status),
    /// There is no such place in the list.
    #[error("Invalid position for {0} a location.")]
    Position(&'static str),
    /// An image with bytes keeps at least one location.
    #[error("Cannot set locations to empty list.")]
    Empty,
    /// The same.
    #[error("Cannot remove last location in the image.")]
    Last,
    /// A list cannot be replaced by one with other URLs.
    #[error("Original locations is not empty: {0:?}")]
    NotEmpty(Vec<String>),
    /// A place where an image may not lie, or no image is.
    #[error("Invalid location")]
    Unfit,
    /// A place that does not answer as a store does.
    #[error("The Store URI was malformed.")]
    Malformed,
    /// There already.
    #[error("The location {0} already exists")]
    Duplicate(String),
    /// `metadata` may hold texts, lists and objects.
    #[error(
        "The image metadata key {0} has an invalid type. Only dict, list, and unicode are \
         supported."
    )]
    Metadata(String),
    /// `validation_data` that contradicts itself or the image, or is no digest.
    #[error("{0}")]
    Validation(String),
    /// Formats have to be known before an image has bytes.
    #[error(transparent)]
    Formats(UploadRefused),
    /// Too many locations.
    #[error(transparent)]
    Quota(#[from] QuotaExceeded),
    /// Too many bytes.
    #[error("Denying attempt to upload image because it exceeds the quota: {0}")]
    Full(#[from] StorageFull),
}

/// Whether bytes at a URL are a store's to remove, with the last row that names them. Those on HTTP
/// servers are not: that driver only reads (`glance_store/_drivers/http.py`, `_CAPABILITIES`).
#[must_use]
pub fn is_removable(url: &str) -> bool {
    !matches!(uri::scheme(url).as_deref(), Some("http" | "https"))
}

/// Adds a location at a position: a number, or `-` for the end. A queued image becomes active by
/// it. `value` fits the image schema.
///
/// # Errors
/// [`LocationRefused`], in Glance's order of checks.
pub fn add(
    image: &mut Image,
    position: &str,
    value: &Value,
    quotas: Quotas,
    terms: Terms<'_>,
) -> Result<(), LocationRefused> {
    open(image, "add", terms)?;
    let digests = validation(image, &[value], terms)?;
    let position = match position {
        "-" => image.locations.len(),
        // A number too large for the machine is behind the end as well.
        _ if is_digits(position) => position.parse().unwrap_or(usize::MAX),
        _ => return Err(LocationRefused::Position("adding")),
    };
    let location = location(value);
    let own = occupied(image);
    room(image, &[&location], terms.used_by_others.saturating_add(own), terms)?;
    quotas.check_locations(image.locations.len() + 1)?;
    let bytes = fit(&location, terms)?;
    if image.locations.iter().any(|present| same(present, &location)) {
        return Err(LocationRefused::Duplicate(location.url));
    }
    image.locations.insert(position.min(image.locations.len()), location);
    settle(image, bytes, digests)
}

/// Replaces the whole list: in an image without locations, or by the same URLs with other metadata.
/// A queued image becomes active by it. The values fit the image schema.
///
/// # Errors
/// [`LocationRefused`], in Glance's order of checks.
pub fn replace(
    image: &mut Image,
    values: &[Value],
    quotas: Quotas,
    terms: Terms<'_>,
) -> Result<(), LocationRefused> {
    if values.is_empty() {
        return Err(LocationRefused::Empty);
    }
    open(image, "replace", terms)?;
    let values: Vec<&Value> = values.iter().collect();
    let digests = validation(image, &values, terms)?;
    quotas.check_locations(values.len())?;
    let locations: Vec<ImageLocation> = values.iter().map(|value| location(value)).collect();
    room(image, &locations.iter().collect::<Vec<_>>(), terms.used_by_others, terms)?;
    let before = urls(&image.locations);
    let mut bytes = image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
    if urls(&locations) != before {
        if !before.is_empty() {
            return Err(LocationRefused::NotEmpty(before));
        }
        for location in &locations {
            let found = fit(location, terms)?;
            bytes = if bytes == 0 { found } else { bytes };
            if locations.iter().filter(|other| same(other, location)).count() > 1 {
                return Err(LocationRefused::Duplicate(location.url.clone()));
            }
        }
    }
    image.locations = locations;
    settle(image, bytes, digests)
}

/// Removes the location at a position: a number, or `-` for the last.
///
/// # Errors
/// [`LocationRefused`], in Glance's order of checks.
pub fn remove(image: &mut Image, position: &str, terms: Terms<'_>) -> Result<(), LocationRefused> {
    if !terms.visible {
        return Err(LocationRefused::Invisible("remove"));
    }
    if image.status != Status::Active {
        return Err(LocationRefused::Status("remove", image.status));
    }
    if image.locations.len() == 1 {
        return Err(LocationRefused::Last);
    }
    let position = match position {
        "-" => image.locations.len().checked_sub(1),
        _ if is_digits(position) => position.parse().ok(),
        _ => None,
    };
    match position.filter(|position| *position < image.locations.len()) {
        Some(position) => {
            image.locations.remove(position);
            Ok(())
        }
        None => Err(LocationRefused::Position("removing")),
    }
}

/// Whether locations may be added at all. The text of invisible ones says "update" where the other
/// says "replace".
fn open(image: &Image, verb: &'static str, terms: Terms<'_>) -> Result<(), LocationRefused> {
    if !terms.visible {
        return Err(LocationRefused::Invisible(if verb == "replace" { "update" } else { verb }));
    }
    if !matches!(image.status, Status::Active | Status::Queued) {
        return Err(LocationRefused::Status(verb, image.status));
    }
    Ok(())
}

/// Checks that the project has room: for the image's size, once for each location.
fn room(
    image: &Image,
    added: &[&ImageLocation],
    used: u64,
    terms: Terms<'_>,
) -> Result<(), LocationRefused> {
    let times = u64::try_from(added.len()).unwrap_or(u64::MAX);
    let mut wanted = size(image).map(|bytes| bytes.saturating_mul(times));
    if wanted.is_none() {
        for location in added {
            match look(location, terms)? {
                Place::Bytes(0) | Place::Unfit => {}
                Place::Bytes(bytes) => {
                    wanted = Some(bytes.saturating_mul(times));
                    break;
                }
                Place::Malformed => return Err(LocationRefused::Malformed),
            }
        }
    }
    terms.storage.admit(used, wanted)?;
    Ok(())
}

/// How many bytes there are at a location that may be added.
fn fit(location: &ImageLocation, terms: Terms<'_>) -> Result<u64, LocationRefused> {
    let Place::Bytes(bytes @ 1..) = look(location, terms)? else {
        return Err(LocationRefused::Unfit);
    };
    check_metadata(&metadata(location), "")?;
    Ok(bytes)
}

fn look(location: &ImageLocation, terms: Terms<'_>) -> Result<Place, LocationRefused> {
    let found = terms.found.get(&location.url).copied();
    found.ok_or_else(|| LocationRefused::Unknown(location.url.clone()))
}

/// The end of adding: size, digests, status.
fn settle(image: &mut Image, bytes: u64, digests: Digests) -> Result<(), LocationRefused> {
    if size(image).is_none() {
        image.size = i64::try_from(bytes).ok();
    }
    if image.status == Status::Queued {
        digests.set(image);
        upload::check_formats(image).map_err(LocationRefused::Formats)?;
        image.status = Status::Active;
    }
    Ok(())
}

/// The size of an image, if it has one that says something.
fn size(image: &Image) -> Option<u64> {
    image.size.and_then(|size| u64::try_from(size).ok()).filter(|bytes| *bytes > 0)
}

/// How many bytes an image takes, each counted once per location.
fn occupied(image: &Image) -> u64 {
    let times = u64::try_from(image.locations.len()).unwrap_or(u64::MAX);
    size(image).unwrap_or(0).saturating_mul(times)
}

fn urls(locations: &[ImageLocation]) -> Vec<String> {
    let mut urls: Vec<String> = locations.iter().map(|location| location.url.clone()).collect();
    urls.sort();
    urls
}

/// What a value of the image schema says.
fn location(value: &Value) -> ImageLocation {
    let url = value.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
    let metadata = value.get("metadata").map_or_else(|| "{}".to_owned(), Value::to_string);
    ImageLocation { url, metadata }
}

fn metadata(location: &ImageLocation) -> Value {
    serde_json::from_str(&location.metadata).unwrap_or_default()
}

fn same(one: &ImageLocation, other: &ImageLocation) -> bool {
    one.url == other.url && metadata(one) == metadata(other)
}

/// `glance_store/backend.py`, `check_location_metadata`; Glance answers 500.
fn check_metadata(value: &Value, key: &str) -> Result<(), LocationRefused> {
    match value {
        Value::Object(members) => {
            members.iter().try_for_each(|(key, value)| check_metadata(value, key))
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(at, value)| check_metadata(value, &format!("{key}[{at}]"))),
        Value::String(_) => Ok(()),
        _ => Err(LocationRefused::Metadata(key.to_owned())),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

// === validation data ===

/// Digests that a caller gives with a location, as far as the image has none.
#[derive(Debug, Default)]
struct Digests<'a> {
    named: Vec<(&'a str, &'a str)>,
}

impl<'a> Digests<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.named.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn set(self, image: &mut Image) {
        for (name, value) in &self.named {
            *digest(image, name) = Some((*value).to_owned());
        }
    }
}

/// The digest of an image by its attribute's name.
fn digest<'i>(image: &'i mut Image, name: &str) -> &'i mut Option<String> {
    match name {
        "checksum" => &mut image.checksum,
        "os_hash_algo" => &mut image.os_hash_algo,
        _ => &mut image.os_hash_value,
    }
}

/// Checks `validation_data` (`_validate_validation_data`).
fn validation<'a>(
    image: &Image,
    values: &[&'a Value],
    terms: Terms<'_>,
) -> Result<Digests<'a>, LocationRefused> {
    let refuse = |text: String| Err(LocationRefused::Validation(text));
    let mut given = Digests::default();
    let objects = values.iter().filter_map(|value| value.get("validation_data")?.as_object());
    for (name, value) in objects.flatten() {
        let value = value.as_str().unwrap_or_default();
        match given.get(name) {
            Some(other) if other != value => {
                return refuse(format!("Conflicting values for {name}"));
            }
            Some(_) => {}
            None => given.named.push((name, value)),
        }
    }
    let mut fresh = Digests::default();
    for (name, value) in given.named {
        let current = match name {
            "checksum" => &image.checksum,
            "os_hash_algo" => &image.os_hash_algo,
            _ => &image.os_hash_value,
        };
        match current.as_deref() {
            Some(current) if current == value => {}
            Some(current) if !current.is_empty() => {
                return refuse(format!("{name} is already set with a different value"));
            }
            _ => fresh.named.push((name, value)),
        }
    }
    if fresh.named.is_empty() {
        return Ok(fresh);
    }
    if image.status != Status::Queued {
        let names: Vec<&str> = fresh.named.iter().map(|(name, _)| *name).collect();
        return refuse(format!(
            "New value(s) for {} may only be provided when image status is 'queued'",
            names.join(", ")
        ));
    }
    check_digests(&fresh, terms.hashing_algorithm)?;
    Ok(fresh)
}

/// Checks that digests are such, of the algorithm that this deployment uses.
fn check_digests(digests: &Digests<'_>, wanted: &str) -> Result<(), LocationRefused> {
    let refuse = |text: String| Err(LocationRefused::Validation(text));
    if let Some(checksum) = digests.get("checksum") {
        match hex_bytes(checksum) {
            None => {
                return refuse(format!("checksum ({checksum}) is not a valid hexadecimal value"));
            }
            Some(16) => {}
            Some(_) => {
                return refuse(format!(
                    "checksum ({checksum}) is not the correct size for md5 (should be 16 bytes)"
                ));
            }
        }
    }
    let algorithm = digests.get("os_hash_algo").unwrap_or("None");
    if algorithm != wanted {
        return refuse(format!("os_hash_algo must be {wanted}, not {algorithm}"));
    }
    let value = digests.get("os_hash_value").unwrap_or_default();
    let size = digest_bytes(algorithm);
    match hex_bytes(value) {
        None => refuse(format!("os_hash_value ({value}) is not a valid hexadecimal value")),
        found if found == size => Ok(()),
        Some(_) => refuse(format!(
            "os_hash_value ({value}) is not the correct size for {algorithm} (should be {} bytes)",
            size.unwrap_or(0)
        )),
    }
}

/// Checks the `validation_data` of the call that adds a location later
/// (`glance/api/v2/images.py`, `_validate_hashing_data`).
///
/// # Errors
/// [`LocationRefused::Validation`].
pub fn check_announced(
    algorithm: Option<&str>,
    value: Option<&str>,
    hashing_algorithm: &str,
) -> Result<(), LocationRefused> {
    let Some(value) = value else { return Ok(()) };
    let algorithm = algorithm.unwrap_or(hashing_algorithm);
    let size = digest_bytes(algorithm);
    match hex_bytes(value) {
        None => Err(LocationRefused::Validation(format!(
            "os_hash_value ({value}) is not a valid hexadecimal value"
        ))),
        found if found == size => Ok(()),
        Some(_) => Err(LocationRefused::Validation(format!(
            "os_hash_value: ({value}) is not the correct size for ({algorithm}) (should be ({}) \
             bytes)",
            size.unwrap_or(0)
        ))),
    }
}

/// Bytes of a digest, by the name of the algorithm in Python's hashlib.
fn digest_bytes(algorithm: &str) -> Option<usize> {
    Some(match algorithm {
        "md5" => 16,
        "sha1" => 20,
        "sha224" => 28,
        "sha256" => 32,
        "sha384" => 48,
        "sha512" => 64,
        _ => return None,
    })
}

/// How many bytes a text spells in hexadecimal (Python's `bytearray.fromhex`: blanks may stand
/// between bytes).
fn hex_bytes(text: &str) -> Option<usize> {
    let mut bytes = 0;
    let mut rest = text.bytes().peekable();
    loop {
        while rest.next_if(u8::is_ascii_whitespace).is_some() {}
        let Some(high) = rest.next() else { return Some(bytes) };
        let low = rest.next()?;
        if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
            return None;
        }
        bytes += 1;
    }
}

#[cfg(test)]
mod tests;
