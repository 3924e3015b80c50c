//! CPU time of other processes, from `/proc`: all their threads, and all their descendants.
//!
//! Linux counts a thread's run time to the nanosecond in `schedstat`, but forgets threads that
//! ended; `stat` remembers them, in hundredths of a second. So `schedstat` counts as long as no
//! thread ended in between.

use std::collections::BTreeMap;
use std::fs;

/// Linux reports times in `stat` in this unit on every architecture Rust supports (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// Nanoseconds by thread.
    threads: BTreeMap<u32, u64>,
    /// Ticks of whole processes.
    ticks: u64,
}

/// Looks at processes and their descendants now. Processes that do not exist count nothing.
pub(crate) fn sample(roots: &[u32]) -> Sample {
    let mut sample = Sample::default();
    let mut left: Vec<u32> = roots.to_vec();
    let mut seen = Vec::new();
    while let Some(process) = left.pop() {
        if seen.contains(&process) {
            continue;
        }
        seen.push(process);
        if let Ok(text) = fs::read_to_string(format!("/proc/{process}/stat")) {
            sample.ticks += stat_ticks(&text).unwrap_or(0);
        }
        for thread in numbers_in(&format!("/proc/{process}/task")) {
            let folder = format!("/proc/{process}/task/{thread}");
            if let Ok(text) = fs::read_to_string(format!("{folder}/schedstat")) {
                let nanoseconds = text.split(' ').next().and_then(|word| word.parse().ok());
                sample.threads.insert(thread, nanoseconds.unwrap_or(0));
            }
            if let Ok(text) = fs::read_to_string(format!("{folder}/children")) {
                left.extend(text.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
            }
        }
    }
    sample
}

/// Seconds of CPU time between two samples.
pub(crate) fn seconds_between(before: &Sample, after: &Sample) -> f64 {
    let ended = before.threads.keys().any(|thread| !after.threads.contains_key(thread));
    if ended || after.threads.is_empty() {
        #[expect(clippy::cast_precision_loss, reason = "ticks of a benchmark fit")]
        return after.ticks.saturating_sub(before.ticks) as f64 / TICKS_PER_SECOND;
    }
    let spent = |(thread, now): (&u32, &u64)| {
        now.saturating_sub(before.threads.get(thread).copied().unwrap_or(0))
    };
    let nanoseconds: u64 = after.threads.iter().map(spent).sum();
    std::time::Duration::from_nanos(nanoseconds).as_secs_f64()
}

/// The load of the machine over the last minute.
pub(crate) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

fn numbers_in(folder: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// User and system time: fields 14 and 15 of `stat`. The command's name in field 2 may hold
/// anything, so counting starts behind its last parenthesis.
fn stat_ticks(text: &str) -> Option<u64> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stat() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(stat_ticks(text), expected);
        check("7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 120 34 0 0", Some(154));
        check("7 (x) S 1", None);
        check("", None);
    }

    #[test]
    fn counts_this_process() {
        let own = [std::process::id()];
        let before = sample(&own);
        let mut number = 1_u64;
        let mut after = sample(&own);
        // Runs until the kernel has counted some of it.
        while seconds_between(&before, &after) < 0.02 {
            for _ in 0..1_000_000 {
                number = std::hint::black_box(number.wrapping_mul(3));
            }
            after = sample(&own);
        }
        assert!(seconds_between(&before, &after) < 60.0);
        assert!(seconds_between(&after, &after) < 1e-9);
    }

    #[test]
    fn falls_back_to_ticks_when_a_thread_ended() {
        let sample = |threads: &[(u32, u64)], ticks| Sample {
            threads: threads.iter().copied().collect(),
            ticks,
        };
        let check = |before: &Sample, after: &Sample, expected: f64| {
            assert!((seconds_between(before, after) - expected).abs() < 1e-9, "{expected}");
        };
        let before = sample(&[(1, 0), (2, 500_000_000)], 10);
        check(&before, &sample(&[(1, 1_000_000_000), (2, 500_000_000)], 99), 1.0);
        check(&before, &sample(&[(1, 1), (2, 500_000_000), (3, 999_999_999)], 99), 1.0);
        check(&before, &sample(&[(1, 1_000_000_000)], 60), 0.5);
    }
}
