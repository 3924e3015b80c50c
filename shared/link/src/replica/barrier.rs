//! Holds back the answer to a restricting change until no data plane can admit a download under the
//! old state.
//!
//! The caller commits the change, then looks at the rows of all nodes again and again until
//! [`Verdict::Done`]. The first look must begin after the commit: a node that says hello later
//! reads its records after the change anyway.
//!
//! A node is done with when it has confirmed the change, when its row is gone (its lease had run
//! out before that), or when a whole lease and the margin have passed since the first look: every
//! lease granted without the change is over then, for later ones are granted only to nodes that
//! have confirmed it (rule 3 in [`super`]). So a wait has an end, whatever the nodes do. The
//! invariant: a node once done with stays done.

use super::{Millis, lease_margin};
use glint_image::{NodeId, Seq, SessionId};
use std::collections::BTreeMap;

/// What one look at the `glint_nodes` table shows of one node, and what this process knows of it
/// besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeObservation {
    /// The node.
    pub node: NodeId,
    /// The connection that the row names: the first session number of the newest connection.
    pub session: SessionId,
    /// The change up to which the node has confirmed everything, as the row says.
    pub applied: Seq,
    /// Length of one lease.
    pub lease: Millis,
    /// What a publisher in this process says, so that a node connected here need not be looked up
    /// in the row.
    pub here: Option<Here>,
}

/// What a publisher in this process knows of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Here {
    /// [`super::Publisher::connection`].
    pub session: SessionId,
    /// [`super::Publisher::confirmed_through`].
    pub confirmed: Seq,
}

/// What a look at the nodes means for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The answer may go out.
    Done,
    /// Look again when a node confirms something, and at this point in time at the latest.
    Pending {
        /// When the first of the remaining leases is over if it is not renewed.
        look_at: Millis,
    },
}

/// The wait of one restricting change.
#[derive(Debug)]
pub struct Barrier {
    seq: Seq,
    /// The nodes not done with; `None` before the first look.
    waiting: Option<BTreeMap<NodeId, Watch>>,
}

/// How long the leases may run that a node got without the change.
#[derive(Clone, Copy, Debug)]
struct Watch {
    since: Millis,
    lease: Millis,
}

// === impl Barrier ===

impl Barrier {
    /// A wait for the change `seq`, which is committed.
    #[must_use]
    pub fn new(seq: Seq) -> Self {
        Self { seq, waiting: None }
    }

    /// Takes a look at all rows: `asked` is the time just before the rows were read, `answered`
    /// just after. A slow database makes a wait longer this way, never shorter.
    pub fn observe(
        &mut self,
        asked: Millis,
        answered: Millis,
        rows: &[NodeObservation],
    ) -> Verdict {
        assert!(asked <= answered, "a look ends after it began");
        let seq = self.seq;
        let open = rows.iter().filter(|row| !row.has_applied(seq));
        let waiting: BTreeMap<NodeId, Watch> = match self.waiting.take() {
            None => {
                let watch = |row: &NodeObservation| Watch { since: answered, lease: row.lease };
                open.map(|row| (row.node, watch(row))).collect()
            }
            Some(known) => open
                .filter_map(|row| Some((row.node, known.get(&row.node)?.look(row, asked)?)))
                .collect(),
        };
        let look_at = waiting.values().map(Watch::over_at).min();
        self.waiting = Some(waiting);
        look_at.map_or(Verdict::Done, |look_at| Verdict::Pending { look_at })
    }

    /// The nodes still waited for, for the log.
    pub fn waiting_for(&self) -> impl Iterator<Item = NodeId> {
        self.waiting.iter().flat_map(|nodes| nodes.keys().copied())
    }
}

impl NodeObservation {
    fn has_applied(&self, seq: Seq) -> bool {
        // A publisher whose node has connected elsewhere meanwhile does not know what the node
        // holds now.
        let here = self.here.filter(|here| here.session == self.session);
        self.applied >= seq || here.is_some_and(|here| here.confirmed >= seq)
    }
}

impl Watch {
    fn over_at(&self) -> Millis {
        self.since.plus(self.lease).plus(lease_margin(self.lease))
    }

    /// The node after another look, `None` if its leases are over.
    fn look(mut self, row: &NodeObservation, asked: Millis) -> Option<Self> {
        self.lease = self.lease.max(row.lease);
        (asked < self.over_at()).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Millis = Millis(10_000);
    const OVER: u64 = 11_001;

    fn row(node: u8, session: u64, applied: u64) -> NodeObservation {
        NodeObservation {
            node: NodeId([node; 16]),
            session: SessionId(session),
            applied: Seq(applied),
            lease: LEASE,
            here: None,
        }
    }

    fn here(row: NodeObservation, session: u64, confirmed: u64) -> NodeObservation {
        NodeObservation {
            here: Some(Here { session: SessionId(session), confirmed: Seq(confirmed) }),
            ..row
        }
    }

    /// Plays looks (time, rows) at a barrier for change 7; each but the last must be pending.
    fn check(looks: &[(u64, &[NodeObservation])], done: bool) {
        let mut barrier = Barrier::new(Seq(7));
        for (index, (at, rows)) in looks.iter().enumerate() {
            let verdict = barrier.observe(Millis(*at), Millis(*at), rows);
            let expected = done && index + 1 == looks.len();
            assert_eq!(verdict == Verdict::Done, expected, "look {index}: {verdict:?} {looks:?}");
        }
    }

    #[test]
    fn a_confirmation_ends_the_wait() {
        check(&[(0, &[])], true);
        check(&[(0, &[row(1, 0, 7)])], true);
        check(&[(0, &[row(1, 0, 6)]), (1, &[row(1, 0, 7)])], true);
        check(&[(0, &[row(1, 0, 6), row(2, 0, 9)]), (1, &[row(1, 0, 6), row(2, 0, 9)])], false);
    }

    #[test]
    fn a_publisher_speaks_only_for_the_connection_that_the_row_names() {
        check(&[(0, &[here(row(1, 64, 0), 64, 7)])], true);
        check(&[(0, &[here(row(1, 64, 0), 64, 6)])], false);
        check(&[(0, &[here(row(1, 128, 0), 64, 7)])], false);
    }

    #[test]
    fn a_lease_and_its_margin_end_the_wait() {
        check(&[(5, &[row(1, 0, 0)]), (5 + OVER - 1, &[row(1, 0, 0)])], false);
        check(&[(5, &[row(1, 0, 0)]), (5 + OVER, &[row(1, 0, 0)])], true);
        let longer = NodeObservation { lease: Millis(2 * LEASE.0), ..row(1, 0, 0) };
        check(&[(5, &[row(1, 0, 0)]), (6, &[longer]), (5 + OVER, &[row(1, 0, 0)])], false);
    }

    #[test]
    fn a_row_that_is_gone_and_nodes_that_come_later_are_not_waited_for() {
        check(&[(0, &[row(1, 0, 0)]), (1, &[])], true);
        check(&[(0, &[row(1, 0, 0)]), (1, &[row(2, 0, 0)])], true);
    }

    #[test]
    fn the_time_a_look_takes_is_counted_against_the_wait() {
        let rows = [row(1, 0, 0)];
        let mut barrier = Barrier::new(Seq(7));
        let verdict = barrier.observe(Millis(0), Millis(500), &rows);
        assert_eq!(verdict, Verdict::Pending { look_at: Millis(500 + OVER) });
        let verdict = barrier.observe(Millis(500 + OVER - 1), Millis(60_000), &rows);
        assert_eq!(verdict, Verdict::Pending { look_at: Millis(500 + OVER) });
        assert_eq!(barrier.observe(Millis(60_000), Millis(60_000), &rows), Verdict::Done);
        assert_eq!(barrier.waiting_for().count(), 0);
    }
}
