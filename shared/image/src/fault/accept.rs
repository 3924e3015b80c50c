//! Which of HTML and JSON an `Accept` header prefers.
//!
//! Only the question that faults ask: the offers are fixed and carry no parameters, so a range with
//! parameters matches neither of them. Leaves the meaning of an absent header to its caller.
//! Invariant: work is linear in the header's length and no input panics.

use super::FaultShape;

/// One media range of the header: type and subtype, its parameters being none, and its quality in
/// thousandths.
struct Range<'a> {
    kind: &'a [u8],
    subtype: &'a [u8],
    quality: u16,
}

/// The shape of the preferred offer; HTML where the header is malformed.
pub(super) fn choose(header: &[u8]) -> FaultShape {
    let mut html = Best::default();
    let mut json = Best::default();
    let mut rest = header;
    loop {
        // An element may be missing: lists of this grammar tolerate stray commas.
        let element = trim_start(rest);
        if element.first().is_some_and(|byte| *byte != b',') {
            let Some((range, after)) = parse_element(element) else { return FaultShape::Html };
            if let Some(range) = range {
                html.consider(&range, b"text", b"html");
                json.consider(&range, b"application", b"json");
            }
            rest = trim_start(after);
        } else {
            rest = element;
        }
        match rest.split_first() {
            None => break,
            Some((b',', after)) => rest = after,
            Some(_) => return FaultShape::Html,
        }
    }
    match (html.quality, json.quality) {
        (0, 0) => FaultShape::Plain,
        (html, json) if html >= json => FaultShape::Html,
        _ => FaultShape::Json,
    }
}

/// The most specific range seen so far for one offer. Of equally specific ones the first counts.
#[derive(Default)]
struct Best {
    specificity: u8,
    quality: u16,
}

impl Best {
    fn consider(&mut self, range: &Range<'_>, kind: &[u8], subtype: &[u8]) {
        let specificity = if range.kind.eq_ignore_ascii_case(kind) {
            if range.subtype.eq_ignore_ascii_case(subtype) {
                3
            } else if range.subtype == b"*" {
                2
            } else {
                0
            }
        } else {
            u8::from(range.kind == b"*" && range.subtype == b"*")
        };
        if specificity > self.specificity {
            *self = Self { specificity, quality: range.quality };
        }
    }
}

/// One element of the list: the range, or `None` inside where its parameters keep it from matching,
/// and what follows. `None` outside: malformed.
fn parse_element(text: &[u8]) -> Option<(Option<Range<'_>>, &[u8])> {
    let (kind, rest) = token(text)?;
    let (subtype, mut rest) = token(rest.strip_prefix(b"/")?)?;
    let mut has_parameters = false;
    let mut quality = None;
    // After the quality come extensions, whose value may be missing; before it, parameters.
    while let Some(after) = trim_start(rest).strip_prefix(b";") {
        let (name, after) = token(trim_start(after))?;
        if quality.is_none() && name.eq_ignore_ascii_case(b"q") {
            let (value, after) = token(after.strip_prefix(b"=")?)?;
            quality = Some(parse_quality(value)?);
            rest = after;
        } else if let Some(after) = after.strip_prefix(b"=") {
            has_parameters |= quality.is_none();
            rest = token(after).map(|(_, rest)| rest).or_else(|| quoted(after))?;
        } else if quality.is_some() {
            rest = after;
        } else {
            return None;
        }
    }
    // A wildcard with parameters still matches (its parameters are not looked at); an exact type
    // with parameters does not.
    let matches = !has_parameters || subtype == b"*";
    let range = matches.then_some(Range { kind, subtype, quality: quality.unwrap_or(1000) });
    Some((range, rest))
}

/// A quality of RFC 7231, section 5.3.1, in thousandths.
fn parse_quality(text: &[u8]) -> Option<u16> {
    let (whole, fraction) = match text {
        [whole] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = fraction.get(place).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return None;
        }
        thousandths = thousandths * 10 + u16::from(digit - b'0');
    }
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// Splits a token off; `None` where there is none.
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| !is_tchar(*byte)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// Skips a quoted text; `None` where there is none or it does not end.
fn quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', _, after @ ..] | [_, after @ ..] => after,
            [] => return None,
        };
    }
}

fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn trim_start(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &text[blanks..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_chooses_as_webob_does() {
        // Each answer was taken from Glance 33.
        let check = |header: &str, expected: FaultShape| {
            assert_eq!(choose(header.as_bytes()), expected, "{header:?}");
        };
        check("", FaultShape::Plain);
        check("*/*", FaultShape::Html);
        check("text/html", FaultShape::Html);
        check("TEXT/Html", FaultShape::Html);
        check("application/json", FaultShape::Json);
        check("text/plain", FaultShape::Plain);
        check("application/xml", FaultShape::Plain);
        check("text/html;q=0, */*", FaultShape::Json);
        check("text/*;q=0.5, application/json;q=0.7", FaultShape::Json);
        check("*/*;q=0", FaultShape::Plain);
        check("application/*", FaultShape::Json);
        check("text/html;level=1", FaultShape::Plain);
        check("*/*;q=0.3,text/html;q=0.1", FaultShape::Json);
        check("application/json,text/html", FaultShape::Html);
    }

    #[test]
    fn a_malformed_header_is_disregarded() {
        let check = |header: &[u8]| assert_eq!(choose(header), FaultShape::Html, "{header:?}");
        check(b"garbage");
        check(b"application/json;;");
        check(b"application/json;q=2");
        check(b"application/json;q=0.1234");
        check(b"application/json;a=\"open");
        check(b"application/json text/plain");
        check(b"application/\xff");
    }

    #[test]
    fn parameters_and_stray_commas_are_understood() {
        let check = |header: &str| assert_eq!(choose(header.as_bytes()), FaultShape::Json);
        check("application/json,");
        check(",application/json");
        check("application/json;q=0.5;ext;ext2=\"a,b\\\"c\"");
        check("application/*;v=1");
    }
}
