//! A map of bounded cost. What was not used since it was last passed over makes room first.
//!
//! What a cost is, is left to the caller. Invariants: every entry stands in the queue once; after
//! every call the costs together are at most the bound.

use std::cell::Cell;
use std::collections::BTreeMap;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct SecondChance<K, V> {
    cost_max: usize,
    cost: usize,
    clock: u64,
    entries: BTreeMap<K, Entry<V>>,
    queue: BTreeMap<u64, K>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    cost: usize,
    tick: u64,
    used: Cell<bool>,
}

// === impl SecondChance ===

impl<K: Ord + Clone, V> SecondChance<K, V> {
    pub(crate) fn new(cost_max: usize) -> Self {
        let (entries, queue) = (BTreeMap::new(), BTreeMap::new());
        Self { cost_max, cost: 0, clock: 0, entries, queue }
    }

    /// The value of a key, without counting as a use.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Counts a use.
    pub(crate) fn touch(&self, key: &K) {
        if let Some(entry) = self.entries.get(key) {
            entry.used.set(true);
        }
    }

    /// Puts a value in place of the one before. One that costs more than everything may is not
    /// taken.
    pub(crate) fn insert(&mut self, key: K, value: V, cost: usize) {
        self.remove(&key);
        if cost > self.cost_max {
            return;
        }
        self.make_room(self.cost_max - cost);
        self.clock += 1;
        self.cost += cost;
        self.queue.insert(self.clock, key.clone());
        self.entries.insert(key, Entry { value, cost, tick: self.clock, used: Cell::new(false) });
        assert_eq!(self.entries.len(), self.queue.len(), "every entry stands in the queue once");
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.queue.remove(&entry.tick);
            self.cost -= entry.cost;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.queue.clear();
        self.cost = 0;
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn make_room(&mut self, cost_left: usize) {
        while self.cost > cost_left {
            let (_, key) = self.queue.pop_first().expect("what costs something is queued");
            let entry = self.entries.get_mut(&key).expect("what is queued is held");
            if entry.used.take() {
                self.clock += 1;
                entry.tick = self.clock;
                self.queue.insert(self.clock, key);
                continue;
            }
            self.cost -= entry.cost;
            self.entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_used_makes_room() {
        /// Puts in 1, 2 and 3 at cost 10 each, uses some, then puts in 4 at a cost.
        fn check(used: &[u8], cost: usize, expected: &[u8]) {
            let mut map = SecondChance::new(30);
            for key in 1..=3_u8 {
                map.insert(key, key, 10);
            }
            used.iter().for_each(|key| map.touch(key));
            map.insert(4, 4, cost);
            let left: Vec<u8> = (1..=4).filter(|key| map.get(key).is_some()).collect();
            assert_eq!(left, expected, "{used:?} {cost}");
            assert!(map.cost <= 30 && map.len() == left.len());
        }
        check(&[], 10, &[2, 3, 4]);
        check(&[1], 10, &[1, 3, 4]);
        check(&[1, 2, 3], 10, &[2, 3, 4]);
        check(&[3], 20, &[3, 4]);
        check(&[1, 2], 30, &[4]);
        check(&[1], 31, &[1, 2, 3]);
        check(&[1], 0, &[1, 2, 3, 4]);
    }

    #[test]
    fn a_new_value_takes_the_place_of_the_old() {
        let mut map = SecondChance::new(10);
        map.insert(1, "a", 8);
        map.insert(1, "b", 9);
        assert_eq!((map.get(&1), map.cost), (Some(&"b"), 9));
        map.remove(&1);
        assert_eq!((map.get(&1), map.cost, map.len()), (None, 0, 0));
        map.insert(1, "c", 9);
        map.clear();
        assert_eq!((map.get(&1), map.cost, map.len()), (None, 0, 0));
    }
}
