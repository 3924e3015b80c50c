//! Lingering close: after an answer that ends a connection, what the client still sends is read and
//! dropped for a while, so that a client which writes before it reads gets to see the answer
//! instead of a reset.
//!
//! Reading, and closing at the end, is left to the driver. Invariant: bounded in bytes and in time;
//! nothing read here is looked at, so it cannot be taken for a request.

use crate::time::Millis;
use glint_image::limits::{DRAIN_BYTES_MAX, DRAIN_MS_MAX};

/// A connection that is about to close.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Drain {
    deadline: Millis,
    left: u64,
}

/// What to do with the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Draining {
    /// Read on, at most until this point.
    Read {
        /// When to stop.
        until: Millis,
    },
    /// Close it.
    Close,
}

// === impl Drain ===

impl Drain {
    /// Begins once the answer was written and the write side shut down.
    #[must_use]
    pub fn new(now: Millis) -> Self {
        Self { deadline: now.after(DRAIN_MS_MAX), left: DRAIN_BYTES_MAX }
    }

    /// What to do now.
    pub fn next(&self, now: Millis) -> Draining {
        if self.left == 0 || now >= self.deadline {
            Draining::Close
        } else {
            Draining::Read { until: self.deadline }
        }
    }

    /// So many bytes were read and dropped; 0: the client has closed.
    pub fn read(&mut self, bytes: u64) {
        self.left = if bytes == 0 { 0 } else { self.left.saturating_sub(bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_by_bytes_by_time_and_by_the_client() {
        let check = |reads: &[u64], now: u64, closes: bool| {
            let mut drain = Drain::new(Millis(1000));
            reads.iter().for_each(|bytes| drain.read(*bytes));
            assert_eq!(drain.next(Millis(now)) == Draining::Close, closes, "{reads:?} {now}");
        };
        check(&[], 1000, false);
        check(&[1, 2, 3], 1000 + DRAIN_MS_MAX - 1, false);
        check(&[], 1000 + DRAIN_MS_MAX, true);
        check(&[DRAIN_BYTES_MAX - 1], 1000, false);
        check(&[DRAIN_BYTES_MAX - 1, 1], 1000, true);
        check(&[5, 0], 1000, true);
    }
}
