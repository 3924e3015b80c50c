//! Status codes and texts of what is refused about metadata definitions
//! (`glance/common/exception.py`; `glance/api/v2/metadef_*.py`; `glance/db/__init__.py`).
//!
//! Invariant: a namespace that the caller may not see is refused as one that is not there.

use controlplane_db::metadefs::list::NamespaceListError;
use controlplane_db::metadefs::namespaces::NamespaceAddError;
use controlplane_db::metadefs::tags::TagListError;
use controlplane_db::metadefs::{AddError, ChangeError, Part, RemoveError};
use controlplane_domain::metadefs::{BodyRefused, FourByte};
use glint_image::{Fault, limits};

use super::Refusal;

/// The nouns of the messages.
fn noun(part: Part) -> &'static str {
    match part {
        Part::Association => "resource-type-association",
        Part::Property => "property",
        Part::Object => "object",
        Part::Tag => "tag",
    }
}

impl Refusal {
    /// 404 of a namespace, as reading it and its objects tells it.
    pub(crate) fn no_such_namespace(name: &str) -> Self {
        not_found(format!("Metadata definition namespace={name} was not found."))
    }

    /// 404 of an empty marker: Glance looks for it as for a row, and tells so.
    pub(crate) fn no_such_namespace_row() -> Self {
        not_found("Metadata definition namespace not found for id=".to_owned())
    }

    /// 404 of a namespace, as all else tells it.
    pub(crate) fn namespace_not_found(name: &str) -> Self {
        not_found(format!("Namespace {name} not found"))
    }

    /// 404 of something in a namespace.
    pub(crate) fn no_such_part(part: Part, name: &str) -> Self {
        not_found(match part {
            Part::Association => format!("Failed to find resource type {name} to delete"),
            Part::Property => format!("Could not find property {name}"),
            Part::Object => format!("Could not find metadata object {name}"),
            Part::Tag => format!("Could not find metadata tag {name}"),
        })
    }

    /// 404 of a property by its name on resources of a type that does not exist.
    pub(crate) fn no_such_resource_type(name: &str) -> Self {
        not_found(format!("The metadata definition resource-type with name={name}, was not found."))
    }

    /// 404 of a property by its name on resources that the namespace does not apply to.
    pub(crate) fn not_associated(resource_type: &str, namespace: &str) -> Self {
        not_found(format!(
            "The metadata definition resource-type association of \
             resource-type={resource_type} to namespace={namespace}, was not found."
        ))
    }

    /// 404 of a property that lacks the prefix of a resource type.
    pub(crate) fn not_prefixed(property: &str, prefix: Option<&str>) -> Self {
        let prefix = prefix.unwrap_or("None");
        not_found(format!(
            "Property {property} does not start with the expected resource type association \
             prefix of '{prefix}'."
        ))
    }

    /// 400 of characters that not every database holds. `operation` is as in `create`, `what` as in
    /// `namespace`.
    pub(crate) fn unfit(operation: &str, what: &str, refused: &FourByte) -> Self {
        Self::bad_request(format!("Couldn't {operation} metadata {what}: {refused}"))
    }
}

impl From<BodyRefused> for Refusal {
    fn from(refused: BodyRefused) -> Self {
        let status = match refused {
            BodyRefused::ReadOnly(_) => 403,
            BodyRefused::NotAnObject
            | BodyRefused::Unknown(_)
            | BodyRefused::Missing(_)
            | BodyRefused::Invalid(..)
            | BodyRefused::NotAscii => 400,
        };
        Self::new(Fault::new(status, refused.to_string()))
    }
}

/// Why something was not added to a namespace of this name.
pub(crate) fn from_add(error: AddError, namespace: &str) -> Refusal {
    match error {
        AddError::NamespaceGone => Refusal::namespace_not_found(namespace),
        AddError::Duplicate(part, name) => duplicate(part, &name, namespace),
        AddError::Full(part) => Refusal::new(Fault::new(
            413,
            format!(
                "A namespace cannot hold more than {} of kind {}.",
                limits::METADEF_PARTS_MAX,
                noun(part)
            ),
        )),
        AddError::Database(error) => error.into(),
    }
}

/// Why a namespace of this name was not made.
pub(crate) fn from_namespace_add(error: NamespaceAddError, name: &str) -> Refusal {
    match error {
        NamespaceAddError::Duplicate => {
            conflict(format!("The metadata definition namespace={name} already exists."))
        }
        NamespaceAddError::Contents(error) => from_add(error, name),
        NamespaceAddError::Database(error) => error.into(),
    }
}

/// Why something was not changed. (Glance fails with 500 where the new name of a property or an
/// object is taken, over the text it means to send, which is this one.)
pub(crate) fn from_change(
    error: ChangeError,
    part: Part,
    namespace: &str,
    old: &str,
    new: &str,
) -> Refusal {
    match error {
        ChangeError::Gone => Refusal::no_such_part(part, old),
        ChangeError::Duplicate if part == Part::Tag => duplicate(part, new, namespace),
        ChangeError::Duplicate => conflict(format!(
            "Invalid update. It would result in a duplicate metadata definition {} with the same \
             name={new} in namespace={namespace}.",
            noun(part)
        )),
        ChangeError::Database(error) => error.into(),
    }
}

/// Why a namespace was not changed.
pub(crate) fn from_namespace_change(error: ChangeError, old: &str, new: &str) -> Refusal {
    match error {
        ChangeError::Gone => Refusal::namespace_not_found(old),
        ChangeError::Duplicate => conflict(format!(
            "Invalid update. It would result in a duplicate metadata definition namespace with \
             the same name of {new}"
        )),
        ChangeError::Database(error) => error.into(),
    }
}

/// Why something was not deleted.
pub(crate) fn from_remove(error: RemoveError, part: Part, name: &str) -> Refusal {
    match error {
        RemoveError::Gone => Refusal::no_such_part(part, name),
        RemoveError::Protected => protected(noun(part), name),
        RemoveError::Database(error) => error.into(),
    }
}

/// Why a namespace, or all of a kind in it, was not deleted.
pub(crate) fn from_namespace_remove(error: RemoveError, name: &str) -> Refusal {
    match error {
        RemoveError::Gone => Refusal::namespace_not_found(name),
        RemoveError::Protected => protected("namespace", name),
        RemoveError::Database(error) => error.into(),
    }
}

/// Why there is no page of namespaces.
pub(crate) fn from_namespace_list(error: NamespaceListError, marker: &str) -> Refusal {
    match error {
        NamespaceListError::MarkerUnknown => Refusal::no_such_namespace(marker),
        NamespaceListError::MarkerNotVisible => Refusal::new(Fault::new(
            403,
            format!("Forbidding request, metadata definition namespace={marker} is not visible."),
        )),
        NamespaceListError::Database(error) => error.into(),
    }
}

/// Why there is no list of tags.
pub(crate) fn from_tag_list(error: TagListError, marker: &str) -> Refusal {
    match error {
        TagListError::MarkerUnknown => Refusal::no_such_part(Part::Tag, marker),
        TagListError::Database(error) => error.into(),
    }
}

fn not_found(text: String) -> Refusal {
    Refusal::new(Fault::new(404, text))
}

fn conflict(text: String) -> Refusal {
    Refusal::new(Fault::new(409, text))
}

fn protected(noun: &str, name: &str) -> Refusal {
    let text = format!("Metadata definition {noun} {name} is protected and cannot be deleted.");
    Refusal::new(Fault::new(403, text))
}

fn duplicate(part: Part, name: &str, namespace: &str) -> Refusal {
    conflict(match part {
        Part::Association => format!(
            "The metadata definition resource-type association of resource-type={name} to \
             namespace={namespace} already exists."
        ),
        Part::Property | Part::Object => format!(
            "A metadata definition {} with name={name} already exists in namespace={namespace}.",
            noun(part)
        ),
        Part::Tag => format!(
            "A metadata tag with name={name} already exists in namespace={namespace}. (Please \
             note that metadata tag names are case insensitive)."
        ),
    })
}
