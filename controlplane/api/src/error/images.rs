//! Refusals of what hangs on images: members, tags, actions.

use controlplane_db::{MemberAddError, MemberChangeError};
use controlplane_domain::PolicyRefused;
use controlplane_domain::actions::ActionRefused;
use controlplane_domain::members::{MemberRefused, NotShared};
use controlplane_domain::quota::QuotaExceeded;
use glint_image::Fault;

use super::Refusal;

impl Refusal {
    /// 404 of an image whose members, tags or cached copies were asked for.
    pub(crate) fn image_not_found(shown: &str) -> Self {
        Self::new(Fault::new(404, format!("Image {shown} not found.")))
    }

    /// 404 of a member.
    pub(crate) fn no_such_member(shown: &str, member: &str) -> Self {
        let text = format!("{member} not found in the member list of the image {shown}.");
        Self::new(Fault::new(404, text))
    }

    /// 403 of a list of members.
    pub(crate) fn members_hidden(shown: &str, refused: NotShared) -> Self {
        let text = format!("Not allowed to list members for image {shown}: {refused}");
        Self::new(Fault::new(403, text))
    }

    /// 403 of a change of members; `action` is `create`, `update` or `delete`.
    pub(crate) fn members_closed(action: &str, shown: &str) -> Self {
        let text = format!("Not allowed to {action} members for image {shown}.");
        Self::new(Fault::new(403, text))
    }

    /// What a caller learns who may not look a member up: nothing is forbidden, it is not there.
    pub(crate) fn member_hidden(refused: &PolicyRefused) -> Self {
        match refused {
            PolicyRefused::Hidden => Self::no_such_path(),
            refused => Self::new(Fault::new(404, refused.to_string())),
        }
    }

    /// Why a tag may not be changed; `action` is `update` or `delete`.
    pub(crate) fn tags_closed(refused: PolicyRefused, action: &str, shown: &str) -> Self {
        match refused {
            PolicyRefused::NotOwner => Self::new(Fault::new(
                403,
                format!("Not allowed to {action} tags for image {shown}."),
            )),
            refused => refused.into(),
        }
    }

    /// 413 of a tag.
    pub(crate) fn too_many_tags(shown: &str, exceeded: QuotaExceeded) -> Self {
        let text = format!("Image tag limit exceeded for image {shown}: {exceeded}:");
        Self::new(Fault::new(413, text))
    }

    /// 404 of a member of an image that has none.
    pub(crate) fn no_members(refused: NotShared) -> Self {
        Self::new(Fault::new(404, refused.to_string()))
    }
}

impl From<MemberRefused> for Refusal {
    fn from(refused: MemberRefused) -> Self {
        Self::bad_request(refused.to_string())
    }
}

impl From<ActionRefused> for Refusal {
    fn from(refused: ActionRefused) -> Self {
        Self::new(Fault::new(403, refused.to_string()))
    }
}

/// Why a member was not added.
pub(crate) fn from_member_add(error: MemberAddError, shown: &str, member: &str) -> Refusal {
    match error {
        MemberAddError::Gone => Refusal::image_not_found(shown),
        MemberAddError::Duplicate => {
            let text = format!("Member {member} is duplicated for image {shown}");
            Refusal::new(Fault::new(409, text))
        }
        MemberAddError::Quota(exceeded) => {
            let text = format!("Image member limit exceeded for image {shown}: {exceeded}:");
            Refusal::new(Fault::new(413, text))
        }
        MemberAddError::Database(error) => error.into(),
    }
}

/// Why a membership was not changed although it had been found: somebody else came first.
pub(crate) fn from_member_change(error: MemberChangeError, shown: &str, member: &str) -> Refusal {
    match error {
        MemberChangeError::Gone => Refusal::no_such_member(shown, member),
        MemberChangeError::Database(error) => error.into(),
    }
}
