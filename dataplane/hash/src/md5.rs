//! MD5 over a stream of pieces, by one of several backends.
//!
//! MD5 is a chain of 64 dependent steps for each 64 bytes, so its speed is the length of that chain
//! in processor cycles. [`compress`] below is written for a short chain; whether that beats the
//! md-5 crate is found by [`crate::calibrate`]. MD5 is here because Glance's API promises it as
//! `checksum`; nothing relies on it for security. The invariant: the backend never shows in the
//! digest.

use md5::Digest;

/// Who computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Md5Backend {
    /// The code in this file.
    Own,
    /// The md-5 crate.
    Crate,
}

/// An MD5 under way.
#[derive(Clone, Debug)]
pub struct Md5Stream(State);

#[derive(Clone, Debug)]
enum State {
    Own(Own),
    Crate(md5::Md5),
}

/// Chaining state, count and the bytes of a block not yet full.
#[derive(Clone, Debug)]
struct Own {
    chain: [u32; 4],
    total_bytes: u64,
    partial: [u8; BLOCK],
    partial_len: usize,
}

const BLOCK: usize = 64;

/// The initial chaining state (RFC 1321, 3.3).
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

impl Md5Backend {
    /// Every backend.
    pub const ALL: [Self; 2] = [Self::Own, Self::Crate];
}

// === impl Md5Stream ===

impl Md5Stream {
    /// Starts an empty stream.
    #[must_use]
    pub fn new(backend: Md5Backend) -> Self {
        Self(match backend {
            Md5Backend::Own => State::Own(Own::new()),
            Md5Backend::Crate => State::Crate(md5::Md5::new()),
        })
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        match &mut self.0 {
            State::Own(own) => own.update(piece),
            State::Crate(hasher) => hasher.update(piece),
        }
    }

    /// The digest of all pieces.
    #[must_use]
    pub fn finish(self) -> [u8; 16] {
        match self.0 {
            State::Own(own) => own.finish(),
            State::Crate(hasher) => hasher.finalize().into(),
        }
    }
}

// === impl Own ===

impl Own {
    fn new() -> Self {
        Self { chain: START, total_bytes: 0, partial: [0; BLOCK], partial_len: 0 }
    }

    fn update(&mut self, mut piece: &[u8]) {
        self.total_bytes = self.total_bytes.wrapping_add(piece.len() as u64);
        if self.partial_len > 0 {
            let taken = piece.len().min(BLOCK - self.partial_len);
            self.partial[self.partial_len..self.partial_len + taken]
                .copy_from_slice(&piece[..taken]);
            self.partial_len += taken;
            piece = &piece[taken..];
            if self.partial_len < BLOCK {
                return;
            }
            compress(&mut self.chain, &[self.partial]);
            self.partial_len = 0;
        }
        let (blocks, rest) = piece.as_chunks::<BLOCK>();
        compress(&mut self.chain, blocks);
        self.partial[..rest.len()].copy_from_slice(rest);
        self.partial_len = rest.len();
    }

    /// Pads (RFC 1321, 3.1 and 3.2) and closes.
    fn finish(mut self) -> [u8; 16] {
        let bits = self.total_bytes.wrapping_mul(8);
        let zeros = (BLOCK + 55 - self.partial_len) % BLOCK;
        let mut padding = [0_u8; 1 + BLOCK + 8];
        padding[0] = 0x80;
        padding[1 + zeros..1 + zeros + 8].copy_from_slice(&bits.to_le_bytes());
        self.update(&padding[..1 + zeros + 8]);
        assert!(self.partial_len == 0, "padding ends a block");
        let mut digest = [0; 16];
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(self.chain) {
            *bytes = word.to_le_bytes();
        }
        digest
    }
}

/// The four mixing functions (RFC 1321, 3.4), each written so that the newest word, which arrives
/// last, enters as late as possible. `G` is a sum of two disjoint halves: the half without the
/// newest word is added in while that is still computed.
macro_rules! mix {
    (F, $sum:expr, $b:ident, $c:ident, $d:ident) => {
        $sum.wrapping_add($d ^ ($b & ($c ^ $d)))
    };
    (G, $sum:expr, $b:ident, $c:ident, $d:ident) => {
        $sum.wrapping_add(!$d & $c).wrapping_add($d & $b)
    };
    (H, $sum:expr, $b:ident, $c:ident, $d:ident) => {
        $sum.wrapping_add(($c ^ $d) ^ $b)
    };
    (I, $sum:expr, $b:ident, $c:ident, $d:ident) => {
        $sum.wrapping_add($c ^ ($b | !$d))
    };
}

macro_rules! step {
    ($f:ident, $a:ident, $b:ident, $c:ident, $d:ident, $word:expr, $sine:expr,
     $shift:literal) => {
        let sum = $a.wrapping_add($word.wrapping_add($sine));
        $a = mix!($f, sum, $b, $c, $d).rotate_left($shift).wrapping_add($b);
    };
}

/// Four steps, after which the words are back in their places.
macro_rules! steps {
    ($f:ident, $a:ident, $b:ident, $c:ident, $d:ident, $m:ident, $sines:ident,
     $first:literal, [$i:literal, $j:literal, $k:literal, $l:literal],
     $s:literal, $t:literal, $u:literal, $v:literal) => {
        step!($f, $a, $b, $c, $d, $m[$i], $sines[$first], $s);
        step!($f, $d, $a, $b, $c, $m[$j], $sines[$first + 1], $t);
        step!($f, $c, $d, $a, $b, $m[$k], $sines[$first + 2], $u);
        step!($f, $b, $c, $d, $a, $m[$l], $sines[$first + 3], $v);
    };
}

/// Takes whole blocks into the chaining state.
fn compress(chain: &mut [u32; 4], blocks: &[[u8; BLOCK]]) {
    // Known constants would be added last of all by the optimiser, one cycle more in each step of
    // the chain. Values it cannot see are added as soon as they are there.
    let sines = std::hint::black_box(&SINES);
    let [mut a, mut b, mut c, mut d] = *chain;
    for block in blocks {
        let (words, _) = block.as_chunks::<4>();
        let mut m = [0_u32; 16];
        for (word, bytes) in m.iter_mut().zip(words) {
            *word = u32::from_le_bytes(*bytes);
        }
        let before = [a, b, c, d];
        steps!(F, a, b, c, d, m, sines, 0, [0, 1, 2, 3], 7, 12, 17, 22);
        steps!(F, a, b, c, d, m, sines, 4, [4, 5, 6, 7], 7, 12, 17, 22);
        steps!(F, a, b, c, d, m, sines, 8, [8, 9, 10, 11], 7, 12, 17, 22);
        steps!(F, a, b, c, d, m, sines, 12, [12, 13, 14, 15], 7, 12, 17, 22);
        steps!(G, a, b, c, d, m, sines, 16, [1, 6, 11, 0], 5, 9, 14, 20);
        steps!(G, a, b, c, d, m, sines, 20, [5, 10, 15, 4], 5, 9, 14, 20);
        steps!(G, a, b, c, d, m, sines, 24, [9, 14, 3, 8], 5, 9, 14, 20);
        steps!(G, a, b, c, d, m, sines, 28, [13, 2, 7, 12], 5, 9, 14, 20);
        steps!(H, a, b, c, d, m, sines, 32, [5, 8, 11, 14], 4, 11, 16, 23);
        steps!(H, a, b, c, d, m, sines, 36, [1, 4, 7, 10], 4, 11, 16, 23);
        steps!(H, a, b, c, d, m, sines, 40, [13, 0, 3, 6], 4, 11, 16, 23);
        steps!(H, a, b, c, d, m, sines, 44, [9, 12, 15, 2], 4, 11, 16, 23);
        steps!(I, a, b, c, d, m, sines, 48, [0, 7, 14, 5], 6, 10, 15, 21);
        steps!(I, a, b, c, d, m, sines, 52, [12, 3, 10, 1], 6, 10, 15, 21);
        steps!(I, a, b, c, d, m, sines, 56, [8, 15, 6, 13], 6, 10, 15, 21);
        steps!(I, a, b, c, d, m, sines, 60, [4, 11, 2, 9], 6, 10, 15, 21);
        a = a.wrapping_add(before[0]);
        b = b.wrapping_add(before[1]);
        c = c.wrapping_add(before[2]);
        d = d.wrapping_add(before[3]);
    }
    *chain = [a, b, c, d];
}

/// `floor(2^32 * abs(sin(i + 1)))` (RFC 1321, 3.4).
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee,
    0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be,
    0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa,
    0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed,
    0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c,
    0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05,
    0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039,
    0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1,
    0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];
