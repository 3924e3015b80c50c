//! SHA-512 over a stream of pieces, by one of several backends.
//!
//! Which backend is fastest depends on the processor and is found by [`crate::calibrate`]. The
//! invariant: the backend never shows in the digest.

use std::fmt;

use aws_lc_rs::digest;
use sha2::Digest;

/// Who computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sha512Backend {
    /// aws-lc: assembly for every common processor.
    AwsLc,
    /// The sha2 crate: Rust, with its own AVX2 code.
    Sha2,
}

/// A SHA-512 under way.
#[derive(Clone)]
pub struct Sha512Stream(State);

#[derive(Clone)]
enum State {
    AwsLc(digest::Context),
    Sha2(sha2::Sha512),
}

impl Sha512Backend {
    /// Every backend.
    pub const ALL: [Self; 2] = [Self::AwsLc, Self::Sha2];
}

impl Sha512Stream {
    /// Starts an empty stream.
    #[must_use]
    pub fn new(backend: Sha512Backend) -> Self {
        Self(match backend {
            Sha512Backend::AwsLc => State::AwsLc(digest::Context::new(&digest::SHA512)),
            Sha512Backend::Sha2 => State::Sha2(sha2::Sha512::new()),
        })
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        match &mut self.0 {
            State::AwsLc(context) => context.update(piece),
            State::Sha2(hasher) => hasher.update(piece),
        }
    }

    /// The digest of all pieces.
    #[must_use]
    pub fn finish(self) -> [u8; 64] {
        match self.0 {
            State::AwsLc(context) => {
                context.finish().as_ref().try_into().expect("SHA-512 has 64 bytes")
            }
            State::Sha2(hasher) => hasher.finalize().into(),
        }
    }
}

impl fmt::Debug for Sha512Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backend = match self.0 {
            State::AwsLc(_) => Sha512Backend::AwsLc,
            State::Sha2(_) => Sha512Backend::Sha2,
        };
        write!(f, "Sha512Stream({backend:?})")
    }
}
