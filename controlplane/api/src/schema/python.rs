//! Values as Python prints them: `repr()` and `pprint.pformat(…, width=72, sort_dicts=False)`.
//!
//! Schema errors quote the offending value and the schema in this form, and clients match on these
//! texts. Leaves bounding the input to its caller. Invariant: work is bounded by the text times its
//! depth, and the depth by the reader of JSON.

use controlplane_domain::metadefs::python_number;
use serde_json::{Map, Value};

/// Width at which `jsonschema` has values printed (`jsonschema/exceptions.py`, `_pretty`).
const WIDTH: usize = 72;

/// Python's `repr` of the value JSON is read as.
pub(crate) fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => python_number(number),
        Value::String(text) => repr_text(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{}: {}", repr_text(key), repr(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// Python's `repr` of a text.
/// Python's `str` of a value.
pub(crate) fn str_of(value: &Value) -> String {
    value.as_str().map_or_else(|| repr(value), str::to_owned)
}

/// Python's `repr` of a text.
pub(crate) fn repr_text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if char == quote => out.extend(['\\', quote]),
            _ if is_printable(char) => out.push(char),
            _ => out.push_str(&match u32::from(char) {
                code @ ..=0xff => format!("\\x{code:02x}"),
                code @ 0x100..=0xffff => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            }),
        }
    }
    out.push(quote);
    out
}

/// Python's `pformat`, the lines behind the first indented by `indent` blanks.
pub(crate) fn pretty(value: &Value, indent: usize) -> String {
    let mut out = String::new();
    format_value(value, &mut out, 0, 0, 1);
    out.replace('\n', &format!("\n{}", " ".repeat(indent)))
}

/// Unicode's unprintable categories as far as they are ranges; unassigned code points are taken for
/// printable.
fn is_printable(char: char) -> bool {
    !char.is_control()
        && !matches!(char,
            '\u{a0}' | '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{1680}' | '\u{180e}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
            | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{10ffff}')
}

/// `PrettyPrinter._format`: `indent` columns are taken on the left, `allowance` on the right.
fn format_value(value: &Value, out: &mut String, indent: usize, allowance: usize, level: usize) {
    let flat = repr(value);
    if flat.chars().count() <= WIDTH.saturating_sub(indent + allowance) {
        out.push_str(&flat);
        return;
    }
    match value {
        Value::Object(members) if !members.is_empty() => {
            format_object(members, out, indent, allowance, level);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                let last = at + 1 == items.len();
                format_value(
                    item,
                    out,
                    indent + 1,
                    if last { allowance + 1 } else { 1 },
                    level + 1,
                );
                if !last {
                    new_line(out, indent + 1);
                }
            }
            out.push(']');
        }
        Value::String(text) if !text.is_empty() => format_text(text, out, indent, allowance, level),
        _ => out.push_str(&flat),
    }
}

fn format_object(
    members: &Map<String, Value>,
    out: &mut String,
    indent: usize,
    allowance: usize,
    level: usize,
) {
    out.push('{');
    for (at, (key, value)) in members.iter().enumerate() {
        let last = at + 1 == members.len();
        let key = repr_text(key);
        out.push_str(&key);
        out.push_str(": ");
        let taken = indent + 1 + key.chars().count() + 2;
        format_value(value, out, taken, if last { allowance + 1 } else { 1 }, level + 1);
        if !last {
            new_line(out, indent + 1);
        }
    }
    out.push('}');
}

fn new_line(out: &mut String, indent: usize) {
    out.push_str(",\n");
    out.push_str(&" ".repeat(indent));
}

/// `PrettyPrinter._pprint_str`: long text is broken behind blanks into literals below each other,
/// in parentheses at the top.
fn format_text(text: &str, out: &mut String, indent: usize, allowance: usize, level: usize) {
    let top = usize::from(level == 1);
    let (indent, allowance) = (indent + top, allowance + top);
    let width = WIDTH.saturating_sub(indent);
    let last_width = width.saturating_sub(allowance);
    let mut chunks = Vec::new();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for (at, line) in lines.iter().enumerate() {
        let last_line = at + 1 == lines.len();
        let whole = repr_text(line);
        if whole.chars().count() <= if last_line { last_width } else { width } {
            chunks.push(whole);
            continue;
        }
        let words = words(line);
        let mut current = String::new();
        for (at, word) in words.iter().enumerate() {
            let candidate = format!("{current}{word}");
            let room = if last_line && at + 1 == words.len() { last_width } else { width };
            if repr_text(&candidate).chars().count() > room {
                if !current.is_empty() {
                    chunks.push(repr_text(&current));
                }
                current = (*word).to_owned();
            } else {
                current = candidate;
            }
        }
        if !current.is_empty() {
            chunks.push(repr_text(&current));
        }
    }
    if chunks.len() == 1 {
        out.push_str(&chunks[0]);
        return;
    }
    let joined = chunks.join(&format!("\n{}", " ".repeat(indent)));
    if level == 1 {
        out.push_str(&format!("({joined})"));
    } else {
        out.push_str(&joined);
    }
}

/// Splits behind every run of blanks: `re.findall(r'\S*\s*', line)`.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut after_blank = false;
    for (at, char) in line.char_indices() {
        if after_blank && !char.is_whitespace() {
            words.push(&line[start..at]);
            start = at;
        }
        after_blank = char.is_whitespace();
    }
    words.push(&line[start..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_read_as_python_prints_them() {
        let check = |value: Value, expected: &str| assert_eq!(repr(&value), expected);
        check(json!(null), "None");
        check(json!([true, false, 1, -5]), "[True, False, 1, -5]");
        check(json!({"a": {"b": []}}), "{'a': {'b': []}}");
        check(json!("it's"), "\"it's\"");
        check(json!("it's \"so\""), "'it\\'s \"so\"'");
        check(
            json!("a\\b\n\t\u{1}\u{e9}\u{a0}\u{200b}\u{1f600}\u{e0001}"),
            "'a\\\\b\\n\\t\\x01\u{e9}\\xa0\\u200b\u{1f600}\\U000e0001'",
        );
        check(json!(1.5), "1.5");
        check(json!(1.0), "1.0");
        check(json!(1.5e20), "1.5e+20");
        check(json!(1e-7), "1e-07");
        check(json!(1e15), "1000000000000000.0");
        check(json!(-0.0), "-0.0");
    }

    #[test]
    fn long_values_are_broken_as_pprint_breaks_them() {
        // Each expectation was printed by pprint of Python 3.11.
        let check = |value: Value, expected: &str| assert_eq!(pretty(&value, 0), expected);
        check(
            json!({"type": ["null", "string"], "description": "Descriptive name for the image",
                "maxLength": 255}),
            "{'type': ['null', 'string'],\n 'description': 'Descriptive name for the image',\n \
             'maxLength': 255}",
        );
        check(
            json!("word ".repeat(20)),
            "('word word word word word word word word word word word word word '\n \
             'word word word word word word word ')",
        );
        check(json!("n".repeat(100)), &format!("'{}'", "n".repeat(100)));
    }
}
