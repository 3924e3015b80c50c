//! Who may do what with metadata definitions.
//!
//! Sight first (`glance/db/sqlalchemy/metadef_api/namespace.py`, `_is_namespace_visible`), then the
//! default policies (`glance/policies/metadef.py`). Leaves the status code to its caller.
//! Invariant: a caller who may not read a namespace learns from no refusal that it exists
//! (`glance/api/v2/policy.py`, `MetadefAPIPolicy._enforce`).

use super::{Namespace, NamespaceVisibility};
use crate::context::Context;

/// What a policy rule is about; the names are those of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are the rules' names")]
pub enum Action {
    GetNamespace,
    GetNamespaces,
    ModifyNamespace,
    AddNamespace,
    DeleteNamespace,
    GetObject,
    GetObjects,
    ModifyObject,
    AddObject,
    DeleteObject,
    ListResourceTypes,
    GetResourceType,
    AddAssociation,
    RemoveAssociation,
    GetProperty,
    GetProperties,
    ModifyProperty,
    AddProperty,
    RemoveProperty,
    GetTag,
    GetTags,
    ModifyTag,
    AddTag,
    AddTags,
    DeleteTag,
    DeleteTags,
}

/// The policy does not let the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefused {
    /// The caller may not even know of the namespace.
    #[error("The resource could not be found.")]
    Hidden,
    /// The caller sees it and may not do this.
    #[error("You are not authorized to complete {0} action.")]
    NotAuthorized(&'static str),
}

/// Whether the namespace exists for this caller.
#[must_use]
pub fn is_visible(caller: &Context, namespace: &Namespace) -> bool {
    caller.is_admin
        || namespace.fields.visibility == NamespaceVisibility::Public
        || caller.project.as_ref() == Some(&namespace.fields.owner)
}

/// Asks the policy. Without a namespace the rule is about the caller's own project.
///
/// # Errors
/// [`PolicyRefused`].
pub fn authorize(
    caller: &Context,
    action: Action,
    namespace: Option<&Namespace>,
) -> Result<(), PolicyRefused> {
    if is_allowed(caller, action, namespace) {
        return Ok(());
    }
    let readable = is_allowed(caller, Action::GetNamespace, namespace);
    if action == Action::GetNamespace || !readable {
        return Err(PolicyRefused::Hidden);
    }
    Err(PolicyRefused::NotAuthorized(action.rule()))
}

/// Whether the default policy allows it: changes are for administrators, reading for whoever has
/// the role `reader` in the owning project, or anywhere if the namespace is public.
#[must_use]
pub fn is_allowed(caller: &Context, action: Action, namespace: Option<&Namespace>) -> bool {
    if caller.is_admin {
        return true;
    }
    let own = match namespace {
        Some(namespace) => caller.project.as_ref() == Some(&namespace.fields.owner),
        None => true,
    };
    let public = namespace
        .is_some_and(|namespace| namespace.fields.visibility == NamespaceVisibility::Public);
    action.is_reading() && caller.roles.iter().any(|role| role == "reader") && (own || public)
}

// === impl Action ===

impl Action {
    /// The name of the rule.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::GetNamespace => "get_metadef_namespace",
            Self::GetNamespaces => "get_metadef_namespaces",
            Self::ModifyNamespace => "modify_metadef_namespace",
            Self::AddNamespace => "add_metadef_namespace",
            Self::DeleteNamespace => "delete_metadef_namespace",
            Self::GetObject => "get_metadef_object",
            Self::GetObjects => "get_metadef_objects",
            Self::ModifyObject => "modify_metadef_object",
            Self::AddObject => "add_metadef_object",
            Self::DeleteObject => "delete_metadef_object",
            Self::ListResourceTypes => "list_metadef_resource_types",
            Self::GetResourceType => "get_metadef_resource_type",
            Self::AddAssociation => "add_metadef_resource_type_association",
            Self::RemoveAssociation => "remove_metadef_resource_type_association",
            Self::GetProperty => "get_metadef_property",
            Self::GetProperties => "get_metadef_properties",
            Self::ModifyProperty => "modify_metadef_property",
            Self::AddProperty => "add_metadef_property",
            Self::RemoveProperty => "remove_metadef_property",
            Self::GetTag => "get_metadef_tag",
            Self::GetTags => "get_metadef_tags",
            Self::ModifyTag => "modify_metadef_tag",
            Self::AddTag => "add_metadef_tag",
            Self::AddTags => "add_metadef_tags",
            Self::DeleteTag => "delete_metadef_tag",
            Self::DeleteTags => "delete_metadef_tags",
        }
    }

    fn is_reading(self) -> bool {
        matches!(
            self,
            Self::GetNamespace
                | Self::GetNamespaces
                | Self::GetObject
                | Self::GetObjects
                | Self::ListResourceTypes
                | Self::GetResourceType
                | Self::GetProperty
                | Self::GetProperties
                | Self::GetTag
                | Self::GetTags
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NamespaceFields, NamespaceId};
    use super::*;
    use time::macros::datetime;

    fn namespace(visibility: NamespaceVisibility) -> Namespace {
        let owner = "proj-a".to_owned();
        Namespace {
            id: NamespaceId(1),
            fields: NamespaceFields { visibility, owner, ..NamespaceFields::default() },
            created_at: datetime!(2026-11-21 05:54:39),
            updated_at: None,
        }
    }

    fn of(project: &str, roles: &[&str]) -> Context {
        Context {
            project: Some(project.to_owned()),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            ..Context::default()
        }
    }

    #[test]
    fn private_namespaces_are_seen_by_their_project_and_administrators() {
        let check = |caller: &Context, visibility, expected: bool| {
            assert_eq!(is_visible(caller, &namespace(visibility)), expected, "{caller:?}");
        };
        check(&of("proj-a", &[]), NamespaceVisibility::Private, true);
        check(&of("proj-b", &[]), NamespaceVisibility::Private, false);
        check(&of("proj-b", &[]), NamespaceVisibility::Public, true);
        check(&Context::default(), NamespaceVisibility::Private, false);
        check(&Context::unauthenticated(), NamespaceVisibility::Private, true);
    }

    #[test]
    fn refusals_tell_only_those_who_may_read() {
        let check = |caller: &Context, action, visibility, expected| {
            let found = authorize(caller, action, Some(&namespace(visibility)));
            assert_eq!(found, expected, "{caller:?} {action:?}");
        };
        let refused = PolicyRefused::NotAuthorized("delete_metadef_tag");
        let delete = Err(refused);
        let (public, private) = (NamespaceVisibility::Public, NamespaceVisibility::Private);
        check(&of("proj-a", &["reader"]), Action::GetTag, private, Ok(()));
        check(&of("proj-a", &["reader"]), Action::DeleteTag, private, delete);
        check(&of("proj-b", &["reader"]), Action::GetTag, public, Ok(()));
        check(&of("proj-b", &["reader"]), Action::DeleteTag, public, delete);
        check(&of("proj-b", &["reader"]), Action::DeleteTag, private, Err(PolicyRefused::Hidden));
        check(&of("proj-a", &[]), Action::GetTag, public, Err(PolicyRefused::Hidden));
        check(&Context::unauthenticated(), Action::DeleteTag, private, Ok(()));
        let text = refused.to_string();
        assert_eq!(text, "You are not authorized to complete delete_metadef_tag action.");
    }

    #[test]
    fn making_namespaces_is_for_administrators() {
        let found = authorize(&of("proj-a", &["reader"]), Action::AddNamespace, None);
        assert_eq!(found, Err(PolicyRefused::NotAuthorized("add_metadef_namespace")));
        assert_eq!(authorize(&of("proj-a", &["reader"]), Action::GetNamespaces, None), Ok(()));
    }
}
