//! Finds the fastest backends of this processor by a short race at start.
//!
//! When to run it and where to log the result is left to the caller. The invariant: it ends within
//! about 20 ms, whatever the machine does; on a busy one it may pick the second best, which costs
//! speed and nothing else.

use std::time::{Duration, Instant};

use crate::md5::{Md5Backend, Md5Stream};
use crate::sha512::{Sha512Backend, Sha512Stream};

/// The outcome of the race.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// The MD5 backend to use.
    pub md5: Md5Backend,
    /// The SHA-512 backend to use.
    pub sha512: Sha512Backend,
    /// Every MD5 backend with its best speed, in bytes per microsecond (which is MB/s).
    pub md5_speeds: Vec<(Md5Backend, u64)>,
    /// Every SHA-512 backend with its best speed, in bytes per microsecond (which is MB/s).
    pub sha512_speeds: Vec<(Sha512Backend, u64)>,
}

/// Bytes hashed in one heat: long enough to drown the clock's own cost, short enough to fall
/// between interruptions.
const HEAT_BYTES: usize = 128 * 1024;

/// Time for all heats together.
const RACE: Duration = Duration::from_millis(16);

/// Races all backends, in turns so that a disturbance meets all of them, and takes each one's best
/// heat.
#[must_use]
pub fn calibrate() -> Calibration {
    let piece: Vec<u8> = (0..=u8::MAX).cycle().take(HEAT_BYTES).collect();
    let mut md5_speeds: Vec<_> = Md5Backend::ALL.into_iter().map(|it| (it, 0)).collect();
    let mut sha512_speeds: Vec<_> = Sha512Backend::ALL.into_iter().map(|it| (it, 0)).collect();
    let began = Instant::now();
    loop {
        for (backend, best) in &mut md5_speeds {
            let mut stream = Md5Stream::new(*backend);
            *best = heat(|| stream.update(&piece)).max(*best);
        }
        for (backend, best) in &mut sha512_speeds {
            let mut stream = Sha512Stream::new(*backend);
            *best = heat(|| stream.update(&piece)).max(*best);
        }
        if began.elapsed() >= RACE {
            break;
        }
    }
    Calibration {
        md5: fastest(&md5_speeds),
        sha512: fastest(&sha512_speeds),
        md5_speeds,
        sha512_speeds,
    }
}

/// Runs one heat over [`HEAT_BYTES`]; its speed in bytes per microsecond.
fn heat(hash: impl FnOnce()) -> u64 {
    let began = Instant::now();
    hash();
    let nanos = began.elapsed().as_nanos().max(1);
    u64::try_from(HEAT_BYTES as u128 * 1000 / nanos).unwrap_or(u64::MAX)
}

fn fastest<T: Copy>(speeds: &[(T, u64)]) -> T {
    speeds.iter().max_by_key(|(_, speed)| *speed).expect("there is a backend").0
}
