//! Which callers may create, read, change and delete which custom properties (Glance:
//! `glance/common/property_utils.py`, `glance/api/property_protections.py`).
//!
//! Leaves reading the file to the caller. Invariants: a property that no section matches is nobody's;
//! what cannot be understood is refused when the file is read, by name; a name whose match takes
//! too long is nobody's.

mod file;
mod pattern;

use fancy_regex::Regex;

use crate::attributes;
use crate::context::Context;
use crate::policy::Policy;

/// What is done to a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Setting one that is not there.
    Create,
    /// Seeing it.
    Read,
    /// Setting one that is there.
    Update,
    /// Removing it.
    Delete,
}

/// `property_protection_rule_format`: what stands behind the names of actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleFormat {
    /// Roles, separated by commas.
    Roles,
    /// The name of one policy.
    Policies,
}

/// Why a property protection file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtectionError {
    /// It is no file of that kind.
    #[error("line {line}: {reason}")]
    Malformed {
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A section does not name all four actions.
    #[error("[{section}]: {action} is missing")]
    Missing {
        /// The section.
        section: String,
        /// The action.
        action: &'static str,
    },
    /// A section's name is no regular expression, or one of a kind that cannot be had.
    #[error("[{section}]: {reason}")]
    Pattern {
        /// The section.
        section: String,
        /// What is wrong.
        reason: String,
    },
    /// Everybody and nobody at once.
    #[error("[{section}] {action}: '@' and '!' are mutually exclusive")]
    BothWays {
        /// The section.
        section: String,
        /// The action.
        action: &'static str,
    },
    /// More than one policy.
    #[error(
        "[{section}] {action}: multiple policies are not allowed; they can be combined in the \
         policy file"
    )]
    Policies {
        /// The section.
        section: String,
        /// The action.
        action: &'static str,
    },
}

/// The sections of a property protection file, in order.
#[derive(Clone, Debug)]
pub struct PropertyRules {
    sections: Vec<Section>,
}

#[derive(Clone, Debug)]
struct Section {
    name: String,
    pattern: Regex,
    /// By action.
    allowed: [Allowed; 4],
}

/// Who may.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    Everybody,
    Nobody,
    Roles(Vec<String>),
    Policy(String),
}

/// The rules as they apply to one caller. Without rules everything is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Guard<'a> {
    rules: Option<&'a PropertyRules>,
    caller: &'a Context,
    policy: &'a Policy,
}

const ACTIONS: [(Action, &str); 4] = [
    (Action::Create, "create"),
    (Action::Read, "read"),
    (Action::Update, "update"),
    (Action::Delete, "delete"),
];

// === impl PropertyRules ===

impl PropertyRules {
    /// Reads the text of a file. Sections about the service's own properties count for nothing.
    ///
    /// # Errors
    /// [`ProtectionError`], the first.
    pub fn parse(text: &str, format: RuleFormat) -> Result<Self, ProtectionError> {
        let mut sections = Vec::new();
        for (name, options) in file::sections(text)? {
            if attributes::is_reserved_namespace(&name) {
                continue;
            }
            let pattern = pattern::compile(&name)
                .map_err(|reason| ProtectionError::Pattern { section: name.clone(), reason })?;
            let mut allowed = [const { Allowed::Nobody }; 4];
            for (place, (_, action)) in ACTIONS.into_iter().enumerate() {
                let missing = || ProtectionError::Missing { section: name.clone(), action };
                let text = options.get(action).ok_or_else(missing)?;
                allowed[place] = Allowed::read(text, format, &name, action)?;
            }
            sections.push(Section { name, pattern, allowed });
        }
        Ok(Self { sections })
    }

    /// Whether a caller may. The first section that matches anywhere in the name decides.
    fn allows(&self, name: &str, action: Action, caller: &Context, policy: &Policy) -> bool {
        if attributes::is_reserved_namespace(name) {
            return true;
        }
        let matches = |section: &&Section| section.pattern.is_match(name);
        // A match that was given up must not let a later section decide.
        let decides = |section: &&Section| matches(section).unwrap_or(true);
        let Some(section) = self.sections.iter().find(decides) else { return false };
        if matches(&section).is_err() {
            return false;
        }
        match &section.allowed[action as usize] {
            Allowed::Everybody => true,
            Allowed::Nobody => false,
            Allowed::Roles(roles) => {
                let mut held = caller.roles.iter().chain(&caller.service.roles);
                held.any(|role| roles.contains(role))
            }
            Allowed::Policy(rule) => policy.accepts_property_rule(caller, rule),
        }
    }
}

/// Equal where they were read from files of the same meaning.
impl PartialEq for PropertyRules {
    fn eq(&self, other: &Self) -> bool {
        let same = |(one, other): (&Section, &Section)| {
            one.name == other.name && one.allowed == other.allowed
        };
        self.sections.len() == other.sections.len()
            && self.sections.iter().zip(&other.sections).all(same)
    }
}

impl Eq for PropertyRules {}

// === impl Allowed ===

impl Allowed {
    fn read(
        text: &str,
        format: RuleFormat,
        section: &str,
        action: &'static str,
    ) -> Result<Self, ProtectionError> {
        let section = || section.to_owned();
        if text.is_empty() {
            return Ok(Self::Nobody);
        }
        if format == RuleFormat::Policies {
            return match text {
                "!" => Ok(Self::Nobody),
                "@" => Ok(Self::Everybody),
                _ if text.contains(',') => {
                    Err(ProtectionError::Policies { section: section(), action })
                }
                rule => Ok(Self::Policy(rule.to_owned())),
            };
        }
        let roles: Vec<String> = text.split(',').map(|role| role.trim().to_lowercase()).collect();
        let has = |sign: &str| roles.iter().any(|role| role == sign);
        match (has("!"), has("@")) {
            (true, true) => Err(ProtectionError::BothWays { section: section(), action }),
            (true, false) => Ok(Self::Nobody),
            (false, true) => Ok(Self::Everybody),
            (false, false) => Ok(Self::Roles(roles)),
        }
    }
}

// === impl Guard ===

impl<'a> Guard<'a> {
    /// The rules, if there are any, for a caller under a policy.
    #[must_use]
    pub fn new(rules: Option<&'a PropertyRules>, caller: &'a Context, policy: &'a Policy) -> Self {
        Self { rules, caller, policy }
    }

    /// Whether the caller may do this to a custom property of that name.
    #[must_use]
    pub fn allows(self, name: &str, action: Action) -> bool {
        self.rules.is_none_or(|rules| rules.allows(name, action, self.caller, self.policy))
    }
}

#[cfg(test)]
mod tests;
