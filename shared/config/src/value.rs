//! What the text of a value means: one conversion for each type of option (`oslo_config/types.py`).
//!
//! Leaves to its caller where the text came from. An error says what is wrong in oslo.config's
//! words where it has any.

use crate::ini::strip;
use crate::options::{Item, Kind};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A value of the type its option has.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, hosts, URIs and paths.
    Text(String),
    /// A switch.
    Bool(bool),
    /// A whole number; wide enough for `image_size_cap`, whose upper bound is 2^63.
    Int(i128),
    /// A number.
    Float(f64),
    /// Items of a list, or the lines of an option that may be repeated.
    List(Vec<String>),
    /// Pairs.
    Dict(BTreeMap<String, String>),
}

impl Value {
    /// As `$substitution` inserts it: the `str()` of the Python value.
    pub(crate) fn to_python_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => python_float(*number),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| python_repr(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Dict(pairs) => {
                let pair = |(key, value): (&String, &String)| {
                    format!("{}: {}", python_repr(key), python_repr(value))
                };
                format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Python's `repr()` of a number: the shortest digits, with an exponent from 1e16 and below 1e-4.
fn python_float(number: f64) -> String {
    let size = number.abs();
    if !number.is_finite() || size == 0.0 || (1e-4..1e16).contains(&size) {
        return format!("{number:?}").to_lowercase();
    }
    let shown = format!("{number:e}");
    match shown.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => shown,
    }
}

fn python_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::from(quote);
    for letter in text.chars() {
        match letter {
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            '\'' if quote == '\'' => shown.push_str("\\'"),
            other if is_printable(other) => shown.push(other),
            other => shown.push_str(&match u32::from(other) {
                code @ ..=0xff => format!("\\x{code:02x}"),
                code @ ..=0xffff => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            }),
        }
    }
    shown.push(quote);
    shown
}

/// Python's `str.isprintable` of one letter: no separators but the space, nothing that is invisible
/// or for private use.
fn is_printable(letter: char) -> bool {
    let invisible = matches!(
        letter,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{f0000}'..
    );
    letter == ' ' || !(letter.is_control() || letter.is_whitespace() || invisible)
}

/// Why text is not a value of the option's type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// Not one of the eight words (`types.Boolean`).
    #[error("Unexpected boolean value '{0}'")]
    Bool(String),
    /// Not a number.
    #[error("invalid literal for a number: '{0}'")]
    Number(String),
    /// Not a number of bytes (`user_storage_quota`).
    #[error("not a number of bytes with a unit of B, KB, MB, GB or TB: '{0}'")]
    Storage(String),
    /// Under the least value.
    #[error("Should be greater than or equal to {0}")]
    Low(i128),
    /// Over the greatest value.
    #[error("Should be less than or equal to {0}")]
    High(i128),
    /// Under the least value of a number that need not be whole.
    #[error("Should be greater than or equal to {0}")]
    Few(String),
    /// Over the greatest value of such a number.
    #[error("Should be less than or equal to {0}")]
    Many(String),
    /// Neither an address nor a name.
    #[error("{0} is not a valid host address")]
    Host(String),
    /// Not among the choices.
    #[error("Valid values are [{choices}], but found '{found}'")]
    Choice {
        /// The values there are.
        choices: String,
        /// What was written.
        found: String,
    },
    /// A list that is written in brackets has none at its start.
    #[error("Value should start with \"[\"")]
    BracketStart,
    /// A list that is written in brackets has none at its end.
    #[error("Value should end with \"]\"")]
    BracketEnd,
    /// A quoted item without its second quote.
    #[error("Non-closed quote: {0}")]
    Quote(String),
    /// An item of a dict without a colon.
    #[error("Value should be NAME:VALUE pairs separated by \",\"")]
    Pair,
    /// A pair without a name.
    #[error("Key name should not be empty")]
    PairName,
    /// Two pairs of one name.
    #[error("Duplicate key {0}")]
    PairTwice(String),
}

/// Converts the text of an option that is written once. `None` is oslo.config's `None`: a number
/// left empty.
///
/// # Errors
/// [`BadValue`] when the text does not have the form of the type.
pub(crate) fn convert(kind: Kind, text: &str) -> Result<Option<Value>, BadValue> {
    match kind {
        Kind::Text => Ok(Some(Value::Text(text.to_owned()))),
        Kind::Choice(choices) => choice(choices, choices.contains(&text), text).map(Some),
        Kind::ChoiceAnyCase(choices) => {
            let lower = text.to_lowercase();
            let known = choices.iter().any(|choice| choice.to_lowercase() == lower);
            choice(choices, known, text).map(Some)
        }
        Kind::Host => Ok(Some(Value::Text(host(text)?.to_owned()))),
        Kind::Bool => boolean(text).map(Some),
        Kind::Int { least, most } => integer(text, least, most),
        Kind::Float { least, most } => float(text, least, most),
        Kind::List => Ok(Some(Value::List(plain_list(text)))),
        Kind::Numbers => list(strip(text).trim_end_matches(','), number_item).map(Some),
        Kind::Bracketed(of) => bracketed_list(of, text).map(Some),
        Kind::Dict => dict(text).map(Some),
        // The lines of a repeated option are joined by the caller; one line is a list of one.
        Kind::Lines => Ok(Some(Value::List(vec![text.to_owned()]))),
    }
}

fn choice(choices: &[&str], is_known: bool, text: &str) -> Result<Value, BadValue> {
    if is_known {
        return Ok(Value::Text(text.to_owned()));
    }
    Err(BadValue::Choice { choices: choices.join(", "), found: text.to_owned() })
}

fn boolean(text: &str) -> Result<Value, BadValue> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Ok(Value::Bool(true)),
        "false" | "0" | "off" | "no" => Ok(Value::Bool(false)),
        _ => Err(BadValue::Bool(text.to_owned())),
    }
}

fn integer(text: &str, least: Option<i128>, most: Option<i128>) -> Result<Option<Value>, BadValue> {
    let trimmed = strip(text);
    if trimmed.is_empty() {
        return Ok(None);
    }
    let number = python_int(trimmed).ok_or_else(|| BadValue::Number(text.to_owned()))?;
    if let Some(least) = least.filter(|least| number < *least) {
        return Err(BadValue::Low(least));
    }
    if let Some(most) = most.filter(|most| number > *most) {
        return Err(BadValue::High(most));
    }
    Ok(Some(Value::Int(number)))
}

/// Python's `int()` on ASCII text: a sign, and single underscores between digits.
fn python_int(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let well_formed =
        digits.split('_').all(|run| !run.is_empty() && run.bytes().all(|b| b.is_ascii_digit()));
    if !well_formed {
        return None;
    }
    text.replace('_', "").parse().ok()
}

fn float(text: &str, least: Option<f64>, most: Option<f64>) -> Result<Option<Value>, BadValue> {
    let trimmed = strip(text);
    if trimmed.is_empty() {
        return Ok(None);
    }
    let bad = || BadValue::Number(text.to_owned());
    let number: f64 = if has_underscores_between_digits(trimmed) {
        trimmed.replace('_', "").parse().map_err(|_| bad())?
    } else {
        return Err(bad());
    };
    if let Some(least) = least.filter(|least| number < *least) {
        return Err(BadValue::Few(least.to_string()));
    }
    if let Some(most) = most.filter(|most| number > *most) {
        return Err(BadValue::Many(most.to_string()));
    }
    Ok(Some(Value::Float(number)))
}

/// Python takes an underscore between two digits, and nowhere else.
fn has_underscores_between_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    (0..bytes.len())
        .filter(|at| bytes[*at] == b'_')
        .all(|at| digit(at.checked_sub(1)) && digit(Some(at + 1)))
}

fn plain_list(text: &str) -> Vec<String> {
    let text = strip(text).trim_end_matches(',');
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|item| strip(item).to_owned()).collect()
}

/// `[a,b]` of items of one kind.
fn bracketed_list(of: Item, text: &str) -> Result<Value, BadValue> {
    let text = strip(text).trim_end_matches(',');
    let inner = text.strip_prefix('[').ok_or(BadValue::BracketStart)?;
    let inner = inner.strip_suffix(']').ok_or(BadValue::BracketEnd)?;
    match of {
        Item::Quoted => list(inner, |item| quoted_item(item).map(str::to_owned)),
        Item::Choice(choices) => list(inner, |item| {
            choice(choices, choices.contains(&item), item).map(|_| item.to_owned())
        }),
        Item::Host => list(inner, |item| host(item).map(str::to_owned)),
        Item::Port => list(inner, |item| match integer(item, Some(1), Some(65_535))? {
            Some(Value::Int(port)) => Ok(port.to_string()),
            _ => Ok(String::new()),
        }),
    }
}

/// Splits at commas. An item that is none goes on over the next comma, up to the end
/// (`types.List.__call__`).
fn list(text: &str, item: impl Fn(&str) -> Result<String, BadValue>) -> Result<Value, BadValue> {
    if text.is_empty() {
        return Ok(Value::List(Vec::new()));
    }
    let mut items = Vec::new();
    let mut open: Option<(String, BadValue)> = None;
    for part in text.split(',') {
        let candidate = match open.take() {
            Some((begun, _)) => begun + "," + part,
            None => part.to_owned(),
        };
        match item(strip(&candidate)) {
            Ok(item) => items.push(item),
            Err(fault) => open = Some((candidate, fault)),
        }
    }
    match open {
        None => Ok(Value::List(items)),
        Some((_, fault)) => Err(fault),
    }
}

fn quoted_item(item: &str) -> Result<&str, BadValue> {
    match item.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            item[1..].strip_suffix(quote).ok_or_else(|| BadValue::Quote(item.to_owned()))
        }
        _ => Ok(item),
    }
}

fn number_item(item: &str) -> Result<String, BadValue> {
    match integer(item, None, None)? {
        Some(Value::Int(number)) => Ok(number.to_string()),
        _ => Ok(String::new()),
    }
}

/// An IP address, or a name by RFC 1123 without its last dot (`types.HostAddress`).
fn host(text: &str) -> Result<&str, BadValue> {
    if text.parse::<IpAddr>().is_ok() {
        return Ok(text);
    }
    let bad = || BadValue::Host(text.to_owned());
    if text.is_empty() || text.chars().count() > 253 {
        return Err(bad());
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = name.rsplit('.').next().unwrap_or_default();
    let has_letter = top.bytes().any(|byte| byte.is_ascii_alphabetic() || byte == b'-');
    if has_letter && name.split('.').all(is_label) { Ok(name) } else { Err(bad()) }
}

/// `a:b,c:d`; a part without a colon is joined to the next one, as in `types.Dict.__call__`.
fn dict(text: &str) -> Result<Value, BadValue> {
    let mut pairs = BTreeMap::new();
    let text = strip(text);
    if text.is_empty() {
        return Ok(Value::Dict(pairs));
    }
    let mut open: Option<String> = None;
    for part in text.split(',') {
        let candidate = match open.take() {
            Some(begun) => begun + "," + part,
            None => part.to_owned(),
        };
        let Some((key, value)) = candidate.split_once(':') else {
            open = Some(candidate);
            continue;
        };
        let key = strip(key).to_owned();
        if key.is_empty() {
            return Err(BadValue::PairName);
        }
        if pairs.contains_key(&key) {
            return Err(BadValue::PairTwice(key));
        }
        pairs.insert(key, strip(value).to_owned());
    }
    if open.is_some() { Err(BadValue::Pair) } else { Ok(Value::Dict(pairs)) }
}

/// Reads a number of bytes: digits, then `B`, `KB`, `MB`, `GB`, `TB` (powers of 1024) or nothing
/// (`glance/api/common.py`, `get_remaining_quota`). A number too large for 64 bits is the largest.
pub(crate) fn storage_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" | "B" => 0,
        "KB" => 10,
        "MB" => 20,
        "GB" => 30,
        "TB" => 40,
        _ => return None,
    };
    if number.is_empty() {
        return None;
    }
    Some(number.parse::<u64>().map_or(u64::MAX, |number| number.saturating_mul(1 << shift)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, text: &str, expected: Result<Option<Value>, BadValue>) {
        assert_eq!(convert(kind, text), expected, "{kind:?} {text:?}");
    }

    fn list(items: &[&str]) -> Result<Option<Value>, BadValue> {
        Ok(Some(Value::List(items.iter().map(|item| (*item).to_owned()).collect())))
    }

    fn pairs(items: &[(&str, &str)]) -> Result<Option<Value>, BadValue> {
        let pairs = items.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Ok(Some(Value::Dict(pairs.collect())))
    }

    // The expected values of this module were taken from oslo.config's own types.

    #[test]
    fn reads_switches() {
        for text in ["true", "True", "1", "on", "YES"] {
            check(Kind::Bool, text, Ok(Some(Value::Bool(true))));
        }
        for text in ["false", "0", "Off", "no"] {
            check(Kind::Bool, text, Ok(Some(Value::Bool(false))));
        }
        for text in ["", "2", "t", "enabled", " true"] {
            check(Kind::Bool, text, Err(BadValue::Bool(text.to_owned())));
        }
    }

    #[test]
    fn reads_whole_numbers_in_their_range() {
        const ANY: Kind = Kind::Int { least: None, most: None };
        const PORT: Kind = Kind::Int { least: Some(0), most: Some(65_535) };
        for (text, number) in [("7", 7), ("+5", 5), ("-3", -3), ("1_0", 10), (" 7 ", 7)] {
            check(ANY, text, Ok(Some(Value::Int(number))));
        }
        for text in ["", "  "] {
            check(ANY, text, Ok(None));
        }
        for text in ["0x10", "1e3", "1__0", "_1", "1_", "+", "--1", "seven"] {
            check(ANY, text, Err(BadValue::Number(text.to_owned())));
        }
        check(PORT, "65536", Err(BadValue::High(65_535)));
        check(PORT, "-1", Err(BadValue::Low(0)));
        check(PORT, "65535", Ok(Some(Value::Int(65_535))));
    }

    #[test]
    fn reads_lists() {
        check(Kind::List, "a,b,", list(&["a", "b"]));
        check(Kind::List, ",a", list(&["", "a"]));
        check(Kind::List, "a,,b", list(&["a", "", "b"]));
        check(Kind::List, "[a]", list(&["[a]"]));
        check(Kind::List, " a , b ", list(&["a", "b"]));
        check(Kind::List, ",,", list(&[]));
        check(Kind::List, "", list(&[]));
    }

    #[test]
    fn reads_lists_in_brackets() {
        check(Kind::Bracketed(Item::Quoted), "[a,b]", list(&["a", "b"]));
        check(Kind::Bracketed(Item::Quoted), "[\"a,b\",c]", list(&["a,b", "c"]));
        check(Kind::Bracketed(Item::Quoted), "[ ]", list(&[""]));
        check(Kind::Bracketed(Item::Quoted), "[]", list(&[]));
        check(Kind::Bracketed(Item::Quoted), "[a,]", list(&["a", ""]));
        check(Kind::Bracketed(Item::Quoted), "[a],", list(&["a"]));
        check(Kind::Bracketed(Item::Quoted), "a", Err(BadValue::BracketStart));
        check(Kind::Bracketed(Item::Quoted), "[a", Err(BadValue::BracketEnd));
        check(Kind::Bracketed(Item::Quoted), "[\"a]", Err(BadValue::Quote("\"a".to_owned())));
    }

    #[test]
    fn reads_dicts() {
        check(Kind::Dict, "a:b,c:d", pairs(&[("a", "b"), ("c", "d")]));
        check(Kind::Dict, "a:b:c", pairs(&[("a", "b:c")]));
        check(Kind::Dict, "", pairs(&[]));
        check(Kind::Dict, ",a:b", pairs(&[(",a", "b")]));
        check(Kind::Dict, "a", Err(BadValue::Pair));
        check(Kind::Dict, "a:b,", Err(BadValue::Pair));
        check(Kind::Dict, ":b", Err(BadValue::PairName));
        check(Kind::Dict, "a:1,a:2", Err(BadValue::PairTwice("a".to_owned())));
    }

    #[test]
    fn reads_choices() {
        const KIND: Kind = Kind::Choice(&["one", "two"]);
        check(KIND, "two", Ok(Some(Value::Text("two".to_owned()))));
        let found = "Two".to_owned();
        check(KIND, "Two", Err(BadValue::Choice { choices: "one, two".to_owned(), found }));
    }

    #[test]
    fn reads_bytes_with_units() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(storage_bytes(text), expected, "{text}");
        };
        check("0", Some(0));
        check("7B", Some(7));
        check("3KB", Some(3 << 10));
        check("5TB", Some(5 << 40));
        check("99999999999999999999", Some(u64::MAX));
        check("99999999999999TB", Some(u64::MAX));
        for text in ["", "B", "-1", "1kb", "1 KB", "1K", "1.5GB"] {
            check(text, None);
        }
    }

    #[test]
    fn texts_are_shown_as_python_shows_them() {
        let check = |text: &str, expected: &str| assert_eq!(python_repr(text), expected);
        check("a'b", "\"a'b\"");
        check("\u{2028}\r\u{a0}\u{ad}é", "'\\u2028\\r\\xa0\\xadé'");
        check("\u{f0000} ", "'\\U000f0000 '");
    }
}
