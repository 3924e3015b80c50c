//! What rules are evaluated against: attributes of the target and of the credentials, and how
//! Python writes them as text.
//!
//! Both are only looked at, never copied: an implementer of [`Attributes`] answers for single keys.

use std::fmt::{self, Write};

/// A value as Python sees it.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A text.
    Text(&'a str),
    /// A list of texts.
    Texts(&'a [String]),
    /// A nested mapping, reached with a dotted path.
    Map(&'a dyn Attributes),
}

/// Something with named attributes.
pub trait Attributes {
    /// The attribute of this name; `None` where Python would raise `KeyError`.
    fn attribute(&self, name: &str) -> Option<Value<'_>>;
}

impl fmt::Debug for dyn Attributes + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attributes")
    }
}

impl Value<'_> {
    /// Writes what `str(value)` gives in Python. A mapping has no text here and writes an error,
    /// which compares unequal.
    pub(crate) fn write(&self, out: &mut impl Write) -> fmt::Result {
        match self {
            Self::None => out.write_str("None"),
            Self::Bool(true) => out.write_str("True"),
            Self::Bool(false) => out.write_str("False"),
            Self::Int(number) => write!(out, "{number}"),
            Self::Text(text) => out.write_str(text),
            Self::Texts(texts) => write_list(texts, out),
            Self::Map(_) => Err(fmt::Error),
        }
    }
}

/// `str([...])`: the items as Python literals.
fn write_list(texts: &[String], out: &mut impl Write) -> fmt::Result {
    out.write_char('[')?;
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.write_str(", ")?;
        }
        let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
        out.write_char(quote)?;
        for character in text.chars() {
            write_literal(character, quote, out)?;
        }
        out.write_char(quote)?;
    }
    out.write_char(']')
}

fn write_literal(character: char, quote: char, out: &mut impl Write) -> fmt::Result {
    match character {
        '\\' => out.write_str("\\\\"),
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        _ if character == quote => write!(out, "\\{character}"),
        _ if character.is_ascii_control() => write!(out, "\\x{:02x}", u32::from(character)),
        _ => out.write_char(character),
    }
}

/// Compares what is written to it with an expected text, without keeping either.
pub(crate) struct Comparison<'a> {
    expected: std::str::Chars<'a>,
    fold: bool,
}

impl<'a> Comparison<'a> {
    pub(crate) fn exact(expected: &'a str) -> Self {
        Self { expected: expected.chars(), fold: false }
    }

    /// Lower-cases both sides, character by character.
    pub(crate) fn folded(expected: &'a str) -> Self {
        Self { expected: expected.chars(), fold: true }
    }

    /// Whether exactly the expected text was written.
    pub(crate) fn equals(mut self, written: fmt::Result) -> bool {
        written.is_ok() && self.expected.next().is_none()
    }
}

impl Write for Comparison<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let expected = self.expected.next().ok_or(fmt::Error)?;
            let same = character == expected
                || self.fold && character.to_lowercase().eq(expected.to_lowercase());
            if !same {
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}
