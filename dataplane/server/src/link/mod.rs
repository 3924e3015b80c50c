//! The data plane's end of the link: one thread, one owner of the replica machine.
//!
//! Opens the connection and opens it again, drives [`Subscriber`], hands every change to every
//! shard and tells the control plane what *all* shards have done. What a change means is the
//! shards' and the machine's matter. Invariants: changes reach each shard in the order the machine
//! gave them; asks run only over a connection whose session was welcomed.

pub(crate) mod asks;
mod backoff;
pub(crate) mod session;

use glint_link::replica::{Millis, ShardChange, StepNumber};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, watch};

/// What the link tells a shard.
#[derive(Clone, Debug)]
pub(crate) enum ToShard {
    /// Change the view, then confirm the step.
    Change {
        /// The change's place.
        step: StepNumber,
        /// The change; shared, because every shard gets the same.
        change: Arc<ShardChange>,
    },
    /// New downloads may begin before this point in time.
    Lease(Millis),
}

/// How far the link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LinkState {
    /// There is no session.
    Away,
    /// A session has begun: asks can be made, and soon there will be a lease.
    Welcomed,
    /// The session's pushes say how everything is now.
    Current,
}

/// The link's hold on one shard.
#[derive(Debug)]
pub(crate) struct ShardLink {
    /// The shard's mailbox.
    pub(crate) mailbox: mpsc::Sender<ToShard>,
}

/// How far all shards are together: what has happened on every one of them.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    steps: Arc<[AtomicU64]>,
    floor: watch::Sender<StepNumber>,
}

// === impl Progress ===

impl Progress {
    /// For so many shards that have applied nothing.
    pub(crate) fn new(shards: usize) -> Self {
        assert!(shards > 0, "a data plane without shards serves nobody");
        let steps = (0..shards).map(|_| AtomicU64::new(0)).collect();
        Self { steps, floor: watch::channel(StepNumber(0)).0 }
    }

    /// A shard has applied everything up to this step. Called by the shard, after its view has
    /// changed.
    pub(crate) fn confirm(&self, shard: usize, step: StepNumber) {
        let before = self.steps[shard].swap(step.0, Ordering::SeqCst);
        assert!(before < step.0, "steps rise");
        // Of two shards that come here at once, the second to get the lock sees what both have
        // stored.
        self.floor.send_if_modified(|floor| {
            let least = self.steps.iter().map(|step| step.load(Ordering::SeqCst)).min();
            let least = StepNumber(least.expect("there is a shard"));
            let risen = least > *floor;
            *floor = least.max(*floor);
            risen
        });
    }

    /// The newest step that every shard has applied, and word of every rise.
    pub(crate) fn floor(&self) -> watch::Receiver<StepNumber> {
        self.floor.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_what_every_shard_has_done() {
        let progress = Progress::new(3);
        let floor = progress.floor();
        let check = |shard: usize, step: u64, expected: u64| {
            progress.confirm(shard, StepNumber(step));
            assert_eq!(*floor.borrow(), StepNumber(expected));
        };
        check(0, 5, 0);
        check(1, 2, 0);
        check(2, 1, 1);
        check(2, 9, 2);
        check(1, 9, 5);
        check(0, 9, 9);
    }
}
