//! On whose behalf a request runs (Glance: `glance/context.py`, `RequestContext`; oslo.context's
//! `to_policy_values`, which names what rules may ask of a caller).

use glint_policy::{Attributes, Value};

/// The caller of one request.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Context {
    /// User id.
    pub user: Option<String>,
    /// Project id; becomes the owner of what the caller creates.
    pub project: Option<String>,
    /// Lower-case role names.
    pub roles: Vec<String>,
    /// Whether the policy `context_is_admin` holds.
    pub is_admin: bool,
    /// Whether changes are refused (anonymous access).
    pub read_only: bool,
    /// Domain id, of a token of a domain.
    pub domain: Option<String>,
    /// Domain id of the user.
    pub user_domain: Option<String>,
    /// Domain id of the project.
    pub project_domain: Option<String>,
    /// `all`, of a token of the whole system.
    pub system_scope: Option<String>,
    /// Of the service that passes the request on, if one proved itself.
    pub service: Service,
    /// Whether the project is *not* the one named as the administrators'.
    pub is_ordinary_project: bool,
}

/// The service that passes a request on for its user.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Service {
    /// User id.
    pub user: Option<String>,
    /// Domain id of the user.
    pub user_domain: Option<String>,
    /// Project id.
    pub project: Option<String>,
    /// Domain id of the project.
    pub project_domain: Option<String>,
    /// Role names.
    pub roles: Vec<String>,
}

impl Context {
    /// The caller where nobody authenticates: everybody is admin, of no project
    /// (`glance/api/middleware/context.py`, `UnauthenticatedContextMiddleware`). Glance gives no
    /// roles, so that the default policies refuse almost everything; here it has those that
    /// Keystone gives an admin.
    #[must_use]
    pub fn unauthenticated() -> Self {
        let roles = ["admin", "manager", "member", "reader"].map(str::to_owned).to_vec();
        Self { is_admin: true, roles, ..Self::default() }
    }
}

/// The names under which rules may ask something of a caller.
pub const CREDENTIALS: &[&str] = &[
    "user_id",
    "user_domain_id",
    "system_scope",
    "system",
    "domain_id",
    "project_id",
    "project_domain_id",
    "roles",
    "is_admin_project",
    "service_user_id",
    "service_user_domain_id",
    "service_project_id",
    "service_project_domain_id",
    "service_roles",
];

/// What rules may ask of a caller; the credentials of oslo.policy. A token of the system answers to
/// `system` too (`oslo_policy/policy.py`, `Enforcer.enforce`).
impl Attributes for Context {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        Some(match name {
            "user_id" => text(&self.user),
            "user_domain_id" => text(&self.user_domain),
            "system_scope" => text(&self.system_scope),
            "system" => {
                Value::Text(self.system_scope.as_deref().filter(|scope| !scope.is_empty())?)
            }
            "domain_id" => text(&self.domain),
            "project_id" => text(&self.project),
            "project_domain_id" => text(&self.project_domain),
            "roles" => Value::Texts(&self.roles),
            "is_admin_project" => Value::Bool(!self.is_ordinary_project),
            "service_user_id" => text(&self.service.user),
            "service_user_domain_id" => text(&self.service.user_domain),
            "service_project_id" => text(&self.service.project),
            "service_project_domain_id" => text(&self.service.project_domain),
            "service_roles" => Value::Texts(&self.service.roles),
            _ => return None,
        })
    }
}

/// An attribute that may be `None`.
pub(crate) fn text(value: &Option<String>) -> Value<'_> {
    value.as_deref().map_or(Value::None, Value::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_credential_has_a_value() {
        let caller = Context { system_scope: Some("all".to_owned()), ..Context::default() };
        for name in CREDENTIALS {
            assert!(caller.attribute(name).is_some(), "{name}");
        }
    }
}
