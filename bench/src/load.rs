//! The load itself: one thread a connection, all starting together, and what they got done.
//!
//! A round ends at its deadline; downloads are cut there, uploads and requests under way are
//! finished.

use crate::cpu;
use crate::http::{Connection, HttpError};
use crate::pattern::Pattern;
use crate::stats::percentile;
use crate::target::{Target, expect};
use std::fs::File;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Latencies kept by each connection; more overwrite the oldest.
const LATENCIES_MAX: usize = 65_536;

/// What every connection does, over and over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work<'a> {
    Download { path: &'a str },
    Upload { file: &'a File, pattern: &'a Pattern },
    Request { path: &'a str },
}

/// What one round came to.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) seconds: f64,
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
    pub(crate) cpu_seconds: Option<f64>,
    /// Median and 99th percentile of a request, in microseconds.
    pub(crate) latency: (u32, u32),
}

#[derive(Debug, Default)]
struct Done {
    bytes: u64,
    requests: u64,
    latencies: Vec<u32>,
}

/// Runs one round.
pub(crate) fn round(
    target: &Target,
    work: Work<'_>,
    connections: u32,
    length: Duration,
    processes: Option<&[u32]>,
) -> Result<Round, HttpError> {
    let start = Barrier::new(connections as usize + 1);
    let (outcomes, seconds, cpu_seconds) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(|| {
                    // A connection that cannot be opened still comes to the barrier, or the others
                    // would wait for ever.
                    let connection = Connection::open(target.address);
                    start.wait();
                    worker(target, work, connection?, Instant::now() + length)
                })
            })
            .collect();
        let before = processes.map(cpu::sample);
        start.wait();
        let begun = Instant::now();
        let outcomes: Vec<_> =
            workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        let seconds = begun.elapsed().as_secs_f64();
        let after = processes.map(cpu::sample);
        let cpu = before.zip(after).map(|(before, after)| cpu::seconds_between(&before, &after));
        (outcomes, seconds, cpu)
    });
    let mut all = Done::default();
    for outcome in outcomes {
        let done = outcome.expect("a worker returns its errors")?;
        all.bytes += done.bytes;
        all.requests += done.requests;
        all.latencies.extend(done.latencies);
    }
    all.latencies.sort_unstable();
    let latency = (percentile(&all.latencies, 50), percentile(&all.latencies, 99));
    Ok(Round { seconds, bytes: all.bytes, requests: all.requests, cpu_seconds, latency })
}

fn worker(
    target: &Target,
    work: Work<'_>,
    mut connection: Connection,
    deadline: Instant,
) -> Result<Done, HttpError> {
    let mut done = Done::default();
    while Instant::now() < deadline {
        let begun = Instant::now();
        let (bytes, reusable) = match work {
            Work::Download { path } => download(target, path, &mut connection, deadline)?,
            Work::Upload { file, pattern } => {
                let image = target.create()?;
                let reusable = image.upload(&mut connection, file, pattern.length)?;
                (pattern.length, reusable)
            }
            Work::Request { path } => ask(target, path, &mut connection)?,
        };
        done.bytes += bytes;
        let latency = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
        remember(&mut done, latency);
        if !reusable {
            connection = Connection::open(target.address)?;
        }
    }
    Ok(done)
}

fn remember(done: &mut Done, latency: u32) {
    if done.latencies.len() < LATENCIES_MAX {
        done.latencies.push(latency);
    } else {
        let slot = usize::try_from(done.requests).unwrap_or(0) % LATENCIES_MAX;
        done.latencies[slot] = latency;
    }
    done.requests += 1;
}

fn download(
    target: &Target,
    path: &str,
    connection: &mut Connection,
    deadline: Instant,
) -> Result<(u64, bool), HttpError> {
    connection.send(&target.request("GET", path, None))?;
    let head = connection.head("GET")?;
    expect("GET", path, head, 200)?;
    let come = connection.discard(head.length, deadline)?;
    Ok((come, head.keep_alive && Some(come) == head.length))
}

fn ask(target: &Target, path: &str, connection: &mut Connection) -> Result<(u64, bool), HttpError> {
    connection.send(&target.request("GET", path, None))?;
    let head = connection.head("GET")?;
    expect("GET", path, head, 200)?;
    let body = connection.body(head.length)?;
    Ok((body.len() as u64, head.keep_alive))
}
