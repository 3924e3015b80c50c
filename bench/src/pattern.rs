//! Bytes that look random, are known at every offset, and cost nothing to send: one file in memory
//! for all connections.
//!
//! A block of xorshift output repeats, each time with its number in its first bytes, so that a
//! swapped or missing block shows and no server gains by compressing or deduplicating small blocks.

use rustix::fs::MemfdFlags;
use std::fs::File;
use std::io::{self, Write};

const BLOCK_BYTES: usize = 1024 * 1024;

/// The bytes of the benchmark's images.
#[derive(Debug)]
pub(crate) struct Pattern {
    block: Vec<u8>,
    pub(crate) length: u64,
}

// === impl Pattern ===

impl Pattern {
    pub(crate) fn new(length: u64) -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        while block.len() < BLOCK_BYTES {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block.extend_from_slice(&state.to_le_bytes());
        }
        Self { block, length }
    }

    /// A file in memory that holds the bytes.
    pub(crate) fn file(&self) -> io::Result<File> {
        let mut file = File::from(rustix::fs::memfd_create("glint-bench", MemfdFlags::CLOEXEC)?);
        let mut left = self.length;
        let mut number = 0_u64;
        let mut block = self.block.clone();
        while left > 0 {
            block[..8].copy_from_slice(&number.to_le_bytes());
            let count = usize::try_from(left).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
            file.write_all(&block[..count])?;
            left -= count as u64;
            number += 1;
        }
        Ok(file)
    }

    /// Whether `bytes` are what stands at `offset`.
    pub(crate) fn matches(&self, offset: u64, bytes: &[u8]) -> bool {
        let (mut offset, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let number = (offset / BLOCK_BYTES as u64).to_le_bytes();
            let within = usize::try_from(offset % BLOCK_BYTES as u64).expect("less than a block");
            let (here, tail) = rest.split_at(rest.len().min(BLOCK_BYTES - within));
            let stamped = here.len().min(8_usize.saturating_sub(within));
            let end = within + here.len();
            if here[..stamped] != number[within.min(8)..within.min(8) + stamped]
                || here[stamped..] != self.block[within + stamped..end]
            {
                return false;
            }
            offset += here.len() as u64;
            rest = tail;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    #[test]
    fn the_file_holds_the_pattern() {
        let pattern = Pattern::new(2 * 1024 * 1024 + 77);
        let mut file = pattern.file().unwrap();
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, pattern.length);
        let check = |offset: usize, length: usize| {
            let piece = &bytes[offset..offset + length];
            assert!(pattern.matches(offset as u64, piece), "{offset} {length}");
        };
        check(0, bytes.len());
        check(3, 20);
        check(7, 1);
        check(1024 * 1024 - 5, 20);
        check(1024 * 1024 + 4, 1024 * 1024);
    }

    #[test]
    fn other_bytes_do_not_match() {
        let pattern = Pattern::new(3 * 1024 * 1024);
        let mut file = pattern.file().unwrap();
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert!(!pattern.matches(1024 * 1024, &bytes[..100]), "another block");
        assert!(!pattern.matches(100, &bytes[101..200]), "shifted");
        bytes[2 * 1024 * 1024 + 9] ^= 1;
        assert!(!pattern.matches(0, &bytes), "one bit");
    }
}
