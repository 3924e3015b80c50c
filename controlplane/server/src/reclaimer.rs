//! Has the bytes of deleted images removed.
//!
//! Orders stand in the database until a data plane says that it carried them out; so a crash on
//! either side loses none. Leaves the removing to the data plane. Invariant: an order goes out only
//! when no data plane can begin a download of the image any more, so that no admitted download
//! finds its bytes gone.

use crate::barriers;
use crate::plane::Plane;
use crate::sessions::{Request, SessionHandle};
use controlplane_db::{DatabaseError, Reclaim};
use glint_image::NodeId;
use glint_image::limits::RECLAIMS_OPEN_MAX;
use glint_link::wire;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often orders are looked for that nobody gave a sign of: those of other control planes, and
/// those left by a crash.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long a node has for an order before another one is asked.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who was asked to carry out an order, and when.
#[derive(Clone, Copy, Debug)]
struct Offer {
    node: NodeId,
    at: Instant,
}

/// Runs until dropped.
pub(crate) async fn run(plane: Arc<Plane>) {
    let mut offers = BTreeMap::new();
    loop {
        let _ = plane.noted(offer(&plane, &mut offers).await);
        let _ = tokio::time::timeout(LOOK_EVERY, plane.reclaims_wanted.notified()).await;
    }
}

async fn offer(plane: &Plane, offers: &mut BTreeMap<u64, Offer>) -> Result<(), DatabaseError> {
    let limit = u32::try_from(RECLAIMS_OPEN_MAX).expect("a small constant");
    let orders = plane.db.reclaims(limit).await?;
    offers.retain(|order, _| orders.iter().any(|open| open.order == *order));
    let sessions = plane.sessions.list();
    if orders.is_empty() || sessions.is_empty() {
        return Ok(());
    }
    if orders.iter().any(|order| !offers.contains_key(&order.order)) {
        // The changes that gave these orders are at or before this one.
        let head = plane.db.head().await?;
        barriers::wait(plane, head).await;
    }
    for order in orders {
        let before = offers.get(&order.order).copied();
        if let Some(next) = choose(&sessions, before) {
            let node = next.node;
            let number = order.order;
            if next.tell(Request::Reclaim(wire_order(order))).await.is_ok() {
                offers.insert(number, Offer { node, at: Instant::now() });
            }
        }
    }
    Ok(())
}

/// The first node; if one was asked before, nobody for a while, then the node after it.
fn choose(sessions: &[SessionHandle], before: Option<Offer>) -> Option<&SessionHandle> {
    let Some(Offer { node, at }) = before else { return sessions.first() };
    let connected = sessions.iter().any(|session| session.node == node);
    if connected && at.elapsed() < PATIENCE {
        return None;
    }
    sessions.iter().find(|session| session.node > node).or(sessions.first())
}

fn wire_order(order: Reclaim) -> wire::Reclaim {
    wire::Reclaim {
        order: order.order,
        image: *order.image.as_bytes(),
        location: wire::Location { store: order.store, url: order.url },
    }
}
