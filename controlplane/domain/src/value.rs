//! Checks of single values that creating and changing an image share.
//!
//! Types and lengths have been checked against the image schema before; here is what Glance checks
//! behind the schema: the columns' integer range and the characters MySQL's `utf8` cannot hold.

use serde_json::Value;

use crate::image::Image;

/// A value that fits the schema and is refused all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueRefused {
    /// `min_disk` or `min_ram` below zero (`glance/domain/__init__.py`, `Image.min_disk`).
    #[error("Invalid value '{value}' for parameter '{name}': Cannot be a negative value")]
    Negative {
        /// The attribute.
        name: &'static str,
        /// What it was to be.
        value: i64,
    },
    /// Over what the column holds (`glance/db/sqlalchemy/api.py`, `_validate_db_int`).
    #[error("'{name}' value out of range, must not exceed 2147483647.")]
    OutOfRange {
        /// The attribute.
        name: &'static str,
    },
    /// A character outside the Basic Multilingual Plane in an attribute or a property's value.
    #[error("{} can't contain 4 byte unicode characters.", capitalize(name))]
    FourByteValue {
        /// The attribute or property.
        name: String,
    },
    /// The same in the name of a property (`glance/common/utils.py`, `no_4byte_params`).
    #[error("Property names can't contain 4 byte unicode.")]
    FourByteName,
    /// The same in a tag.
    #[error("Param values can't contain 4 byte unicode.")]
    FourByteTag,
}

/// A number of GiB or MiB from the body, already known to be an integer of JSON. `1.0` is one too.
pub(crate) fn quantity(name: &'static str, value: &Value) -> Result<i32, ValueRefused> {
    let exact = match value.as_i64() {
        Some(exact) => exact,
        // An integer too large for 64 bits is read as a floating point number.
        None => match value.as_f64() {
            Some(float) if float.abs() <= 9e15 => whole(float),
            Some(float) if float < 0.0 => i64::MIN,
            _ => return Err(ValueRefused::OutOfRange { name }),
        },
    };
    if exact < 0 {
        return Err(ValueRefused::Negative { name, value: exact });
    }
    i32::try_from(exact).map_err(|_| ValueRefused::OutOfRange { name })
}

/// Checks the characters of everything a caller can set on an image.
///
/// # Errors
/// The first [`ValueRefused`] among property names, tags, attributes and property values.
pub fn check_characters(image: &Image) -> Result<(), ValueRefused> {
    if image.properties.iter().any(|(name, _)| has_four_byte(name)) {
        return Err(ValueRefused::FourByteName);
    }
    if image.tags.iter().any(|tag| has_four_byte(tag)) {
        return Err(ValueRefused::FourByteTag);
    }
    let attributes = [("name", &image.name), ("owner", &image.owner)];
    let attributes = attributes.iter().filter_map(|(name, text)| Some((*name, text.as_deref()?)));
    let properties = image.properties.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    match attributes.chain(properties).find(|(_, text)| has_four_byte(text)) {
        Some((name, _)) => Err(ValueRefused::FourByteValue { name: name.to_owned() }),
        None => Ok(()),
    }
}

/// Checks the characters of one text.
///
/// # Errors
/// [`ValueRefused::FourByteValue`].
pub(crate) fn check_text(name: &str, text: &str) -> Result<(), ValueRefused> {
    if has_four_byte(text) {
        return Err(ValueRefused::FourByteValue { name: name.to_owned() });
    }
    Ok(())
}

/// A number of at most 2^53, whose fraction the schema has excluded.
#[expect(clippy::cast_possible_truncation, reason = "the caller bounds the number well below 2^63")]
fn whole(float: f64) -> i64 {
    float as i64
}

fn has_four_byte(text: &str) -> bool {
    text.chars().any(|char| char.len_utf8() == 4)
}

/// Whether Python takes a value for false.
pub(crate) fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// Python's `str.capitalize`.
fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars.flat_map(char::to_lowercase)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_stay_within_their_column() {
        let check = |value: Value, expected: Result<i32, &str>| {
            let found = quantity("min_ram", &value).map_err(|refused| refused.to_string());
            assert_eq!(found.as_ref().map_err(String::as_str).copied(), expected, "{value}");
        };
        let out = "'min_ram' value out of range, must not exceed 2147483647.";
        check(json!(0), Ok(0));
        check(json!(1.0), Ok(1));
        check(json!(2_147_483_647), Ok(i32::MAX));
        check(json!(2_147_483_648_i64), Err(out));
        check(json!(1e30), Err(out));
        check(json!(u64::MAX), Err(out));
        let negative = "Invalid value '-1' for parameter 'min_ram': Cannot be a negative value";
        check(json!(-1), Err(negative));
        check(json!(-1.0), Err(negative));
        assert!(quantity("min_ram", &json!(-1e300)).is_err());
    }

    #[test]
    fn names_are_capitalised_as_python_does() {
        assert_eq!(capitalize("hw_Disk"), "Hw_disk");
        assert_eq!(capitalize(""), "");
    }
}
