//! The lines of a paste file, as Python's `configparser` reads them.
//!
//! Leaves meaning and interpolation to its caller. Unlike files of oslo.config, a name may stand
//! once in a section and a section once in a file, and blank lines do not end a value.

use std::collections::BTreeMap;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IniFault {
    /// An assignment before the first section.
    #[error("there is no section before this line")]
    NoSection,
    /// Neither a section, a comment nor an assignment.
    #[error("neither a section nor an assignment")]
    NoAssignment,
    /// A section that was there before.
    #[error("the section stands twice in the file")]
    SectionTwice,
    /// A name that was there before.
    #[error("the name stands twice in its section")]
    NameTwice,
    /// The bytes are not text.
    #[error("not UTF-8 text")]
    NotText,
}

/// One section.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Section {
    /// Between the brackets, e.g. `filter:cors`.
    pub(super) name: String,
    /// In the order of the file.
    pub(super) options: Vec<(String, String)>,
}

type Read = (Vec<Section>, BTreeMap<String, String>);

/// Reads a text: its sections, and what stands in `[DEFAULT]`.
pub(super) fn parse(bytes: &[u8]) -> Result<Read, (usize, IniFault)> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        (1 + good.iter().filter(|byte| **byte == b'\n').count(), IniFault::NotText)
    })?;
    let mut reader = Reader::default();
    for (index, line) in text.split('\n').enumerate() {
        reader.line(line).map_err(|fault| (index + 1, fault))?;
    }
    Ok(reader.finish())
}

#[derive(Default)]
struct Reader {
    sections: Vec<Section>,
    /// The indent of the assignment that further indented lines continue.
    open: Option<usize>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), IniFault> {
        let content = line.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            return Ok(());
        }
        let indent = line.chars().take_while(|char| char.is_whitespace()).count();
        if self.open.is_some_and(|open| indent > open)
            && let Some((_, value)) =
                self.sections.last_mut().and_then(|one| one.options.last_mut())
        {
            value.push('\n');
            value.push_str(content);
            return Ok(());
        }
        self.open = None;
        if let Some(rest) = content.strip_prefix('[')
            && let Some((name, _)) = rest.rsplit_once(']')
            && !name.is_empty()
        {
            return self.section(name);
        }
        let section = self.sections.last_mut().ok_or(IniFault::NoSection)?;
        let at = content.find(['=', ':']).filter(|at| *at > 0).ok_or(IniFault::NoAssignment)?;
        let (key, value) = (content[..at].trim_end(), content[at + 1..].trim());
        if section.options.iter().any(|(known, _)| known == key) {
            return Err(IniFault::NameTwice);
        }
        section.options.push((key.to_owned(), value.to_owned()));
        self.open = Some(indent);
        Ok(())
    }

    fn section(&mut self, name: &str) -> Result<(), IniFault> {
        if self.sections.iter().any(|section| section.name == name) {
            return Err(IniFault::SectionTwice);
        }
        self.sections.push(Section { name: name.to_owned(), options: Vec::new() });
        Ok(())
    }

    fn finish(self) -> Read {
        let (defaults, sections): (Vec<_>, Vec<_>) =
            self.sections.into_iter().partition(|section| section.name == "DEFAULT");
        (sections, defaults.into_iter().flat_map(|section| section.options).collect())
    }
}
