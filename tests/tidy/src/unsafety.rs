//! Unsafe code: in two crates only, and every occurrence with JUSTIFICATION (why not without) and
//! SAFETY (why sound).

use crate::rust::Source;
use crate::{Complaint, complaint};

const ALLOWED: &[&str] = &["dataplane/io/", "dataplane/hash/"];

pub(crate) fn check(path: &str, source: &Source) -> Vec<Complaint> {
    let mut found = Vec::new();
    for at in source.find_in_code("unsafe") {
        let line = source.line_of(at);
        if !ALLOWED.iter().any(|folder| path.starts_with(folder)) {
            found.push(complaint(
                path,
                line,
                "unsafe code stands in dataplane/io and dataplane/hash only",
            ));
            continue;
        }
        // `unsafe fn` types and declarations in traits of others carry their reasons where they are
        // called.
        let comment = comment_above(source, line);
        for word in ["JUSTIFICATION:", "SAFETY:"] {
            if !comment.contains(word) {
                found.push(complaint(path, line, format!("unsafe without `// {word}` above it")));
            }
        }
    }
    found
}

/// The comments above a line, attributes and the beginning of the same statement passed over.
fn comment_above(source: &Source, line: usize) -> String {
    let lines: Vec<&str> = source.text.lines().take(line - 1).collect();
    let mut comment = String::new();
    let mut in_comment = false;
    for text in lines.iter().rev().map(|text| text.trim()) {
        if text.starts_with("//") {
            in_comment = true;
            comment.insert_str(0, &format!("{text}\n"));
        } else if in_comment || text.is_empty() || text.ends_with([';', '}']) {
            break;
        }
    }
    comment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_lines(path: &str, text: &str, expected: &[usize]) {
        let found = check(path, &Source::read(path, text));
        assert_eq!(crate::lines(&found), expected, "{path} {text}: {found:?}");
    }

    const REASONS: &str = "// JUSTIFICATION: no safe call.\n// SAFETY: checked above.\n";

    #[test]
    fn bans_unsafe_elsewhere() {
        check_lines("dataplane/store/src/a.rs", &format!("{REASONS}unsafe {{ x() }}"), &[3]);
        check_lines("dataplane/store/src/a.rs", "#![forbid(unsafe_code)] // unsafe\n", &[]);
    }

    #[test]
    fn asks_for_both_reasons() {
        let check_io = |text: &str, expected: &[usize]| {
            check_lines("dataplane/io/src/a.rs", text, expected);
        };
        check_io(&format!("{REASONS}unsafe {{ x() }}"), &[]);
        check_io(&format!("{REASONS}#[inline]\nlet a =\n    unsafe {{ x() }};"), &[]);
        check_io("unsafe { x() }", &[1, 1]);
        check_io("// SAFETY: fine.\nunsafe { x() }", &[2]);
        check_io(&format!("{REASONS}let a = 1;\nunsafe {{ x() }}"), &[4, 4]);
    }
}
