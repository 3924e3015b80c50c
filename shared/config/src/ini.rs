//! The lines of one file: sections, assignments, comments, continuation by indent.
//!
//! Leaves to its caller which options exist and what values mean. Keeps every assignment in the
//! order of the file with the number of its first line. The rules are those of
//! `oslo_config/iniparser.py` (`BaseParser.parse`).

/// What is wrong with a line. The texts are oslo.config's (`iniparser.py`, `BaseParser.error_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Syntax {
    /// Neither a section, a comment nor an assignment.
    #[error("No ':' or '=' found in assignment")]
    NoAssignment,
    /// `= value`.
    #[error("Key cannot be empty")]
    EmptyKey,
    /// An indented line that continues nothing.
    #[error("Unexpected continuation line")]
    Continuation,
    /// `[name` and no bracket at the end of the line.
    #[error("Invalid section (must end with ])")]
    SectionEnd,
    /// `[]`.
    #[error("Empty section name")]
    SectionName,
    /// An assignment before the first section.
    #[error("Section must be started before assignment")]
    NoSection,
    /// The bytes are not text.
    #[error("not UTF-8 text")]
    NotText,
}

/// One `key = value`, continuation lines joined with newlines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// As written, except that groups other than `DEFAULT` are lower case (`cfg.py`,
    /// `_normalize_group_name`).
    pub(crate) group: String,
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) line: usize,
}

/// Reads a file's text.
///
/// # Errors
/// The first faulty line, counted from one.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Assignment>, (usize, Syntax)> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        (1 + good.iter().filter(|byte| **byte == b'\n').count(), Syntax::NotText)
    })?;
    let mut reader = Reader::default();
    let mut number = 0;
    for line in universal_lines(text) {
        number += 1;
        reader.line(number, line.trim_end_matches(is_blank)).map_err(|fault| (number, fault))?;
    }
    reader.flush();
    Ok(reader.done)
}

/// Python reads text files with universal newlines: `\r\n` and a lone `\r` end a line too.
fn universal_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let here = rest.take().filter(|text| !text.is_empty())?;
        let Some(end) = here.find(['\r', '\n']) else { return Some(here) };
        let (line, tail) = here.split_at(end);
        rest = Some(tail.strip_prefix("\r\n").unwrap_or(&tail[1..]));
        Some(line)
    })
}

/// Without blanks at either end, as Python's `str.strip()`.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// Python counts four separators of ASCII among the blanks that Unicode does not
/// (`str.isspace`).
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter)
}

#[derive(Default)]
struct Reader {
    group: Option<String>,
    open: Option<Assignment>,
    done: Vec<Assignment>,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) -> Result<(), Syntax> {
        if line.is_empty() {
            self.flush();
            return Ok(());
        }
        if line.starts_with([' ', '\t']) {
            let open = self.open.as_mut().ok_or(Syntax::Continuation)?;
            open.value.push('\n');
            open.value.push_str(line.trim_start_matches(is_blank));
            return Ok(());
        }
        self.flush();
        if let Some(section) = line.strip_prefix('[') {
            let name = section.strip_suffix(']').ok_or(Syntax::SectionEnd)?;
            if name.is_empty() {
                return Err(Syntax::SectionName);
            }
            self.group = Some(normal_group(name));
            return Ok(());
        }
        if line.starts_with(['#', ';']) {
            return Ok(());
        }
        let at = line.find([':', '=']).ok_or(Syntax::NoAssignment)?;
        let key = strip(&line[..at]);
        if key.is_empty() {
            return Err(Syntax::EmptyKey);
        }
        let group = self.group.clone().ok_or(Syntax::NoSection)?;
        let value = unquote(strip(&line[at + 1..])).to_owned();
        self.open = Some(Assignment { group, key: key.to_owned(), value, line: number });
        Ok(())
    }

    fn flush(&mut self) {
        self.done.extend(self.open.take());
    }
}

/// Group names compare in lower case, `DEFAULT` only as itself (`cfg.py`, `_normalize_group_name`).
pub(crate) fn normal_group(name: &str) -> String {
    if name == "DEFAULT" { name.to_owned() } else { name.to_lowercase() }
}

/// Takes off one pair of equal quotes. A value of one single quote becomes empty, as Python's slice
/// makes it.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return match rest.strip_suffix(quote) {
                Some(inner) => inner,
                None if rest.is_empty() => "",
                None => value,
            };
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Group, key, value, line.
    type Line<'a> = (&'a str, &'a str, &'a str, usize);

    fn check(text: &str, expected: Result<&[Line<'_>], (usize, Syntax)>) {
        let found = parse(text.as_bytes());
        let found: Result<Vec<_>, _> = found.as_ref().map_err(|fault| *fault).map(|all| {
            all.iter()
                .map(|one| (one.group.as_str(), one.key.as_str(), one.value.as_str(), one.line))
                .collect()
        });
        assert_eq!(found, expected.map(<[_]>::to_vec), "{text:?}");
    }

    #[test]
    fn reads_assignments() {
        check("", Ok(&[]));
        check("[DEFAULT]\nkey = value\n", Ok(&[("DEFAULT", "key", "value", 2)]));
        check("[DEFAULT]\nkey: value", Ok(&[("DEFAULT", "key", "value", 2)]));
        check("[a]\nurl = http://x:1/=\n", Ok(&[("a", "url", "http://x:1/=", 2)]));
        check("[a]\nurl: a=b\n", Ok(&[("a", "url", "a=b", 2)]));
        check("[a]\nempty =\n", Ok(&[("a", "empty", "", 2)]));
        check("[a]\nkey=1\nkey=2\n", Ok(&[("a", "key", "1", 2), ("a", "key", "2", 3)]));
        check("[a]\r\nkey=1\rother=2\r\n", Ok(&[("a", "key", "1", 2), ("a", "other", "2", 3)]));
    }

    #[test]
    fn folds_the_case_of_groups_but_not_of_default() {
        check("[Image_Format]\nA=1\n", Ok(&[("image_format", "A", "1", 2)]));
        check("[default]\nA=1\n", Ok(&[("default", "A", "1", 2)]));
    }

    #[test]
    fn joins_continuation_lines() {
        check("[a]\nk = one\n two\n\t# three\n", Ok(&[("a", "k", "one\ntwo\n# three", 2)]));
        check("[a]\nk = one\n# comment\nj=2\n", Ok(&[("a", "k", "one", 2), ("a", "j", "2", 4)]));
        check("[a]\nk = one\n\n two\n", Err((4, Syntax::Continuation)));
        check("[a]\nk = one\n# comment\n two\n", Err((4, Syntax::Continuation)));
    }

    #[test]
    fn takes_off_one_pair_of_quotes() {
        check("[a]\nk = \" x \"\n", Ok(&[("a", "k", " x ", 2)]));
        check("[a]\nk = 'it'\n", Ok(&[("a", "k", "it", 2)]));
        check("[a]\nk = 'quo\"\n", Ok(&[("a", "k", "'quo\"", 2)]));
        check("[a]\nk = \"\n", Ok(&[("a", "k", "", 2)]));
        check("[a]\nk = ''x''\n", Ok(&[("a", "k", "'x'", 2)]));
    }

    #[test]
    fn names_the_faulty_line() {
        check("key = 1\n", Err((1, Syntax::NoSection)));
        check("[a]\n\nnonsense\n", Err((3, Syntax::NoAssignment)));
        check("[a]\n= 1\n", Err((2, Syntax::EmptyKey)));
        check("[a\n", Err((1, Syntax::SectionEnd)));
        check("[a] # no\n", Err((1, Syntax::SectionEnd)));
        check("[]\n", Err((1, Syntax::SectionName)));
        check(" a = 1\n", Err((1, Syntax::Continuation)));
        check("\u{feff}[DEFAULT]\n", Err((1, Syntax::NoAssignment)));
        assert_eq!(parse(b"[a]\nb = \xff\n"), Err((2, Syntax::NotText)));
    }
}
