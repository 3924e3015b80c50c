//! MD5's compression for any processor, and the end of a digest.
//!
//! MD5 is a chain of 64 dependent steps for each 64 bytes, so its speed is the length of that chain
//! in processor cycles; [`compress`] is written for a short chain. MD5 is here because Glance's API
//! promises it as `checksum`; nothing relies on it for security.

use crate::tables::SINES;

/// What MD5 advances by.
const BLOCK: usize = 64;

/// Pads what is left of a message of so many bits (RFC 1321, 3.1 and 3.2) and closes.
pub(crate) fn finish(mut chain: [u32; 4], mut left: &[u8], bits: u64) -> [u8; 16] {
    let (blocks, end) = left.as_chunks();
    compress(&mut chain, blocks);
    left = end;
    let mut padded = [0; 2 * BLOCK];
    padded[..left.len()].copy_from_slice(left);
    padded[left.len()] = 0x80;
    let len = if left.len() < BLOCK - 8 { BLOCK } else { 2 * BLOCK };
    padded[len - 8..len].copy_from_slice(&bits.to_le_bytes());
    compress(&mut chain, padded[..len].as_chunks().0);
    let mut digest = [0; 16];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(chain) {
        *bytes = word.to_le_bytes();
    }
    digest
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
pub(crate) fn compress(chain: &mut [u32; 4], blocks: &[[u8; BLOCK]]) {
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
