//! Tidies the service's own tables: nodes that are gone, uploads whose writer is gone, rows nobody
//! needs any more.
//!
//! Works on what every control plane sees in the database, so any of them may do it and several may
//! at once. Invariant: a node's row is removed only after its `renewals` stood still for a lease
//! and a margin, seen by this process without a gap; an upload is given up only when its writer's
//! row is gone.

use crate::plane::Plane;
use controlplane_db::{DatabaseError, Node, utc_now};
use glint_image::NodeId;
use glint_image::limits::REAPED_UPLOADS_MAX;
use glint_link::replica::{Millis, lease_margin};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long outbox rows are kept: a control plane that stood still for longer has its sessions
/// start over.
const CHANGES_KEPT: Duration = Duration::from_secs(60 * 60);

/// How long the outcome of an upload is kept for a node that asks late.
const UPLOADS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How often old rows are looked for.
const TRIM_EVERY: Duration = Duration::from_secs(60);

/// Runs until dropped.
pub(crate) async fn run(plane: Arc<Plane>) {
    let mut watched = Watched::default();
    // A fraction of the lease, so that a node is missed soon after its lease is over.
    let every = Duration::from_millis((plane.lease.0 / 4).clamp(50, 5_000));
    let mut trim_at = tokio::time::Instant::now();
    loop {
        if plane.noted(reap(&plane, &mut watched).await).is_err() {
            // Nobody could renew meanwhile either: what was seen before means nothing.
            watched = Watched::default();
        }
        if tokio::time::Instant::now() >= trim_at {
            let _ = plane.noted(trim(&plane).await);
            trim_at = tokio::time::Instant::now() + TRIM_EVERY;
        }
        tokio::time::sleep(every).await;
    }
}

/// Removes nodes whose leases are over, and gives up the uploads of nodes without a row.
async fn reap(plane: &Plane, watched: &mut Watched) -> Result<(), DatabaseError> {
    let asked = plane.now();
    let nodes = plane.db.nodes().await?;
    for node in watched.lapsed(asked, plane.now(), &nodes) {
        if plane.db.node_remove(&node).await? {
            tracing::info!(node = %node.node, "a data plane is gone: its lease has run out");
        }
    }
    // Uploads first: whoever reserved one had its row before.
    let uploads = plane.db.open_uploads(REAPED_UPLOADS_MAX).await?;
    if uploads.is_empty() {
        return Ok(());
    }
    let nodes: BTreeSet<NodeId> = plane.db.nodes().await?.iter().map(|row| row.node).collect();
    for upload in uploads.iter().filter(|upload| !nodes.contains(&upload.node)) {
        plane.db.abort(upload.image, upload.epoch, utc_now()).await?;
        let (image, node) = (upload.image, upload.node);
        tracing::info!(%image, %node, "an upload is given up: its writer is gone");
        plane.changed.notify_one();
    }
    Ok(())
}

async fn trim(plane: &Plane) -> Result<(), DatabaseError> {
    let now = utc_now();
    let changes = plane.db.trim(now - CHANGES_KEPT).await?;
    let uploads = plane.db.prune_uploads(now - UPLOADS_KEPT).await?;
    tracing::debug!(changes, uploads, "old rows are forgotten");
    Ok(())
}

/// Since when each node's row is known to stand as it stands.
#[derive(Debug, Default)]
struct Watched(BTreeMap<NodeId, (Node, Millis)>);

// === impl Watched ===

impl Watched {
    /// Takes a look begun at `asked` and done at `answered`; the nodes whose leases are over.
    fn lapsed(&mut self, asked: Millis, answered: Millis, rows: &[Node]) -> Vec<Node> {
        let known = std::mem::take(&mut self.0);
        let mut lapsed = Vec::new();
        for row in rows {
            let before = known.get(&row.node).filter(|(before, _)| {
                before.renewals == row.renewals && before.session == row.session
            });
            let since = before.map_or(answered, |(_, since)| *since);
            let lease = Millis(row.lease_ms);
            if asked >= since.plus(lease).plus(lease_margin(lease)) {
                lapsed.push(*row);
            }
            self.0.insert(row.node, (*row, since));
        }
        lapsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glint_image::{Seq, SessionId};

    #[test]
    fn a_node_lapses_when_nothing_moves_for_a_lease_and_a_margin() {
        let node = |renewals: u64, session: u64| Node {
            node: NodeId([1; 16]),
            incarnation: 1,
            session: SessionId(session),
            renewals,
            applied_seq: Seq(0),
            lease_ms: 1_000,
            seen_at: utc_now(),
        };
        let over = 1_000 + lease_margin(Millis(1_000)).0;
        let check = |looks: &[(u64, Node)], expected: bool| {
            let mut watched = Watched::default();
            let mut lapsed = Vec::new();
            for (at, row) in looks {
                lapsed = watched.lapsed(Millis(*at), Millis(*at), &[*row]);
            }
            assert_eq!(!lapsed.is_empty(), expected, "{looks:?}");
        };
        check(&[(0, node(1, 64))], false);
        check(&[(0, node(1, 64)), (over - 1, node(1, 64))], false);
        check(&[(0, node(1, 64)), (over, node(1, 64))], true);
        check(&[(0, node(1, 64)), (over, node(2, 64))], false);
        check(&[(0, node(1, 64)), (over, node(1, 65))], false);
        check(&[(0, node(1, 64)), (9, node(2, 64)), (over + 8, node(2, 64))], false);
        check(&[(0, node(1, 64)), (9, node(2, 64)), (over + 9, node(2, 64))], true);
    }
}
