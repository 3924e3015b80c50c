//! Waits with the reply to a restricting change until no data plane can admit a download under the
//! old state.
//!
//! Drives `glint_link::replica::Barrier`: looks at the rows of all nodes, adds what sessions here
//! have confirmed, and looks again when something moved. Leaves the deadline to its caller.
//! Invariant: the first look begins after the change is committed, because callers have its number
//! only then.

use crate::catalogue::POLL;
use crate::plane::{DATABASE_RETRY, Plane};
use crate::sessions::SessionHandle;
use controlplane_db::Node;
use glint_image::{NodeId, Seq};
use glint_link::replica::{Barrier, Here, Millis, NodeObservation, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::watch;
use tokio::time::Instant;

/// Waits until every node is done with a committed change.
pub(crate) async fn wait(plane: &Plane, seq: Seq) {
    let mut barrier = Barrier::new(seq);
    loop {
        let progress = plane.sessions.progress();
        let asked = plane.now();
        let rows = match plane.noted(plane.db.nodes().await) {
            Ok(rows) => rows,
            Err(_) => {
                tokio::time::sleep(DATABASE_RETRY).await;
                continue;
            }
        };
        let here: BTreeMap<NodeId, SessionHandle> =
            plane.sessions.list().into_iter().map(|handle| (handle.node, handle)).collect();
        let rows: Vec<_> = rows.iter().map(|row| observation(row, here.get(&row.node))).collect();
        let Verdict::Pending { look_at } = barrier.observe(asked, plane.now(), &rows) else {
            return;
        };
        let waiting: BTreeSet<NodeId> = barrier.waiting_for().collect();
        let heard = |row: &&NodeObservation| {
            waiting.contains(&row.node) && row.here.is_some_and(|here| here.session == row.session)
        };
        let heard: BTreeSet<NodeId> = rows.iter().filter(heard).map(|row| row.node).collect();
        let look_at = plane.instant(look_at);
        // Rows of nodes connected elsewhere, or nowhere, move without a sign here.
        let all_heard = heard.len() == waiting.len();
        let look_at = if all_heard { look_at } else { look_at.min(Instant::now() + POLL) };
        let _ = tokio::time::timeout_at(look_at, confirmed(plane, progress, &heard, seq)).await;
    }
}

/// Waits until all of these nodes have confirmed the change, or one of them is connected here no
/// more: then another look at the rows is worth its query.
async fn confirmed(
    plane: &Plane,
    mut progress: watch::Receiver<u64>,
    heard: &BTreeSet<NodeId>,
    seq: Seq,
) {
    while progress.changed().await.is_ok() {
        let sessions = plane.sessions.list();
        let of_heard = || sessions.iter().filter(|session| heard.contains(&session.node));
        let open = of_heard().any(|session| session.confirmed() < seq);
        if !open || of_heard().count() < heard.len() {
            return;
        }
    }
}

fn observation(row: &Node, here: Option<&SessionHandle>) -> NodeObservation {
    NodeObservation {
        node: row.node,
        session: row.session,
        applied: row.applied_seq,
        lease: Millis(row.lease_ms),
        here: here.map(|handle| Here { session: handle.session, confirmed: handle.confirmed() }),
    }
}
