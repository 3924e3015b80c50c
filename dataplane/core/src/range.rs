//! Which part of an image a download asks for: Glance's reading of `Range`, and of `Content-Range`
//! in a request (`glance/common/wsgi.py`, `Request.get_range_from_request`; parsing by
//! `webob/byterange.py`).
//!
//! Sending the part is left to the download machine. Invariant: a part never reaches past the
//! image. Where Glance would crash (`bytes=-`, `Content-Range: bytes */10`) the header is invalid,
//! and where it would announce more bytes than there are (`Content-Range: bytes 0-20/99` of 10
//! bytes) the part ends with the image.

use glint_image::Fault;

/// A part of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Where it begins.
    pub offset: u64,
    /// How long it is. 0 only for a suffix of an empty image.
    pub length: u64,
}

impl Part {
    /// The value of the answer's `Content-Range`. Of an empty part Glance says `0--1`, and so do
    /// we.
    #[must_use]
    pub fn content_range(self, size_bytes: u64) -> String {
        let Self { offset, length } = self;
        match (offset + length).checked_sub(1) {
            Some(last) => format!("bytes {offset}-{last}/{size_bytes}"),
            None => format!("bytes {offset}--1/{size_bytes}"),
        }
    }
}

/// What a request asks for, before the size of the image is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Requested {
    /// All of it.
    Whole,
    /// `Range: bytes=a-` or `a-b`.
    From {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: Option<u64>,
    },
    /// `Range: bytes=-n`, n not 0.
    Suffix(u64),
    /// `Content-Range: bytes a-b/size` or `a-b/*`.
    Content {
        /// The first byte.
        first: u64,
        /// The byte behind the last.
        end: u64,
        /// Whether a size was named.
        sized: bool,
    },
}

/// Reads both headers (several lines of one joined by commas).
///
/// # Errors
/// The fault to answer with: 400 for several ranges, 416 for what cannot be read.
pub fn requested(range: Option<&[u8]>, content_range: Option<&[u8]>) -> Result<Requested, Fault> {
    match (range, content_range) {
        (Some(range), _) => from_range(range),
        (None, Some(content_range)) => from_content_range(content_range),
        (None, None) => Ok(Requested::Whole),
    }
}

// === impl Requested ===

impl Requested {
    /// The part of an image of this size; `None`: all of it, with 200.
    ///
    /// # Errors
    /// The fault to answer with, where the part lies outside of the image.
    pub fn within(self, size: u64) -> Result<Option<Part>, Fault> {
        let part = match self {
            Self::Whole => return Ok(None),
            Self::From { first, .. } if first >= size => {
                return Err(outside("start", "Start", "Range", size));
            }
            Self::From { first, last: None } => Part { offset: first, length: size - first },
            Self::From { first, last: Some(last) } => {
                Part { offset: first, length: last.saturating_add(1).min(size) - first }
            }
            Self::Suffix(length) => {
                let length = length.min(size);
                Part { offset: size - length, length }
            }
            Self::Content { end, sized: false, .. } if end > size => {
                return Err(outside("stop", "The stop", "Content-Range", size));
            }
            Self::Content { first, .. } if first >= size => {
                return Err(outside("start", "Start", "Content-Range", size));
            }
            Self::Content { first, end, .. } => {
                Part { offset: first, length: end.min(size) - first }
            }
        };
        Ok(Some(part))
    }
}

const SEVERAL: &str = "Requests with multiple ranges are not supported in Glance. \
                       You may make multiple single-range requests instead.";

/// `bytes=a-b`, `a-`, `-n`; matched from the front, what follows is passed over.
fn from_range(value: &[u8]) -> Result<Requested, Fault> {
    if value.contains(&b',') {
        return Err(Fault::new(400, SEVERAL));
    }
    let invalid = || Fault::detailed(416, "Invalid Range header.");
    match range_numbers(value).ok_or_else(invalid)? {
        (None, None) => Err(invalid()),
        (Some(first), Some(last)) if last < first => Err(invalid()),
        // Minus nothing from the end is the front to webob.
        (None, Some(0)) => Ok(Requested::From { first: 0, last: None }),
        (None, Some(suffix)) => Ok(Requested::Suffix(suffix)),
        (Some(first), last) => Ok(Requested::From { first, last }),
    }
}

/// `bytes a-b/size`, `bytes a-b/*`.
fn from_content_range(value: &[u8]) -> Result<Requested, Fault> {
    let invalid = || Fault::detailed(416, "Invalid Content-Range header.");
    let (first, last, of) = content_range_numbers(value).ok_or_else(invalid)?;
    let end = last.saturating_add(1);
    if first >= end || of.is_some_and(|of| end > of) {
        return Err(invalid());
    }
    Ok(Requested::Content { first, end, sized: of.is_some() })
}

fn outside(which: &str, subject: &str, header: &str, size: u64) -> Fault {
    let last = i128::from(size) - 1;
    Fault::detailed(
        416,
        format!(
            "Invalid {which} position in {header} header. \
             {subject} position MUST be in the inclusive range [0, {last}]."
        ),
    )
}

fn range_numbers(value: &[u8]) -> Option<(Option<u64>, Option<u64>)> {
    let unit = value.get(..5).filter(|unit| unit.eq_ignore_ascii_case(b"bytes"))?;
    let rest = past_spaces(&value[unit.len()..]).strip_prefix(b"=")?;
    let (first, rest) = digits(past_spaces(rest));
    let rest = past_spaces(rest).strip_prefix(b"-")?;
    let (last, _) = digits(past_spaces(rest));
    Some((first, last))
}

fn content_range_numbers(value: &[u8]) -> Option<(u64, u64, Option<u64>)> {
    let rest = value.strip_prefix(b"bytes ")?;
    let (first, rest) = digits(rest);
    let (last, rest) = digits(rest.strip_prefix(b"-")?);
    let rest = rest.strip_prefix(b"/")?;
    let of = match rest.strip_prefix(b"*") {
        Some(_) => None,
        None => Some(digits(rest).0?),
    };
    Some((first?, last?, of))
}

fn past_spaces(mut value: &[u8]) -> &[u8] {
    while let Some(rest) = value.strip_prefix(b" ") {
        value = rest;
    }
    value
}

/// A run of digits and what follows; too large a number counts as the largest there is, which lies
/// outside of any image.
fn digits(value: &[u8]) -> (Option<u64>, &[u8]) {
    let length = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = value.split_at(length);
    let number = digits.iter().fold(0_u64, |number, digit| {
        number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    ((length > 0).then_some(number), rest)
}

#[cfg(test)]
#[path = "range_tests.rs"]
mod tests;
