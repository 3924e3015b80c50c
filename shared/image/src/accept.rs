//! What an `Accept` header prefers among fixed offers, as WebOb reads it
//! (`webob/acceptparse.py`, `acceptable_offers`).
//!
//! The offers carry no parameters, so a range with parameters matches none of them exactly. Leaves
//! the meaning of an absent or malformed header to its caller. Invariant: work is linear in the
//! header's length and no input panics.

/// The header does not follow its grammar (RFC 9110, section 12.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Accept header is malformed")]
pub struct Malformed;

/// One media range of the header: type and subtype, its parameters being none, and its quality in
/// thousandths.
struct Range<'a> {
    kind: &'a [u8],
    subtype: &'a [u8],
    quality: u16,
}

/// Which of the offers, each type and subtype, is preferred: the one of highest quality, and of
/// several such the first. `None` where none is acceptable.
///
/// # Errors
/// [`Malformed`]; WebOb then accepts every offer.
pub fn best_offer<const N: usize>(
    header: &[u8],
    offers: [(&str, &str); N],
) -> Result<Option<usize>, Malformed> {
    let mut best = [Best::default(); N];
    let mut rest = header;
    loop {
        // An element may be missing: lists of this grammar tolerate stray commas.
        let element = trim_start(rest);
        if element.first().is_some_and(|byte| *byte != b',') {
            let (range, after) = parse_element(element).ok_or(Malformed)?;
            if let Some(range) = range {
                for (best, (kind, subtype)) in best.iter_mut().zip(offers) {
                    best.consider(&range, kind.as_bytes(), subtype.as_bytes());
                }
            }
            rest = trim_start(after);
        } else {
            rest = element;
        }
        match rest.split_first() {
            None => break,
            Some((b',', after)) => rest = after,
            Some(_) => return Err(Malformed),
        }
    }
    let acceptable = best.iter().enumerate().filter(|(_, best)| best.quality > 0);
    // The last of equals would win: turned around, the first does.
    Ok(acceptable.rev().max_by_key(|(_, best)| best.quality).map(|(place, _)| place))
}

/// The most specific range seen so far for one offer. Of equally specific ones the first counts.
#[derive(Clone, Copy, Default)]
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

    const OFFERS: [(&str, &str); 2] = [("text", "html"), ("application", "json")];
    const HTML: Option<usize> = Some(0);
    const JSON: Option<usize> = Some(1);

    #[test]
    fn the_header_chooses_as_webob_does() {
        // Each answer was taken from Glance 33.
        let check = |header: &str, expected: Option<usize>| {
            assert_eq!(best_offer(header.as_bytes(), OFFERS), Ok(expected), "{header:?}");
        };
        check("", None);
        check("*/*", HTML);
        check("text/html", HTML);
        check("TEXT/Html", HTML);
        check("application/json", JSON);
        check("text/plain", None);
        check("application/xml", None);
        check("text/html;q=0, */*", JSON);
        check("text/*;q=0.5, application/json;q=0.7", JSON);
        check("*/*;q=0", None);
        check("application/*", JSON);
        check("text/html;level=1", None);
        check("*/*;q=0.3,text/html;q=0.1", JSON);
        check("application/json,text/html", HTML);
    }

    #[test]
    fn a_malformed_header_is_an_error() {
        let check = |header| assert_eq!(best_offer(header, OFFERS), Err(Malformed), "{header:?}");
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
        let check = |header: &str| assert_eq!(best_offer(header.as_bytes(), OFFERS), Ok(JSON));
        check("application/json,");
        check(",application/json");
        check("application/json;q=0.5;ext;ext2=\"a,b\\\"c\"");
        check("application/*;v=1");
    }
}
