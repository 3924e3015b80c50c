//! Every target on a fixed number of mutated examples, in every test run. `tests/fuzz/run` goes on
//! from there.

use std::panic::catch_unwind;
use tests_fuzz::{Mutator, TARGETS};

/// Runs a target on so many inputs; a failure shows the input.
fn check(name: &str, inputs: u64) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    for example in (target.examples)() {
        (target.run)(&example);
    }
    let mut mutator = Mutator::new(1, (target.examples)());
    for count in 0..inputs {
        let input = mutator.next_input();
        let outcome = catch_unwind(|| (target.run)(&input));
        assert!(outcome.is_ok(), "input {count} of {name}: {}", input.escape_ascii());
    }
}

#[test]
fn frames() {
    check("frame", 2_000_000);
}

#[test]
fn heads() {
    check("head", 600_000);
}

#[test]
fn bodies() {
    check("body", 1_500_000);
}

#[test]
fn paste_files() {
    check("paste", 60_000);
}

#[test]
fn replicas() {
    check("replica", 1_000_000);
}

#[test]
fn configurations() {
    check("config", 5_000);
}
