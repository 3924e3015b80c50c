//! From a rule's text to a tree. A rule that cannot be parsed is [`Check::False`], as in
//! oslo.policy: it refuses.

use crate::check::Check;
use crate::file::RuleText;

/// Deepest nesting of parentheses and `not`; a deeper rule refuses. Real rules nest three deep.
pub const DEPTH_MAX: usize = 64;

/// Parses a rule in either form (`oslo_policy._parser.parse_rule`).
#[must_use]
pub fn parse(rule: &RuleText) -> Check {
    match rule {
        RuleText::Text(text) => parse_text(text),
        RuleText::List(outer) => parse_list(outer),
    }
}

/// Parses a rule written in the policy language. The empty text always accepts.
#[must_use]
pub fn parse_text(rule: &str) -> Check {
    if rule.is_empty() {
        return Check::True;
    }
    let tokens = tokenize(rule);
    let mut parser = Parser { tokens: &tokens, depth: 0 };
    match parser.any() {
        Some(check) if parser.tokens.is_empty() => check,
        _ => Check::False,
    }
}

/// The old form: the outer list is joined by "or", inner lists by "and" (`_parse_list_rule`).
fn parse_list(outer: &[Vec<String>]) -> Check {
    if outer.is_empty() {
        return Check::True;
    }
    let alternatives = outer.iter().filter(|inner| !inner.is_empty());
    let mut alternatives: Vec<Check> = alternatives
        .map(|inner| one_or(inner.iter().map(|text| Check::parse(text)).collect(), Check::And))
        .collect();
    if alternatives.is_empty() {
        return Check::False;
    }
    one_or(std::mem::take(&mut alternatives), Check::Or)
}

fn one_or(mut checks: Vec<Check>, join: fn(Vec<Check>) -> Check) -> Check {
    if checks.len() == 1 { checks.remove(0) } else { join(checks) }
}

#[derive(Debug, PartialEq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    /// A quoted text on its own: no rule can hold one.
    Quoted,
    Check(Check),
}

/// What Python's `\s` matches beyond Unicode's white space.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// Splits on blanks; parentheses count at the ends of a word only, since `%(name)s` has them inside
/// (`_parse_tokenize`).
fn tokenize(rule: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for word in rule.split(is_blank).filter(|word| !word.is_empty()) {
        let word_left = word.trim_start_matches('(');
        tokens.extend((0..word.len() - word_left.len()).map(|_| Token::Open));
        if word_left.is_empty() {
            continue;
        }
        let clean = word_left.trim_end_matches(')');
        match clean.to_ascii_lowercase().as_str() {
            "" => {}
            "and" => tokens.push(Token::And),
            "or" => tokens.push(Token::Or),
            "not" => tokens.push(Token::Not),
            // The quotes are looked for before the closing parentheses are taken off, as in the
            // original.
            _ if is_quoted(word_left) => tokens.push(Token::Quoted),
            _ => tokens.push(Token::Check(Check::parse(clean))),
        }
        tokens.extend((0..word_left.len() - clean.len()).map(|_| Token::Close));
    }
    tokens
}

fn is_quoted(word: &str) -> bool {
    let bytes = word.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first @ (b'"' | b'\'')), Some(last)) => bytes.len() >= 2 && first == last,
        _ => false,
    }
}

/// Recursive descent over the tokens: `or` binds weaker than `and`, `and` weaker than `not`.
struct Parser<'a> {
    tokens: &'a [Token],
    depth: usize,
}

impl Parser<'_> {
    fn take(&mut self, wanted: &Token) -> bool {
        let found = self.tokens.first() == Some(wanted);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn any(&mut self) -> Option<Check> {
        let mut checks = vec![self.all()?];
        while self.take(&Token::Or) {
            checks.push(self.all()?);
        }
        Some(one_or(checks, Check::Or))
    }

    fn all(&mut self) -> Option<Check> {
        let mut checks = vec![self.single()?];
        while self.take(&Token::And) {
            checks.push(self.single()?);
        }
        Some(one_or(checks, Check::And))
    }

    fn single(&mut self) -> Option<Check> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let check = if self.take(&Token::Not) {
            Some(Check::Not(Box::new(self.single()?)))
        } else if self.take(&Token::Open) {
            let inner = self.any()?;
            self.take(&Token::Close).then_some(inner)
        } else if let Some((Token::Check(check), rest)) = self.tokens.split_first() {
            self.tokens = rest;
            Some(check.clone())
        } else {
            None
        };
        self.depth -= 1;
        check
    }
}
