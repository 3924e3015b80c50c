//! The two ends of a replicated view, and the barrier that holds back the answer to a restricting
//! change.
//!
//! * [`Subscriber`]: the data plane's end. Holds which records the node has, takes pushes in order,
//!   keeps the lease.
//! * [`Publisher`]: the control plane's end of one session. Knows what the node holds, pushes what
//!   changed, grants leases.
//! * [`Barrier`]: decides when no data plane can admit a download under the old state any more.
//!
//! The callers move frames, read the database and tell the time; nothing here does. The invariant
//! the three keep together:
//!
//! > Once the barrier of a restricting change is over, no shard of any node has both a record older
//! > than that change and a
//! > lease that is still running, and none will ever again.
//!
//! It rests on four rules, each checked by `tests/sim` (which fails when one is taken out):
//!
//! 1. What a node holds, its publisher knows: a record leaves the subscription only after every
//!    shard has dropped it.
//! 2. A confirmation covers all shards, and a session confirms nothing before its `Current` push is
//!    confirmed.
//! 3. A lease is granted for a ping only when everything is confirmed that was committed before
//!    some moment *after* the ping was sent. So a lease granted without a change ends at most one
//!    lease after the change was committed.
//! 4. Confirmations count only while the node's row names this connection: a session that the node
//!    has left cannot speak for it. The row stays as long as a lease may run: its `renewals`
//!    counter is raised before each grant, and only a row whose counter stood still for a lease and
//!    the margin is removed.

mod barrier;
mod publisher;
mod subscriber;

pub use barrier::{Barrier, Here, NodeObservation, Verdict};
pub use publisher::{
    Action as PublisherAction, Change, Config as PublisherConfig, EndReason, Loaded, Publisher,
    Ticket,
};
pub use subscriber::{
    Action as SubscriberAction, CloseReason, Config as SubscriberConfig, ShardChange, StepNumber,
    Subscriber,
};

/// How many session numbers belong to one connection: its first session has a multiple of this, a
/// reset takes the next. The caller gives every connection of a node a multiple never given to that
/// node before, by any control plane.
pub const SESSIONS_PER_CONNECTION: u64 = 1 << 16;

/// A point in time, or a length of it, in milliseconds of CLOCK_BOOTTIME: it runs while the machine
/// sleeps, and never back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Millis(pub u64);

impl Millis {
    /// This much later. The end of time is the latest there is.
    #[must_use]
    pub fn plus(self, length: Self) -> Self {
        Self(self.0.saturating_add(length.0))
    }

    /// How long ago an earlier point was; nothing if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

/// What the control plane adds to a lease before it takes it for over: a tenth, for two clocks that
/// differ by a few percent.
#[must_use]
pub fn lease_margin(lease: Millis) -> Millis {
    Millis(lease.0 / 10 + 1)
}
