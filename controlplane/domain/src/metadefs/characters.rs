//! The characters that MySQL's `utf8` cannot hold (`glance/common/utils.py`, `no_4byte_params`).

use serde_json::{Map, Value};

/// A text holds a character outside the Basic Multilingual Plane.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} can't contain 4 byte unicode characters.", title(.0))]
pub struct FourByte(pub &'static str);

/// Refuses the first such text.
pub(super) fn check<'a>(
    texts: impl IntoIterator<Item = (&'static str, Option<&'a str>)>,
) -> Result<(), FourByte> {
    let mut texts = texts.into_iter();
    match texts.find(|(_, text)| text.is_some_and(has_four_byte)) {
        Some((name, _)) => Err(FourByte(name)),
        None => Ok(()),
    }
}

/// Refuses the first such text of a property. Lists are not looked into, as in Glance.
pub(super) fn check_map(schema: &Map<String, Value>) -> Result<(), FourByte> {
    /// The attributes of a property that are texts.
    const TEXTS: [&str; 6] = ["name", "type", "title", "description", "default", "pattern"];
    check(TEXTS.map(|name| (name, schema.get(name).and_then(Value::as_str))))
}

fn has_four_byte(text: &str) -> bool {
    text.chars().any(|char| char.len_utf8() == 4)
}

/// Python's `str.title`: capitals behind everything that is no letter.
fn title(name: &str) -> String {
    let mut behind_letter = false;
    name.chars()
        .map(|char| {
            let shown = if behind_letter { char } else { char.to_ascii_uppercase() };
            behind_letter = char.is_alphabetic();
            shown
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_titled_as_python_does() {
        let check = |name: &'static str, expected: &str| {
            let expected = format!("{expected} can't contain 4 byte unicode characters.");
            assert_eq!(FourByte(name).to_string(), expected);
        };
        check("namespace", "Namespace");
        check("display_name", "Display_Name");
    }

    #[test]
    fn the_first_text_is_named() {
        let smile = Some("a\u{1f600}");
        let found = check([("name", Some("\u{20ac}")), ("owner", smile), ("title", smile)]);
        assert_eq!(found, Err(FourByte("owner")));
        assert_eq!(check([("name", None)]), Ok(()));
    }
}
