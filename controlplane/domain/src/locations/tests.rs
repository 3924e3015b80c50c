//! Changes of locations as the real Glance answers them.

use serde_json::json;

use super::*;
use crate::image::tests::image;

const QUOTAS: Quotas = Quotas { properties: -1, tags: -1, locations: 3 };
const SHA512: &str = "aa";

/// An image ready for bytes, with these locations.
fn with(urls: &[&str]) -> Image {
    let mut image = image();
    image.disk_format = Some("raw".to_owned());
    image.container_format = Some("bare".to_owned());
    for url in urls {
        image.status = Status::Active;
        image.size = Some(50);
        image.locations.push(ImageLocation { url: (*url).to_owned(), metadata: "{}".to_owned() });
    }
    image
}

/// What is at URLs: a number is that of bytes, others are told by their first letter.
fn found(urls: &[&str]) -> BTreeMap<String, Place> {
    let place = |url: &str| match url.parse() {
        Ok(bytes) => Place::Bytes(bytes),
        Err(_) if url.starts_with('m') => Place::Malformed,
        Err(_) => Place::Unfit,
    };
    urls.iter().map(|url| ((*url).to_owned(), place(url))).collect()
}

fn terms(found: &BTreeMap<String, Place>) -> Terms<'_> {
    Terms {
        visible: true,
        hashing_algorithm: "sha512",
        storage: StorageQuota::of_bytes(1000),
        used_by_others: 500,
        found,
    }
}

fn value(url: &str) -> Value {
    json!({"url": url, "metadata": {}})
}

fn check(result: Result<(), LocationRefused>, expected: &str) {
    assert_eq!(result.map_err(|refused| refused.to_string()), Err(expected.to_owned()));
}

#[test]
fn a_queued_image_becomes_active_by_a_location() {
    let found = found(&["100"]);
    let mut image = with(&[]);
    let digest = SHA512.repeat(64);
    let value = json!({"url": "100", "metadata": {"a": ["b"]}, "validation_data":
        {"checksum": "0".repeat(32), "os_hash_algo": "sha512", "os_hash_value": digest}});
    add(&mut image, "7", &value, QUOTAS, terms(&found)).expect("nothing is refused");
    assert_eq!((image.status, image.size), (Status::Active, Some(100)));
    assert_eq!(image.locations[0].metadata, r#"{"a":["b"]}"#);
    assert_eq!(image.os_hash_algo.as_deref(), Some("sha512"));
    assert_eq!((image.os_hash_value, image.checksum), (Some(digest), Some("0".repeat(32))));

    let mut unready = with(&[]);
    unready.disk_format = None;
    check(
        add(&mut unready, "-", &value, QUOTAS, terms(&found)),
        "Property disk_format must be set prior to saving data.",
    );
}

#[test]
fn positions_are_those_of_a_python_list() {
    let found = found(&["1", "2", "3", "9"]);
    let check = |position: &str, expected: &[&str]| {
        let mut image = with(&["1", "2"]);
        add(&mut image, position, &value("9"), QUOTAS, terms(&found)).expect("a position");
        let urls: Vec<&str> = image.locations.iter().map(|found| found.url.as_str()).collect();
        assert_eq!(urls, expected, "{position}");
        assert_eq!(image.size, Some(50), "the size stays");
    };
    check("0", &["9", "1", "2"]);
    check("1", &["1", "9", "2"]);
    check("-", &["1", "2", "9"]);
    check("99999999999999999999999", &["1", "2", "9"]);
    for position in ["", "x", "-1", "+1", "1.0"] {
        let added = add(&mut with(&["1"]), position, &value("9"), QUOTAS, terms(&found));
        super::tests::check(added, "Invalid position for adding a location.");
        let removed = remove(&mut with(&["1", "2"]), position, terms(&found));
        super::tests::check(removed, "Invalid position for removing a location.");
    }
    let check = |position: &str, expected: Option<&[&str]>| {
        let mut image = with(&["1", "2", "3"]);
        let removed = remove(&mut image, position, terms(&found));
        let urls: Vec<&str> = image.locations.iter().map(|found| found.url.as_str()).collect();
        assert_eq!(removed.map(|()| &urls[..]).ok(), expected, "{position}");
    };
    check("0", Some(&["2", "3"]));
    check("-", Some(&["1", "2"]));
    check("3", None);
    check("99999999999999999999999", None);
}

#[test]
fn places_are_looked_at_and_only_those() {
    let found = found(&["0", "9", "unfit", "malformed"]);
    let check = |mut image: Image, url: &str, expected: &str| {
        check(add(&mut image, "-", &value(url), QUOTAS, terms(&found)), expected);
    };
    check(with(&[]), "never", "nothing is known of never");
    for image in [with(&[]), with(&["1"])] {
        check(image.clone(), "0", "Invalid location");
        check(image, "unfit", "Invalid location");
    }
    check(with(&[]), "malformed", "The Store URI was malformed.");
    check(with(&["1"]), "malformed", "Invalid location");
    check(with(&["9"]), "9", "The location 9 already exists");
    let metadata = json!({"url": "9", "metadata": {"k": ["x", null]}});
    super::tests::check(
        add(&mut with(&[]), "-", &metadata, QUOTAS, terms(&found)),
        "The image metadata key k[1] has an invalid type. Only dict, list, and unicode are \
         supported.",
    );
    let other = json!({"url": "9", "metadata": {"k": "v"}});
    let mut image = with(&["9"]);
    add(&mut image, "-", &other, QUOTAS, terms(&found)).expect("other metadata, other location");
    assert_eq!(image.locations.len(), 2);
}

#[test]
fn room_is_counted_once_for_each_location() {
    let found = found(&["50", "401", "450", "501"]);
    let full = |size: &str, remaining: &str| {
        format!(
            "Denying attempt to upload image because it exceeds the quota: The size of the data \
             {size} will exceed the limit. {remaining} bytes remaining."
        )
    };
    check(add(&mut with(&[]), "-", &value("501"), QUOTAS, terms(&found)), &full("501", "500"));
    let mut image = with(&["1", "2"]);
    image.size = Some(200);
    check(add(&mut image, "-", &value("50"), QUOTAS, terms(&found)), &full("200", "100"));
    let values = [value("50"), value("450")];
    replace(&mut with(&[]), &values, QUOTAS, terms(&found)).expect("the first one's size counts");
    let values = [value("450"), value("50")];
    check(replace(&mut with(&[]), &values, QUOTAS, terms(&found)), &full("900", "500"));
    let limit = "The limit has been exceeded on the number of allowed image locations. \
                 Attempted: 4, Maximum: 3";
    let mut image = with(&["1", "2", "3"]);
    check(add(&mut image, "-", &value("50"), QUOTAS, terms(&found)), limit);
    let values = ["1", "2", "3", "4"].map(value);
    check(replace(&mut with(&[]), &values, QUOTAS, terms(&found)), limit);
}

#[test]
fn a_list_is_replaced_by_one_of_the_same_urls() {
    let found = found(&["7", "8"]);
    let mut image = with(&["1", "2"]);
    let values = [json!({"url": "2", "metadata": {"n": "1"}}), value("1")];
    replace(&mut image, &values, QUOTAS, terms(&found)).expect("nobody looks at the places again");
    let urls: Vec<&str> = image.locations.iter().map(|found| found.url.as_str()).collect();
    assert_eq!((urls, image.size), (vec!["2", "1"], Some(50)));
    check(
        replace(&mut image, &[value("7")], QUOTAS, terms(&found)),
        "Original locations is not empty: [\"1\", \"2\"]",
    );
    check(replace(&mut image, &[], QUOTAS, terms(&found)), "Cannot set locations to empty list.");
    let mut image = with(&[]);
    let twice = [value("7"), value("7")];
    check(replace(&mut image, &twice, QUOTAS, terms(&found)), "The location 7 already exists");
    replace(&mut image, &[value("8"), value("7")], QUOTAS, terms(&found)).expect("a first list");
    assert_eq!((image.status, image.size), (Status::Active, Some(8)));
}

#[test]
fn locations_change_only_where_they_are_seen_and_in_some_statuses() {
    let found = found(&["9"]);
    let blind = Terms { visible: false, ..terms(&found) };
    let invisible =
        |verb: &str| format!("It's not allowed to {verb} locations if locations are invisible.");
    check(add(&mut with(&["1"]), "x", &value("9"), QUOTAS, blind), &invisible("add"));
    check(replace(&mut with(&["1"]), &[value("9")], QUOTAS, blind), &invisible("update"));
    check(remove(&mut with(&["1"]), "0", blind), &invisible("remove"));
    let mut image = with(&["1", "2"]);
    image.status = Status::Deactivated;
    let status = |verb: &str, status: &str| {
        format!("It's not allowed to {verb} locations if image status is {status}.")
    };
    check(add(&mut image, "-", &value("9"), QUOTAS, terms(&found)), &status("add", "deactivated"));
    check(
        replace(&mut image, &[value("9")], QUOTAS, terms(&found)),
        &status("replace", "deactivated"),
    );
    check(remove(&mut image, "0", terms(&found)), &status("remove", "deactivated"));
    check(remove(&mut with(&[]), "0", terms(&found)), &status("remove", "queued"));
    check(
        remove(&mut with(&["1"]), "0", terms(&found)),
        "Cannot remove last location in the image.",
    );
}

#[test]
fn digests_given_with_a_location_are_checked() {
    let found = found(&["9"]);
    let digest = SHA512.repeat(64);
    let check = |image: &Image, data: Value, expected: &str| {
        let value = json!({"url": "9", "metadata": {}, "validation_data": data});
        check(add(&mut image.clone(), "-", &value, QUOTAS, terms(&found)), expected);
    };
    let of = |algo: &str, value: &str| json!({"os_hash_algo": algo, "os_hash_value": value});
    let queued = with(&[]);
    check(&queued, of("md5", "aa"), "os_hash_algo must be sha512, not md5");
    check(&queued, of("sha512", "az"), "os_hash_value (az) is not a valid hexadecimal value");
    check(&queued, of("sha512", "a"), "os_hash_value (a) is not a valid hexadecimal value");
    check(
        &queued,
        of("sha512", "aa bb"),
        "os_hash_value (aa bb) is not the correct size for sha512 (should be 64 bytes)",
    );
    let mut data = of("sha512", &digest);
    data["checksum"] = json!("zz");
    check(&queued, data.clone(), "checksum (zz) is not a valid hexadecimal value");
    data["checksum"] = json!("aa");
    check(&queued, data, "checksum (aa) is not the correct size for md5 (should be 16 bytes)");
    let mut active = with(&["1"]);
    check(
        &active,
        of("sha512", &digest),
        "New value(s) for os_hash_algo, os_hash_value may only be provided when image status is \
         'queued'",
    );
    active.os_hash_algo = Some("sha512".to_owned());
    active.os_hash_value = Some(digest.clone());
    check(&active, of("sha512", "bb"), "os_hash_value is already set with a different value");
    let same = json!({"url": "9", "metadata": {}, "validation_data": of("sha512", &digest)});
    add(&mut active, "-", &same, QUOTAS, terms(&found)).expect("the same digests");
    let values = ["aa", "bb"]
        .map(|hash| json!({"url": hash, "metadata": {}, "validation_data": of("sha512", hash)}));
    super::tests::check(
        replace(&mut with(&[]), &values, QUOTAS, terms(&found)),
        "Conflicting values for os_hash_value",
    );
}

#[test]
fn digests_announced_for_later_are_checked_alike() {
    let check = |algo: Option<&str>, value: Option<&str>, expected: &str| {
        let found = check_announced(algo, value, "sha512").map_err(|refused| refused.to_string());
        assert_eq!(found.err().unwrap_or_default(), expected);
    };
    check(None, None, "");
    check(Some("md5"), Some(&"0".repeat(32)), "");
    check(Some("sha1"), Some("zz"), "os_hash_value (zz) is not a valid hexadecimal value");
    check(
        Some("md5"),
        Some("aa"),
        "os_hash_value: (aa) is not the correct size for (md5) (should be (16) bytes)",
    );
}
