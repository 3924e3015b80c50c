//! What the simulations share: seeds, a generator that depends on nothing but its seed, and the
//! worlds they run in.
//!
//! A simulation is a function of a seed. [`each_seed`] runs it for many, or for the one in
//! `GLINT_SIM_SEED`; a failure names its seed and how to run it again. Invariant: the same seed
//! does the same thing on every machine.

pub mod link;
pub mod transfer;

use std::panic::{RefUnwindSafe, catch_unwind};

/// A small generator (SplitMix64): every simulation draws all its chances from one.
#[derive(Clone, Debug)]
pub struct Rng(u64);

// === impl Rng ===

impl Rng {
    /// The generator of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias of the remainder is far below what a simulation can notice.
        self.bits() % end
    }

    /// A number from `first` to `last`, both included.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// An index below `len`, which is not 0.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a usize")
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }
}

/// Runs a simulation for `seeds` seeds (`GLINT_SIM_SEEDS` in their place, if set), or only for
/// `GLINT_SIM_SEED`.
///
/// # Panics
/// When a seed fails; the text says which, and the command that plays it again in test file `test`.
pub fn each_seed(test: &str, seeds: u64, simulation: impl Fn(u64) + RefUnwindSafe) {
    let wanted = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
    };
    let (first, count) = match wanted("GLINT_SIM_SEED") {
        Some(seed) => (seed, 1),
        None => (0, wanted("GLINT_SIM_SEEDS").unwrap_or(seeds)),
    };
    for seed in first..first + count {
        let outcome = catch_unwind(|| simulation(seed));
        assert!(
            outcome.is_ok(),
            "seed {seed} failed (see above); run it again with\n\
             GLINT_SIM_SEED={seed} cargo test --release -p tests-sim --test {test} -- --nocapture"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_seed_is_named() {
        let outcome = catch_unwind(|| each_seed("none", 5, |seed| assert_ne!(seed, 3, "three")));
        let text = outcome.expect_err("seed 3 fails");
        let text = text.downcast_ref::<String>().expect("assertions panic with text");
        assert!(text.contains("GLINT_SIM_SEED=3 "), "{text}");
    }

    #[test]
    fn the_generator_is_the_one_that_was_published() {
        // First outputs of SplitMix64 for seed 0, from the reference implementation.
        let mut rng = Rng::new(0);
        assert_eq!(rng.bits(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(rng.bits(), 0x6E78_9E6A_A1B9_65F4);
    }
}
