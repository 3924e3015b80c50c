//! Who may download what: the one function that makes a [`Permit`].
//!
//! Finding out who the caller is, is left to whoever makes the [`Grant`]; asking about unknown
//! images to the download machine. The order of refusals is Glance's
//! (`glance/api/v2/image_data.py`, `ImageDataController.download`): not found, deactivated.
//! Invariant: whatever cannot be decided is not allowed, and is not called a refusal either.

use crate::permit::Permit;
use crate::view::{ImageView, Lookup};
use glint_image::{Fault, ImageId, Status, Visibility};

/// What the caller may do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    is_admin: bool,
    project: Option<String>,
}

impl Grant {
    /// The grant of everybody where nobody authenticates: admin, of no project
    /// (`glance/api/middleware/context.py`, `UnauthenticatedContextMiddleware`).
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self { is_admin: true, project: None }
    }

    /// The grant of a project's member without further roles.
    #[must_use]
    pub fn member_of(project: impl Into<String>) -> Self {
        Self { is_admin: false, project: Some(project.into()) }
    }
}

/// The answer of [`authorize`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Send the bytes.
    Permitted(Permit),
    /// The image may be read but has no bytes: 204.
    NoData,
    /// Answer with this.
    Refused(Fault),
    /// The image is not known here: ask, then look again.
    Resolve,
}

/// Decides on a download.
#[must_use]
pub fn authorize(id: ImageId, lookup: &Lookup, grant: &Grant) -> Verdict {
    let image = match lookup {
        Lookup::Unknown => return Verdict::Resolve,
        Lookup::Stale => return Verdict::Refused(undecided()),
        Lookup::Absent => return Verdict::Refused(not_found(id.as_str())),
        Lookup::Known(image) => image,
    };
    if !visible(image, grant) {
        return Verdict::Refused(not_found(id.as_str()));
    }
    match image.status {
        None => Verdict::Refused(undecided()),
        Some(Status::Deleted | Status::PendingDelete) => Verdict::Refused(not_found(id.as_str())),
        Some(Status::Deactivated) if !grant.is_admin => {
            Verdict::Refused(Fault::new(403, DEACTIVATED))
        }
        // Glance looks at locations and not at the status; here bytes are bytes only once a commit
        // said so.
        Some(Status::Active | Status::Deactivated) if !image.locations.is_empty() => {
            Verdict::Permitted(Permit::grant(std::sync::Arc::clone(image)))
        }
        Some(_) => Verdict::NoData,
    }
}

const DEACTIVATED: &str =
    "The requested image has been deactivated. Image data download is forbidden.";

/// Glance's answer for an image that is not there or not the caller's to see
/// (`glance/db/__init__.py`, `ImageRepo.get`).
#[must_use]
pub fn not_found(id: &str) -> Fault {
    Fault::new(404, format!("No image found with ID {id}"))
}

/// The answer where the control plane would have to be asked and cannot be.
#[must_use]
pub fn undecided() -> Fault {
    Fault::new(503, "The image catalogue cannot be reached. Please try again later.")
}

/// Glance: `glance/db/sqlalchemy/api.py`, `is_image_visible`.
fn visible(image: &ImageView, grant: &Grant) -> bool {
    if grant.is_admin {
        return true;
    }
    if matches!(image.visibility, Visibility::Public | Visibility::Community) {
        return true;
    }
    let Some(project) = &grant.project else {
        return image.owner.is_none();
    };
    image.owner.as_ref().is_none_or(|owner| owner == project)
        || (image.visibility == Visibility::Shared && image.members.contains(project))
}

#[cfg(test)]
#[path = "authorize_tests.rs"]
mod tests;
