//! `$name`, `${group.name}`, `$$` and `\$` in values (`cfg.py`, `ConfigOpts._substitute` and
//! `Template`).
//!
//! Splits text into pieces; leaves to its caller what a name stands for. Text that looks like no
//! reference stays as it is, as `string.Template.safe_substitute` leaves it.

/// One piece of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Stands for itself.
    Literal(&'a str),
    /// Stands for the value of an option: `name` or `group.name`.
    Reference(&'a str),
}

/// The pieces of a value, in order.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let escaped = rest[..at].ends_with('\\');
        let literal = &rest[..if escaped { at - 1 } else { at }];
        if !literal.is_empty() {
            found.push(Piece::Literal(literal));
        }
        let after = &rest[at + 1..];
        if escaped {
            found.push(Piece::Literal("$"));
            rest = after;
        } else if let Some(tail) = after.strip_prefix('$') {
            found.push(Piece::Literal("$"));
            rest = tail;
        } else if let Some((name, tail)) = reference(after) {
            found.push(Piece::Reference(name));
            rest = tail;
        } else {
            found.push(Piece::Literal("$"));
            rest = after;
        }
    }
    if !rest.is_empty() {
        found.push(Piece::Literal(rest));
    }
    found
}

/// The name after a dollar sign, bare or in braces, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('{') {
        None => {
            let length = name_length(text);
            (length > 0).then(|| text.split_at(length))
        }
        Some(inner) => {
            let length = name_length(inner);
            let tail = inner[length..].strip_prefix('}')?;
            (length > 0).then(|| (&inner[..length], tail))
        }
    }
}

/// `[_a-z][._a-z0-9]*`, letters of either case.
fn name_length(text: &str) -> usize {
    let starts = text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
    if !starts {
        return 0;
    }
    text.find(|c: char| !(c == '.' || c == '_' || c.is_ascii_alphanumeric())).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Piece::{Literal, Reference};

    fn check(text: &str, expected: &[Piece<'_>]) {
        assert_eq!(pieces(text), expected, "{text:?}");
    }

    #[test]
    fn finds_references() {
        check("", &[]);
        check("plain", &[Literal("plain")]);
        check("$name", &[Reference("name")]);
        check("$a/$b", &[Reference("a"), Literal("/"), Reference("b")]);
        check("${database.connection}x", &[Reference("database.connection"), Literal("x")]);
        check("$a.b-c", &[Reference("a.b"), Literal("-c")]);
    }

    #[test]
    fn leaves_what_is_no_reference() {
        check("$$x", &[Literal("$"), Literal("x")]);
        check("\\$x", &[Literal("$"), Literal("x")]);
        check("$1", &[Literal("$"), Literal("1")]);
        check("a$", &[Literal("a"), Literal("$")]);
        check("${unclosed", &[Literal("$"), Literal("{unclosed")]);
        check("${}", &[Literal("$"), Literal("{}")]);
        check("${a-b}", &[Literal("$"), Literal("{a-b}")]);
    }
}
