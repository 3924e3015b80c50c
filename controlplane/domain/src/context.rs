//! On whose behalf a request runs (Glance: `glance/context.py`, `RequestContext`).

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
}

impl Context {
    /// The caller where nobody authenticates: everybody is admin, of no project
    /// (`glance/api/middleware/context.py`, `UnauthenticatedContextMiddleware`).
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self { is_admin: true, ..Self::default() }
    }
}
