//! Grants and settings for the tests of this crate.

use crate::head::{Head, Parsed, parse};
use glint_link::wire::{
    Attribute, AttributeValue, Grant, Policy, PolicyRule, PolicyText, Settings,
};

/// An administrator of no project.
pub(crate) fn admin() -> Grant {
    Grant { is_admin: true, ..with_roles(&["admin"], None) }
}

/// A member of a project.
pub(crate) fn member_of(project: &str) -> Grant {
    with_roles(&["member", "reader"], Some(project))
}

/// Somebody with roles.
pub(crate) fn with_roles(roles: &[&str], project: Option<&str>) -> Grant {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    let attribute = |name: &str, value| Attribute { name: name.to_owned(), value };
    Grant {
        is_admin: false,
        in_scope: true,
        project: project.map(str::to_owned),
        credentials: vec![
            attribute("roles", AttributeValue::Texts(roles)),
            attribute("project_id", project.map_or(AttributeValue::None, text)),
        ],
    }
}

/// Settings under which callers are asked about, with these rules.
pub(crate) fn settings(generation: u64, rules: &[(&str, &str)]) -> Settings {
    let rule = |(name, text): &(&str, &str)| PolicyRule {
        name: (*name).to_owned(),
        text: PolicyText::Text((*text).to_owned()),
    };
    let policy = Policy { rules: rules.iter().map(rule).collect(), ..Policy::default() };
    Settings {
        generation,
        minor_versions: vec![0],
        identity_headers: vec!["x-auth-token".to_owned(), "x-roles".to_owned()],
        everybody: None,
        policy,
        cross_origin: None,
    }
}

/// Settings under which everybody has the same grant and the rules accept.
pub(crate) fn everybody(grant: Grant) -> Settings {
    let rules = [("download_image", "@"), ("get_image", "@")];
    Settings { everybody: Some(grant), ..settings(1, &rules) }
}

/// The head of a request; header lines follow the first behind bars.
pub(crate) fn head(request: &str) -> Head {
    let (line, headers) = request.split_once(" | ").unwrap_or((request, "Host: a"));
    let headers = headers.replace(" | ", "\r\n");
    let host = if headers.contains("Host:") { "" } else { "Host: a\r\n" };
    let text = format!("{line} HTTP/1.1\r\n{host}{headers}\r\n\r\n");
    match parse(text.as_bytes()) {
        Parsed::Head(head, _) => *head,
        other => panic!("{text:?} is a head, not {other:?}"),
    }
}
