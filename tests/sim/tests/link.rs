//! The replica machines under a hostile network, restarts and drifting clocks: thousands of small
//! worlds.

use tests_sim::link::{Coverage, run};

/// Enough to meet every fault in every phase, and done in well under a minute.
const SEEDS: u64 = 10_000;

#[test]
fn no_download_begins_after_the_answer_to_a_restricting_change() {
    tests_sim::each_seed("link", SEEDS, |seed| {
        let _ = run(seed);
    });
}

#[test]
fn the_worlds_are_worth_looking_at() {
    let mut sum = Coverage::default();
    for seed in 0..200 {
        let Coverage {
            barriers,
            barriers_by_lease,
            leases,
            sessions,
            evictions,
            answers,
            kept,
            settings,
            admissions,
        } = run(seed);
        sum.barriers += barriers;
        sum.barriers_by_lease += barriers_by_lease;
        sum.leases += leases;
        sum.sessions += sessions;
        sum.evictions += evictions;
        sum.answers += answers;
        sum.kept += kept;
        sum.settings += settings;
        sum.admissions += admissions;
    }
    let check =
        |what: &str, count: u64, least: u64| assert!(count >= least, "{what}: {count} in {sum:?}");
    check("barriers", sum.barriers, 1_000);
    check("barriers ended by a lease", sum.barriers_by_lease, 50);
    check("leases", sum.leases, 2_000);
    check("sessions", sum.sessions, 1_000);
    check("evictions", sum.evictions, 1_000);
    check("answers", sum.answers, 2_000);
    check("replies kept", sum.kept, 500);
    check("settings replaced", sum.settings, 200);
    check("admissions", sum.admissions, 10_000);
}

#[test]
fn a_seed_always_does_the_same() {
    assert_eq!(run(42), run(42));
}
