//! Tokens that say themselves who their bearer is: for tests, of Glance and of what uses it.
//!
//! Nothing is proved here; whoever can reach the service can be anybody.

use controlplane_domain::Context;
use http::HeaderMap;
use percent_encoding::percent_decode_str;

use super::Unidentified;
use super::environ::Environ;

/// Headers that a client may not set beside such a token.
const IDENTITY: &[&str] = &[
    "x-identity-status",
    "x-user-id",
    "x-user-name",
    "x-project-id",
    "x-project-name",
    "x-tenant-id",
    "x-tenant",
    "x-tenant-name",
    "x-roles",
    "x-role",
    "x-user",
    "x-service-roles",
    "x-domain-id",
    "x-project-domain-id",
    "x-user-domain-id",
];

/// `USER:PROJECT:ROLE[,ROLE…][:SERVICE_ROLE,…]`, percent-encoded or not; project `none` is none.
/// Roles imply those below them, unless they begin with `=`. Anything else is no token.
pub(crate) fn oracle(headers: &HeaderMap) -> Environ<'_> {
    let token = Environ::trusting(headers).get("x-auth-token").unwrap_or_default();
    let token = percent_decode_str(&token).decode_utf8_lossy().into_owned();
    let mut environ = Environ::hiding(headers, IDENTITY);
    let parts: Vec<&str> = token.split(':').collect();
    let (user, project, roles, service_roles) = match parts[..] {
        [user, project, roles] => (user, project, roles, None),
        [user, project, roles, service_roles] => (user, project, roles, Some(service_roles)),
        _ => return environ,
    };
    if user.is_empty() {
        return environ;
    }
    environ.set("x-identity-status", "Confirmed");
    environ.set("x-user-id", user);
    if project.to_lowercase() != "none" {
        environ.set("x-project-id", project);
    }
    environ.set("x-roles", expanded(roles));
    if let Some(roles) = service_roles {
        environ.set("x-service-roles", roles);
    }
    environ
}

/// The roles with those they imply, as Keystone ships it.
fn expanded(text: &str) -> String {
    if let Some(exact) = text.strip_prefix('=') {
        return exact.to_owned();
    }
    let mut roles: Vec<&str> = Vec::new();
    for role in text.split(',').filter(|role| !role.is_empty()) {
        let implied: &[&str] = match role.to_lowercase().as_str() {
            "admin" => &["manager", "member", "reader"],
            "manager" => &["member", "reader"],
            "member" => &["reader"],
            _ => &[],
        };
        for role in std::iter::once(role).chain(implied.iter().copied()) {
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
    }
    roles.join(",")
}

/// `USER:PROJECT:ROLE`; project `none` is none. No token at all is a caller without anything.
/// Glance breaks (500) over a token of another form; here it is no authentication.
pub(crate) fn fake(headers: &HeaderMap) -> Result<Environ<'_>, Unidentified> {
    let mut environ = Environ::trusting(headers);
    let Some(token) = environ.get("x-auth-token").filter(|token| !token.is_empty()) else {
        return Ok(environ);
    };
    let parts: Vec<&str> = token.split(':').collect();
    let [user, project, role] = parts[..] else { return Err(Unidentified::Unauthorized) };
    environ.set("x-user-id", user);
    if project.to_lowercase() != "none" {
        environ.set("x-project-id", project);
    }
    environ.set("x-roles", role);
    environ.set("x-identity-status", "Confirmed");
    Ok(environ)
}

/// The context that the fake filter makes itself: of the token alone, with one role.
pub(crate) fn bearer(environ: &Environ<'_>) -> Context {
    if environ.get("x-auth-token").is_none_or(|token| token.is_empty()) {
        return Context::default();
    }
    let of_token = |name: &'static str| environ.set_by_filter(name);
    Context {
        user: of_token("x-user-id"),
        project: of_token("x-project-id"),
        roles: of_token("x-roles").into_iter().map(|role| role.to_lowercase()).collect(),
        ..Context::default()
    }
}
