//! The values of filters: operators, quoted lists, times (Glance: `glance/common/utils.py`,
//! `split_filter_op`, `split_filter_value_for_quotes`, `validate_quotes`; the `iso8601` package).

use time::{Date, Duration, Month, PrimitiveDateTime, Time};

/// A list whose quotes do not pair up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid filter value {value}. {what}")]
pub(super) struct BadQuotes {
    value: String,
    what: &'static str,
}

/// Splits `operator:value`; without an operator it is `eq`, and so it is for a time, whose colons
/// are its own.
pub(super) fn split_operator(expression: &str) -> (&str, &str) {
    match expression.split_once(':') {
        Some((operator, value)) if iso_time(expression).is_none() => (operator, value),
        _ => ("eq", expression),
    }
}

/// Splits a list at commas outside of quotes. A backslash before a quote keeps it from being one,
/// and stays in the value.
pub(super) fn split_values(list: &str) -> Result<Vec<String>, BadQuotes> {
    check_quotes(list)?;
    let mut values = Vec::new();
    let mut rest = list;
    while !rest.is_empty() {
        let (value, after) =
            quoted(rest).unwrap_or_else(|| rest.split_at(rest.find(',').unwrap_or(rest.len())));
        values.push(value.to_owned());
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Ok(values)
}

/// The inside of the quoted text at the front and what follows it; `None` if there is none.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, char) in inside.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((&inside[..at], &inside[at + 1..])),
            _ => {}
        }
    }
    None
}

fn check_quotes(value: &str) -> Result<(), BadQuotes> {
    let refuse = |what| Err(BadQuotes { value: value.to_owned(), what });
    let bytes = value.as_bytes();
    let mut is_outside = true;
    for (at, _) in value.match_indices('"') {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        if before == Some(b'\\') {
            continue;
        }
        if is_outside && before.is_some_and(|before| before != b',') {
            return refuse("There is no comma before opening quotation mark.");
        }
        if !is_outside && bytes.get(at + 1).is_some_and(|after| *after != b',') {
            return refuse("There is no comma after closing quotation mark.");
        }
        is_outside = !is_outside;
    }
    if is_outside { Ok(()) } else { refuse("The quote is not closed.") }
}

/// Reads a time of ISO 8601 and converts it to UTC; without a zone it is UTC.
pub(super) fn iso_time(text: &str) -> Option<PrimitiveDateTime> {
    let (date, rest) = iso_date(text)?;
    let midnight = PrimitiveDateTime::new(date, Time::MIDNIGHT);
    if rest.is_empty() {
        return Some(midnight);
    }
    let rest = rest.strip_prefix(['T', ' '])?;
    let (hour, rest) = digits(rest, 2)?;
    let (minute, rest) = part(rest, ':');
    let (second, rest) = if minute.is_some() { part(rest, ':') } else { (None, rest) };
    let (micro, rest) = fraction(rest).unwrap_or((0, rest));
    let offset = zone(rest)?;
    let small = |number: u32| u8::try_from(number).ok();
    let (minute, second) = (minute.unwrap_or(0), second.unwrap_or(0));
    let time = Time::from_hms_micro(small(hour)?, small(minute)?, small(second)?, micro).ok()?;
    midnight.replace_time(time).checked_sub(offset)
}

/// `YYYY`, `YYYY-MM`, `YYYY-MM-DD` and `YYYYMMDD`, and what follows.
fn iso_date(text: &str) -> Option<(Date, &str)> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = part(rest, '-');
    let (day, rest) = if month.is_some() { part(rest, '-') } else { (None, rest) };
    let month = Month::try_from(u8::try_from(month.unwrap_or(1)).ok()?).ok()?;
    let day = u8::try_from(day.unwrap_or(1)).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, day).ok()?;
    Some((date, rest))
}

/// Two digits, which a separator may precede; nothing is taken where they are not there.
fn part(text: &str, separator: char) -> (Option<u32>, &str) {
    match digits(text.strip_prefix(separator).unwrap_or(text), 2) {
        Some((number, rest)) => (Some(number), rest),
        None => (None, text),
    }
}

/// A fraction of a second in microseconds; further digits are cut off.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let text = text.strip_prefix(['.', ','])?;
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (shown, rest) = text.split_at(end);
    let micro = format!("{:0<6}", shown.get(..6).unwrap_or(shown)).parse().ok()?;
    (end > 0).then_some((micro, rest))
}

/// A zone as its distance from UTC.
fn zone(text: &str) -> Option<Duration> {
    let text = text.strip_prefix(' ').unwrap_or(text);
    let (sign, rest) = match text.as_bytes().first() {
        None => return Some(Duration::ZERO),
        Some(b'Z') => return (text.len() == 1).then_some(Duration::ZERO),
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        Some(_) => return None,
    };
    let (hours, rest) = digits(rest, 2)?;
    let (minutes, rest) = part(rest, ':');
    let minutes = i64::from(hours * 60 + minutes.unwrap_or(0));
    rest.is_empty().then(|| Duration::minutes(sign * minutes))
}

/// Exactly so many digits at the front, and what follows.
fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let shown = text.get(..count)?;
    let all = shown.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| shown.parse().ok())?.map(|number| (number, &text[count..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn operators_end_at_the_first_colon_except_in_a_time() {
        let check = |text: &str, expected: (&str, &str)| assert_eq!(split_operator(text), expected);
        check("a", ("eq", "a"));
        check("in:a,b", ("in", "a,b"));
        check("a:b:c", ("a", "b:c"));
        check("2020-01-01T00:00:00Z", ("eq", "2020-01-01T00:00:00Z"));
        check("gt:2020-01-01T00:00:00Z", ("gt", "2020-01-01T00:00:00Z"));
    }

    #[test]
    fn lists_split_at_commas_outside_of_quotes() {
        let check =
            |list: &str, expected: Result<&[&str], &str>| match (split_values(list), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{list}"),
                (Err(found), Err(expected)) => {
                    assert_eq!(
                        found.to_string(),
                        format!("Invalid filter value {list}. {expected}")
                    );
                }
                (found, expected) => panic!("{list}: {found:?}, expected {expected:?}"),
            };
        check("a,b", Ok(&["a", "b"]));
        check("\"a,b\",c", Ok(&["a,b", "c"]));
        check("a,,b", Ok(&["a", "", "b"]));
        check("\"a\\\"b\"", Ok(&["a\\\"b"]));
        check("", Ok(&[]));
        check("\u{e9},\"\u{e9}\"", Ok(&["\u{e9}", "\u{e9}"]));
        check("\"a", Err("The quote is not closed."));
        check("a\"b\"", Err("There is no comma before opening quotation mark."));
        check("\"a\"b", Err("There is no comma after closing quotation mark."));
    }

    #[test]
    fn times_are_read_in_any_precision_and_zone() {
        let check = |text: &str, expected: Option<PrimitiveDateTime>| {
            assert_eq!(iso_time(text), expected, "{text}");
        };
        check("2020", Some(datetime!(2020-01-01 0:00)));
        check("2020-02", Some(datetime!(2020-02-01 0:00)));
        check("20200203", Some(datetime!(2020-02-03 0:00)));
        check("2020-02-03T04:05:06", Some(datetime!(2020-02-03 4:05:06)));
        check("2020-02-03 04:05:06.5Z", Some(datetime!(2020-02-03 4:05:06.5)));
        check("2020-02-03T04:05:06+02:00", Some(datetime!(2020-02-03 2:05:06)));
        check("2020-02-03T00:05:06-0130", Some(datetime!(2020-02-03 1:35:06)));
        check("2020-02-03T04", Some(datetime!(2020-02-03 4:00)));
        check("2020-13-01", None);
        check("2020-02-30", None);
        check("yesterday", None);
        check("2020-02-03T25:00:00", None);
        check("2020-02-03T04:05:06x", None);
        check("9999-12-31T23:59:59-01:00", None);
        check("", None);
        check("202\u{e9}", None);
    }
}
