//! How long to wait before the next attempt to reach the control plane.
//!
//! Invariant: between [`FIRST`] / 2 and [`LONGEST`]; spread at random, so that a fleet that lost
//! its control plane does not come back in step.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// Grows with every failure, starts over with every success.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The last attempt succeeded.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }

    /// How long to wait now; `random` is any random number.
    pub(super) fn wait(&mut self, random: u64) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        let spread = u32::try_from(random % 512).expect("a remainder of 512");
        whole * (512 + spread) / 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_start_over() {
        let mut backoff = Backoff::new();
        for random in [0, 511, u64::MAX, 7] {
            backoff.reset();
            let waits: Vec<Duration> = (0..10).map(|_| backoff.wait(random)).collect();
            assert!(waits[0] >= FIRST / 2 && waits[0] <= FIRST, "{waits:?}");
            assert!(waits.is_sorted(), "{waits:?}");
            assert!(waits[9] >= LONGEST / 2 && waits[9] <= LONGEST, "{waits:?}");
        }
    }
}
