//! Both digests of one stream under way, in steps of 128 bytes: one block of SHA-512, two of MD5.
//!
//! Who compresses whole blocks is [`crate::engine`]'s matter; here bytes are cut into blocks, and
//! padding ends them. Invariant: how a stream was cut into pieces does not show in its digests.

use crate::engine::Engine;
use crate::hub::Digests;
use crate::tables::{MD5_START, SHA512_START};

/// What both digests advance by.
pub(crate) const BLOCK_BYTES: usize = 128;

/// The chaining values of both digests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Chains {
    pub(crate) md5: [u32; 4],
    pub(crate) sha512: [u64; 8],
}

/// A stream under way.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) chains: Chains,
    total_bytes: u64,
    /// The bytes of a block not yet full.
    tail: [u8; BLOCK_BYTES],
    tail_len: usize,
}

// === impl Chains ===

impl Chains {
    /// Those of a stream without bytes.
    pub(crate) const START: Self = Self { md5: MD5_START, sha512: SHA512_START };
}

// === impl Running ===

impl Running {
    pub(crate) fn new() -> Self {
        Self { chains: Chains::START, total_bytes: 0, tail: [0; BLOCK_BYTES], tail_len: 0 }
    }

    /// Takes the next piece but for its whole blocks, which the caller compresses next.
    ///
    /// The end of the piece is kept before they are, which nothing notices: it is not compressed
    /// until the next piece comes.
    pub(crate) fn take<'p>(&mut self, engine: Engine, piece: &'p [u8]) -> &'p [[u8; BLOCK_BYTES]] {
        self.total_bytes = self.total_bytes.wrapping_add(piece.len() as u64);
        let mut piece = piece;
        if self.tail_len > 0 {
            let taken = piece.len().min(BLOCK_BYTES - self.tail_len);
            let (head, behind) = piece.split_at(taken);
            self.tail[self.tail_len..][..taken].copy_from_slice(head);
            self.tail_len += taken;
            piece = behind;
            if self.tail_len < BLOCK_BYTES {
                return &[];
            }
            engine.compress(&mut self.chains, &[self.tail]);
        }
        let (blocks, end) = piece.as_chunks();
        self.tail[..end.len()].copy_from_slice(end);
        self.tail_len = end.len();
        blocks
    }

    /// Pads and closes both (RFC 1321, 3.1 to 3.3; FIPS 180-4, 5.1.2).
    pub(crate) fn finish(mut self, engine: Engine) -> Digests {
        let bits = self.total_bytes.wrapping_mul(8);
        let md5 = crate::md5::finish(self.chains.md5, &self.tail[..self.tail_len], bits);
        let mut padded = [0; 2 * BLOCK_BYTES];
        padded[..self.tail_len].copy_from_slice(&self.tail[..self.tail_len]);
        padded[self.tail_len] = 0x80;
        let len = if self.tail_len < BLOCK_BYTES - 16 { BLOCK_BYTES } else { 2 * BLOCK_BYTES };
        let count = u128::from(self.total_bytes) * 8;
        padded[len - 16..len].copy_from_slice(&count.to_be_bytes());
        engine.compress(&mut self.chains, padded[..len].as_chunks().0);
        let mut sha512 = [0; 64];
        for (bytes, word) in sha512.as_chunks_mut().0.iter_mut().zip(self.chains.sha512) {
            *bytes = word.to_be_bytes();
        }
        Digests { md5, sha512 }
    }
}
