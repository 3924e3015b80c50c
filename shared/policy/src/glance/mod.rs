//! Glance's policies: their defaults, the scope of tokens, and the set of rules both planes ask.
//!
//! Leaves reading files, and what a target is, to its caller. Invariants: every policy of Glance 33
//! exists here, whatever the files say; a set made of the same [`Sources`] answers the same
//! everywhere.

mod defaults;

use crate::compile::{Compiled, Extract, Finding, RuleDefault, Settings};
use crate::file::{FileError, parse_file};
use crate::value::{Attributes, Value};

/// A policy as Glance registers it.
#[derive(Clone, Copy, Debug)]
pub struct PolicyDefault {
    /// Name, default text, and what it was before.
    pub rule: RuleDefault,
    /// Whether tokens of the system or of a domain are refused whatever the rule says
    /// (`scope_types=['project']`).
    pub needs_project: bool,
}

/// Options of `[oslo_policy]`, and the files: all that has to travel to make the same rules
/// elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// `policy_default_rule`.
    pub default_rule: String,
    /// `enforce_new_defaults`.
    pub enforce_new_defaults: bool,
    /// The texts of `policy_file` and of the files in `policy_dirs`, YAML or JSON; later ones win.
    pub files: Vec<String>,
}

/// The rules in force.
#[derive(Clone, Debug)]
pub struct Rules {
    compiled: Compiled,
    enforce_new_defaults: bool,
}

/// Every policy, in the order of `glance.policies.list_rules()`.
#[must_use]
pub fn defaults() -> &'static [PolicyDefault] {
    defaults::DEFAULTS
}

const fn project(name: &'static str, rule: &'static str) -> PolicyDefault {
    PolicyDefault { rule: RuleDefault { name, rule, deprecated: None }, needs_project: true }
}

const fn anywhere(name: &'static str, rule: &'static str) -> PolicyDefault {
    PolicyDefault { needs_project: false, ..project(name, rule) }
}

impl PolicyDefault {
    /// With the text it had before; Glance renamed none.
    const fn was(self, old: &'static str) -> Self {
        let RuleDefault { name, rule, .. } = self.rule;
        Self { rule: RuleDefault { name, rule, deprecated: Some((name, old)) }, ..self }
    }
}

// === impl Sources ===

impl Default for Sources {
    fn default() -> Self {
        let Settings { default_rule, enforce_new_defaults } = Settings::default();
        Self { default_rule, enforce_new_defaults, files: Vec::new() }
    }
}

// === impl Rules ===

impl Rules {
    /// Compiles the defaults with the files on top, and says what an operator should know of them.
    ///
    /// # Errors
    /// [`FileError`] of the first text that is no policy file.
    pub fn compile(sources: &Sources) -> Result<(Self, Vec<Finding>), FileError> {
        let files = sources.files.iter().map(|text| parse_file(text));
        let files: Vec<_> = files.collect::<Result<_, _>>()?;
        let settings = Settings {
            default_rule: sources.default_rule.clone(),
            enforce_new_defaults: sources.enforce_new_defaults,
        };
        let defaults: Vec<RuleDefault> = defaults().iter().map(|each| each.rule).collect();
        let (compiled, findings) = Compiled::new(&defaults, &files, &settings);
        let enforce_new_defaults = sources.enforce_new_defaults;
        Ok((Self { compiled, enforce_new_defaults }, findings))
    }

    /// Whether the policy accepts. A token of the system or of a domain is refused by every policy
    /// that is about projects (`oslo_policy/policy.py`, `Enforcer._enforce_scope`).
    #[must_use]
    pub fn accepts(
        &self,
        policy: &str,
        target: &dyn Attributes,
        credentials: &dyn Attributes,
    ) -> bool {
        let needs_project =
            defaults().iter().any(|each| each.needs_project && each.rule.name == policy);
        if needs_project && !is_of_project(credentials) {
            return false;
        }
        self.compiled.accepts(policy, target, credentials)
    }

    /// Some policies, with all that they refer to. The scope of a token is not among it: see
    /// [`is_of_project`].
    #[must_use]
    pub fn extract(&self, policies: &[&str]) -> Extract {
        self.compiled.extract(policies)
    }

    /// Whether changed defaults apply alone. If not, Glance checks owners beside the policies.
    #[must_use]
    pub fn enforces_new_defaults(&self) -> bool {
        self.enforce_new_defaults
    }
}

/// Whether a token is neither of the system nor of a domain.
#[must_use]
pub fn is_of_project(credentials: &dyn Attributes) -> bool {
    ["system_scope", "domain_id"].into_iter().all(
        |name| !matches!(credentials.attribute(name), Some(Value::Text(text)) if !text.is_empty()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    struct Caller<'a>(&'a [String], &'a str);

    impl Attributes for Caller<'_> {
        fn attribute(&self, name: &str) -> Option<Value<'_>> {
            match name {
                "roles" => Some(Value::Texts(self.0)),
                "project_id" => Some(Value::Text("p")),
                "system_scope" => Some(Value::Text(self.1)),
                _ => None,
            }
        }
    }

    fn check(sources: &Sources, policy: &str, role: &str, scope: &str, expected: bool) {
        let (rules, findings) = Rules::compile(sources).expect("a policy file");
        assert_eq!(findings, Vec::new());
        let roles = [role.to_owned()];
        let caller = Caller(&roles, scope);
        assert_eq!(rules.accepts(policy, &caller, &caller), expected, "{policy} {role} {scope}");
    }

    #[test]
    fn every_policy_stands_once() {
        let names: BTreeSet<_> = defaults().iter().map(|each| each.rule.name).collect();
        assert_eq!((names.len(), defaults().len()), (67, 67));
    }

    #[test]
    fn the_scope_of_a_token_comes_before_the_rule() {
        let sources = Sources::default();
        check(&sources, "publicize_image", "admin", "", true);
        check(&sources, "publicize_image", "admin", "all", false);
        check(&sources, "context_is_admin", "admin", "all", true);
        check(&sources, "get_images", "reader", "", true);
        check(&sources, "publicize_image", "reader", "", false);
    }

    #[test]
    fn old_defaults_count_beside_the_new_ones_if_asked_for() {
        let old = Sources { enforce_new_defaults: false, ..Sources::default() };
        check(&old, "get_images", "nobody", "", true);
        check(&Sources::default(), "get_images", "nobody", "", false);
        check(&old, "publicize_image", "nobody", "", false);
    }

    #[test]
    fn files_win_over_defaults_and_over_earlier_files() {
        let files = ["publicize_image: '!'", "publicize_image: '@'\nget_images: '!'"];
        let sources = Sources { files: files.map(str::to_owned).to_vec(), ..Sources::default() };
        check(&sources, "publicize_image", "nobody", "", true);
        check(&sources, "get_images", "admin", "", false);
        let bad = Sources { files: vec!["- a".to_owned()], ..Sources::default() };
        assert!(Rules::compile(&bad).is_err());
    }
}
