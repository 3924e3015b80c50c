//! The tree of a parsed rule.

use crate::template::Template;

/// One node of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// `@` and the empty rule.
    True,
    /// `!` and what oslo.policy could not understand.
    False,
    /// Where oslo.policy raises: the whole question is refused as soon as evaluation comes here,
    /// whatever stands around it.
    Raises,
    /// `not …`
    Not(Box<Check>),
    /// `… and …`
    And(Vec<Check>),
    /// `… or …`
    Or(Vec<Check>),
    /// `rule:name`
    Rule(String),
    /// `role:name`
    Role(Pattern),
    /// `'literal':%(attribute)s`: the literal as Python would print it.
    Literal(String, Pattern),
    /// `path.in.credentials:…`
    Credential(Vec<String>, Pattern),
}

/// The right side of a check.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern(pub(crate) Template);

impl Check {
    /// Parses one check without connectives (`oslo_policy._parser._parse_check`). `http:` and
    /// `https:` checks, which ask a remote server, are not supported: the question is refused;
    /// [`crate::compile`] reports them.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "!" => return Self::False,
            "@" => return Self::True,
            _ => {}
        }
        let Some((kind, right)) = text.split_once(':') else { return Self::False };
        if kind == "rule" {
            return Self::Rule(right.to_owned());
        }
        if is_remote(kind) {
            return Self::Raises;
        }
        let Some(pattern) = Template::compile(right).map(Pattern) else { return Self::Raises };
        if kind == "role" {
            return Self::Role(pattern);
        }
        match python_literal(kind) {
            Literal::Printed(text) => Self::Literal(text, pattern),
            Literal::Name => {
                Self::Credential(kind.split('.').map(str::to_owned).collect(), pattern)
            }
            Literal::Malformed => Self::Raises,
        }
    }
}

/// Whether a check of this kind would ask a remote server.
pub(crate) fn is_remote(kind: &str) -> bool {
    matches!(kind, "http" | "https")
}

/// What the left side of a check is.
enum Literal {
    Printed(String),
    Name,
    Malformed,
}

/// What `str(ast.literal_eval(kind))` gives, for the literals that policies use: texts, integers,
/// booleans and None.
fn python_literal(kind: &str) -> Literal {
    if matches!(kind, "True" | "False" | "None") {
        return Literal::Printed(kind.to_owned());
    }
    match kind.as_bytes() {
        [] => Literal::Malformed,
        [quote @ (b'\'' | b'"'), inner @ .., last] => {
            let plain = !inner.contains(quote) && !inner.contains(&b'\\');
            match (last == quote && plain, std::str::from_utf8(inner)) {
                (true, Ok(inner)) => Literal::Printed(inner.to_owned()),
                _ => Literal::Malformed,
            }
        }
        [b'0'..=b'9', ..] => match kind.parse::<u64>() {
            Ok(number) if kind == number.to_string() => Literal::Printed(kind.to_owned()),
            _ => Literal::Malformed,
        },
        [b'\'' | b'"'] => Literal::Malformed,
        _ => Literal::Name,
    }
}
