//! The members of an image: the projects it is shared with (Glance:
//! `glance/api/v2/image_members.py`; `glance/domain/__init__.py`, `ImageMembership`).
//!
//! Leaves policies and storing to its callers. Invariants: only shared images show members; a
//! caller is shown a membership only if it is of its own image, its own, or the caller is an
//! administrator.

use serde_json::Value;
use time::PrimitiveDateTime;

use glint_image::Visibility;

use crate::context::Context;
use crate::image::Image;
use crate::value::{self, ValueRefused};

/// Most characters of a member's name: the width of `image_members.member`.
pub const MEMBER_CHARS_MAX: usize = 255;

/// What a member thinks of an image shared with it. Only lists of images ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MembershipStatus {
    /// Nothing yet.
    Pending,
    /// The image belongs in the member's lists.
    Accepted,
    /// It does not.
    Rejected,
}

/// One project with which an image is shared. Times are UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The project's id, or whatever the owner called it.
    pub member: String,
    /// What the member thinks of it.
    pub status: MembershipStatus,
    /// When the image was shared with the member for the first time.
    pub created_at: PrimitiveDateTime,
    /// When the membership was last changed.
    pub updated_at: PrimitiveDateTime,
}

/// Only shared images have members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Only shared images have members.")]
pub struct NotShared;

/// Why the body of a request about members is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberRefused {
    /// No member is named.
    #[error("Member to be added not specified")]
    NoMember,
    /// The member's name says nothing.
    #[error("Member can't be empty")]
    EmptyMember,
    /// The body is no object, or the member no text.
    #[error("Expected a member in the form: {{\"member\": \"image_id\"}}")]
    MemberForm,
    /// The member's name does not fit its column.
    #[error("Member can't be longer than 255 characters")]
    LongMember,
    /// No status is named.
    #[error("Status not specified")]
    NoStatus,
    /// The body is no object.
    #[error("Expected a status in the form: {{\"status\": \"status\"}}")]
    StatusForm,
    /// There is no such status. Known only once the member has been found.
    #[error("Incorrect request: Status must be \"pending\", \"accepted\" or \"rejected\".")]
    UnknownStatus,
    /// A character that the column cannot hold.
    #[error(transparent)]
    Value(#[from] ValueRefused),
}

// === impl MembershipStatus ===

impl MembershipStatus {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Accepted, Self::Rejected];

    /// The text of the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }

    /// Reads the text of the database or the API.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// Refuses images that are not shared: their members count for nothing.
///
/// # Errors
/// [`NotShared`].
pub fn check_shared(image: &Image) -> Result<(), NotShared> {
    if image.visibility == Visibility::Shared { Ok(()) } else { Err(NotShared) }
}

/// Whether a caller is shown this membership of an image it can see
/// (`glance/db/sqlalchemy/api.py`, `_image_member_find`).
#[must_use]
pub fn is_shown(caller: &Context, image: &Image, member: &str) -> bool {
    caller.is_admin || caller.project == image.owner || caller.project.as_deref() == Some(member)
}

/// The member that the body of a request names. Other keys are passed over.
///
/// # Errors
/// [`MemberRefused`].
pub fn read_member(body: &Value) -> Result<String, MemberRefused> {
    let body = body.as_object().ok_or(MemberRefused::MemberForm)?;
    let member = match body.get("member").ok_or(MemberRefused::NoMember)? {
        Value::String(member) => member,
        nothing if value::is_falsy(nothing) => return Err(MemberRefused::EmptyMember),
        _ => return Err(MemberRefused::MemberForm),
    };
    if member.is_empty() {
        return Err(MemberRefused::EmptyMember);
    }
    if member.chars().count() > MEMBER_CHARS_MAX {
        return Err(MemberRefused::LongMember);
    }
    Ok(member.clone())
}

/// Refuses a name with characters that `image_members.member` cannot hold. Comes last
/// (`glance/common/utils.py`, `no_4byte_params`).
///
/// # Errors
/// [`MemberRefused::Value`].
pub fn check_member(member: &str) -> Result<(), MemberRefused> {
    Ok(value::check_text("member", member)?)
}

/// The status that the body of a request names, not yet understood.
///
/// # Errors
/// [`MemberRefused`].
pub fn read_status(body: &Value) -> Result<&Value, MemberRefused> {
    let body = body.as_object().ok_or(MemberRefused::StatusForm)?;
    body.get("status").ok_or(MemberRefused::NoStatus)
}

/// Understands a status.
///
/// # Errors
/// [`MemberRefused::UnknownStatus`].
pub fn parse_status(status: &Value) -> Result<MembershipStatus, MemberRefused> {
    status.as_str().and_then(MembershipStatus::parse).ok_or(MemberRefused::UnknownStatus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::image;
    use serde_json::json;

    #[test]
    fn bodies_name_one_member() {
        let check = |body: Value, expected: Result<&str, MemberRefused>| {
            let found = read_member(&body);
            assert_eq!(found, expected.map(str::to_owned), "{body}");
        };
        check(json!({"member": "p", "x": 1}), Ok("p"));
        check(json!({"member": " "}), Ok(" "));
        check(json!({"member": ""}), Err(MemberRefused::EmptyMember));
        check(json!({"member": null}), Err(MemberRefused::EmptyMember));
        check(json!({"member": 0}), Err(MemberRefused::EmptyMember));
        check(json!({"member": {}}), Err(MemberRefused::EmptyMember));
        check(json!({"member": 5}), Err(MemberRefused::MemberForm));
        check(json!({}), Err(MemberRefused::NoMember));
        check(json!(["member"]), Err(MemberRefused::MemberForm));
        check(json!({"member": "é".repeat(255)}), Ok(&"é".repeat(255)));
        check(json!({"member": "a".repeat(256)}), Err(MemberRefused::LongMember));
        let smile = check_member("\u{1f600}").expect_err("four bytes").to_string();
        assert_eq!(smile, "Member can't contain 4 byte unicode characters.");
        assert_eq!(check_member("é"), Ok(()));
    }

    #[test]
    fn bodies_name_one_status() {
        let check = |body: Value, expected: Result<MembershipStatus, MemberRefused>| {
            assert_eq!(read_status(&body).and_then(parse_status), expected, "{body}");
        };
        for status in MembershipStatus::ALL {
            check(json!({"status": status.as_str()}), Ok(status));
        }
        check(json!({"status": "Accepted"}), Err(MemberRefused::UnknownStatus));
        check(json!({"status": null}), Err(MemberRefused::UnknownStatus));
        check(json!({}), Err(MemberRefused::NoStatus));
        check(json!(["status"]), Err(MemberRefused::StatusForm));
    }

    #[test]
    fn memberships_are_shown_to_owner_member_and_admin() {
        let mut image = image();
        image.owner = Some("own".to_owned());
        let of = |project: &str| Context { project: Some(project.into()), ..Context::default() };
        let check = |caller: &Context, member: &str, expected: bool| {
            assert_eq!(is_shown(caller, &image, member), expected, "{caller:?} {member}");
        };
        check(&of("own"), "mem", true);
        check(&of("mem"), "mem", true);
        check(&of("mem"), "other", false);
        check(&Context::default(), "mem", false);
        check(&Context::unauthenticated(), "mem", true);
    }

    #[test]
    fn only_shared_images_have_members() {
        for visibility in Visibility::ALL {
            let mut image = image();
            image.visibility = visibility;
            let shared = visibility == Visibility::Shared;
            assert_eq!(check_shared(&image).is_ok(), shared, "{visibility}");
        }
    }
}
