//! Saving an image that one rule changes: a tag, a status.
//!
//! Invariant: the rule is applied to the image as it is when it is saved; where another change came
//! first, to what that left.

use controlplane_db::{Changed, ImageUpdate, UpdateError, utc_now};
use controlplane_domain::{Context, Image};
use glint_image::{Status, limits};

use super::show;
use crate::app::App;
use crate::error::{self, Refusal};

/// What becomes of an image.
pub(super) enum Outcome {
    /// Nothing is saved.
    Kept,
    /// All but what goes with its bytes is saved.
    Changed(Image),
    /// Its status is saved too, provided that it is still the one named.
    Moved(Image, Status),
}

/// Finds the image, applies the rule and saves what comes out; `absent` refuses an image that is
/// not there.
pub(super) async fn save(
    app: &App,
    caller: &Context,
    shown: &str,
    absent: fn(&str) -> Refusal,
    rule: impl Fn(Image) -> Result<Outcome, Refusal>,
) -> Result<Option<Changed>, Refusal> {
    for _ in 0..limits::UPDATE_ATTEMPTS_MAX {
        let before = show::find(app, caller, shown).await?.ok_or_else(|| absent(shown))?;
        let (image, from_status) = match rule(before)? {
            Outcome::Kept => return Ok(None),
            Outcome::Changed(image) => (image, None),
            Outcome::Moved(image, from) => (image, Some(from)),
        };
        let update = ImageUpdate { image: &image, from_status, unchanged_since: Some(image.seq) };
        match app.db.image_update(update, utc_now()).await {
            Ok(updated) => return Ok(Some(updated.changed)),
            Err(UpdateError::Stale | UpdateError::Conflict(_)) => {}
            Err(UpdateError::Gone) => return Err(absent(shown)),
            Err(error) => return Err(error::from_update(error, shown)),
        }
    }
    Err(error::from_update(UpdateError::Stale, shown))
}
