//! Who compresses whole blocks.
//!
//! Which engine is fastest here is found by [`crate::calibrate`]. The invariant: the engine never
//! shows in a digest.

use crate::chains::{BLOCK_BYTES, Chains};
use crate::md5;
#[cfg(target_arch = "x86_64")]
use crate::x86::{Avx512, LANES};

/// A way to compute both digests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Engine(Kind);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// One after the other: MD5 by this crate, SHA-512 by the sha2 crate. Runs everywhere.
    InTurn,
    /// Woven into one, and in lanes where there are several streams.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// The blocks of one stream that wait to be compressed.
pub(crate) struct Lane<'a> {
    pub(crate) chains: &'a mut Chains,
    pub(crate) blocks: &'a [[u8; BLOCK_BYTES]],
}

// === impl Engine ===

impl Engine {
    /// The one that every processor can run.
    pub const PORTABLE: Self = Self(Kind::InTurn);

    /// All that this processor can run.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut all = vec![Self::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        all.extend(Avx512::detect().map(|proof| Self(Kind::Avx512(proof))));
        all
    }

    /// Its name, for logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::InTurn => "in turn",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "AVX-512, stitched and in lanes",
        }
    }

    /// Takes whole blocks of one stream.
    pub(crate) fn compress(self, chains: &mut Chains, blocks: &[[u8; BLOCK_BYTES]]) {
        match self.0 {
            Kind::InTurn => {
                md5::compress(&mut chains.md5, blocks.as_flattened().as_chunks().0);
                sha2::block_api::compress512(&mut chains.sha512, blocks);
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(proof) => proof.stitched(chains, blocks),
        }
    }

    /// How many streams to take at once, if there are as many.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            Kind::InTurn => 1,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => LANES,
        }
    }

    /// Takes blocks of several streams, at most [`Engine::lanes`]: of each as many as the shortest
    /// has, or more. What is left stays in the lane.
    pub(crate) fn advance(self, lanes: &mut [Lane<'_>]) {
        #[cfg(target_arch = "x86_64")]
        if let Kind::Avx512(proof) = self.0
            && lanes.len() >= LANES_WORTH_IT
        {
            return side_by_side(proof, lanes);
        }
        for lane in lanes {
            self.compress(lane.chains, std::mem::take(&mut lane.blocks));
        }
    }
}

/// Eight lanes take as long as four streams one after the other, whether they are all used or not
/// (`bench/digests`); with two the gain is small, and a second worker may want one of them.
#[cfg(target_arch = "x86_64")]
const LANES_WORTH_IT: usize = 3;

#[cfg(target_arch = "x86_64")]
fn side_by_side(proof: Avx512, lanes: &mut [Lane<'_>]) {
    let common = lanes.iter().map(|lane| lane.blocks.len()).min().expect("there are lanes");
    let mut chains = [Chains::START; LANES];
    // Lanes without a stream repeat the first one's blocks; what comes of that is not looked at.
    let mut blocks = [&lanes[0].blocks[..common]; LANES];
    for (index, lane) in lanes.iter_mut().enumerate() {
        chains[index] = *lane.chains;
        let (now, later) = lane.blocks.split_at(common);
        blocks[index] = now;
        lane.blocks = later;
    }
    proof.lanes(&mut chains, blocks);
    for (lane, chains) in lanes.iter_mut().zip(chains) {
        *lane.chains = chains;
    }
}
