//! Options by name, as values of the type that the asker needs.
//!
//! Invariant: whoever asks names an option of the table and its type. That both are so is the
//! asker's business, and a test's.

use crate::config::{Config, Place, ValueError, ValueFault};
use crate::options::{self, OptionDef};
use crate::value::{BadValue, Value, convert, storage_bytes};
use std::collections::BTreeMap;

/// Reads the files, and before them the options that a filter of a paste file has of its own
/// (`oslo_middleware/base.py`, `ConfigurableMiddleware._conf_get`).
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    config: &'a Config,
    own: Option<(&'a BTreeMap<String, String>, &'a Place)>,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    /// Reads the files alone.
    #[must_use]
    pub fn new(config: &'a Config) -> Self {
        Self { config, own: None }
    }

    /// Looks among these texts by name first. `place` is where errors say that they stand.
    #[must_use]
    pub fn before(self, own: &'a BTreeMap<String, String>, place: &'a Place) -> Self {
        Self { own: Some((own, place)), ..self }
    }

    /// Whether the option is set, by the files or a text of its own.
    #[must_use]
    pub fn is_set(&self, group: &str, name: &str) -> bool {
        self.place(group, name).is_some()
    }

    /// Where the option is set.
    pub(crate) fn place(&self, group: &str, name: &str) -> Option<Place> {
        match self.own_text(name) {
            Some((_, place)) => Some(place.clone()),
            None => options::find(group, name).and_then(|option| self.config.place(option)),
        }
    }

    /// A text; `None` when it is not set or empty.
    ///
    /// # Errors
    /// [`ValueError`] when the text in the files cannot be used.
    ///
    /// # Panics
    /// If no text is called that.
    pub fn text(&self, group: &str, name: &str) -> Result<Option<String>, ValueError> {
        match self.get(group, name)? {
            Some(Value::Text(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            None => Ok(None),
            Some(other) => unreachable!("[{group}] {name} is not text in the table: {other:?}"),
        }
    }

    /// As [`Self::text`], without the default.
    ///
    /// # Errors
    /// [`ValueError`].
    ///
    /// # Panics
    /// If no text is called that.
    pub fn text_in_file(&self, group: &str, name: &str) -> Result<Option<String>, ValueError> {
        if self.is_set(group, name) { self.text(group, name) } else { Ok(None) }
    }

    /// A switch.
    ///
    /// # Errors
    /// [`ValueError`].
    ///
    /// # Panics
    /// If no switch is called that.
    pub fn switch(&self, group: &str, name: &str) -> Result<bool, ValueError> {
        match self.get(group, name)? {
            Some(Value::Bool(on)) => Ok(on),
            other => unreachable!("[{group}] {name} is not a switch in the table: {other:?}"),
        }
    }

    /// Bytes with a unit (`glance/api/common.py`, `get_remaining_quota`). Glance finds a malformed
    /// text at the first upload, and answers 500.
    pub(crate) fn storage(
        &self,
        group: &'static str,
        name: &'static str,
    ) -> Result<u64, ValueError> {
        let text = self.text(group, name)?.unwrap_or_else(|| "0".to_owned());
        storage_bytes(&text).ok_or_else(|| ValueError {
            place: self.place(group, name),
            group,
            name,
            fault: ValueFault::Bad(BadValue::Storage(text)),
        })
    }

    /// A list; empty when it is not set and has no default.
    ///
    /// # Errors
    /// [`ValueError`].
    ///
    /// # Panics
    /// If no list is called that.
    pub fn list(&self, group: &str, name: &str) -> Result<Vec<String>, ValueError> {
        match self.get(group, name)? {
            Some(Value::List(items)) => Ok(items),
            None => Ok(Vec::new()),
            Some(other) => unreachable!("[{group}] {name} is not a list in the table: {other:?}"),
        }
    }

    /// A list of ports; an empty item counts for nothing.
    pub(crate) fn ports(
        &self,
        group: &'static str,
        name: &'static str,
    ) -> Result<Vec<u16>, ValueError> {
        let items = self.list(group, name)?;
        let items = items.iter().map(|item| item.trim()).filter(|item| !item.is_empty());
        items
            .map(|item| {
                item.parse().map_err(|_| ValueError {
                    place: self.place(group, name),
                    group,
                    name,
                    fault: ValueFault::Bad(BadValue::Number(item.to_owned())),
                })
            })
            .collect()
    }

    /// A number, `None` when left empty; one too large for `N` is out of range whatever the table
    /// says.
    ///
    /// # Errors
    /// [`ValueError`].
    ///
    /// # Panics
    /// If no number is called that.
    pub fn number<N: TryFrom<i128>>(
        &self,
        group: &'static str,
        name: &'static str,
    ) -> Result<Option<N>, ValueError> {
        match self.get(group, name)? {
            None => Ok(None),
            Some(Value::Int(number)) => match N::try_from(number) {
                Ok(fits) => Ok(Some(fits)),
                Err(_) => Err(ValueError {
                    place: self.place(group, name),
                    group,
                    name,
                    fault: ValueFault::Bad(BadValue::Number(number.to_string())),
                }),
            },
            Some(other) => unreachable!("[{group}] {name} is not a number in the table: {other:?}"),
        }
    }

    fn get(&self, group: &str, name: &str) -> Result<Option<Value>, ValueError> {
        let option = options::find(group, name).expect("every option read is in the table");
        match self.own_text(name) {
            Some((text, place)) => own_value(option, text, place),
            None => self.config.get(option),
        }
    }

    fn own_text(&self, name: &str) -> Option<(&str, &Place)> {
        let (own, place) = self.own?;
        own.get(name).map(|text| (text.as_str(), place))
    }
}

/// A text of the paste file: of the option's type, and nothing in it is a reference.
fn own_value(
    option: &'static OptionDef,
    text: &str,
    place: &Place,
) -> Result<Option<Value>, ValueError> {
    convert(option.kind, text).map_err(|fault| ValueError {
        place: Some(place.clone()),
        group: option.group,
        name: option.name,
        fault: ValueFault::Bad(fault),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_ones_own_comes_before_the_files() {
        let mut config = Config::new();
        config
            .add_file("f", b"[cors]\nmax_age = 5\nallow_methods = GET\nallow_credentials = off\n")
            .expect("valid lines");
        let own: BTreeMap<_, _> = [("max_age", "7"), ("allow_headers", "a,b"), ("name", "x")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into();
        let place = Place { file: "paste".to_owned(), line: 3 };
        let read = Reader::new(&config).before(&own, &place);
        assert_eq!(read.number("cors", "max_age"), Ok(Some(7)));
        assert_eq!(read.list("cors", "allow_headers"), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(read.list("cors", "allow_methods"), Ok(vec!["GET".to_owned()]));
        assert_eq!(read.list("cors", "allowed_origin"), Ok(vec![]));
        assert_eq!(read.switch("cors", "allow_credentials"), Ok(false));
        let own = [("max_age".to_owned(), "soon".to_owned())].into();
        let error = Reader::new(&config).before(&own, &place).number::<i64>("cors", "max_age");
        let text = "paste:3: [cors] max_age: invalid literal for a number: 'soon'";
        assert_eq!(error.map_err(|error| error.to_string()), Err(text.to_owned()));
    }
}
