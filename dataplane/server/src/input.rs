//! Bytes received from a client and not yet looked at.
//!
//! Receiving is left to the caller. Invariants: bytes come out in the order they went in, once; an
//! empty buffer holds no memory, so an idle connection costs none; it never grows past the largest
//! head.

use glint_image::limits::HEAD_BYTES_MAX;

/// What is taken at first; enough for nearly every head.
const FIRST_BYTES: usize = 4 * 1024;

/// The largest head, and room to see that it is one.
const LARGEST_BYTES: usize = HEAD_BYTES_MAX + FIRST_BYTES;

/// A receive buffer.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// What was received and not consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The first `count` unread bytes are dealt with.
    pub(crate) fn consume(&mut self, count: usize) {
        assert!(count <= self.end - self.start, "only what was received is consumed");
        self.start += count;
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room to receive into, at least one byte.
    pub(crate) fn spare(&mut self) -> &mut [u8] {
        if self.end == self.bytes.len() && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.bytes.len() {
            let larger = (self.bytes.len() * 2).clamp(FIRST_BYTES, LARGEST_BYTES);
            assert!(
                larger > self.bytes.len(),
                "a full buffer is looked at before more is received"
            );
            self.bytes.resize(larger, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// Room to receive whole pieces of a body into: as much as the buffer may ever hold. Only for
    /// an empty buffer.
    pub(crate) fn spare_large(&mut self) -> &mut [u8] {
        assert!(self.is_empty(), "a piece is dealt with before the next is received");
        self.bytes.resize(LARGEST_BYTES, 0);
        &mut self.bytes
    }

    /// So many bytes were received into the room.
    pub(crate) fn received(&mut self, count: usize) {
        assert!(count <= self.bytes.len() - self.end, "what was received fits the room");
        self.end += count;
    }

    /// Gives the memory back if nothing is left.
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// How much memory it holds.
    #[cfg(test)]
    fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(input: &mut Input, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = input.spare();
            let count = room.len().min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            input.received(count);
            rest = &rest[count..];
        }
    }

    #[test]
    fn bytes_come_out_as_they_went_in_and_memory_follows_need() {
        let bytes: Vec<u8> = (0..LARGEST_BYTES).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let mut input = Input::default();
        assert_eq!(input.capacity(), 0);
        let mut check = |more: &[u8], consumed: usize, expected: &[u8]| {
            receive(&mut input, more);
            input.consume(consumed);
            assert!(input.unread() == expected);
        };
        check(&bytes[..10], 4, &bytes[4..10]);
        check(&bytes[10..5_000], 4_000, &bytes[4_004..5_000]);
        check(&bytes[5_000..], 0, &bytes[4_004..]);
        check(&[], bytes.len() - 4_004, &[]);
        input.release();
        assert_eq!(input.capacity(), 0);
        receive(&mut input, b"one");
        input.release();
        assert_eq!(input.unread(), b"one", "what is unread is kept");
    }

    #[test]
    fn it_never_holds_more_than_the_largest_head() {
        let mut input = Input::default();
        receive(&mut input, &vec![b'x'; LARGEST_BYTES]);
        assert!(
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _ = input.spare();
            }))
            .is_err()
        );
    }
}
