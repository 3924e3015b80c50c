//! Looks for changes that others make on this database, a Glance beside this service above all, so
//! that data planes learn of them as they do of those made here.
//!
//! Finding and numbering them is `controlplane_db::foreign`'s. The bound: a change that Glance has
//! committed is pushed within [`WATCH_EVERY`] and the time of one look (a change of a membership
//! within [`LOOKS_PER_LOOK_AT_MEMBERS`] of them), if Glance's clock and this one differ by less than
//! [`CLOCKS_APART`]. Any control plane may look, and several may at once.

use crate::plane::{DATABASE_RETRY, Plane};
use controlplane_db::{DatabaseError, Foreign, utc_now};
use glint_image::limits::FOREIGN_CHANGES_BATCH_MAX;
use std::sync::Arc;
use std::time::Duration;
use time::PrimitiveDateTime;
use tokio::time::Instant;

/// How long a change made by others may stay unseen, besides the time of looking.
pub(crate) const WATCH_EVERY: Duration = Duration::from_secs(1);

/// A change of a membership may stay unseen for so many looks: their rows are read whole.
const LOOKS_PER_LOOK_AT_MEMBERS: u64 = 5;

/// How far the clocks of others may be off, and how long their transactions may take.
const CLOCKS_APART: Duration = Duration::from_secs(15 * 60);

/// How often it is noted for the next start that nothing was missed.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Runs until dropped.
pub(crate) async fn run(plane: Arc<Plane>) {
    // What happened while no control plane ran counts too.
    let mut since = loop {
        match plane.noted(plane.db.watched_at().await) {
            Ok(at) => break at - CLOCKS_APART,
            Err(_) => tokio::time::sleep(DATABASE_RETRY).await,
        }
    };
    let mut note_at = Instant::now();
    for look_number in 0_u64.. {
        let looked_at = utc_now();
        let members = look_number.is_multiple_of(LOOKS_PER_LOOK_AT_MEMBERS);
        let looked = async {
            take_over(&plane, Foreign::Images, since).await?;
            if members { take_over(&plane, Foreign::Members, since).await } else { Ok(()) }
        };
        if plane.noted(looked.await).is_ok() && members {
            since = since.max(looked_at - CLOCKS_APART);
            if Instant::now() >= note_at {
                let _ = plane.noted(plane.db.note_watched(looked_at).await);
                note_at = Instant::now() + NOTE_EVERY;
            }
        }
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

/// Takes over everything there is.
async fn take_over(
    plane: &Plane,
    what: Foreign,
    since: PrimitiveDateTime,
) -> Result<(), DatabaseError> {
    loop {
        let limit = FOREIGN_CHANGES_BATCH_MAX;
        let found = plane.db.adopt_foreign(what, since, limit, utc_now()).await?;
        if found == 0 {
            return Ok(());
        }
        tracing::debug!(found, ?what, "images were changed by others");
        plane.changed.notify_one();
    }
}
