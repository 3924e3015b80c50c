//! What each shard counts: single-writer atomics that cost an add.
//!
//! Leaves reading and showing them to its caller. Invariant: only the shard that owns a set of
//! counters writes it, so plain relaxed adds lose nothing; sums over shards are a moment's view,
//! not a transaction.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of one shard.
        #[derive(Debug, Default)]
        pub(crate) struct ShardCounters {
            $($(#[$doc])* pub(crate) $name: Counter,)*
        }

        /// A moment's view of the counters, summed over all shards.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Sums the counters of all shards.
            pub(crate) fn sum<'a>(shards: impl Iterator<Item = &'a ShardCounters>) -> Self {
                let mut sum = Self::default();
                for shard in shards {
                    $(sum.$name = sum.$name.wrapping_add(shard.$name.get());)*
                }
                sum
            }
        }
    };
}

counters! {
    /// Connections accepted.
    connections_accepted,
    /// Connections refused because the shard had as many as it takes.
    connections_refused,
    /// Connections open now.
    connections_open,
    /// Requests whose head was read whole.
    requests,
    /// Bytes of images sent to clients.
    bytes_sent,
    /// Bytes of images received from clients.
    bytes_received,
    /// Windows of a download that were not in the page cache and went through a pipe.
    windows_cold,
    /// Calls made inline that held up the shard for more than two milliseconds.
    stalls,
    /// Replies given again without asking the control plane.
    replies_kept,
    /// Uploads that ended with an active image.
    uploads_stored,
    /// Uploads that ended without one.
    uploads_failed,
}

/// One number with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Takes from it; for counts of what is there now.
    #[inline]
    pub(crate) fn sub(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    /// Reads it.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_over_all_shards() {
        let (one, two) = (ShardCounters::default(), ShardCounters::default());
        one.bytes_sent.add(5);
        two.bytes_sent.add(7);
        two.connections_open.add(2);
        two.connections_open.sub(1);
        let expected = Counters { bytes_sent: 12, connections_open: 1, ..Counters::default() };
        assert_eq!(Counters::sum([&one, &two].into_iter()), expected);
    }
}
