//! What data planes are told of callers and of the rules, so that they admit downloads themselves.
//!
//! Who a caller is and what the rules are, is decided by `controlplane/api`. Invariants: what is
//! told of a caller names the settings under which it was decided; the settings change only after
//! the API has the rules they speak of.

use crate::plane::Plane;
use crate::relay;
use controlplane_api::App;
use controlplane_domain::Context;
use controlplane_domain::context::CREDENTIALS;
use glint_image::limits::CALLER_MS_MAX;
use glint_link::wire::{
    Attribute, AttributeValue, Caller, CrossOrigin, Grant, Header, Policy, PolicyRule, PolicyText,
    Settings,
};
use glint_policy::{Attributes, RuleText, Value};
use http::HeaderMap;
use std::sync::Arc;

/// Attributes of images that every record has, so that it need not carry them for the rules.
const IN_EVERY_RECORD: &[&str] =
    &["id", "image_id", "member", "member_id", "owner", "project_id", "visibility"];

/// The settings of data planes, as they are now.
pub(crate) fn settings(app: &App) -> Settings {
    let everybody = app.identity().is_unauthenticated().then(|| app.identify(&HeaderMap::new()));
    let names = app.identity().headers().iter();
    Settings {
        generation: uuid::Uuid::new_v4().as_u64_pair().0,
        minor_versions: app.options().minor_versions().to_vec(),
        identity_headers: names.map(|name| (*name).to_owned()).collect(),
        everybody: everybody.flatten().map(|caller| grant(&caller)),
        policy: policy(app),
        cross_origin: app.edge().cross_origin().map(|cors| CrossOrigin {
            allowed: cors.allowed_origin.clone(),
            credentials: cors.allow_credentials,
            exposed: cors.expose_headers.join(","),
        }),
    }
}

/// Tells data planes of every change of the rules. Runs until dropped.
pub(crate) async fn run(plane: Arc<Plane>) {
    let mut policies = plane.app.policies();
    loop {
        policies.mark_unchanged();
        plane.settings.send_replace(Arc::new(settings(&plane.app)));
        if policies.changed().await.is_err() {
            return;
        }
        tracing::info!("the policy has changed; within one lease every data plane follows it");
    }
}

/// Decides who a caller is.
pub(crate) fn identify(plane: &Plane, key: [u8; 32], headers: &[Header]) -> Caller {
    // Before the rules are looked at: they may be newer than this, never older.
    let generation = plane.settings.borrow().generation;
    // Headers that cannot be headers name nobody.
    let caller = relay::headers_of(headers).ok().and_then(|headers| plane.app.identify(&headers));
    let grant = caller.as_deref().map(grant);
    Caller { key, generation, grant, valid_ms: CALLER_MS_MAX }
}

/// A named value that rules compare; `None` where the subject has none of this name.
pub(crate) fn attribute(subject: &dyn Attributes, name: &str) -> Option<Attribute> {
    let value = match subject.attribute(name)? {
        Value::None => AttributeValue::None,
        Value::Bool(yes) => AttributeValue::Bool(yes),
        Value::Int(number) => AttributeValue::Int(number),
        Value::Text(text) => AttributeValue::Text(text.to_owned()),
        Value::Texts(texts) => AttributeValue::Texts(texts.to_vec()),
        // No caller and no image has one.
        Value::Map(_) => return None,
    };
    Some(Attribute { name: name.to_owned(), value })
}

fn grant(caller: &Context) -> Grant {
    Grant {
        is_admin: caller.is_admin,
        in_scope: glint_policy::glance::is_of_project(caller),
        project: caller.project.clone(),
        credentials: CREDENTIALS.iter().filter_map(|name| attribute(caller, name)).collect(),
    }
}

fn policy(app: &App) -> Policy {
    let policy = app.policy();
    let extract = policy.of_downloads();
    let text = |text| match text {
        RuleText::Text(text) => PolicyText::Text(text),
        RuleText::List(list) => PolicyText::List(list),
    };
    let rules = extract.rules.into_iter().map(|(name, rule)| PolicyRule { name, text: text(rule) });
    let attributes = extract.attributes.into_iter();
    Policy {
        rules: rules.collect(),
        default_rule: policy.sources().default_rule.clone(),
        attributes: attributes.filter(|name| !IN_EVERY_RECORD.contains(&name.as_str())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_travels_with_all_that_rules_ask() {
        let check = |system_scope: Option<&str>, in_scope: bool| {
            let caller = Context {
                user: Some("u".to_owned()),
                project: Some("p".to_owned()),
                roles: vec!["member".to_owned()],
                system_scope: system_scope.map(str::to_owned),
                ..Context::default()
            };
            let grant = grant(&caller);
            let names: Vec<&str> =
                grant.credentials.iter().map(|each| each.name.as_str()).collect();
            assert_eq!((grant.is_admin, grant.in_scope), (false, in_scope));
            assert_eq!(grant.project.as_deref(), Some("p"));
            assert!(["user_id", "project_id", "roles"].iter().all(|name| names.contains(name)));
            let roles = AttributeValue::Texts(vec!["member".to_owned()]);
            assert!(
                grant.credentials.contains(&Attribute { name: "roles".to_owned(), value: roles })
            );
        };
        check(None, true);
        check(Some("all"), false);
    }
}
