//! From the defaults and an operator's files to one set of rules that can be asked.
//!
//! Invariant: evaluation ends. References are resolved when the set is compiled, and a question has
//! a budget of steps and depth: where a cycle or a monster of a file would use it up, the question
//! is refused.

use crate::check::{Check, Pattern};
use crate::file::RuleText;
use crate::parse::{parse, parse_text};
use crate::value::{Attributes, Comparison, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A rule that exists without any file.
#[derive(Clone, Copy, Debug)]
pub struct RuleDefault {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub rule: &'static str,
    /// The name and text it had before, if it changed.
    pub deprecated: Option<(&'static str, &'static str)>,
}

/// Options of `[oslo_policy]` that change the meaning of the rules.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `policy_default_rule`: stands in for rules that do not exist.
    pub default_rule: String,
    /// `enforce_new_defaults`: whether a changed default applies alone, or the old one is accepted
    /// beside it.
    pub enforce_new_defaults: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { default_rule: "default".to_owned(), enforce_new_defaults: true }
    }
}

/// Something in the files that an operator should know of. The rules work regardless, on the
/// refusing side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The rule cannot be understood and refuses.
    #[error("rule {0} cannot be understood and refuses")]
    NotUnderstood(String),
    /// The rule asks a remote server (`http:`), which is not supported; that part refuses.
    #[error("rule {0} asks a remote server, which is not supported: that part refuses")]
    Remote(String),
    /// The rule is part of a cycle; a question that runs into it is refused.
    #[error("rule {0} leads back to itself and refuses")]
    Cyclic(String),
    /// The rule refers to one that is not defined.
    #[error("rule {rule} refers to {reference}, which is not defined")]
    Undefined {
        /// The rule.
        rule: String,
        /// What it refers to.
        reference: String,
    },
}

/// A set of rules, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    rules: Vec<Node>,
    names: BTreeMap<String, usize>,
    default: Option<usize>,
    /// The text of each rule as it is in force, in the order of `rules`.
    texts: Vec<RuleText>,
}

/// Some rules with all that they refer to: enough to ask them elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extract {
    /// The rules as they are in force, by name; the default rule is among them if there is one.
    /// Compiled anew, under the same `policy_default_rule`, they answer as here.
    pub rules: BTreeMap<String, RuleText>,
    /// The attributes of the target that they compare.
    pub attributes: BTreeSet<String>,
}

/// As [`Check`], with references resolved.
#[derive(Clone, Debug)]
enum Node {
    True,
    False,
    Raises,
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Rule(usize),
    Role(Pattern),
    Literal(String, Pattern),
    Credential(Vec<String>, Pattern),
}

// === impl Compiled ===

impl Compiled {
    /// Compiles the defaults with the files' rules on top. Later files win.
    #[must_use]
    pub fn new(
        defaults: &[RuleDefault],
        files: &[BTreeMap<String, RuleText>],
        settings: &Settings,
    ) -> (Self, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut written: BTreeMap<&str, &RuleText> = BTreeMap::new();
        for file in files {
            written.extend(file.iter().map(|(name, rule)| (name.as_str(), rule)));
        }
        let mut checks: BTreeMap<String, (Check, RuleText)> = BTreeMap::new();
        for (name, rule) in &written {
            let check = parse(rule);
            note_text(name, rule, &check, &mut findings);
            checks.insert((*name).to_owned(), (check, (*rule).clone()));
        }
        for default in defaults {
            if !written.contains_key(default.name) {
                let text = default_text(default, &written, settings);
                checks.insert(default.name.to_owned(), (parse(&text), text));
            }
        }
        (Self::resolve(&checks, settings, &mut findings), findings)
    }

    fn resolve(
        checks: &BTreeMap<String, (Check, RuleText)>,
        settings: &Settings,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let names: BTreeMap<String, usize> =
            checks.keys().enumerate().map(|(index, name)| (name.clone(), index)).collect();
        let default = names.get(&settings.default_rule).copied();
        let mut rules = Vec::with_capacity(checks.len());
        for (name, (check, _)) in checks {
            let mut resolver = Resolver { name, names: &names, default, findings: &mut *findings };
            rules.push(resolver.node(check));
        }
        let texts = checks.values().map(|(_, text)| text.clone()).collect();
        let compiled = Self { rules, names, default, texts };
        compiled.find_cycles(findings);
        compiled
    }

    /// Names the rules that lead back to themselves.
    fn find_cycles(&self, findings: &mut Vec<Finding>) {
        for (name, rule) in &self.names {
            let mut seen = vec![false; self.rules.len()];
            let mut open = vec![*rule];
            while let Some(at) = open.pop() {
                self.rules[at].each_reference(&mut |reference| {
                    if !std::mem::replace(&mut seen[reference], true) {
                        open.push(reference);
                    }
                });
            }
            if seen[*rule] {
                findings.push(Finding::Cyclic(name.clone()));
            }
        }
    }

    /// Whether a rule of this name exists, the default rule not counted.
    #[must_use]
    pub fn has(&self, rule: &str) -> bool {
        self.names.contains_key(rule)
    }

    /// The named rules, and those they refer to.
    #[must_use]
    pub fn extract(&self, names: &[&str]) -> Extract {
        let named = names.iter().filter_map(|name| self.names.get(*name).copied());
        let mut open: Vec<usize> = named.chain(self.default).collect();
        let mut wanted = BTreeSet::new();
        let mut extract = Extract::default();
        while let Some(rule) = open.pop() {
            if wanted.insert(rule) {
                self.rules[rule].each_reference(&mut |reference| open.push(reference));
                self.rules[rule].each_attribute(&mut |attribute| {
                    extract.attributes.insert(attribute.to_owned());
                });
            }
        }
        let chosen = self.names.iter().filter(|(_, rule)| wanted.contains(*rule));
        extract.rules =
            chosen.map(|(name, rule)| (name.clone(), self.texts[*rule].clone())).collect();
        extract
    }

    /// Whether the rule accepts. A rule that does not exist is the default rule's matter, or
    /// refuses.
    #[must_use]
    pub fn accepts(
        &self,
        rule: &str,
        target: &dyn Attributes,
        credentials: &dyn Attributes,
    ) -> bool {
        let rule = self.names.get(rule).copied().or(self.default);
        let mut question = Question { set: self, target, credentials, depth: 0, steps: 0 };
        rule.and_then(|rule| question.evaluate(&self.rules[rule])).unwrap_or(false)
    }
}

/// Deepest nesting of rules and connectives in one question. Real sets nest ten deep; the frame of
/// one level is small.
pub const DEPTH_MAX: u32 = 256;

/// Most nodes looked at in one question. Real ones look at twenty.
pub const STEPS_MAX: u32 = 65_536;

/// One evaluation under way.
struct Question<'a> {
    set: &'a Compiled,
    target: &'a dyn Attributes,
    credentials: &'a dyn Attributes,
    depth: u32,
    steps: u32,
}

// === impl Question ===

impl Question<'_> {
    /// `None` where oslo.policy would raise, or the budget is used up.
    fn evaluate(&mut self, node: &Node) -> Option<bool> {
        if self.depth >= DEPTH_MAX || self.steps >= STEPS_MAX {
            return None;
        }
        self.depth += 1;
        self.steps += 1;
        let answer = match node {
            Node::True => Some(true),
            Node::False => Some(false),
            Node::Raises => None,
            Node::Not(inner) => self.evaluate(inner).map(|accepted| !accepted),
            Node::And(all) => self.first(all, false),
            Node::Or(any) => self.first(any, true),
            Node::Rule(rule) => self.evaluate(&self.set.rules[*rule]),
            Node::Role(pattern) => Some(has_role(pattern, self.target, self.credentials)),
            Node::Literal(literal, pattern) => Some(pattern.equals(literal, self.target)),
            Node::Credential(path, pattern) => {
                let filled = pattern.0.is_filled_by(self.target);
                Some(filled && matches_path(self.credentials, path, pattern, self.target))
            }
        };
        self.depth -= 1;
        answer
    }

    /// Evaluates in order until one gives `decisive`.
    fn first(&mut self, nodes: &[Node], decisive: bool) -> Option<bool> {
        for node in nodes {
            if self.evaluate(node)? == decisive {
                return Some(decisive);
            }
        }
        Some(!decisive)
    }
}

/// The default's text, under the rules for changed ones (`Enforcer._handle_deprecated_rule`).
fn default_text(
    default: &RuleDefault,
    written: &BTreeMap<&str, &RuleText>,
    settings: &Settings,
) -> RuleText {
    let new = || RuleText::Text(default.rule.to_owned());
    let Some((old_name, old_rule)) = default.deprecated else { return new() };
    if old_name != default.name
        && let Some(rule) = written.get(old_name)
    {
        let old_override = parse(rule);
        let points_here = old_override == Check::Rule(default.name.to_owned());
        if old_override != parse_text(old_rule) && !points_here {
            return (*rule).clone();
        }
    }
    if !settings.enforce_new_defaults && old_rule != default.rule {
        let either = [default.rule, old_rule].map(in_parentheses);
        return RuleText::Text(either.join(" or "));
    }
    new()
}

/// A rule as a part of a larger one.
fn in_parentheses(rule: &str) -> String {
    if rule.trim().is_empty() { "@".to_owned() } else { format!("({rule})") }
}

fn note_text(name: &str, rule: &RuleText, check: &Check, findings: &mut Vec<Finding>) {
    let words: Vec<&str> = match rule {
        RuleText::Text(text) => text.split_whitespace().collect(),
        RuleText::List(outer) => outer.iter().flatten().map(String::as_str).collect(),
    };
    let remote = |word: &&str| {
        let kind = word.trim_start_matches('(').split(':').next();
        word.contains(':') && kind.is_some_and(crate::check::is_remote)
    };
    if words.iter().any(remote) {
        findings.push(Finding::Remote(name.to_owned()));
    } else if matches!(check, Check::False | Check::Raises) && words != ["!"] {
        findings.push(Finding::NotUnderstood(name.to_owned()));
    }
}

/// Turns the checks of one rule into nodes.
struct Resolver<'a> {
    name: &'a str,
    names: &'a BTreeMap<String, usize>,
    default: Option<usize>,
    findings: &'a mut Vec<Finding>,
}

impl Resolver<'_> {
    fn node(&mut self, check: &Check) -> Node {
        match check {
            Check::True => Node::True,
            Check::False => Node::False,
            Check::Raises => Node::Raises,
            Check::Not(inner) => Node::Not(Box::new(self.node(inner))),
            Check::And(all) => Node::And(all.iter().map(|check| self.node(check)).collect()),
            Check::Or(any) => Node::Or(any.iter().map(|check| self.node(check)).collect()),
            Check::Rule(reference) => self.reference(reference),
            Check::Role(pattern) => Node::Role(pattern.clone()),
            Check::Literal(text, pattern) => Node::Literal(text.clone(), pattern.clone()),
            Check::Credential(path, pattern) => Node::Credential(path.clone(), pattern.clone()),
        }
    }

    fn reference(&mut self, reference: &str) -> Node {
        let found = self.names.get(reference).copied();
        if found.is_none() {
            let (rule, reference) = (self.name.to_owned(), reference.to_owned());
            self.findings.push(Finding::Undefined { rule, reference });
        }
        found.or(self.default).map_or(Node::False, Node::Rule)
    }
}

// === impl Node ===

impl Node {
    fn each_attribute(&self, visit: &mut dyn FnMut(&str)) {
        match self {
            Self::Role(pattern) | Self::Literal(_, pattern) | Self::Credential(_, pattern) => {
                pattern.0.keys().for_each(visit);
            }
            Self::Not(inner) => inner.each_attribute(visit),
            Self::And(nodes) | Self::Or(nodes) => {
                nodes.iter().for_each(|node| node.each_attribute(visit));
            }
            Self::True | Self::False | Self::Raises | Self::Rule(_) => {}
        }
    }

    fn each_reference(&self, visit: &mut dyn FnMut(usize)) {
        match self {
            Self::Rule(rule) => visit(*rule),
            Self::Not(inner) => inner.each_reference(visit),
            Self::And(nodes) | Self::Or(nodes) => {
                nodes.iter().for_each(|node| node.each_reference(visit));
            }
            _ => {}
        }
    }
}

impl Pattern {
    fn equals(&self, expected: &str, target: &dyn Attributes) -> bool {
        if !self.0.is_filled_by(target) {
            return false;
        }
        let mut comparison = Comparison::exact(expected);
        let written = self.0.write(target, &mut comparison);
        comparison.equals(written)
    }
}

/// `RoleCheck`: case does not matter.
fn has_role(pattern: &Pattern, target: &dyn Attributes, creds: &dyn Attributes) -> bool {
    if !pattern.0.is_filled_by(target) {
        return false;
    }
    let Some(Value::Texts(roles)) = creds.attribute("roles") else { return false };
    roles.iter().any(|role| {
        let mut comparison = Comparison::folded(role);
        let written = pattern.0.write(target, &mut comparison);
        comparison.equals(written)
    })
}

/// `GenericCheck._find_in_dict`: a list matches if one of its items does.
fn matches_path(
    creds: &dyn Attributes,
    path: &[String],
    pattern: &Pattern,
    target: &dyn Attributes,
) -> bool {
    let Some((name, rest)) = path.split_first() else { return false };
    match (creds.attribute(name), rest) {
        (Some(Value::Texts(texts)), []) => texts.iter().any(|text| pattern.equals(text, target)),
        (Some(Value::Text(text)), []) => pattern.equals(text, target),
        (Some(Value::None), []) => pattern.equals("None", target),
        (Some(Value::Bool(true)), []) => pattern.equals("True", target),
        (Some(Value::Bool(false)), []) => pattern.equals("False", target),
        (Some(Value::Int(number)), []) => pattern.equals(&number.to_string(), target),
        (Some(Value::Map(inner)), [_, ..]) => matches_path(inner, rest, pattern, target),
        _ => false,
    }
}
