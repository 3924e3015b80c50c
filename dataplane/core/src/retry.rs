//! Pauses between two asks of the same thing. Sleeping is left to the driver. Every pause is
//! bounded, the number of asks is not: what must become known is asked for until it is
//! (docs/flows/upload.md).

use glint_image::limits::RETRY_MS;

/// Doubling pauses up to a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retry {
    next_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { next_ms: RETRY_MS.0 }
    }
}

impl Retry {
    /// How long to pause now, in milliseconds; the next pause is twice as long, up to the bound.
    #[must_use]
    pub fn pause_ms(&mut self) -> u64 {
        let pause = self.next_ms;
        self.next_ms = (pause * 2).min(RETRY_MS.1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound() {
        let mut retry = Retry::default();
        let pauses: Vec<u64> = (0..9).map(|_| retry.pause_ms()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }
}
