//! Budgets: 70 lines a function, 1000 a file. Files aim at 600.

use crate::exceptions::Exception;
use crate::rust::Source;
use crate::{Complaint, complaint};

const FILE_LINES_MAX: usize = 1000;
const FUNCTION_LINES_MAX: usize = 70;

pub(crate) fn check(path: &str, source: &Source, exceptions: &[Exception]) -> Vec<Complaint> {
    let excepted = |function: Option<&str>| {
        exceptions.iter().any(|one| one.file == path && one.function == function)
    };
    let mut found = Vec::new();
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX && !excepted(None) {
        found.push(complaint(
            path,
            1,
            format!("{lines} lines: split it, {FILE_LINES_MAX} at most"),
        ));
    }
    for function in source.functions() {
        if function.lines > FUNCTION_LINES_MAX && !excepted(Some(&function.name)) {
            let advice = format!(
                "fn {}: {} lines: split it, {FUNCTION_LINES_MAX} at most",
                function.name, function.lines
            );
            found.push(complaint(path, function.line, advice));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCEPTIONS: &[Exception] = &[
        Exception { file: "big.rs", function: None, reason: "made up" },
        Exception { file: "f.rs", function: Some("long"), reason: "made up" },
    ];

    fn check_lines(path: &str, text: &str, expected: &[usize]) {
        let found = check(path, &Source::read(path, text), EXCEPTIONS);
        assert_eq!(crate::lines(&found), expected, "{path}: {found:?}");
    }

    #[test]
    fn complains_of_long_files() {
        check_lines("a.rs", &"\n".repeat(1000), &[]);
        check_lines("a.rs", &"\n".repeat(1001), &[1]);
        check_lines("big.rs", &"\n".repeat(1001), &[]);
    }

    #[test]
    fn complains_of_long_functions() {
        let long = format!("\nfn long() {{{}}}\n", "\n".repeat(70));
        let longest = format!("\nfn long() {{{}}}\n", "\n".repeat(69));
        check_lines("a.rs", &long, &[2]);
        check_lines("a.rs", &longest, &[]);
        check_lines("f.rs", &long, &[]);
    }
}
