//! Whether a window of a file is in the page cache.
//!
//! A `sendfile` into a cold window would block the shard for the 7 to 16 ms that readahead takes.
//! The probe reads one byte at both ends of the window with `RWF_NOWAIT`, about 1 µs; what lies
//! between is not asked. What to do with the answer is the caller's matter. The invariant: a probe
//! never waits for a disk.

use std::io::IoSliceMut;

use rustix::io::{Errno, ReadWriteFlags};

use crate::file::BulkFile;

/// Where a window's bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Residency {
    /// In memory as far as both ends show; send inline.
    Hot,
    /// At least partly on disk; let the bulk engine fetch it.
    Cold,
}

/// Probes the windows of one file; remembers when the file system cannot be asked.
#[derive(Debug, Default)]
pub struct Prober {
    /// The answer for a file system without `RWF_NOWAIT`, once that is known.
    fixed: Option<Residency>,
}

/// `f_type` of tmpfs (`linux/magic.h`).
const TMPFS_MAGIC: u64 = 0x0102_1994;
/// `f_type` of ramfs (`linux/magic.h`).
const RAMFS_MAGIC: u64 = 0x8584_58f6;

impl Prober {
    /// A prober for one open file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says where the `len` bytes from `offset` on are. A window past the end of the file is hot:
    /// sending it finds the end at once.
    pub fn probe(&mut self, file: &BulkFile, offset: u64, len: usize) -> Residency {
        assert!(len > 0, "a window holds at least one byte");
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        let last = offset + len as u64 - 1;
        for at in [offset, last] {
            match self.probe_byte(file, at) {
                Residency::Hot => {}
                Residency::Cold => return Residency::Cold,
            }
        }
        Residency::Hot
    }

    fn probe_byte(&mut self, file: &BulkFile, at: u64) -> Residency {
        let mut byte = [0; 1];
        let mut into = [IoSliceMut::new(&mut byte)];
        match rustix::io::preadv2(file, &mut into, at, ReadWriteFlags::NOWAIT) {
            Ok(_) => Residency::Hot,
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                let answer = without_nowait(file);
                self.fixed = Some(answer);
                answer
            }
            // EAGAIN is the ordinary answer for a cold byte. Any other error will come back from
            // the bulk engine, where it is handled.
            Err(_) => Residency::Cold,
        }
    }
}

/// The answer for a file system that cannot say. Those that live in memory are always hot; on all
/// others (network file systems above all) a read may take arbitrarily long, so their bytes never
/// go inline.
fn without_nowait(file: &BulkFile) -> Residency {
    let in_memory = rustix::fs::fstatfs(file).is_ok_and(|found| {
        // The field is signed and as wide as a word; the magic numbers fit 32 bits.
        let magic = u64::try_from(found.f_type).unwrap_or_default() & 0xffff_ffff;
        magic == TMPFS_MAGIC || magic == RAMFS_MAGIC
    });
    if in_memory { Residency::Hot } else { Residency::Cold }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use rustix::fs::Advice;

    use super::*;

    const WINDOW: usize = 1 << 20;

    fn file_in(directory: &Path, name: &str) -> BulkFile {
        let path = directory.join(format!("glint-{name}-{}", std::process::id()));
        std::fs::write(&path, vec![7; 2 * WINDOW]).expect("a file");
        let file = File::open(&path).expect("the file");
        std::fs::remove_file(&path).expect("the name is not needed any more");
        file.sync_all().expect("written back");
        BulkFile::new(file)
    }

    fn check(file: &BulkFile, offset: u64, len: usize, expected: Residency) {
        assert_eq!(Prober::new().probe(file, offset, len), expected, "{len} bytes at {offset}");
    }

    #[test]
    fn a_window_is_cold_when_either_end_is() {
        let file = file_in(&std::env::temp_dir(), "residency");
        let (window, size) = (WINDOW as u64, 2 * WINDOW as u64);
        check(&file, 0, 2 * WINDOW, Residency::Hot);
        check(&file, size - 1, 1, Residency::Hot);
        check(&file, size, 1, Residency::Hot);
        let found = rustix::fs::fstatfs(&file).expect("a file system");
        if u64::try_from(found.f_type) == Ok(TMPFS_MAGIC) {
            return;
        }
        // Advice for the whole file, because a large folio is dropped as a whole or not at all.
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).expect("advice is taken");
        check(&file, 0, WINDOW, Residency::Cold);
        // Read without readahead, the first page alone comes back.
        rustix::fs::fadvise(&file, 0, None, Advice::Random).expect("advice is taken");
        assert_eq!(rustix::io::pread(&file, &mut [0; 1], 0), Ok(1));
        check(&file, 0, 1, Residency::Hot);
        check(&file, 0, WINDOW, Residency::Cold);
        check(&file, window, WINDOW, Residency::Cold);
    }

    #[test]
    fn memory_is_hot_without_being_asked() {
        let file = file_in(Path::new("/dev/shm"), "memory");
        check(&file, 0, 2 * WINDOW, Residency::Hot);
        assert_eq!(without_nowait(&file), Residency::Hot);
        let disk = file_in(Path::new("/var/tmp"), "disk");
        assert_eq!(without_nowait(&disk), Residency::Cold);
    }
}
