//! MD5 and SHA-512 of eight streams at once, one in each lane.
//!
//! SHA-512 has eight words of 64 bits in a register, MD5 eight of 32 in half of one; they are woven
//! as in `stitched`, for the same reason.

use super::weave::{newest_md5_word, weave};
use super::{XOR3, mixing};
use crate::chains::{BLOCK_BYTES, Chains};
use crate::tables::{ROUNDS, SINES, md5_shift, md5_word};
use std::arch::asm;
use std::arch::x86_64::{
    __m256i, __m512i, _mm_set_epi8, _mm256_add_epi32, _mm256_loadu_si256, _mm256_rol_epi32,
    _mm256_set1_epi32, _mm256_storeu_si256, _mm256_ternarylogic_epi32, _mm512_add_epi64,
    _mm512_broadcast_i32x4, _mm512_castsi512_si256, _mm512_extracti64x4_epi64, _mm512_loadu_si512,
    _mm512_permutex2var_epi32, _mm512_ror_epi64, _mm512_set_epi32, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_i64x2, _mm512_srli_epi64,
    _mm512_storeu_si512, _mm512_ternarylogic_epi64, _mm512_unpackhi_epi64, _mm512_unpacklo_epi64,
};

/// How many streams.
pub(crate) const LANES: usize = 8;

/// `x ? y : z`, bit by bit, for three-way logic.
const CHOOSE: i32 = 0xca;

/// What two of three say, bit by bit, for three-way logic.
const MAJORITY: i32 = 0xe8;

/// A message's words, one vector for each; and MD5's words of both of its blocks.
struct Words {
    sha512: [__m512i; 16],
    md5: [[__m512i; 8]; 2],
}

/// One round of SHA-512, with the word of the schedule sixteen rounds on.
macro_rules! round {
    ($t:expr, $s:ident, $w:ident, $m:ident) => {{
        const T: usize = $t;
        const A: usize = (80 - T) % 8;
        const D: usize = (A + 3) % 8;
        let [a, b, c] = [$s[A], $s[(A + 1) % 8], $s[(A + 2) % 8]];
        let [e, f, g, h] = [$s[(A + 4) % 8], $s[(A + 5) % 8], $s[(A + 6) % 8], $s[(A + 7) % 8]];
        let word = $w[T % 16];
        if T < 64 {
            $w[T % 16] = schedule([word, $w[(T + 1) % 16], $w[(T + 9) % 16], $w[(T + 14) % 16]]);
        }
        let chosen = _mm512_ternarylogic_epi64::<CHOOSE>(e, f, g);
        let wk = add(word, _mm512_set1_epi64(ROUNDS[T].cast_signed()));
        let t1 = add(add(add(h, wk), chosen), turned::<14, 18, 41>(e));
        let majority = _mm512_ternarylogic_epi64::<MAJORITY>(a, b, c);
        $s[D] = add($s[D], t1);
        $s[(A + 7) % 8] = add(t1, add(turned::<28, 34, 39>(a), majority));
        stay(&mut $s[D], &mut $m[newest_md5_word(T)]);
    }};
}

/// One step of MD5; at the end of a block, the sum with the state before it.
macro_rules! step {
    ($t:expr, $m:ident, $before:ident, $words:ident) => {{
        const T: usize = $t;
        const STEP: usize = T % 64;
        const A: usize = (64 - STEP) % 4;
        const WORD: usize = md5_word(STEP);
        let (b, c, d) = ($m[(A + 1) % 4], $m[(A + 2) % 4], $m[(A + 3) % 4]);
        // A vector holds a word of all lanes, and the word after the next.
        let two = $words[T / 64][WORD / 4 * 2 + WORD % 2];
        let word = match WORD % 4 {
            0 | 1 => _mm512_castsi512_si256(two),
            _ => _mm512_extracti64x4_epi64::<1>(two),
        };
        let sine = _mm256_set1_epi32(SINES[STEP].cast_signed());
        let sum = _mm256_add_epi32(_mm256_add_epi32($m[A], word), sine);
        let mixed = _mm256_ternarylogic_epi32::<{ mixing(STEP) }>(b, c, d);
        let turned = _mm256_rol_epi32::<{ md5_shift(STEP) }>(_mm256_add_epi32(sum, mixed));
        $m[A] = _mm256_add_epi32(turned, b);
        if STEP == 63 {
            for (word, before) in $m.iter_mut().zip($before) {
                *word = _mm256_add_epi32(*word, before);
            }
            $before = $m;
        }
    }};
}

/// Takes whole blocks of every lane into its chaining values. All lanes have as many blocks.
#[allow(unused_assignments, reason = "what the last round prepares for the next")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
pub(super) fn compress(chains: &mut [Chains; LANES], blocks: [&[[u8; BLOCK_BYTES]]; LANES]) {
    let count = blocks[0].len();
    assert!(blocks.iter().all(|blocks| blocks.len() == count), "lanes go side by side");
    let mut s: [__m512i; 8] =
        std::array::from_fn(|word| load64(&chains.each_ref().map(|it| it.sha512[word])));
    let mut m: [__m256i; 4] =
        std::array::from_fn(|word| load32(&chains.each_ref().map(|it| it.md5[word])));
    let mut m_before = m;
    for index in 0..count {
        let s_before = s;
        // Kept from being shuffled about in registers: there are not enough of them.
        let Words { sha512: mut w, md5 } =
            std::hint::black_box(words(blocks.map(|blocks| &blocks[index])));
        weave!(round(s, w, m), step(m, m_before, md5));
        for (word, before) in s.iter_mut().zip(s_before) {
            *word = add(*word, before);
        }
    }
    for (word, vector) in s.into_iter().enumerate() {
        for (chains, value) in chains.iter_mut().zip(store64(vector)) {
            chains.sha512[word] = value;
        }
    }
    for (word, vector) in m.into_iter().enumerate() {
        for (chains, value) in chains.iter_mut().zip(store32(vector)) {
            chains.md5[word] = value;
        }
    }
}

/// The words of one block of every lane, word by word.
#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn words(blocks: [&[u8; BLOCK_BYTES]; LANES]) -> Words {
    let swap = _mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    let swap = _mm512_broadcast_i32x4(swap);
    let even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    let odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    let nothing = _mm512_setzero_si512();
    let mut words = Words { sha512: [nothing; 16], md5: [[nothing; 8]; 2] };
    for half in 0..2 {
        let rows = blocks.map(|block| load(&block.as_chunks().0[half]));
        let columns = transpose(rows);
        for (pair, two) in columns.as_chunks::<2>().0.iter().enumerate() {
            words.md5[half][2 * pair] = _mm512_permutex2var_epi32(two[0], even, two[1]);
            words.md5[half][2 * pair + 1] = _mm512_permutex2var_epi32(two[0], odd, two[1]);
        }
        for (word, column) in words.sha512[8 * half..].iter_mut().zip(columns) {
            *word = _mm512_shuffle_epi8(column, swap);
        }
    }
    words
}

/// The word of the schedule after sixteen, of the first, the second, the tenth and the fifteenth of
/// those (FIPS 180-4, 6.4.2).
#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn schedule([w0, w1, w9, w14]: [__m512i; 4]) -> __m512i {
    let small0 =
        xor3(_mm512_ror_epi64::<1>(w1), _mm512_ror_epi64::<8>(w1), _mm512_srli_epi64::<7>(w1));
    let small1 =
        xor3(_mm512_ror_epi64::<19>(w14), _mm512_ror_epi64::<61>(w14), _mm512_srli_epi64::<6>(w14));
    add(add(w0, w9), add(small0, small1))
}

/// Three rotations, added without carry.
#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn turned<const R: i32, const S: i32, const T: i32>(x: __m512i) -> __m512i {
    xor3(_mm512_ror_epi64::<R>(x), _mm512_ror_epi64::<S>(x), _mm512_ror_epi64::<T>(x))
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn xor3(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<XOR3>(x, y, z)
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn add(x: __m512i, y: __m512i) -> __m512i {
    _mm512_add_epi64(x, y)
}

/// Eight rows of eight words become eight columns.
#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn transpose(rows: [__m512i; 8]) -> [__m512i; 8] {
    let mut even = [rows[0]; 4];
    let mut odd = [rows[0]; 4];
    for (pair, two) in rows.as_chunks::<2>().0.iter().enumerate() {
        even[pair] = _mm512_unpacklo_epi64(two[0], two[1]);
        odd[pair] = _mm512_unpackhi_epi64(two[0], two[1]);
    }
    let [c0, c2, c4, c6] = transpose_pairs(even);
    let [c1, c3, c5, c7] = transpose_pairs(odd);
    [c0, c1, c2, c3, c4, c5, c6, c7]
}

/// Four rows of four pairs of words become four columns of them.
#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn transpose_pairs(rows: [__m512i; 4]) -> [__m512i; 4] {
    let first = _mm512_shuffle_i64x2::<0x88>(rows[0], rows[1]);
    let second = _mm512_shuffle_i64x2::<0xdd>(rows[0], rows[1]);
    let third = _mm512_shuffle_i64x2::<0x88>(rows[2], rows[3]);
    let fourth = _mm512_shuffle_i64x2::<0xdd>(rows[2], rows[3]);
    [
        _mm512_shuffle_i64x2::<0x88>(first, third),
        _mm512_shuffle_i64x2::<0x88>(second, fourth),
        _mm512_shuffle_i64x2::<0xdd>(first, third),
        _mm512_shuffle_i64x2::<0xdd>(second, fourth),
    ]
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn load(bytes: &[u8; 64]) -> __m512i {
    // JUSTIFICATION: there is no safe way to load a vector.
    // SAFETY: a reference to 64 bytes may be read whole; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn load64(words: &[u64; 8]) -> __m512i {
    // JUSTIFICATION: there is no safe way to load a vector.
    // SAFETY: as in `load`.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn load32(words: &[u32; 8]) -> __m256i {
    // JUSTIFICATION: there is no safe way to load a vector.
    // SAFETY: a reference to 32 bytes may be read whole; the load asks for no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn store64(vector: __m512i) -> [u64; 8] {
    let mut words = [0; 8];
    // JUSTIFICATION: there is no safe way to store a vector.
    // SAFETY: the array has the vector's 64 bytes; the store asks for no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) };
    words
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn store32(vector: __m256i) -> [u32; 8] {
    let mut words = [0; 8];
    // JUSTIFICATION: there is no safe way to store a vector.
    // SAFETY: the array has the vector's 32 bytes; the store asks for no alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) };
    words
}

/// Keeps the compiler from moving a round and a step past one another. Does nothing.
#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn stay(word: &mut __m512i, vector: &mut __m256i) {
    // JUSTIFICATION: only an opaque use of both values orders them.
    // SAFETY: there is no instruction in it.
    unsafe {
        asm!(
            "/* {0} {1} */",
            inout(zmm_reg) * word,
            inout(ymm_reg) * vector,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
}
