//! Figures as a table for people and as JSON for programs.
//!
//! Says itself when the figures are not to be trusted: rounds far apart, a machine busy with
//! something else.

use crate::cli::Common;
use crate::cpu::load_average;
use crate::load::Round;
use crate::stats::{Summary, summarize};
use serde_json::{Value, json};
use std::fmt::Write;

const GIBIBYTE: f64 = (1_u64 << 30) as f64;
/// Rounds further apart than this say more about the machine than about the server.
const SPREAD_MAX: f64 = 1.5;

/// A machine whose cores had this much to do before the run, each, measures its other work too.
const LOAD_BEFORE_MAX: f64 = 0.3;

/// How busy the machine was before the run began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    load: Option<f64>,
    cores: usize,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Gibibyte,
    Request,
}

/// The rounds with one number of connections, by target.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) connections: u32,
    pub(crate) rounds: Vec<Vec<Round>>,
}

/// The figures of one target.
struct Line {
    rate: Summary,
    /// Server CPU seconds by unit.
    cpu: Option<Summary>,
    latency_median: u32,
    latency_99: u32,
}

// === impl Before ===

impl Before {
    /// Looks now. To be called before any load is made.
    pub(crate) fn look() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { load: load_average(), cores }
    }

    #[expect(clippy::cast_precision_loss, reason = "a machine has far fewer than 2^52 cores")]
    fn was_busy(self) -> bool {
        self.load.is_some_and(|load| load > LOAD_BEFORE_MAX * self.cores as f64)
    }

    fn shown(self) -> String {
        self.load.map_or("unknown".to_owned(), |load| format!("{load:.2}"))
    }
}

// === impl Unit ===

impl Unit {
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
    fn count(self, round: &Round) -> f64 {
        match self {
            Self::Gibibyte => round.bytes as f64 / GIBIBYTE,
            Self::Request => round.requests as f64,
        }
    }

    const fn rate_name(self) -> &'static str {
        match self {
            Self::Gibibyte => "GiB/s",
            Self::Request => "req/s",
        }
    }

    /// The unit CPU time is shown in, and how many of it a second has.
    const fn cpu_name(self) -> (&'static str, f64) {
        match self {
            Self::Gibibyte => ("CPU s/GiB", 1.0),
            Self::Request => ("CPU us/req", 1e6),
        }
    }
}

fn line(unit: Unit, rounds: &[Round]) -> Option<Line> {
    let rates: Vec<f64> = rounds.iter().map(|round| unit.count(round) / round.seconds).collect();
    let cpu: Vec<f64> = rounds
        .iter()
        .filter_map(|round| Some(round.cpu_seconds? / unit.count(round).max(f64::MIN_POSITIVE)))
        .collect();
    let mut medians: Vec<u32> = rounds.iter().map(|round| round.latency.0).collect();
    let mut worst: Vec<u32> = rounds.iter().map(|round| round.latency.1).collect();
    medians.sort_unstable();
    worst.sort_unstable();
    Some(Line {
        rate: summarize(&rates)?,
        cpu: summarize(&cpu),
        latency_median: crate::stats::percentile(&medians, 50),
        latency_99: crate::stats::percentile(&worst, 50),
    })
}

/// First by second: how the rates and the CPU costs compare.
fn ratios(lines: &[Line]) -> Option<(f64, Option<f64>)> {
    let [first, second] = lines else { return None };
    let cpu = first.cpu.zip(second.cpu).map(|(first, second)| first.median / second.median);
    Some((first.rate.median / second.rate.median, cpu))
}

/// A table, and a line for each reason not to trust it.
pub(crate) fn table(common: &Common, unit: Unit, before: Before, all: &[Figures]) -> String {
    let (cpu_name, cpu_scale) = unit.cpu_name();
    let rate_name = unit.rate_name();
    let mut text = String::new();
    let mut warnings = String::new();
    let rule = "writing to a String cannot fail";
    writeln!(
        text,
        "{:>5}  {:>10}  {:>10}  {:>6}  {:>9}  {:>9}  server",
        "conns", rate_name, cpu_name, "spread", "p50 us", "p99 us"
    )
    .expect(rule);
    for figures in all {
        let lines: Vec<Line> =
            figures.rounds.iter().filter_map(|rounds| line(unit, rounds)).collect();
        for (url, line) in common.against.iter().zip(&lines) {
            let cpu =
                line.cpu.map_or("-".to_owned(), |cpu| format!("{:.3}", cpu.median * cpu_scale));
            writeln!(
                text,
                "{:>5}  {:>10.3}  {cpu:>10}  {:>6.2}  {:>9}  {:>9}  {url}",
                figures.connections,
                line.rate.median,
                line.rate.spread,
                line.latency_median,
                line.latency_99
            )
            .expect(rule);
            if line.rate.spread > SPREAD_MAX {
                writeln!(
                    warnings,
                    "warning: rounds of {url} at {} connections lie {:.2} apart; not to be trusted",
                    figures.connections, line.rate.spread
                )
                .expect(rule);
            }
        }
        if let Some((rate, cpu)) = ratios(&lines) {
            let cpu = cpu.map_or("-".to_owned(), |cpu| format!("{cpu:.3}"));
            let label = "first / second";
            writeln!(text, "{:>5}  {rate:>10.3}  {cpu:>10}  {label}", figures.connections)
                .expect(rule);
        }
    }
    writeln!(
        text,
        "medians of {} rounds of {} s, in turns; load average before: {} on {} cores",
        common.rounds,
        common.seconds,
        before.shown(),
        before.cores
    )
    .expect(rule);
    if before.was_busy() {
        writeln!(warnings, "warning: the machine was busy before the run; not to be trusted")
            .expect(rule);
    }
    text + &warnings
}

/// One JSON document.
pub(crate) fn json(common: &Common, unit: Unit, before: Before, all: &[Figures]) -> String {
    let (cpu_name, cpu_scale) = unit.cpu_name();
    let results: Vec<Value> = all
        .iter()
        .map(|figures| {
            let lines: Vec<Line> =
                figures.rounds.iter().filter_map(|rounds| line(unit, rounds)).collect();
            let servers: Vec<Value> = common
                .against
                .iter()
                .zip(&lines)
                .map(|(url, line)| {
                    json!({
                        "url": url.to_string(),
                        "rate": line.rate.median,
                        "rate_spread": line.rate.spread,
                        "cpu": line.cpu.map(|cpu| cpu.median * cpu_scale),
                        "cpu_spread": line.cpu.map(|cpu| cpu.spread),
                        "latency_us_p50": line.latency_median,
                        "latency_us_p99": line.latency_99,
                        "trustworthy": line.rate.spread <= SPREAD_MAX && !before.was_busy(),
                    })
                })
                .collect();
            let ratio = ratios(&lines).map(|(rate, cpu)| json!({"rate": rate, "cpu": cpu}));
            json!({"connections": figures.connections, "servers": servers, "ratio": ratio})
        })
        .collect();
    let document = json!({
        "rate_unit": unit.rate_name(),
        "cpu_unit": cpu_name,
        "rounds": common.rounds,
        "seconds": common.seconds,
        "load_average_before": before.load,
        "cores": before.cores,
        "results": results,
    });
    format!("{document:#}\n")
}
