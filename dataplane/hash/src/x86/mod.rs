//! Both digests with the vector instructions of x86-64.

mod lanes;
mod stitched;
mod weave;

pub(crate) use lanes::LANES;

use crate::chains::{BLOCK_BYTES, Chains};

/// `x ^ y ^ z` for three-way logic.
const XOR3: i32 = 0x96;

/// The mixing function of MD5's step, of `(b, c, d)`, for three-way logic (RFC 1321, 3.4).
const fn mixing(step: usize) -> i32 {
    [0xca, 0xe4, XOR3, 0x39][step / 16]
}

/// The proof that this processor has what the code here is made of: AVX-512 with its instructions
/// for bytes and for shorter vectors (Intel since 2017, AMD since 2022).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        let able = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        able.then_some(Self(()))
    }

    /// Takes whole blocks of one stream.
    pub(crate) fn stitched(self, chains: &mut Chains, blocks: &[[u8; BLOCK_BYTES]]) {
        // JUSTIFICATION: code for more than the basic processor can be called in no other way.
        // SAFETY: `self` exists only where `detect` found everything it is compiled for.
        unsafe { stitched::compress(chains, blocks) }
    }

    /// Takes whole blocks of [`LANES`] streams, of each as many.
    pub(crate) fn lanes(self, chains: &mut [Chains; LANES], blocks: [&[[u8; BLOCK_BYTES]]; LANES]) {
        // JUSTIFICATION: code for more than the basic processor can be called in no other way.
        // SAFETY: as in `stitched`.
        unsafe { lanes::compress(chains, blocks) }
    }
}
