//! Answers questions about policies, for comparison with oslo.policy (`tests/compat/policy.py`).
//!
//! Each line of standard input is a JSON object: `rules` maps names to rules, `asks` is a list of
//! `[rule, target, credentials]`. Each line of output has a `1` or `0` for each ask. With the
//! argument `defaults` it writes Glance's policies instead: name, rule, older rule, and whether a
//! token of a project is needed.
use glint_policy::glance::PolicyDefault;
use glint_policy::{Attributes, Compiled, RuleDefault, RuleText, Settings, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::{BufRead, Write};

/// A JSON object as attributes.
struct Map(BTreeMap<String, Item>);

enum Item {
    None,
    Bool(bool),
    Int(i64),
    Text(String),
    Texts(Vec<String>),
    Map(Map),
}

impl Map {
    fn new(json: &Json) -> Self {
        let entries = json.as_object().expect("an object").iter();
        Self(entries.map(|(name, value)| (name.clone(), Item::new(value))).collect())
    }
}

impl Item {
    fn new(json: &Json) -> Self {
        match json {
            Json::Null => Self::None,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Int(number.as_i64().expect("a small integer")),
            Json::String(text) => Self::Text(text.clone()),
            Json::Array(items) => Self::Texts(items.iter().map(text_of).collect()),
            Json::Object(_) => Self::Map(Map::new(json)),
        }
    }
}

impl Attributes for Map {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        Some(match self.0.get(name)? {
            Item::None => Value::None,
            Item::Bool(value) => Value::Bool(*value),
            Item::Int(number) => Value::Int(*number),
            Item::Text(text) => Value::Text(text),
            Item::Texts(texts) => Value::Texts(texts),
            Item::Map(map) => Value::Map(map),
        })
    }
}

fn text_of(json: &Json) -> String {
    json.as_str().expect("a text").to_owned()
}

fn rule_of(json: &Json) -> RuleText {
    let Json::Array(outer) = json else { return RuleText::Text(text_of(json)) };
    let inner = |item: &Json| match item {
        Json::Array(checks) => checks.iter().map(text_of).collect(),
        _ => vec![text_of(item)],
    };
    RuleText::List(outer.iter().map(inner).collect())
}

fn defaults() -> Json {
    let each = |each: &PolicyDefault| {
        let RuleDefault { name, rule, deprecated } = each.rule;
        serde_json::json!([name, rule, deprecated, each.needs_project])
    };
    glint_policy::glance::defaults().iter().map(each).collect()
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if std::env::args().nth(1).as_deref() == Some("defaults") {
        return writeln!(out, "{}", defaults());
    }
    for line in std::io::stdin().lock().lines() {
        let line: Json = serde_json::from_str(&line?)?;
        let rules = line["rules"].as_object().expect("an object of rules").iter();
        let file = rules.map(|(name, rule)| (name.clone(), rule_of(rule))).collect();
        let (policy, _) = Compiled::new(&[], &[file], &Settings::default());
        for ask in line["asks"].as_array().expect("a list of asks") {
            let (target, credentials) = (Map::new(&ask[1]), Map::new(&ask[2]));
            let accepted = policy.accepts(&text_of(&ask[0]), &target, &credentials);
            out.write_all(if accepted { b"1" } else { b"0" })?;
        }
        out.write_all(b"\n")?;
    }
    out.flush()
}
