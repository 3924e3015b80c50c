//! As much of Rust's lexical structure as the rules need: code without comments and strings,
//! functions, test code.
//!
//! No parser: what it cannot tell apart (macros that make functions) the rules do not ask.

use crate::{Complaint, complaint};
use std::ops::Range;

/// A source file, looked through once.
#[derive(Debug)]
pub(crate) struct Source {
    /// As written.
    pub(crate) text: String,
    /// The same length and lines, comments and the insides of literals blanked.
    pub(crate) code: String,
    /// Byte ranges of test code.
    tests: Vec<Range<usize>>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// The first line is an inner doc comment.
pub(crate) fn says_what_it_is(path: &str, source: &Source) -> Vec<Complaint> {
    if source.text.starts_with("//!") {
        return Vec::new();
    }
    vec![complaint(
        path,
        1,
        "begin with `//!`: what it is, what it leaves to its caller, what it keeps",
    )]
}

// === impl Source ===

impl Source {
    pub(crate) fn read(path: &str, text: &str) -> Self {
        let code = blank(text);
        assert_eq!(code.len(), text.len(), "{path}: blanking keeps positions");
        let whole_file_is_test = path.starts_with("tests/")
            || path.contains("/tests/")
            || path.ends_with("/tests.rs")
            || path.ends_with("_tests.rs")
            || path.ends_with("/testing.rs");
        let mut tests = test_items(&code);
        if whole_file_is_test {
            tests.push(0..code.len());
        }
        Self { text: text.to_owned(), code, tests }
    }

    /// The line, counted from one, of a position.
    pub(crate) fn line_of(&self, position: usize) -> usize {
        1 + self.code[..position].bytes().filter(|byte| *byte == b'\n').count()
    }

    pub(crate) fn is_test(&self, position: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&position))
    }

    /// Where `needle` stands in code, not as part of a longer name.
    pub(crate) fn find_in_code<'a>(&'a self, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(needle).map(|(at, _)| at).filter(move |at| {
            let before = self.code[..*at].chars().next_back();
            let after = self.code[at + needle.len()..].chars().next();
            let joins = |edge: Option<char>, outside: Option<char>| {
                edge.is_some_and(is_name) && outside.is_some_and(is_name)
            };
            !joins(needle.chars().next(), before) && !joins(needle.chars().next_back(), after)
        })
    }

    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for at in self.find_in_code("fn") {
            let rest = self.code[at + 2..].trim_start();
            let name: String = rest.chars().take_while(|letter| is_name(*letter)).collect();
            if name.is_empty() {
                continue;
            }
            let Some(end) = body_end(&self.code, at) else { continue };
            let line = self.line_of(at);
            found.push(Function { name, line, lines: self.line_of(end) - line + 1 });
        }
        found
    }
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The position of the brace that closes the first block after `from`; `None` if a semicolon comes
/// first.
fn body_end(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut nested = 0_usize;
    for (offset, byte) in code.as_bytes()[from..].iter().enumerate() {
        match byte {
            // `[u8; 4]` in a signature ends no declaration.
            b'[' | b'(' if depth == 0 => nested += 1,
            b']' | b')' if depth == 0 => nested = nested.saturating_sub(1),
            b';' if depth == 0 && nested == 0 => return None,
            b'{' if nested == 0 || depth > 0 => depth += 1,
            b'}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return Some(from + offset);
                }
            }
            _ => {}
        }
    }
    None
}

fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for marker in ["#[cfg(test)]", "#[cfg(all(test"] {
        for (at, _) in code.match_indices(marker) {
            found.push(at..body_end(code, at).unwrap_or(at));
        }
    }
    if code.contains("#![cfg(test)]") {
        found.push(0..code.len());
    }
    found
}

/// Blanks comments and the insides of string and character literals, byte for byte.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if starts_raw(bytes, at) => raw_string_end(bytes, at),
            b'\'' => character_end(bytes, at),
            _ => {
                at += 1;
                continue;
            }
        };
        let end = end.min(bytes.len());
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).expect("blanking replaces whole characters by spaces")
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn block_comment_end(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut here) = (0_usize, at);
    while here < bytes.len() {
        if bytes[here..].starts_with(b"/*") {
            depth += 1;
            here += 2;
        } else if bytes[here..].starts_with(b"*/") {
            depth -= 1;
            here += 2;
            if depth == 0 {
                return here;
            }
        } else {
            here += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut here = at + 1;
    while here < bytes.len() {
        match bytes[here] {
            b'\\' => here += 2,
            b'"' => return here + 1,
            _ => here += 1,
        }
    }
    bytes.len()
}

/// `r"` or `r#"`, at the start of a literal: not the end of a name such as `for`, not a raw name
/// such as `r#type`.
fn starts_raw(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| bytes[before]);
    // `br"…"` and `cr"…"` are raw strings too.
    let (prefix, outer) = match before {
        Some(b'b' | b'c') => (true, at.checked_sub(2).map(|outer| bytes[outer])),
        other => (false, other),
    };
    let in_name = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    if in_name(outer) || (!prefix && in_name(before)) {
        return false;
    }
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    bytes.get(at + 1 + hashes) == Some(&b'"')
}

fn raw_string_end(bytes: &[u8], at: usize) -> usize {
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let from = at + 2 + hashes;
    let inside = bytes.get(from..).unwrap_or_default();
    inside
        .windows(close.len())
        .position(|window| window == close)
        .map_or(bytes.len(), |length| from + length + close.len())
}

/// The end of a character literal; a lifetime is one byte long as far as blanking goes.
fn character_end(bytes: &[u8], at: usize) -> usize {
    let Some(first) = bytes.get(at + 1) else { return at + 1 };
    if *first == b'\\' {
        let tail = bytes.get(at + 3..).unwrap_or_default();
        return tail.iter().position(|b| *b == b'\'').map_or(bytes.len(), |n| at + 3 + n + 1);
    }
    // A character of up to four bytes and a quote; anything else is a lifetime.
    let width = match first {
        0x00..=0x7F => 1,
        0x80..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xFF => 4,
    };
    if bytes.get(at + 1 + width) == Some(&b'\'') { at + width + 2 } else { at + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_comments_and_literals() {
        let check = |text: &str, expected: &str| assert_eq!(blank(text), expected, "{text}");
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d */ e", &format!("a {:17} e", ""));
        check("f(\"x\\\"y\", 'z')", &format!("f({:6}, {:3})", "", ""));
        check("r#\"a\"b\"# + r\"c\"", &format!("{:8} + {:4}", "", ""));
        check("br\"a\" for \"b\"", &format!("b{:4} for {:3}", "", ""));
        check("&'a x; '\\''; '\u{e9}'", &format!("& a x; {:4}; {:4}", "", ""));
        check("r#type", "r#type");
    }

    #[test]
    fn finds_functions_and_their_length() {
        let check = |text: &str, expected: &[(&str, usize, usize)]| {
            let source = Source::read("src/x.rs", text);
            let found = source.functions();
            let found: Vec<_> =
                found.iter().map(|one| (one.name.as_str(), one.line, one.lines)).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("fn a() {}\n", &[("a", 1, 1)]);
        check("trait T {\n fn a(x: [u8; 4]);\n fn b() {\n  {}\n }\n}\n", &[("b", 3, 3)]);
        check("fn a() {\n // }\n let x = \"}\";\n}\n", &[("a", 1, 4)]);
        check("struct S { f: fn(u8) -> u8 }\n", &[]);
        check("fn a<const N: usize>(x: [u8; N]) -> [u8; 2] {\n}\n", &[("a", 1, 2)]);
    }

    #[test]
    fn knows_test_code() {
        let check = |path: &str, text: &str, expected: bool| {
            let source = Source::read(path, text);
            assert_eq!(source.is_test(text.find('@').unwrap()), expected, "{path} {text}");
        };
        check("src/a.rs", "fn a() { @ }", false);
        check("src/a.rs", "#[cfg(test)]\nmod tests { fn a() { @ } }", true);
        check("src/a.rs", "#[cfg(test)]\nmod tests { }\nfn a() { @ }", false);
        check("src/a.rs", "#[cfg(test)]\nmod tests;\nfn a() { @ }", false);
        check("a/src/config/tests.rs", "@", true);
        check("tests/e2e/main.rs", "@", true);
        check("a/tests/b.rs", "@", true);
    }

    #[test]
    fn asks_for_a_first_line() {
        let check = |text: &str, expected: &[usize]| {
            let found = says_what_it_is("x.rs", &Source::read("x.rs", text));
            assert_eq!(crate::lines(&found), expected, "{text}");
        };
        check("//! What it is.\n", &[]);
        check("// Licence\n//! What it is.\n", &[1]);
        check("", &[1]);
    }
}
