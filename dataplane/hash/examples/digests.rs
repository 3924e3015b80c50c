//! How fast one worker computes MD5 and SHA-512 of one and of several streams, by each engine of
//! this processor, beside SHA-512 and MD5 by other implementations one after the other.
//!
//! `bench/digests` runs it. Each figure is the best of several heats.

#![allow(clippy::print_stdout, reason = "this is what it is for")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use dataplane_hash::{Engine, Hub};
use md5::Digest as _;

const PIECE_BYTES: usize = 1 << 20;
const HEAT: Duration = Duration::from_millis(400);
const HEATS: usize = 5;

/// Pieces are shared: their memory is not what is measured.
struct Piece(Arc<Vec<u8>>);

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn main() {
    let bytes = Arc::new(vec![0x5a; PIECE_BYTES]);
    let others = best(|| in_turn(&bytes));
    println!("{:<32} {:>9}", "MB/s, one worker", "streams");
    println!("{:<32} {:>6} {:>9.0} {:>6.2} x", "md-5, then aws-lc", 1, others, 1.0);
    for engine in Engine::available() {
        for streams in [1, 2, 3, 4, 8, 16] {
            let speed = best(|| hub(engine, streams, &bytes));
            println!("{:<32} {streams:>6} {speed:>9.0} {:>6.2} x", engine.name(), speed / others);
        }
    }
}

fn best(heat: impl Fn() -> f64) -> f64 {
    (0..HEATS).map(|_| heat()).fold(0.0, f64::max)
}

/// Both digests of one stream by the best single implementations, in turn. MB/s.
fn in_turn(bytes: &[u8]) -> f64 {
    let mut md5 = md5::Md5::new();
    let mut sha512 = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA512);
    let began = Instant::now();
    let mut pieces = 0;
    while began.elapsed() < HEAT {
        md5.update(bytes);
        sha512.update(bytes);
        pieces += 1;
    }
    rate(pieces, began)
}

/// Streams of one hub with one worker. MB/s of all together.
fn hub(engine: Engine, streams: usize, bytes: &Arc<Vec<u8>>) -> f64 {
    let hub = Hub::start(1, engine).expect("a thread can be started");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let began = Instant::now();
    let pieces = tokio::task::LocalSet::new().block_on(&runtime, async {
        let tasks: Vec<_> = (0..streams)
            .map(|_| {
                let (mut stream, bytes) = (hub.stream(), Arc::clone(bytes));
                let run = async move {
                    let mut pieces = 0;
                    while began.elapsed() < HEAT {
                        stream.push(Piece(Arc::clone(&bytes))).await;
                        pieces += 1;
                    }
                    stream.finish().await;
                    pieces
                };
                tokio::task::spawn_local(run)
            })
            .collect();
        let mut pieces = 0;
        for task in tasks {
            pieces += task.await.expect("a stream does not panic");
        }
        pieces
    });
    rate(pieces, began)
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn rate(pieces: usize, began: Instant) -> f64 {
    (pieces * PIECE_BYTES) as f64 / 1e6 / began.elapsed().as_secs_f64()
}
