//! Files in layers: what a value is, once every file has had its say.
//!
//! Leaves reading files and searching directories to its caller. A later file beats an earlier one,
//! within a file the last line wins, and an older name counts where no newer name stands in the
//! same file (`cfg.py`, `_get_file_value`).

use crate::ini::{self, Syntax, normal_group};
use crate::options::{self, Kind, OptionDef};
use crate::substitute::{Piece, pieces};
use crate::value::{BadValue, Value, convert};
use glint_image::limits::{CONFIG_REFERENCES_MAX, CONFIG_VALUE_BYTES_MAX};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, counted from one.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A file that cannot be read as configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct FileError {
    /// Where.
    pub place: Place,
    /// What is wrong there.
    pub fault: Syntax,
}

/// A value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// Where it stands; `None` for a default.
    pub place: Option<Place>,
    /// The option that was asked for.
    pub group: &'static str,
    /// The option that was asked for.
    pub name: &'static str,
    /// What is wrong.
    pub fault: ValueFault,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueFault {
    /// Not of the option's type, or not one Glint can act on.
    #[error("{0}")]
    Bad(#[from] BadValue),
    /// `$name` and no option is called that.
    #[error("no such option: ${0}")]
    Reference(String),
    /// References that lead back to themselves, or far too many.
    #[error("references go round in a circle")]
    Circle,
    /// Longer than any sensible value once the references are filled in.
    #[error("more than {CONFIG_VALUE_BYTES_MAX} bytes long")]
    Long,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "[{}] {}: {}", self.group, self.name, self.fault)
    }
}

impl std::error::Error for ValueError {}

/// All the files of a configuration, in order.
#[derive(Debug, Default)]
pub struct Config {
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    name: String,
    /// Section and name, to the values in order, each with its line.
    values: BTreeMap<(String, String), Vec<(String, usize)>>,
}

/// The text of an option where it was found.
struct Found<'a> {
    text: &'a str,
    place: Place,
}

// === impl Config ===

impl Config {
    /// A configuration that sets nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file on top of those added before. `name` is how errors call it.
    ///
    /// # Errors
    /// The first line that is not configuration; nothing of the file was added.
    pub fn add_file(&mut self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        let assignments = ini::parse(bytes).map_err(|(line, fault)| FileError {
            place: Place { file: name.to_owned(), line },
            fault,
        })?;
        let mut values: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for one in assignments {
            values.entry((one.group, one.key)).or_default().push((one.value, one.line));
        }
        self.files.push(File { name: name.to_owned(), values });
        Ok(())
    }

    /// Whether no file was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether a file sets the option, by its own or an older name.
    #[must_use]
    pub fn is_set(&self, option: &OptionDef) -> bool {
        !self.found(option).is_empty()
    }

    /// Where the value that counts was written.
    #[must_use]
    pub fn place(&self, option: &OptionDef) -> Option<Place> {
        self.found(option).last().map(|found| found.place.clone())
    }

    /// The value of an option: from the files, else its default, else `None`.
    ///
    /// # Errors
    /// [`ValueError`] when the text is not of the option's type or refers to what does not exist.
    pub fn get(&self, option: &OptionDef) -> Result<Option<Value>, ValueError> {
        self.resolve(option, &mut { CONFIG_REFERENCES_MAX })
    }

    /// Known options that a file sets and Glint does not act on yet, in the order of the files.
    #[must_use]
    pub fn not_honoured(&self) -> Vec<(Place, String)> {
        let stores = self.store_ids();
        let mut named = BTreeSet::new();
        let mut all = Vec::new();
        for (file, (group, name), line) in self.assignments() {
            let title = match options::set_by(group, name) {
                Some(option) if option.is_honoured() || option.why_without_meaning().is_some() => {
                    continue;
                }
                Some(option) => format!("[{}] {}", option.group, option.name),
                None if stores.contains(group) && options::is_store_option(name) => {
                    format!("[{group}] {name}")
                }
                None => continue,
            };
            if named.insert(title.clone()) {
                all.push((Place { file: file.to_owned(), line }, title));
            }
        }
        all
    }

    /// Older names in use: where, the older and the newer name.
    #[must_use]
    pub fn deprecated(&self) -> Vec<(Place, String, String)> {
        let mut all = Vec::new();
        for (file, (group, name), line) in self.assignments() {
            let Some(option) = options::set_by(group, name) else { continue };
            if (option.group, option.name) != (group, name) {
                let place = Place { file: file.to_owned(), line };
                let newer = format!("[{}] {}", option.group, option.name);
                all.push((place, format!("[{group}] {name}"), newer));
            }
        }
        all
    }

    /// Everything the files set, each option once a file with its last line, by line within the
    /// file.
    pub(crate) fn assignments(&self) -> impl Iterator<Item = (&str, (&str, &str), usize)> {
        self.files.iter().flat_map(|file| {
            let mut lines: Vec<_> = file
                .values
                .iter()
                .filter_map(|((group, name), values)| {
                    let (_, line) = values.last()?;
                    Some((file.name.as_str(), (group.as_str(), name.as_str()), *line))
                })
                .collect();
            lines.sort_by_key(|(_, _, line)| *line);
            lines
        })
    }

    /// The sections that `enabled_backends` makes stores of.
    pub(crate) fn store_ids(&self) -> BTreeSet<String> {
        let option = options::find("DEFAULT", "enabled_backends").expect("it stands in the table");
        match self.get(option) {
            Ok(Some(Value::Dict(stores))) => {
                stores.keys().map(|store| normal_group(store)).collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// What the files say: nothing, one text, or for a repeated option every text in order.
    fn found(&self, option: &OptionDef) -> Vec<Found<'_>> {
        let mut all = Vec::new();
        for file in self.files.iter().rev() {
            let own = std::iter::once((option.group, option.name));
            for (group, name) in own.chain(option.deprecated.iter().copied()) {
                let Some(values) = file.values.get(&(group.to_owned(), name.to_owned())) else {
                    continue;
                };
                let mut found = values.iter().map(|(text, line)| Found {
                    text,
                    place: Place { file: file.name.clone(), line: *line },
                });
                if option.kind != Kind::Lines {
                    return found.next_back().into_iter().collect();
                }
                all.splice(0..0, found);
            }
        }
        all
    }

    fn resolve(
        &self,
        option: &OptionDef,
        references_left: &mut usize,
    ) -> Result<Option<Value>, ValueError> {
        let found = self.found(option);
        let place = found.last().map(|found| found.place.clone());
        let read = |place: Option<Place>, text: &str, left: &mut usize| {
            self.substitute(option.group, text, left)
                .and_then(|text| Ok(convert(option.kind, &text)?))
                .map_err(|fault| ValueError {
                    place,
                    group: option.group,
                    name: option.name,
                    fault,
                })
        };
        match (option.kind, found.last(), option.default) {
            (Kind::Lines, Some(_), _) => {
                let mut lines = Vec::with_capacity(found.len());
                for one in &found {
                    let line = read(Some(one.place.clone()), one.text, references_left)?;
                    if let Some(Value::List(line)) = line {
                        lines.extend(line);
                    }
                }
                Ok(Some(Value::List(lines)))
            }
            (_, Some(last), _) => read(place, last.text, references_left),
            (_, None, Some(default)) => read(None, default, references_left),
            (_, None, None) => Ok(None),
        }
    }

    /// Fills in the references of a value that stands in `group`.
    fn substitute(
        &self,
        group: &str,
        text: &str,
        references_left: &mut usize,
    ) -> Result<String, ValueFault> {
        let mut filled = String::with_capacity(text.len());
        for piece in pieces(text) {
            match piece {
                Piece::Literal(literal) => filled.push_str(literal),
                Piece::Reference(name) => {
                    *references_left = references_left.checked_sub(1).ok_or(ValueFault::Circle)?;
                    let option = referred(group, name)
                        .ok_or_else(|| ValueFault::Reference(name.to_owned()))?;
                    let value =
                        self.resolve(option, references_left).map_err(|error| error.fault)?;
                    if let Some(value) = value {
                        filled.push_str(&value.to_python_text());
                    }
                }
            }
            if filled.len() > CONFIG_VALUE_BYTES_MAX {
                return Err(ValueFault::Long);
            }
        }
        Ok(filled)
    }
}

/// The option a reference means: of the group it names, else of the group it stands in, else of
/// `DEFAULT` (`cfg.py`, `StrSubWrapper.__getitem__`).
fn referred(group: &str, name: &str) -> Option<&'static OptionDef> {
    match name.split_once('.') {
        // oslo.config knows no group of that name when it looks for one.
        Some(("DEFAULT", _)) => None,
        Some((group, name)) => options::find(group, name),
        None => options::find(group, name).or_else(|| options::find("DEFAULT", name)),
    }
}

#[cfg(test)]
mod tests;
