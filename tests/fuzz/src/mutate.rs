//! Mutations of examples, drawn from a seed: enough to reach behind the first checks, nothing
//! clever.

/// Makes inputs out of examples.
#[derive(Clone, Debug)]
pub struct Mutator {
    state: u64,
    examples: Vec<Vec<u8>>,
}

/// Longest input made. Bounds are tested by tests of their own; a fuzzer's time is better spent on
/// short inputs.
const INPUT_BYTES_MAX: usize = 4096;

// === impl Mutator ===

impl Mutator {
    /// A source of inputs near these examples.
    ///
    /// # Panics
    /// Without an example.
    #[must_use]
    pub fn new(seed: u64, examples: Vec<Vec<u8>>) -> Self {
        assert!(!examples.is_empty(), "there is something to mutate");
        Self { state: seed, examples }
    }

    /// The next input.
    pub fn next_input(&mut self) -> Vec<u8> {
        let at = self.below(self.examples.len());
        let mut input = self.examples[at].clone();
        for _ in 0..self.below(6) {
            self.mutate(&mut input);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    /// SplitMix64.
    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.bits() % end.max(1) as u64).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        const TELLING: [u8; 20] = *b"\0\x01\x7f\x80\xff\r\n\t :;,/?%09aF-";
        let any = self.bits().to_le_bytes()[0];
        if any & 1 == 0 { TELLING[self.below(TELLING.len())] } else { self.bits().to_le_bytes()[0] }
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let end = (at + self.below(24)).min(input.len());
        let byte = self.byte();
        match self.below(8) {
            0 if at < input.len() => input[at] ^= 1 << (byte % 8),
            1 if at < input.len() => input[at] = byte,
            2 => input.insert(at, byte),
            3 => drop(input.drain(at..end)),
            4 => {
                let piece = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            5 => {
                let other = self.below(self.examples.len());
                let other = self.examples[other].clone();
                let from = self.below(other.len() + 1);
                let to = (from + self.below(64)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            6 => input.truncate(at),
            _ => {
                let run = self.below(40);
                input.splice(at..at, std::iter::repeat_n(byte, run));
            }
        }
    }
}
