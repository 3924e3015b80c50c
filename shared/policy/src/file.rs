//! The text of a policy file: YAML, of which JSON is a part, mapping names to rules.

use serde::Deserialize;
use std::collections::BTreeMap;

/// A rule as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleText {
    /// In the policy language.
    Text(String),
    /// As a list of alternatives, each a list of checks that must all hold.
    List(Vec<Vec<String>>),
}

/// The file is no mapping of names to rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy file: {0}")]
pub struct FileError(String);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    List(Vec<Inner>),
    Nothing(()),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Inner {
    One(String),
    All(Vec<String>),
}

/// Reads a policy file. An empty one has no rules. A rule without a value always accepts, as in
/// oslo.policy.
///
/// # Errors
/// [`FileError`] with the place, when the text is not YAML or not a mapping of names to rules.
pub fn parse_file(text: &str) -> Result<BTreeMap<String, RuleText>, FileError> {
    let written: Option<BTreeMap<String, Written>> =
        serde_saphyr::from_str(text).map_err(|error| FileError(error.to_string()))?;
    let rules = written.unwrap_or_default().into_iter();
    Ok(rules.map(|(name, rule)| (name, rule.into())).collect())
}

impl From<Written> for RuleText {
    fn from(written: Written) -> Self {
        let inner = |inner: Inner| match inner {
            Inner::One(text) => vec![text],
            Inner::All(texts) => texts,
        };
        match written {
            Written::Text(text) => Self::Text(text),
            Written::List(outer) => Self::List(outer.into_iter().map(inner).collect()),
            Written::Nothing(()) => Self::Text(String::new()),
        }
    }
}
