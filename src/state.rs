//! The state directory: made when missing, and held by one process at a time.
//!
//! The lock is the kernel's (`flock`), so it ends with the process however that ends. Invariant:
//! whoever has a [`StateDir`] is the only one that writes there.

use crate::exit::{Failure, Kind};
use rustix::fs::FlockOperation;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

const DIRECTORY_MODE: u32 = 0o750;
const LOCK_MODE: u32 = 0o640;

/// A state directory that belongs to this process until dropped.
#[derive(Debug)]
pub(crate) struct StateDir {
    _lock: File,
}

/// Makes the directory if it is missing and takes its lock.
pub(crate) fn take(path: &Path) -> Result<StateDir, Failure> {
    make(path)?;
    let lock_path = path.join("lock");
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(LOCK_MODE)
        .open(&lock_path)
        .map_err(|error| {
            Failure::system(format!("cannot open {}: {error}", lock_path.display()))
        })?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let holder = holder(&mut lock);
            let sentence = format!(
                "{} is in use by another glint process{holder}; give this one a --state-dir of its own",
                path.display()
            );
            return Err(Failure::new(Kind::InUse, sentence));
        }
        Err(error) => {
            let sentence = format!("cannot lock {}: {error}", lock_path.display());
            return Err(Failure::system(sentence));
        }
    }
    // The number is there for whoever is refused; without it the lock holds all the same.
    let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
    Ok(StateDir { _lock: lock })
}

/// Makes a directory, and those above it, readable by owner and group.
pub(crate) fn make(path: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
        .map_err(|error| Failure::system(format!("cannot make {}: {error}", path.display())))
}

fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    let read = lock.take(32).read_to_string(&mut text);
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(number)) => format!(" (number {number})"),
        _ => String::new(),
    }
}
