//! Names and words that must not occur, each with what to use instead.
//!
//! The words are spelled here in two halves, so that this file passes its own rule.

use crate::rust::Source;
use crate::{Complaint, complaint};

/// In code outside tests.
const OUTSIDE_TESTS: &[(&str, &str)] = &[
    (concat!(".unw", "rap()"), "say why it cannot fail: `expect(\"…\")`; or return the error"),
    (concat!(".unw", "rap_err()"), "match on the error"),
];

/// In all code, tests included.
const EVERYWHERE: &[(&str, &str)] = &[
    (concat!("to", "do!"), "finish it, or leave the room without a stub"),
    (concat!("unimple", "mented!"), "finish it, or leave the room without a stub"),
    (concat!("db", "g!"), "use tracing"),
    (concat!("access_un", "checked"), "archives are checked before they are looked at"),
    (concat!("from_bytes_un", "checked"), "archives are checked before they are looked at"),
    (concat!("archived_ro", "ot_unchecked"), "archives are checked before they are looked at"),
    (concat!("#[ign", "ore"), "a test that does not run is no test: fix it or remove it"),
    (concat!("#[should_", "panic"), "check the value or the error; panics are for our bugs"),
];

/// In test code only.
const IN_TESTS: &[(&str, &str)] = &[
    (concat!("thread::sl", "eep"), "wait for the event, or poll it with a deadline"),
    (concat!("time::sl", "eep"), "wait for the event, or drive the clock yourself"),
];

/// In any text file: places of one machine, and promises to do it later.
const WORDS: &[(&str, &str)] = &[
    (concat!("/work/", "main"), "a path of one machine: name it relative to the root"),
    (concat!("/work/", "shared"), "a path of one machine: name what is meant"),
    (concat!("/work/", "."), "a path of one machine: name what is meant"),
    (concat!("/tmp/", "brief"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine: nobody should need to be root"),
    (concat!("TO", "DO"), "open an issue, or do it"),
    (concat!("FIX", "ME"), "open an issue, or do it"),
];

/// Names banned in Rust code; comments and strings may mention them.
pub(crate) fn in_source(path: &str, source: &Source) -> Vec<Complaint> {
    let mut found = Vec::new();
    let mut look = |table: &[(&str, &str)], counts: &dyn Fn(usize) -> bool| {
        for (name, advice) in table {
            for at in source.find_in_code(name).filter(|at| counts(*at)) {
                found.push(complaint(path, source.line_of(at), format!("`{name}`: {advice}")));
            }
        }
    };
    look(OUTSIDE_TESTS, &|at| !source.is_test(at));
    look(EVERYWHERE, &|_| true);
    look(IN_TESTS, &|at| source.is_test(at));
    found
}

/// Words banned in every text file, whatever its language.
pub(crate) fn in_text(path: &str, text: &str) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (word, advice) in WORDS.iter().filter(|(word, _)| holds(line, word)) {
            found.push(complaint(path, index + 1, format!("`{word}`: {advice}")));
        }
    }
    found
}

/// Whether a word stands in a line, not as the tail of a longer path or name: `/proc/self` has a
/// `root` of its own.
fn holds(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_source(path: &str, text: &str, expected: &[usize]) {
        let mut found = crate::lines(&in_source(path, &Source::read(path, text)));
        found.sort_unstable();
        assert_eq!(found, expected, "{text}");
    }

    fn check_text(text: &str, expected: &[usize]) {
        assert_eq!(crate::lines(&in_text("x.md", text)), expected, "{text}");
    }

    #[test]
    fn bans_names_outside_tests() {
        let name = OUTSIDE_TESTS[0].0;
        check_source("src/a.rs", &format!("\nx{name};"), &[2]);
        check_source("src/a.rs", &format!("// x{name}\nlet a = \"x{name}\";"), &[]);
        check_source("src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n x{name};\n}}"), &[]);
        check_source("src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n}}\nx{name};"), &[4]);
        check_source("src/a.rs", "x.unwrap_or(1); y.unwrap_or_default();", &[]);
    }

    #[test]
    fn bans_names_everywhere() {
        for (name, _) in EVERYWHERE {
            check_source("src/a.rs", &format!("\n{name}"), &[2]);
            check_source("tests/e2e/a.rs", &format!("\n{name}"), &[2]);
        }
        check_source("src/a.rs", &format!("my_{}", EVERYWHERE[0].0), &[]);
    }

    #[test]
    fn bans_sleeping_tests() {
        let name = IN_TESTS[0].0;
        check_source("src/a.rs", &format!("{name}(x);"), &[]);
        check_source("tests/e2e/a.rs", &format!("{name}(x);"), &[1]);
    }

    #[test]
    fn bans_words_in_any_text() {
        for (word, _) in WORDS {
            check_text(&format!("a\nsee {word}x\n"), &[2]);
        }
        check_text("a method, at work/main\n", &[]);
        check_text(concat!("file:///proc/self/ro", "ot/x\n"), &[]);
        check_text(concat!("file:///ro", "ot/x and /proc/self/ro", "ot/x\n"), &[1]);
    }
}
