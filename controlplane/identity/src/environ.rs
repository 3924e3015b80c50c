//! Identity headers, as WSGI hands them to Glance: one text each, in Latin-1, and what filters in
//! front have put in their place.

use controlplane_domain::Context;
use controlplane_domain::context::Service;
use http::HeaderMap;

/// Every header that can make a difference to who the caller is.
pub(crate) const IDENTITY_HEADERS: &[&str] = &[
    "x-auth-token",
    "x-identity-status",
    "x-user-id",
    "x-user",
    "x-project-id",
    "x-tenant-id",
    "x-tenant",
    "x-roles",
    "x-role",
    "x-domain-id",
    "x-user-domain-id",
    "x-project-domain-id",
    "x-is-admin-project",
    "openstack-system-scope",
    "x-service-user-id",
    "x-service-user-domain-id",
    "x-service-project-id",
    "x-service-project-domain-id",
    "x-service-roles",
    "x-service-catalog",
];

/// The headers of a request behind the filters that establish identity.
#[derive(Clone, Debug)]
pub(crate) struct Environ<'a> {
    headers: &'a HeaderMap,
    /// Headers of the client that a filter took away.
    hidden: &'static [&'static str],
    /// Headers that a filter set.
    set: Vec<(&'static str, String)>,
}

// === impl Environ ===

impl<'a> Environ<'a> {
    /// All headers as the client sent them.
    pub(crate) fn trusting(headers: &'a HeaderMap) -> Self {
        Self::hiding(headers, &[])
    }

    /// Without those named.
    pub(crate) fn hiding(headers: &'a HeaderMap, hidden: &'static [&'static str]) -> Self {
        Self { headers, hidden, set: Vec::new() }
    }

    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.set.push((name, value.into()));
    }

    /// A header's text.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        if let Some(value) = self.set_by_filter(name) {
            return Some(value);
        }
        if self.hidden.contains(&name) {
            return None;
        }
        self.headers.get(name).map(|value| latin1(value.as_bytes()))
    }

    /// What a filter set, not what the client sent.
    pub(crate) fn set_by_filter(&self, name: &str) -> Option<String> {
        self.set.iter().find(|(set, _)| *set == name).map(|(_, value)| value.clone())
    }

    /// The context these headers describe (oslo.context, `RequestContext.from_environ`).
    pub(crate) fn context(&self) -> Context {
        let first = |names: &[&str]| names.iter().find_map(|name| self.get(name));
        let roles = |names: &[&str]| -> Vec<String> {
            let text = first(names).filter(|text| !text.is_empty());
            text.iter()
                .flat_map(|text| text.split(','))
                .map(|role| role.trim().to_owned())
                .collect()
        };
        let is_admin_project =
            self.get("x-is-admin-project").is_none_or(|text| text.eq_ignore_ascii_case("true"));
        Context {
            user: first(&["x-user-id", "x-user"]),
            project: first(&["x-project-id", "x-tenant-id", "x-tenant"]),
            roles: roles(&["x-roles", "x-role"]),
            domain: self.get("x-domain-id"),
            user_domain: self.get("x-user-domain-id"),
            project_domain: self.get("x-project-domain-id"),
            system_scope: self.get("openstack-system-scope"),
            is_ordinary_project: !is_admin_project,
            service: Service {
                user: self.get("x-service-user-id"),
                user_domain: self.get("x-service-user-domain-id"),
                project: self.get("x-service-project-id"),
                project_domain: self.get("x-service-project-domain-id"),
                roles: roles(&["x-service-roles"]),
            },
            ..Context::default()
        }
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
