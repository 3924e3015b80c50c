//! Checks about metadata definitions (`glance/api/v2/policy.py`, `MetadefAPIPolicy`).

use glint_policy::{Attributes, Value};

use super::{Policy, PolicyRefused};
use crate::context::{Context, text};
use crate::metadefs::Namespace;
use crate::metadefs::access::Action;

/// Checks about a namespace and what is in it, or about none in particular.
#[derive(Clone, Copy, Debug)]
pub struct MetadefPolicy<'a> {
    policy: &'a Policy,
    caller: &'a Context,
    target: Target<'a>,
}

/// The namespace, or something of the caller's own project.
#[derive(Clone, Copy, Debug)]
struct Target<'a> {
    caller: &'a Context,
    namespace: Option<&'a Namespace>,
}

impl Policy {
    /// The checks of a namespace that the caller sees, or of none.
    #[must_use]
    pub fn metadefs<'a>(
        &'a self,
        caller: &'a Context,
        namespace: Option<&'a Namespace>,
    ) -> MetadefPolicy<'a> {
        MetadefPolicy { policy: self, caller, target: Target { caller, namespace } }
    }
}

impl MetadefPolicy<'_> {
    /// Asks a policy. Who is refused and may not read the namespace either gets
    /// [`PolicyRefused::Hidden`].
    ///
    /// # Errors
    /// [`PolicyRefused`].
    pub fn enforce(&self, action: Action) -> Result<(), PolicyRefused> {
        let refused = self.policy.enforce(action.rule(), &self.target, self.caller);
        if refused.is_err() && (action == Action::GetNamespace || !self.sees()) {
            return Err(PolicyRefused::Hidden);
        }
        refused
    }

    /// Whether `get_metadef_namespace` accepts: for rows of lists.
    #[must_use]
    pub fn sees(&self) -> bool {
        self.policy.rules.accepts(Action::GetNamespace.rule(), &self.target, self.caller)
    }
}

impl Attributes for Target<'_> {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        match (name, self.namespace) {
            ("project_id", Some(namespace)) => Some(Value::Text(&namespace.fields.owner)),
            ("project_id", None) => Some(text(&self.caller.project)),
            ("visibility", Some(namespace)) => {
                Some(Value::Text(namespace.fields.visibility.as_str()))
            }
            _ => None,
        }
    }
}
