//! Who may download what: the one function that makes a [`Permit`].
//!
//! Finding out who the caller is, is left to the control plane; asking about unknown callers and
//! images to the download machine. The order of refusals is Glance's
//! (`glance/api/v2/image_data.py`, `ImageDataController.download`): not let in, not found,
//! deactivated, not allowed by policy. Invariant: whatever cannot be decided is not allowed, and is
//! not called a refusal either.

use crate::permit::Permit;
use crate::rules::Rules;
use crate::view::{ImageView, Lookup, Sight};
use glint_image::{Fault, ImageId, Status, Visibility};
use glint_link::wire::Grant;

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

/// Decides on a download by a caller who is let in. `sight` shows this image.
#[must_use]
pub fn authorize(id: ImageId, sight: &Sight<'_>, grant: &Grant) -> Verdict {
    let image = match &sight.image {
        Lookup::Unknown => return Verdict::Resolve,
        Lookup::Stale => return Verdict::Refused(undecided()),
        Lookup::Absent => return Verdict::Refused(not_found(id.as_str())),
        Lookup::Known(image) => image,
    };
    let Some(rules) = sight.rules else { return Verdict::Refused(undecided()) };
    if !visible(image, grant) {
        return Verdict::Refused(not_found(id.as_str()));
    }
    match image.status {
        None => return Verdict::Refused(undecided()),
        Some(Status::Deleted | Status::PendingDelete) => {
            return Verdict::Refused(not_found(id.as_str()));
        }
        Some(Status::Deactivated) if !grant.is_admin => {
            return Verdict::Refused(Fault::new(403, DEACTIVATED));
        }
        Some(_) => {}
    }
    if let Some(fault) = refused_by(rules, image, grant) {
        return Verdict::Refused(fault);
    }
    match image.status {
        // Glance looks at locations and not at the status; here bytes are bytes only once a commit
        // said so.
        Some(Status::Active | Status::Deactivated) if !image.locations.is_empty() => {
            Verdict::Permitted(Permit::grant(std::sync::Arc::clone(image)))
        }
        _ => Verdict::NoData,
    }
}

/// `glance/api/v2/policy.py`, `ImageAPIPolicy._enforce`: who may not even see the image is told
/// that there is none.
fn refused_by(rules: &Rules, image: &ImageView, grant: &Grant) -> Option<Fault> {
    if rules.accept("download_image", grant, image) {
        return None;
    }
    if !rules.accept("get_image", grant, image) {
        return Some(Fault::bare(404));
    }
    Some(Fault::new(403, "You are not authorized to complete download_image action."))
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
