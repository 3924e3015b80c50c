//! Reads the outbox and hands its rows to all sessions, in order.
//!
//! Woken at once by changes made here and every [`POLL`] for those of other control planes. Leaves
//! to the sessions which rows concern them. Invariant: every row after the start is handed out once
//! and in order, or the sessions are told that rows are lost.

use crate::plane::{DATABASE_RETRY, Feed, Plane};
use controlplane_db::ChangesError;
use glint_image::Seq;
use glint_image::limits::CHANGES_BATCH_MAX;
use glint_link::replica::Change;
use std::sync::Arc;
use std::time::Duration;

/// How often changes of other control planes are looked for: what they add to the reply of a
/// restricting change.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// Runs until dropped.
pub(crate) async fn run(plane: Arc<Plane>) {
    loop {
        let more = match plane.noted(next(&plane).await) {
            Ok(more) => more,
            Err(_) => {
                tokio::time::sleep(DATABASE_RETRY).await;
                continue;
            }
        };
        if !more {
            let _ = tokio::time::timeout(POLL, plane.changed.notified()).await;
        }
    }
}

/// Hands out the next rows; whether there may be more already.
async fn next(plane: &Plane) -> Result<bool, ChangesError> {
    let limit = u32::try_from(CHANGES_BATCH_MAX).expect("a small constant");
    let seen = *plane.seen.borrow();
    let changes = match plane.db.changes_after(seen, limit).await {
        Ok(changes) => changes,
        Err(ChangesError::Trimmed { through }) => {
            // Only a process that stood still for as long as rows are kept comes here.
            tracing::warn!(%seen, %through, "changes are no longer kept: all sessions start over");
            hand_out(plane, through, Feed::Lost(through));
            return Ok(true);
        }
        Err(error) => return Err(error),
    };
    let Some(newest) = changes.last().map(|change| change.seq) else { return Ok(false) };
    let full = changes.len() == CHANGES_BATCH_MAX;
    let rows = changes.into_iter().map(|row| Change {
        seq: row.seq,
        image: row.image,
        restricting: row.restricting,
    });
    hand_out(plane, newest, Feed::Changes(rows.collect()));
    Ok(full)
}

fn hand_out(plane: &Plane, newest: Seq, feed: Feed) {
    plane.seen.send_replace(newest);
    // Nobody connected is nobody to tell.
    let _ = plane.feed.send(feed);
}
