//! Finds the fastest engine of this processor by a short race at start.
//!
//! When to run it and where to log the result is left to the caller. The invariant: it ends within
//! about 20 ms, whatever the machine does; on a busy one it may pick the second best, which costs
//! speed and nothing else.

use std::time::{Duration, Instant};

use crate::chains::{BLOCK_BYTES, Chains};
use crate::engine::Engine;

/// The outcome of the race.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// The engine to use.
    pub engine: Engine,
    /// Every engine with its best speed on one stream, in bytes per microsecond (which is MB/s).
    pub speeds: Vec<(Engine, u64)>,
}

/// Blocks hashed in one heat: long enough to drown the clock's own cost, short enough to fall
/// between interruptions.
const HEAT_BLOCKS: usize = 1024;

/// Time for all heats together.
const RACE: Duration = Duration::from_millis(16);

/// Races all engines, in turns so that a disturbance meets all of them, and takes each one's best
/// heat.
#[must_use]
pub fn calibrate() -> Calibration {
    let blocks = vec![[0x5a; BLOCK_BYTES]; HEAT_BLOCKS];
    let mut speeds: Vec<_> = Engine::available().into_iter().map(|engine| (engine, 0)).collect();
    let mut chains = Chains::START;
    let began = Instant::now();
    loop {
        for (engine, best) in &mut speeds {
            *best = heat(|| engine.compress(&mut chains, &blocks)).max(*best);
        }
        if began.elapsed() >= RACE {
            break;
        }
    }
    let fastest = speeds.iter().max_by_key(|(_, speed)| *speed).expect("there is an engine");
    Calibration { engine: fastest.0, speeds }
}

/// Runs one heat; its speed in bytes per microsecond.
fn heat(hash: impl FnOnce()) -> u64 {
    let began = Instant::now();
    hash();
    let nanos = began.elapsed().as_nanos().max(1);
    let bytes = (HEAT_BLOCKS * BLOCK_BYTES) as u128;
    u64::try_from(bytes * 1000 / nanos).unwrap_or(u64::MAX)
}
