//! The rules by which downloads are admitted: pushed as text, compiled here once.
//!
//! What the rules mean is `shared/policy`'s matter; their order is `authorize`'s. Invariant: what
//! cannot be understood refuses.

use crate::caller::{Credentials, find};
use crate::view::ImageView;
use glint_image::Visibility;
use glint_link::wire::{Grant, Policy, PolicyText};
use glint_policy::{Attributes, Compiled, RuleText, Settings, Value};

/// The rules in force.
#[derive(Debug)]
pub struct Rules(Compiled);

/// An image as rules look at it (`glance/api/policy.py`, `ImageTarget`).
#[derive(Debug)]
struct Target<'a> {
    image: &'a ImageView,
    /// The caller's project.
    project: Option<&'a str>,
}

// === impl Rules ===

impl From<&Policy> for Rules {
    fn from(policy: &Policy) -> Self {
        let text = |text: &PolicyText| match text {
            PolicyText::Text(text) => RuleText::Text(text.clone()),
            PolicyText::List(list) => RuleText::List(list.clone()),
        };
        let rules = policy.rules.iter().map(|rule| (rule.name.clone(), text(&rule.text))).collect();
        // The texts are the rules as they are in force: deprecated ones are in them already.
        let settings =
            Settings { default_rule: policy.default_rule.clone(), ..Settings::default() };
        // What an operator should know of the rules, the control plane has told.
        let (compiled, _) = Compiled::new(&[], &[rules], &settings);
        Self(compiled)
    }
}

impl Rules {
    /// Whether a rule lets the caller do what it is about.
    #[must_use]
    pub fn accept(&self, rule: &str, grant: &Grant, image: &ImageView) -> bool {
        let target = Target { image, project: grant.project.as_deref() };
        grant.in_scope && self.0.accepts(rule, &target, &Credentials(grant))
    }
}

// === impl Target ===

impl Attributes for Target<'_> {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        Some(match name {
            "owner" | "project_id" => text_or_none(self.image.owner.as_deref()),
            "visibility" => Value::Text(self.image.visibility.as_str()),
            "id" | "image_id" => Value::Text(self.image.image.as_str()),
            // The caller's project where the image is shared and not its own (`glance/db/__init__.py`,
            // `ImageRepo._format_image_from_db`).
            "member" | "member_id" => {
                let shared = self.image.visibility == Visibility::Shared;
                let others = self.image.owner.as_deref() != self.project;
                text_or_none(self.project.filter(|_| shared && others))
            }
            _ => return find(&self.image.attributes, name),
        })
    }
}

fn text_or_none(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::None, Value::Text)
}
