//! Which ping is being answered, and until when the node's lease counts.
//!
//! A ping is answered in three steps: the caller raises the node's `renewals` counter, so that
//! nobody takes the node for lost; it reads the head of the outbox after that; and the publisher
//! waits until everything up to that head is confirmed. The invariant: no grant leaves before all
//! three are done, and none that was granted outlives a change it does not know by more than a
//! lease.

use super::super::{Millis, lease_margin};
use glint_image::Seq;

/// The lease of one node. A new one for every session; [`Lease::counts_until`] is carried over.
#[derive(Debug)]
pub(super) struct Lease {
    length: Millis,
    /// The ping that is being answered.
    asking: Option<Asking>,
    /// The newest ping that came meanwhile.
    next: Option<Ping>,
    /// The caller was told to renew and has not reported; true across a reset, so that reports
    /// cannot be confused.
    renewing: bool,
    counts_until: Option<Millis>,
}

#[derive(Clone, Copy, Debug)]
struct Ping {
    nonce: u64,
    received: Millis,
}

#[derive(Debug)]
struct Asking {
    ping: Ping,
    /// Head of the outbox after the renewal; `None` before.
    head: Option<Seq>,
}

// === impl Lease ===

impl Lease {
    pub(super) fn new(length: Millis) -> Self {
        Self { length, asking: None, next: None, renewing: false, counts_until: None }
    }

    pub(super) fn length(&self) -> Millis {
        self.length
    }

    pub(super) fn counts_until(&self) -> Option<Millis> {
        self.counts_until
    }

    /// A session begins: no ping of an older one is answered.
    pub(super) fn restart(&mut self) {
        self.asking = None;
        self.next = None;
    }

    /// A ping arrived; true if the caller is to renew now.
    #[must_use]
    pub(super) fn asked(&mut self, now: Millis, nonce: u64) -> bool {
        let ping = Ping { nonce, received: now };
        let old = self
            .asking
            .as_ref()
            .is_some_and(|asking| now.since(asking.ping.received) >= self.length);
        if self.renewing || (self.asking.is_some() && !old) {
            self.next = Some(ping);
            return false;
        }
        self.start(ping)
    }

    /// The caller has renewed. True if it is to renew again, for a ping that came after a reset.
    #[must_use]
    pub(super) fn renewed(&mut self, head: Seq) -> bool {
        self.renewing = false;
        match (&mut self.asking, self.next) {
            (Some(asking), _) => {
                asking.head = Some(head);
                false
            }
            (None, Some(ping)) => self.start(ping),
            (None, None) => false,
        }
    }

    /// The ping that may be granted now that everything up to `settled` is confirmed, and whether
    /// to renew for the next.
    #[must_use]
    pub(super) fn granted(&mut self, settled: Seq) -> Option<(u64, bool)> {
        let asking =
            self.asking.take_if(|asking| asking.head.is_some_and(|head| head <= settled))?;
        let over = asking.ping.received.plus(self.length).plus(lease_margin(self.length));
        self.counts_until = self.counts_until.max(Some(over));
        let again = self.next.is_some_and(|ping| self.start(ping));
        Some((asking.ping.nonce, again))
    }

    fn start(&mut self, ping: Ping) -> bool {
        self.next = None;
        self.asking = Some(Asking { ping, head: None });
        self.renewing = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_needs_a_renewal_and_everything_before_it_confirmed() {
        let mut lease = Lease::new(Millis(9));
        assert!(lease.asked(Millis(1), 11));
        assert_eq!(lease.granted(Seq(9)), None, "not renewed");
        assert!(!lease.renewed(Seq(5)));
        assert_eq!(lease.granted(Seq(4)), None, "5 is not confirmed");
        assert_eq!(lease.granted(Seq(5)), Some((11, false)));
        assert_eq!(lease.counts_until(), Some(Millis(1 + 9 + 1)));
        assert_eq!(lease.granted(Seq(5)), None, "once");
    }

    #[test]
    fn a_ping_that_comes_meanwhile_is_answered_next() {
        let mut lease = Lease::new(Millis(9));
        assert!(lease.asked(Millis(1), 11));
        assert!(!lease.asked(Millis(2), 12));
        assert!(!lease.asked(Millis(3), 13));
        assert!(!lease.renewed(Seq(0)));
        assert_eq!(lease.granted(Seq(0)), Some((11, true)));
        assert!(!lease.renewed(Seq(0)));
        assert_eq!(lease.granted(Seq(0)), Some((13, false)));
    }

    #[test]
    fn a_renewal_of_an_older_session_does_not_count() {
        let mut lease = Lease::new(Millis(9));
        assert!(lease.asked(Millis(1), 11));
        lease.restart();
        assert!(!lease.asked(Millis(2), 12), "the renewal of 11 is still under way");
        assert!(lease.renewed(Seq(0)), "so 12 needs its own");
        assert_eq!(lease.granted(Seq(9)), None);
    }

    #[test]
    fn a_ping_unanswered_for_a_lease_gives_way() {
        let mut lease = Lease::new(Millis(9));
        assert!(lease.asked(Millis(1), 11));
        assert!(!lease.renewed(Seq(5)));
        assert!(lease.asked(Millis(10), 12));
        assert_eq!(lease.granted(Seq(5)), None);
    }
}
