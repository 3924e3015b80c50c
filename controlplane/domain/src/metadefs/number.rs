//! Numbers as Python prints them: in schema errors, and where a number becomes a text.

use serde_json::Number;

/// Integers as they are; floating point numbers as the shortest text that reads the same, with an
/// exponent from 1e16 up and below 1e-4.
#[must_use]
pub fn python_number(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let magnitude = float.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let shown = format!("{float:e}");
        let (digits, exponent) = shown.split_once('e').expect("the format has an exponent");
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let shown = format!("{float}");
    if shown.contains('.') { shown } else { format!("{shown}.0") }
}
