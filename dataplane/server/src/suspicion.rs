//! Whether the store may be trusted with new bytes.
//!
//! After a failed sync the kernel may have dropped bytes it had accepted, so nothing that the store
//! says later about *those* bytes counts (the upload machine gives them up), and new ones are kept
//! away until a probe has gone through. Invariant: once raised, the suspicion ends only by a whole
//! probe: written, synced, removed.

use dataplane_io::{Arena, Bulk};
use dataplane_store::{FileStore, TempName};
use glint_image::{Epoch, ImageId, NodeId};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// How long to wait before a suspect store is probed, and between two probes.
const PROBE_PAUSE: Duration = Duration::from_secs(5);

/// The suspicion against one store.
#[derive(Debug, Default)]
pub(crate) struct Suspicion {
    raised: AtomicBool,
    bell: Notify,
}

// === impl Suspicion ===

impl Suspicion {
    /// The store has failed a sync.
    pub(crate) fn raise(&self) {
        if !self.raised.swap(true, Ordering::SeqCst) {
            tracing::error!(
                "the image store lost bytes: it gets no new ones until it proves itself"
            );
        }
        self.bell.notify_one();
    }

    /// Whether new bytes are to be kept away.
    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }

    /// Probes the store whenever it is suspect, until it passes. Runs for as long as it is polled.
    pub(crate) async fn watch(&self, bulk: &Bulk, store: &FileStore, node: NodeId) {
        loop {
            self.bell.notified().await;
            while self.is_raised() {
                tokio::time::sleep(PROBE_PAUSE).await;
                match probe(bulk, store, node).await {
                    Ok(()) => {
                        self.raised.store(false, Ordering::SeqCst);
                        tracing::warn!("the image store took a probe: it gets new bytes again");
                    }
                    Err(error) => tracing::error!(error, "the image store is still suspect"),
                }
            }
        }
    }
}

/// Writes a block under a temporary name of no image, syncs it and removes it. If the process dies
/// on the way, recovery finds the name, and that its epoch is nobody's.
async fn probe(bulk: &Bulk, store: &FileStore, node: NodeId) -> Result<(), String> {
    let name = TempName { image: ImageId::random(), epoch: Epoch(0), node };
    let maker = store.clone();
    let made = bulk.call(move || maker.create_temp(name, None)).await;
    let temp = made.map_err(|error| error.to_string())?;
    let arena = Arena::new(1).map_err(|error| error.to_string())?;
    let mut buffer = arena.take().await;
    buffer.extend(b"The image store takes bytes and keeps them.");
    let written = bulk.write_at(&temp.file, buffer.freeze(), 0).await;
    let synced = match written {
        Ok(_) => bulk.fsync(&temp.file).await.map_err(|error| error.to_string()),
        Err(failed) => Err(failed.error.to_string()),
    };
    let remover = store.clone();
    let removed = bulk.call(move || remover.unlink_temp(name)).await;
    synced.and(removed.map_err(|error| error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;
    use dataplane_io::BulkOptions;

    #[test]
    fn a_probe_leaves_nothing_and_a_suspicion_lasts_until_one_passes() {
        let dir = TempDir::new("suspicion");
        let store = FileStore::open(dir.path()).unwrap();
        let bulk = Bulk::start(BulkOptions::default()).unwrap();
        let suspicion = Suspicion::default();
        assert!(!suspicion.is_raised());
        suspicion.raise();
        assert!(suspicion.is_raised());
        let node = NodeId([3; 16]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(probe(&bulk, &store, node)).unwrap();
        assert_eq!(store.incoming(node).unwrap(), []);
        assert!(suspicion.is_raised(), "only the watch ends it");
    }
}
