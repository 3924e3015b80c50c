//! What one node holds, what of it has changed, and what of that the node has confirmed.
//!
//! Plain accounting for [`super::Publisher`], which decides when to load and what to send. The
//! invariant: a change fed for a held image stays *open* (in `uncovered` until a record at least as
//! new is pushed, then in `floors` until that push is confirmed), and [`Records::covered_through`]
//! and [`Records::settled_through`] never pass an open change.

use glint_image::{ImageId, Seq};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The node's records as the control plane knows them.
#[derive(Debug, Default)]
pub(super) struct Records {
    held: BTreeMap<ImageId, Entry>,
    /// Changes that no load has covered yet: the oldest of each image.
    uncovered: BTreeSet<(Seq, ImageId)>,
    /// For an unconfirmed push, the oldest change it brings into force.
    floors: BTreeMap<u64, Seq>,
    floors_by_seq: BTreeSet<(Seq, u64)>,
    /// Images to load for a change or an ask; they go before those of a `Hold` list.
    urgent: VecDeque<ImageId>,
    listed: VecDeque<ImageId>,
    /// Images of the `Hold` list not yet compared.
    uncompared: usize,
}

/// One image the node holds, or will once a push arrives.
#[derive(Debug, Default)]
struct Entry {
    /// Number of the newest record the node has or is being sent. `None`: it has none that we know
    /// of.
    seq: Option<Seq>,
    /// The push that carries the state as of `as_of`; 0 if the node came with it.
    number: u64,
    /// Everything up to here is in the record sent.
    as_of: Seq,
    /// What was fed when the subscription began. Changes up to here may have been reported as
    /// settled, because the node did not hold the image; a load begun before that must not bring
    /// them back.
    base: Seq,
    /// The newest change fed.
    wanted: Seq,
    uncovered: Option<Seq>,
    /// Push even what the node is believed to have: it asked.
    forced: bool,
    uncompared: bool,
    queued_urgent: bool,
    queued_listed: bool,
}

/// What to do with a loaded record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// The node no longer holds the image, or has this state already.
    Known,
    /// The node is to have it.
    Push,
    /// It is too old to be of use, and will be loaded again.
    TooOld,
}

// === impl Entry ===

impl Entry {
    fn since(fed: Seq) -> Self {
        Self { base: fed, wanted: fed, ..Self::default() }
    }
}

// === impl Records ===

impl Records {
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn holds(&self, image: ImageId) -> bool {
        self.held.contains_key(&image)
    }

    /// Whether the node has some record of the image, or will by a push that is sent.
    pub(super) fn is_sent(&self, image: ImageId) -> bool {
        self.held.get(&image).is_some_and(|entry| entry.seq.is_some())
    }

    /// Images of the `Hold` list not yet compared.
    pub(super) fn uncompared(&self) -> usize {
        self.uncompared
    }

    /// The node came with this record; `fed` is the newest change fed before.
    pub(super) fn listed(&mut self, image: ImageId, seq: Seq, fed: Seq) {
        let entry = self.held.entry(image).or_insert_with(|| Entry::since(fed));
        if entry.seq.is_none() {
            entry.seq = Some(seq);
        }
        if !entry.uncompared {
            entry.uncompared = true;
            self.uncompared += 1;
        }
        if !entry.queued_listed {
            entry.queued_listed = true;
            self.listed.push_back(image);
        }
    }

    /// The node asks for this record. It is loaded anew and pushed whatever the node is believed to
    /// have.
    pub(super) fn asked(&mut self, image: ImageId, fed: Seq) {
        let entry = self.held.entry(image).or_insert_with(|| Entry::since(fed));
        entry.forced = true;
        self.queue_urgent(image);
    }

    /// A change of the outbox. Images that the node does not hold need nothing.
    pub(super) fn changed(&mut self, image: ImageId, seq: Seq, confirmed: u64) {
        let Some(entry) = self.held.get_mut(&image) else { return };
        entry.wanted = entry.wanted.max(seq);
        if entry.uncovered.is_some() {
            return;
        }
        if seq > entry.as_of {
            entry.uncovered = Some(seq);
            self.uncovered.insert((seq, image));
            self.queue_urgent(image);
        } else if entry.number > confirmed {
            let number = entry.number;
            self.lower_floor(number, seq);
        }
    }

    /// The node dropped this image when `through` was the newest push it had taken. A later push
    /// took it up again.
    pub(super) fn forgotten(&mut self, image: ImageId, through: u64) {
        let Some(entry) = self.held.get(&image) else { return };
        if entry.number > through || entry.forced {
            return;
        }
        let entry = self.held.remove(&image).expect("it was there a line ago");
        if entry.uncompared {
            self.uncompared -= 1;
        }
        if let Some(seq) = entry.uncovered {
            self.uncovered.remove(&(seq, image));
        }
    }

    /// A record was read: `seq` is its number, `as_of` how new the read was. If it is to be pushed,
    /// `number` is its push.
    pub(super) fn loaded(
        &mut self,
        image: ImageId,
        seq: Seq,
        as_of: Seq,
        number: u64,
        confirmed: u64,
    ) -> Judged {
        let Some(entry) = self.held.get_mut(&image) else { return Judged::Known };
        if as_of < entry.base {
            self.queue_urgent(image);
            return Judged::TooOld;
        }
        if std::mem::take(&mut entry.uncompared) {
            self.uncompared -= 1;
        }
        let newer = entry.seq.is_none_or(|known| seq > known);
        let push = std::mem::take(&mut entry.forced) || newer;
        if push {
            entry.number = number;
            entry.seq = entry.seq.max(Some(seq));
        }
        entry.as_of = entry.as_of.max(as_of);
        let settles_with = entry.number;
        // Changes that came while this was read: the oldest of them is not known, but it is newer
        // than the read.
        let behind = (entry.as_of < entry.wanted).then(|| entry.as_of.next());
        let open = std::mem::replace(&mut entry.uncovered, behind);
        if let Some(open) = open {
            self.uncovered.remove(&(open, image));
            if settles_with > confirmed {
                self.lower_floor(settles_with, open);
            }
        }
        if let Some(behind) = behind {
            self.uncovered.insert((behind, image));
            self.queue_urgent(image);
        }
        if push { Judged::Push } else { Judged::Known }
    }

    /// The next image to load.
    pub(super) fn next_load(&mut self) -> Option<ImageId> {
        while let Some(image) = self.urgent.pop_front() {
            if let Some(entry) = self.held.get_mut(&image)
                && std::mem::take(&mut entry.queued_urgent)
            {
                // It serves the comparison too.
                entry.queued_listed = false;
                return Some(image);
            }
        }
        while let Some(image) = self.listed.pop_front() {
            // A load for another reason may have compared it meanwhile.
            if let Some(entry) = self.held.get_mut(&image)
                && std::mem::take(&mut entry.queued_listed)
                && entry.uncompared
            {
                return Some(image);
            }
        }
        None
    }

    /// Pushes up to this one are in force.
    pub(super) fn confirmed(&mut self, through: u64) {
        while let Some(first) = self.floors.first_entry().filter(|first| *first.key() <= through) {
            let (number, seq) = first.remove_entry();
            self.floors_by_seq.remove(&(seq, number));
        }
    }

    /// Every change up to here is in a push that was sent, or concerns nothing the node holds.
    pub(super) fn covered_through(&self, fed: Seq) -> Seq {
        self.uncovered.first().map_or(fed, |(seq, _)| before(*seq).min(fed))
    }

    /// Every change up to here is in force at the node, or concerns nothing it holds.
    pub(super) fn settled_through(&self, fed: Seq) -> Seq {
        let floor = self.floors_by_seq.first().map_or(fed, |(seq, _)| before(*seq));
        self.covered_through(fed).min(floor)
    }

    fn queue_urgent(&mut self, image: ImageId) {
        let entry = self.held.get_mut(&image).expect("only held images are loaded");
        if !entry.queued_urgent {
            entry.queued_urgent = true;
            self.urgent.push_back(image);
        }
    }

    fn lower_floor(&mut self, number: u64, seq: Seq) {
        let known = self.floors.get(&number).copied();
        if known.is_some_and(|known| known <= seq) {
            return;
        }
        if let Some(known) = known {
            self.floors_by_seq.remove(&(known, number));
        }
        self.floors.insert(number, seq);
        self.floors_by_seq.insert((seq, number));
    }
}

fn before(seq: Seq) -> Seq {
    Seq(seq.0.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> ImageId {
        ImageId::parse("00000000-0000-0000-0000-000000000001").expect("a UUID")
    }

    /// An image held at 5, then a change 7.
    fn changed() -> Records {
        let mut records = Records::default();
        records.listed(image(), Seq(5), Seq(5));
        assert_eq!(records.next_load(), Some(image()));
        assert_eq!(records.loaded(image(), Seq(5), Seq(6), 1, 0), Judged::Known);
        assert_eq!((records.uncompared(), records.next_load()), (0, None));
        records.changed(image(), Seq(7), 0);
        records
    }

    #[test]
    fn a_change_is_open_until_a_push_at_least_as_new_is_confirmed() {
        let mut records = changed();
        assert_eq!(
            (records.covered_through(Seq(8)), records.settled_through(Seq(8))),
            (Seq(6), Seq(6))
        );
        assert_eq!(records.next_load(), Some(image()));
        assert_eq!(records.loaded(image(), Seq(5), Seq(6), 1, 0), Judged::Known);
        assert_eq!(records.settled_through(Seq(8)), Seq(6));
        assert_eq!(records.next_load(), Some(image()));
        assert_eq!(records.loaded(image(), Seq(7), Seq(7), 1, 0), Judged::Push);
        assert_eq!(
            (records.covered_through(Seq(8)), records.settled_through(Seq(8))),
            (Seq(8), Seq(6))
        );
        records.confirmed(1);
        assert_eq!(records.settled_through(Seq(8)), Seq(8));
    }

    #[test]
    fn a_change_that_a_push_was_ahead_of_waits_for_that_push() {
        let mut records = changed();
        assert_eq!(records.loaded(image(), Seq(9), Seq(9), 1, 0), Judged::Push);
        records.confirmed(0);
        records.changed(image(), Seq(9), 0);
        assert_eq!(
            (records.covered_through(Seq(9)), records.settled_through(Seq(9))),
            (Seq(9), Seq(6))
        );
        records.confirmed(1);
        assert_eq!(records.settled_through(Seq(9)), Seq(9));
        records.changed(image(), Seq(9), 1);
        assert_eq!(records.settled_through(Seq(9)), Seq(9));
    }

    #[test]
    fn changes_that_come_faster_than_loads_do_not_hold_up_the_ones_before() {
        let mut records = changed();
        assert_eq!(records.next_load(), Some(image()));
        records.changed(image(), Seq(9), 0);
        assert_eq!(records.loaded(image(), Seq(7), Seq(8), 1, 0), Judged::Push);
        assert_eq!(
            (records.covered_through(Seq(9)), records.settled_through(Seq(9))),
            (Seq(8), Seq(6))
        );
        records.confirmed(1);
        assert_eq!(records.settled_through(Seq(9)), Seq(8));
        assert_eq!(records.next_load(), Some(image()));
    }

    #[test]
    fn a_load_begun_before_the_subscription_brings_nothing_back() {
        let mut records = Records::default();
        records.asked(image(), Seq(7));
        assert_eq!(records.next_load(), Some(image()));
        assert_eq!(records.loaded(image(), Seq(5), Seq(6), 1, 0), Judged::TooOld);
        assert_eq!(records.next_load(), Some(image()));
        assert_eq!(records.loaded(image(), Seq(7), Seq(7), 1, 0), Judged::Push);
    }

    #[test]
    fn an_image_is_forgotten_unless_a_later_push_took_it_up_again() {
        let mut records = changed();
        assert_eq!(records.loaded(image(), Seq(7), Seq(7), 4, 0), Judged::Push);
        records.forgotten(image(), 3);
        assert!(records.holds(image()));
        records.asked(image(), Seq(7));
        records.forgotten(image(), 4);
        assert!(records.holds(image()), "it was asked for after it was dropped");
        assert_eq!(records.loaded(image(), Seq(7), Seq(7), 5, 0), Judged::Push);
        records.forgotten(image(), 5);
        assert!(!records.holds(image()));
    }

    #[test]
    fn what_an_image_left_open_leaves_with_it() {
        let mut records = changed();
        records.forgotten(image(), 0);
        assert_eq!(records.settled_through(Seq(8)), Seq(8));
        assert_eq!((records.next_load(), records.len()), (None, 0));
    }
}
