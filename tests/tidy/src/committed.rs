//! What is kept under version control: text that people wrote.

use crate::{Complaint, complaint};

const BYTES_MAX: usize = 512 * 1024;
const GENERATED: &[&str] = &[
    ".o", ".a", ".so", ".rlib", ".rmeta", ".pyc", ".profraw", ".sqlite", ".db", ".log", ".orig",
    ".rej", ".swp", ".qcow2", ".iso", ".img",
];

pub(crate) fn check(path: &str, bytes: &[u8]) -> Vec<Complaint> {
    let mut found = Vec::new();
    if std::str::from_utf8(bytes).is_err() || bytes.contains(&0) {
        found.push(complaint(path, 0, "not text: make it in the test that needs it"));
    }
    if bytes.len() > BYTES_MAX {
        found.push(complaint(path, 0, format!("{} bytes: {BYTES_MAX} at most", bytes.len())));
    }
    let in_target = path.split('/').any(|part| part == "target" || part == "__pycache__");
    if in_target || GENERATED.iter().any(|suffix| path.ends_with(suffix)) {
        found.push(complaint(path, 0, "generated: keep it out, and in .gitignore"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complains_of_what_nobody_wrote() {
        let check_count = |path: &str, bytes: &[u8], expected: usize| {
            assert_eq!(check(path, bytes).len(), expected, "{path}");
        };
        check_count("src/a.rs", b"//! Text.\n", 0);
        check_count("docs/a.md", "\u{2192}".as_bytes(), 0);
        check_count("a", b"\xff", 1);
        check_count("a", b"a\0b", 1);
        check_count("target/a", b"", 1);
        check_count("tests/__pycache__/a.py", b"", 1);
        check_count("glance.sqlite", b"", 1);
        check_count("a", &vec![b'a'; BYTES_MAX + 1], 1);
    }
}
