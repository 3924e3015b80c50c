//! What a data plane is told of an image.
//!
//! Pure conversion from the catalogue's image. Invariant: the record fits a frame; where an image
//! has more members or locations than that, those that do not fit are left out, which can refuse a
//! download but never admit one; with more to compare by rules than that it is not served.

use crate::callers;
use controlplane_db::Record;
use controlplane_domain::policy::ImageTarget;
use controlplane_domain::{Context, Image, ImageLocation};
use glint_image::limits::RECORD_TEXT_BYTES_MAX;
use glint_link::replica::Loaded;
use glint_link::wire::{Attribute, AttributeValue, ImageRecord, Location};

/// A record as the publisher wants it.
pub(crate) fn loaded(record: Record, attributes: &[String]) -> Loaded {
    let as_of = record.as_of;
    Loaded {
        as_of,
        record: record.image.map(|image| {
            // 0: Glint never changed it, or its newest change is no longer kept.
            let seq = if image.seq.0 == 0 { as_of } else { image.seq };
            wire_record(image, seq.0, attributes)
        }),
    }
}

fn wire_record(image: Image, seq: u64, attributes: &[String]) -> ImageRecord {
    // What the rules compare is the image's, not the caller's.
    let nobody = Context::default();
    let target = ImageTarget::of(&nobody, &image);
    let attributes: Vec<Attribute> =
        attributes.iter().filter_map(|name| callers::attribute(&target, name)).collect();
    let status = if text_bytes(&attributes) <= RECORD_TEXT_BYTES_MAX {
        image.status.as_str()
    } else {
        tracing::warn!(image = %image.id, "its attributes are too large for the rules of downloads");
        UNDECIDABLE
    };
    let members = fitting(image.members, String::len, "members");
    let locations = fitting(image.locations, |location| location.url.len(), "locations");
    ImageRecord {
        image: *image.id.as_bytes(),
        seq,
        status: status.to_owned(),
        visibility: image.visibility.as_str().to_owned(),
        owner: image.owner,
        members,
        size_bytes: image.size.and_then(|size| u64::try_from(size).ok()),
        checksum: image.checksum,
        epoch: image.upload.map_or(0, |epoch| epoch.0),
        locations: locations.into_iter().map(wire_location).collect(),
        attributes,
    }
}

/// A status that no data plane knows, so that it serves nothing: a rule may admit whoever lacks an
/// attribute, so none may be left out.
const UNDECIDABLE: &str = "undecidable";

fn text_bytes(attributes: &[Attribute]) -> usize {
    let bytes = |value: &AttributeValue| match value {
        AttributeValue::Text(text) => text.len(),
        AttributeValue::Texts(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::None | AttributeValue::Bool(_) | AttributeValue::Int(_) => 0,
    };
    attributes.iter().map(|attribute| attribute.name.len() + bytes(&attribute.value)).sum()
}

/// The first entries whose text fits.
fn fitting<T>(mut entries: Vec<T>, bytes: impl Fn(&T) -> usize, what: &str) -> Vec<T> {
    const ENTRY_OVERHEAD_BYTES: usize = 32;
    let mut room = RECORD_TEXT_BYTES_MAX;
    let fits = entries
        .iter()
        .take_while(|entry| {
            let left = room.checked_sub(bytes(entry) + ENTRY_OVERHEAD_BYTES);
            room = left.unwrap_or(0);
            left.is_some()
        })
        .count();
    if fits < entries.len() {
        tracing::warn!(what, left_out = entries.len() - fits, "an image has too many for a record");
        entries.truncate(fits);
    }
    entries
}

fn wire_location(location: ImageLocation) -> Location {
    // The key Glance writes (`glance/location.py`, `set_to_store`): the store id under
    // `enabled_backends`.
    let metadata: Option<serde_json::Value> = serde_json::from_str(&location.metadata).ok();
    let store = metadata.as_ref().and_then(|metadata| metadata.get("store")?.as_str());
    Location { store: store.unwrap_or_default().to_owned(), url: location.url }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_left_out() {
        let check = |count: usize, bytes: usize, expected: usize| {
            let entries = vec!["x".repeat(bytes); count];
            assert_eq!(fitting(entries, String::len, "members").len(), expected);
        };
        check(0, 0, 0);
        check(128, 255, 128);
        check(2, RECORD_TEXT_BYTES_MAX, 0);
        check(RECORD_TEXT_BYTES_MAX, 32, RECORD_TEXT_BYTES_MAX / 64);
    }

    #[test]
    fn the_store_comes_from_the_metadata_if_it_is_there() {
        let check = |metadata: &str, expected: &str| {
            let url = "file:///images/x".to_owned();
            let location = ImageLocation { url, metadata: metadata.to_owned() };
            assert_eq!(wire_location(location).store, expected, "{metadata}");
        };
        check(r#"{"store": "fast"}"#, "fast");
        check("{}", "");
        check(r#"{"store": 5}"#, "");
        check("not json", "");
    }
}
