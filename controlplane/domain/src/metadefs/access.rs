//! Who sees a namespace of metadata definitions
//! (`glance/db/sqlalchemy/metadef_api/namespace.py`, `_is_namespace_visible`), and what the
//! policies about them are called.
//!
//! Leaves asking those to `crate::policy`.

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

/// Whether the namespace exists for this caller.
#[must_use]
pub fn is_visible(caller: &Context, namespace: &Namespace) -> bool {
    caller.is_admin
        || namespace.fields.visibility == NamespaceVisibility::Public
        || caller.project.as_ref() == Some(&namespace.fields.owner)
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

    fn of(project: &str) -> Context {
        Context { project: Some(project.to_owned()), ..Context::default() }
    }

    #[test]
    fn private_namespaces_are_seen_by_their_project_and_administrators() {
        let check = |caller: &Context, visibility, expected: bool| {
            assert_eq!(is_visible(caller, &namespace(visibility)), expected, "{caller:?}");
        };
        check(&of("proj-a"), NamespaceVisibility::Private, true);
        check(&of("proj-b"), NamespaceVisibility::Private, false);
        check(&of("proj-b"), NamespaceVisibility::Public, true);
        check(&Context::default(), NamespaceVisibility::Private, false);
        check(&Context::unauthenticated(), NamespaceVisibility::Private, true);
    }
}
