//! Which records a node holds, with their numbers, and which of them makes room next.
//!
//! Absences cost a lookup, not a download, so they go first; but a sixteenth of the room is theirs,
//! or a full view would drop an absence before the request that asked for it has seen it. Among
//! equals the oldest goes, unless it was used since it was last passed over (second chance). The
//! invariant: every record stands in one of the two queues, and after [`HeldSet::evict`] there are
//! at most `images_max`.

use crate::wire::Held;
use glint_image::{ImageId, Seq};
use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct HeldSet {
    images_max: usize,
    records: BTreeMap<ImageId, Entry>,
    /// Absences by the time they were taken.
    absent: BTreeMap<u64, ImageId>,
    /// Images by the time they were taken or last passed over.
    present: BTreeMap<u64, ImageId>,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    seq: Seq,
    absent: bool,
    tick: u64,
    used: bool,
}

/// What a push about an image is worth.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// At least as new as what is held: the shards are to have it.
    Newer,
    /// Older than what is held: the shards are not to see it.
    Older,
}

impl HeldSet {
    pub(super) fn new(images_max: usize) -> Self {
        let (absent, present) = (BTreeMap::new(), BTreeMap::new());
        Self { images_max, records: BTreeMap::new(), absent, present, clock: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn clear(&mut self) {
        drop(self.take_all());
    }

    /// Takes out every record.
    pub(super) fn take_all(&mut self) -> Vec<ImageId> {
        self.absent.clear();
        self.present.clear();
        std::mem::take(&mut self.records).into_keys().collect()
    }

    pub(super) fn list(&self) -> Vec<Held> {
        let held = |(image, entry): (&ImageId, &Entry)| Held {
            image: *image.as_bytes(),
            seq: entry.seq.0,
        };
        self.records.iter().map(held).collect()
    }

    /// Notes a push.
    pub(super) fn take(&mut self, image: ImageId, seq: Seq, absent: bool) -> Take {
        self.clock += 1;
        let mut used = false;
        if let Some(entry) = self.records.get(&image) {
            if entry.seq > seq {
                return Take::Older;
            }
            used = entry.used;
            let queue = if entry.absent { &mut self.absent } else { &mut self.present };
            queue.remove(&entry.tick);
        }
        self.records.insert(image, Entry { seq, absent, tick: self.clock, used });
        let queue = if absent { &mut self.absent } else { &mut self.present };
        queue.insert(self.clock, image);
        let queued = self.absent.len() + self.present.len();
        assert_eq!(self.records.len(), queued, "every record stands in one queue");
        Take::Newer
    }

    pub(super) fn touch(&mut self, image: ImageId) {
        if let Some(entry) = self.records.get_mut(&image) {
            entry.used = true;
        }
    }

    /// Takes out what is over the bound, a small batch at a time so that the control plane hears of
    /// many at once.
    pub(super) fn evict(&mut self) -> Vec<ImageId> {
        let mut gone = Vec::new();
        if self.records.len() <= self.images_max {
            return gone;
        }
        let absent_share = (self.images_max / 16).max(1);
        let keep = self.images_max - self.images_max / 256;
        while self.records.len() > keep {
            if self.absent.len() > absent_share || self.present.is_empty() {
                let (_, image) = self.absent.pop_first().expect("one of the queues holds a record");
                self.records.remove(&image);
                gone.push(image);
                continue;
            }
            let (_, image) = self.present.pop_first().expect("it was looked at above");
            let entry = self.records.get_mut(&image).expect("what is queued is held");
            if std::mem::take(&mut entry.used) {
                self.clock += 1;
                entry.tick = self.clock;
                self.present.insert(self.clock, image);
                continue;
            }
            self.records.remove(&image);
            gone.push(image);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(number: u8) -> ImageId {
        ImageId::parse(&format!("00000000-0000-0000-0000-0000000000{number:02x}")).expect("a UUID")
    }

    /// Takes images (number, absent), touches some, and says which leave when the bound is three.
    fn check(taken: &[(u8, bool)], touched: &[u8], expected: &[u8]) {
        let mut held = HeldSet::new(3);
        for (number, absent) in taken {
            assert_eq!(held.take(image(*number), Seq(1), *absent), Take::Newer);
        }
        for number in touched {
            held.touch(image(*number));
        }
        let expected: Vec<_> = expected.iter().map(|number| image(*number)).collect();
        assert_eq!(held.evict(), expected, "{taken:?} {touched:?}");
        assert!(held.len() <= 3);
    }

    #[test]
    fn absences_leave_first_then_the_oldest_not_used() {
        check(&[(1, false), (2, false), (3, false)], &[], &[]);
        check(&[(1, false), (2, false), (3, false), (4, false)], &[], &[1]);
        check(&[(1, false), (2, false), (3, false), (4, true)], &[], &[1]);
        check(&[(1, false), (2, false), (3, true), (4, true)], &[], &[3]);
        check(&[(1, false), (2, false), (3, false), (4, false)], &[1], &[2]);
        check(&[(1, false), (2, false), (3, false), (4, false)], &[1, 2, 3, 4], &[1]);
        check(&[(1, true), (2, true), (3, false), (4, false), (5, true)], &[1], &[1, 2]);
        check(&[(1, false), (2, false), (1, false), (3, false), (4, false)], &[], &[2]);
    }

    #[test]
    fn a_record_never_gets_older() {
        let mut held = HeldSet::new(3);
        assert_eq!(held.take(image(1), Seq(5), false), Take::Newer);
        assert_eq!(held.take(image(1), Seq(4), true), Take::Older);
        assert_eq!(held.take(image(1), Seq(5), true), Take::Newer);
        assert_eq!(held.list(), [Held { image: *image(1).as_bytes(), seq: 5 }]);
    }
}
