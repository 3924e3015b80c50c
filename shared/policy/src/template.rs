//! The right side of a check: text with `%(key)s` in it, as Python's `%` operator fills it from the
//! target.

use crate::value::{Attributes, Value};
use std::fmt::{self, Write};

/// A compiled text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Key(String),
}

impl Template {
    /// Compiles the text; `None` for a format that Python would refuse at run time or that is not
    /// `%(key)s` or `%%`.
    pub(crate) fn compile(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(place) = rest.find('%') {
            push_text(&mut parts, &rest[..place]);
            rest = &rest[place + 1..];
            if let Some(behind) = rest.strip_prefix('%') {
                push_text(&mut parts, "%");
                rest = behind;
                continue;
            }
            let (key, behind) = rest.strip_prefix('(')?.split_once(')')?;
            rest = behind.strip_prefix('s')?;
            parts.push(Part::Key(key.to_owned()));
        }
        push_text(&mut parts, rest);
        Some(Self(parts))
    }

    /// Whether every key it names is there. Python looks at all of them before it compares
    /// anything.
    pub(crate) fn is_filled_by(&self, target: &dyn Attributes) -> bool {
        self.0.iter().all(|part| match part {
            Part::Text(_) => true,
            Part::Key(key) => target.attribute(key).is_some(),
        })
    }

    /// The keys it names.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Key(key) => Some(key.as_str()),
        })
    }

    /// Writes the filled text.
    pub(crate) fn write(&self, target: &dyn Attributes, out: &mut impl Write) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => out.write_str(text),
            Part::Key(key) => target.attribute(key).unwrap_or(Value::None).write(out),
        })
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(last)) => last.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}
