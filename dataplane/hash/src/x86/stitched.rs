//! MD5 and SHA-512 of one stream, woven into one stream of instructions.
//!
//! SHA-512's rounds stay in general registers; its message schedule and MD5 are in vector
//! registers, which would be idle. MD5 uses the lowest lane only: with AVX-512's three-way logic
//! and rotation a step is as short there as in general registers.

use super::weave::{newest_md5_word, weave};
use super::{XOR3, mixing};
use crate::chains::{BLOCK_BYTES, Chains};
use crate::tables::{ROUNDS, SINES, md5_shift, md5_word};
use std::arch::asm;
use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_add_epi64, _mm_alignr_epi8, _mm_cvtsi32_si128, _mm_cvtsi128_si32,
    _mm_rol_epi32, _mm_ror_epi64, _mm_set_epi8, _mm_set_epi64x, _mm_set1_epi32, _mm_setzero_si128,
    _mm_shuffle_epi8, _mm_srli_epi64, _mm_ternarylogic_epi32, _mm_ternarylogic_epi64,
};

/// MD5's sines, each 16 in the order of the words they are added to.
const SINES_BY_WORD: [u32; 64] = {
    let mut sorted = [0; 64];
    let mut step = 0;
    while step < 64 {
        sorted[step / 16 * 16 + md5_word(step)] = SINES[step];
        step += 1;
    }
    sorted
};

/// One round of SHA-512, and after every other one the next two words of the schedule.
macro_rules! round {
    ($t:expr, $s:ident, $wk:ident, $x:ident, $b_xor_c:ident, $m:ident) => {{
        const T: usize = $t;
        const A: usize = (80 - T) % 8;
        const B: usize = (A + 1) % 8;
        const D: usize = (A + 3) % 8;
        let [e, f, g, h] = [$s[(A + 4) % 8], $s[(A + 5) % 8], $s[(A + 6) % 8], $s[(A + 7) % 8]];
        let t1 = h
            .wrapping_add($wk[T / 2 % 8][T % 2])
            .wrapping_add((e & f) ^ (!e & g))
            .wrapping_add(e.rotate_right(14) ^ e.rotate_right(18) ^ e.rotate_right(41));
        // `a ^ b` of this round is `b ^ c` of the next.
        let a_xor_b = $s[A] ^ $s[B];
        let majority = (a_xor_b & $b_xor_c) ^ $s[B];
        $b_xor_c = a_xor_b;
        $s[D] = $s[D].wrapping_add(t1);
        let a = $s[A];
        $s[(A + 7) % 8] = t1
            .wrapping_add(majority)
            .wrapping_add(a.rotate_right(28) ^ a.rotate_right(34) ^ a.rotate_right(39));
        stay(&mut $s[D], &mut $m[newest_md5_word(T)]);
        if T % 2 == 1 && T < 64 {
            const X: usize = T / 2 % 8;
            let (near, far) = ([$x[X], $x[(X + 1) % 8]], [$x[(X + 4) % 8], $x[(X + 5) % 8]]);
            $x[X] = schedule(near, far, $x[(X + 7) % 8]);
            // Nothing past the last word is ever read.
            const NEXT: usize = if T < 64 { T + 15 } else { 0 };
            store(&mut $wk[X], _mm_add_epi64($x[X], constants(NEXT)));
        }
    }};
}

/// One step of MD5; at the end of a block, the sum with the state before it.
macro_rules! step {
    ($t:expr, $m:ident, $before:ident, $mk:ident) => {{
        const T: usize = $t;
        const STEP: usize = T % 64;
        const A: usize = (64 - STEP) % 4;
        const WORD: usize = md5_word(STEP);
        let (b, c, d) = ($m[(A + 1) % 4], $m[(A + 2) % 4], $m[(A + 3) % 4]);
        let word = $mk[T / 64][STEP / 16][WORD];
        let sum = _mm_add_epi32($m[A], _mm_set1_epi32(word.cast_signed()));
        let mixed = _mm_ternarylogic_epi32::<{ mixing(STEP) }>(b, c, d);
        let turned = _mm_rol_epi32::<{ md5_shift(STEP) }>(_mm_add_epi32(sum, mixed));
        $m[A] = _mm_add_epi32(turned, b);
        if STEP == 63 {
            for (word, before) in $m.iter_mut().zip($before) {
                *word = _mm_add_epi32(*word, before);
            }
            $before = $m;
        }
    }};
}

/// Takes whole blocks into both chaining values.
#[allow(unused_assignments, reason = "what the last round prepares for the next")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,bmi1,bmi2")]
pub(super) fn compress(chains: &mut Chains, blocks: &[[u8; BLOCK_BYTES]]) {
    let mut m = chains.md5.map(|word| _mm_cvtsi32_si128(word.cast_signed()));
    let mut s = chains.sha512;
    let mut m_before = m;
    for block in blocks {
        let s_before = s;
        let mut x = [_mm_setzero_si128(); 8];
        let mut wk = [[0; 2]; 8];
        for (index, words) in block.as_chunks().0.iter().enumerate() {
            x[index] = pair(words);
            store(&mut wk[index], _mm_add_epi64(x[index], constants(2 * index)));
        }
        // Kept from being shuffled about in vector registers: single words are read from it.
        let mk = std::hint::black_box(md5_sums(block));
        let mut b_xor_c = s[1] ^ s[2];
        weave!(round(s, wk, x, b_xor_c, m), step(m, m_before, mk));
        for (word, before) in s.iter_mut().zip(s_before) {
            *word = word.wrapping_add(before);
        }
    }
    chains.sha512 = s;
    chains.md5 = m.map(|word| _mm_cvtsi128_si32(word).cast_unsigned());
}

/// The words of both of MD5's blocks, by position, with the sines of each 16 steps added.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,bmi1,bmi2")]
fn md5_sums(block: &[u8; BLOCK_BYTES]) -> [[[u32; 16]; 4]; 2] {
    let mut sums = [[[0; 16]; 4]; 2];
    for (sums, words) in sums.iter_mut().zip(block.as_chunks::<64>().0) {
        for (sums, sines) in sums.iter_mut().zip(SINES_BY_WORD.as_chunks::<16>().0) {
            for ((sum, word), sine) in sums.iter_mut().zip(words.as_chunks().0).zip(sines) {
                *sum = u32::from_le_bytes(*word).wrapping_add(*sine);
            }
        }
    }
    sums
}

/// Two words of a message, the first in the lower half.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,bmi1,bmi2")]
fn pair(bytes: &[u8; 16]) -> __m128i {
    let swap = _mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    let both = u128::from_le_bytes(*bytes).cast_signed();
    #[allow(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
    let (low, high) = (both as i64, (both >> 64) as i64);
    _mm_shuffle_epi8(_mm_set_epi64x(high, low), swap)
}

/// Two of SHA-512's round constants.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,bmi1,bmi2")]
fn constants(first: usize) -> __m128i {
    _mm_set_epi64x(ROUNDS[first + 1].cast_signed(), ROUNDS[first].cast_signed())
}

/// The two words of the schedule after sixteen: `near` is the first four of those, `far` the ninth
/// to the twelfth, `last` the last two (FIPS 180-4, 6.4.2).
#[target_feature(enable = "avx512f,avx512vl,avx512bw,bmi1,bmi2")]
fn schedule(near: [__m128i; 2], far: [__m128i; 2], last: __m128i) -> __m128i {
    let w1 = _mm_alignr_epi8::<8>(near[1], near[0]);
    let w9 = _mm_alignr_epi8::<8>(far[1], far[0]);
    let (turned, shifted) =
        ([_mm_ror_epi64::<1>(w1), _mm_ror_epi64::<8>(w1)], _mm_srli_epi64::<7>(w1));
    let small0 = _mm_ternarylogic_epi64::<XOR3>(turned[0], turned[1], shifted);
    let (turned, shifted) =
        ([_mm_ror_epi64::<19>(last), _mm_ror_epi64::<61>(last)], _mm_srli_epi64::<6>(last));
    let small1 = _mm_ternarylogic_epi64::<XOR3>(turned[0], turned[1], shifted);
    _mm_add_epi64(_mm_add_epi64(near[0], w9), _mm_add_epi64(small0, small1))
}

/// Two words into memory, where the rounds find them: loads are cheaper than taking a vector apart.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,bmi1,bmi2")]
fn store(words: &mut [u64; 2], pair: __m128i) {
    // JUSTIFICATION: a store that the compiler does not turn into extractions must be opaque to
    // it, and there is no safe way to store a vector.
    // SAFETY: the instruction writes the 16 bytes of `words`, aligned or not, and nothing else.
    unsafe {
        asm!(
            "vmovdqu [{to}], {pair}",
            to = in(reg) words.as_mut_ptr(),
            pair = in(xmm_reg) pair,
            options(nostack, preserves_flags)
        );
    }
}

/// Keeps the compiler from moving a round and a step past one another: it would sort them apart
/// again. Does nothing.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,bmi1,bmi2")]
fn stay(word: &mut u64, vector: &mut __m128i) {
    // JUSTIFICATION: only an opaque use of both values orders them; it is 1.5 times as fast so.
    // SAFETY: there is no instruction in it.
    unsafe {
        asm!(
            "/* {0} {1} */",
            inout(reg) * word,
            inout(xmm_reg) * vector,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
}
