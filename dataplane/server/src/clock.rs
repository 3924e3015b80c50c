//! The clock of leases and deadlines.
//!
//! CLOCK_BOOTTIME runs while the machine sleeps, so a node that slept through its lease knows it.

use glint_link::replica::Millis;
use rustix::time::{ClockId, clock_gettime};

/// The time now.
pub(crate) fn now() -> Millis {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).expect("time since boot is not negative");
    let nanoseconds = u64::try_from(time.tv_nsec).expect("a part of a second is not negative");
    Millis(seconds * 1_000 + nanoseconds / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_run_backwards_and_counts_milliseconds() {
        let (before, began) = (now(), std::time::Instant::now());
        while began.elapsed().as_millis() < 20 {
            std::hint::spin_loop();
        }
        let passed = now().since(before).0;
        assert!((19..2_000).contains(&passed), "{passed}");
    }
}
