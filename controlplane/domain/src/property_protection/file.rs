//! The file format: that of Python's `configparser` with its defaults.
//!
//! Invariant: what Python refuses is refused, with the line.

use std::collections::BTreeMap;

use super::ProtectionError;

/// The options of a section by their name in lower case.
type Options = BTreeMap<String, String>;

/// The sections in order, each with its options and those of `[DEFAULT]`.
pub(super) fn sections(text: &str) -> Result<Vec<(String, Options)>, ProtectionError> {
    let mut reader = Reader::default();
    for (at, line) in text.lines().enumerate() {
        reader.take(line).map_err(|reason| ProtectionError::Malformed { line: at + 1, reason })?;
    }
    let Reader { sections, defaults, .. } = reader;
    let mut all = Vec::with_capacity(sections.len());
    for (name, options) in sections {
        let mut merged = defaults.clone();
        merged.extend(options);
        let line = 1;
        let merged = merged.into_iter().map(|(option, value)| Ok((option, plain(&value)?)));
        let merged: Result<Options, String> = merged.collect();
        let merged = merged.map_err(|reason| ProtectionError::Malformed {
            line,
            reason: format!("in [{name}]: {reason}"),
        })?;
        all.push((name, merged));
    }
    Ok(all)
}

/// Where options go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Nowhere,
    Defaults,
    /// The last section.
    Section,
}

#[derive(Debug, Default)]
struct Reader {
    sections: Vec<(String, Options)>,
    defaults: Options,
    at: At,
    /// The option that a deeper line goes on with, and its depth.
    open: Option<(String, usize)>,
}

impl Reader {
    fn take(&mut self, line: &str) -> Result<(), String> {
        let content = line.trim();
        // A blank line or a comment within a value belongs to it, and leaves nothing in it.
        if content.is_empty() || content.starts_with(['#', ';']) {
            return Ok(());
        }
        let depth = line.len() - line.trim_start().len();
        if let Some((option, start)) = self.open.clone().filter(|(_, start)| depth > *start) {
            let value = self.options().entry(option.clone()).or_default();
            value.push('\n');
            value.push_str(content);
            self.open = Some((option, start));
            return Ok(());
        }
        self.open = None;
        if let Some(header) = header(content) {
            return self.begin(header);
        }
        if self.at == At::Nowhere {
            return Err("a section is missing before it".to_owned());
        }
        let Some(end) = content.find(['=', ':']) else {
            return Err("it is no section, option or comment".to_owned());
        };
        let option = content[..end].trim().to_lowercase();
        if option.is_empty() {
            return Err("an option without a name".to_owned());
        }
        let value = content[end + 1..].trim().to_owned();
        if self.options().insert(option.clone(), value).is_some() {
            return Err(format!("{option} stands twice in its section"));
        }
        self.open = Some((option, depth));
        Ok(())
    }

    fn begin(&mut self, header: &str) -> Result<(), String> {
        if header == "DEFAULT" {
            self.at = At::Defaults;
            return Ok(());
        }
        if self.sections.iter().any(|(name, _)| name == header) {
            return Err(format!("[{header}] stands twice"));
        }
        self.sections.push((header.to_owned(), Options::new()));
        self.at = At::Section;
        Ok(())
    }

    fn options(&mut self) -> &mut Options {
        match (self.at, self.sections.last_mut()) {
            (At::Section, Some((_, options))) => options,
            _ => &mut self.defaults,
        }
    }
}

/// What stands in brackets, up to the last one.
fn header(content: &str) -> Option<&str> {
    let rest = content.strip_prefix('[')?;
    let end = rest.rfind(']')?;
    (end > 0).then(|| &rest[..end])
}

/// A value without references: `%%` is a percent sign (`configparser.BasicInterpolation`). No
/// option of this file is worth referring to, so a reference is refused.
fn plain(value: &str) -> Result<String, String> {
    if value.split("%%").any(|part| part.contains('%')) {
        return Err(format!("'%' must be written '%%': {value:?}"));
    }
    Ok(value.replace("%%", "%"))
}
