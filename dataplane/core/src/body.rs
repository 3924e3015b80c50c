//! Request bodies: where they end, and which bytes on the wire are theirs.
//!
//! Reading from the socket and keeping the bytes is left to the driver. The decoder looks at a
//! buffer and names the data in it by range, so nothing is copied here; where raw data comes next
//! it says how much, and the driver may receive that many bytes straight to where they belong.
//! Invariants: a body ends exactly where its framing says, proved by the framing's own end and
//! never by the end of the connection; line ends are CRLF and nothing else; all that is not data is
//! bounded.

use glint_image::limits::{CHUNK_LINE_BYTES_MAX, TRAILER_BYTES_MAX};
use std::ops::Range;

/// Most hexadecimal digits of a chunk's size: 64 bits, leading zeros counted.
const SIZE_DIGITS_MAX: u8 = 16;

/// How the body of a request is delimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks (RFC 9112 §7.1).
    Chunked,
}

impl Framing {
    /// How long the body is, if that was said beforehand.
    #[must_use]
    pub fn size_bytes(self) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::Length(bytes) => Some(bytes),
            Self::Chunked => None,
        }
    }
}

/// The body breaks its framing: refuse it with 400 and close, for where it ends is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The size of a chunk is no hexadecimal number of at most 64 bits.
    #[error("the size of a chunk is not valid")]
    ChunkSize,
    /// A chunk is longer than its size, or its line does not end with CRLF.
    #[error("a chunk does not end where its size says")]
    ChunkEnd,
    /// A size line or the trailers are longer than their bounds, or hold bytes that HTTP does not
    /// allow.
    #[error("the lines around the chunks are not valid")]
    Lines,
    /// All chunks together are more than 64 bits can count.
    #[error("the body is too long to count")]
    TooLong,
}

/// What the decoder found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// How many bytes of the buffer are dealt with. 0 without the body being done: more input is
    /// needed.
    pub consumed: usize,
    /// Which of them are data; they end where `consumed` ends, or there are none.
    pub data: Range<usize>,
}

/// The decoder of one body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body {
    state: State,
    /// Data bytes so far.
    total: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Raw bytes until the end of the body.
    Fixed {
        left: u64,
    },
    /// In a size line.
    Size {
        size: u64,
        digits: u8,
        line_bytes: usize,
        part: SizePart,
    },
    /// In a chunk.
    Chunk {
        left: u64,
    },
    /// Behind a chunk: CR, then LF.
    ChunkCr,
    ChunkLf,
    /// In the trailers.
    Trailer {
        bytes: usize,
        part: TrailerPart,
    },
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SizePart {
    Digits,
    /// Blanks before an extension.
    Blank,
    Extension,
    Lf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TrailerPart {
    /// At the start of a line.
    Start,
    Name,
    Value,
    /// Behind the CR of a trailer line.
    Lf,
    /// Behind the CR of the empty line.
    LastLf,
}

const SIZE_START: State = State::Size { size: 0, digits: 0, line_bytes: 0, part: SizePart::Digits };

// === impl Body ===

impl Body {
    /// The decoder for a body framed so.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(left) => State::Fixed { left },
            Framing::Chunked => SIZE_START,
        };
        Self { state, total: 0 }
    }

    /// Whether the end of the body was seen.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Data bytes seen so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many bytes come next on the wire that are data and nothing else. Once the buffer is
    /// empty, that many may be received straight to where they belong; [`Body::received`] then says
    /// how many were.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        match self.state {
            State::Fixed { left } | State::Chunk { left } => left,
            _ => 0,
        }
    }

    /// Takes note of data bytes received past the decoder.
    ///
    /// # Panics
    /// If they are more than [`Body::remaining`].
    pub fn received(&mut self, bytes: u64) {
        self.total += bytes;
        self.state = match self.state {
            _ if bytes == 0 => self.state,
            State::Fixed { left } if bytes == left => State::Done,
            State::Fixed { left } if bytes < left => State::Fixed { left: left - bytes },
            State::Chunk { left } if bytes == left => State::ChunkCr,
            State::Chunk { left } if bytes < left => State::Chunk { left: left - bytes },
            _ => panic!("{bytes} bytes received where {} may come", self.remaining()),
        };
    }

    /// Decodes the front of a buffer: some framing, then at most one run of at most `data_max`
    /// bytes of data. To be called again with the rest until it consumes nothing or the body is
    /// done.
    ///
    /// # Errors
    /// [`BodyError`] when the framing is broken; the decoder is of no further use.
    ///
    /// # Panics
    /// If `data_max` is 0: nothing could come of it.
    pub fn decode(&mut self, buffer: &[u8], data_max: usize) -> Result<Found, BodyError> {
        assert!(data_max > 0, "there is room for data");
        let mut at = 0;
        while at < buffer.len() && !self.is_done() {
            let remaining = self.remaining();
            if remaining > 0 {
                let here = data_max.min(buffer.len() - at);
                let taken = usize::try_from(remaining).map_or(here, |left| left.min(here));
                self.received(taken as u64);
                return Ok(Found { consumed: at + taken, data: at..at + taken });
            }
            self.state = self.framing_byte(buffer[at])?;
            at += 1;
        }
        Ok(Found { consumed: at, data: at..at })
    }

    fn framing_byte(&self, byte: u8) -> Result<State, BodyError> {
        match self.state {
            State::Size { size, digits, line_bytes, part } => {
                if line_bytes >= CHUNK_LINE_BYTES_MAX {
                    return Err(BodyError::Lines);
                }
                self.size_byte(byte, size, digits, line_bytes + 1, part)
            }
            State::ChunkCr if byte == b'\r' => Ok(State::ChunkLf),
            State::ChunkLf if byte == b'\n' => Ok(SIZE_START),
            State::ChunkCr | State::ChunkLf => Err(BodyError::ChunkEnd),
            State::Trailer { bytes, .. } if bytes >= TRAILER_BYTES_MAX => Err(BodyError::Lines),
            State::Trailer { bytes, part } => trailer_byte(byte, bytes + 1, part),
            State::Fixed { .. } | State::Chunk { .. } | State::Done => {
                unreachable!("data and the end are handled by the caller")
            }
        }
    }

    fn size_byte(
        &self,
        byte: u8,
        size: u64,
        digits: u8,
        line_bytes: usize,
        part: SizePart,
    ) -> Result<State, BodyError> {
        let go = |part| Ok(State::Size { size, digits, line_bytes, part });
        match (part, byte) {
            (SizePart::Digits, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if digits == SIZE_DIGITS_MAX {
                    return Err(BodyError::ChunkSize);
                }
                let digit = char::from(byte).to_digit(16).expect("the arm lets in hex digits only");
                let size = size << 4 | u64::from(digit);
                Ok(State::Size { size, digits: digits + 1, line_bytes, part })
            }
            (SizePart::Digits, _) if digits == 0 => Err(BodyError::ChunkSize),
            (SizePart::Digits | SizePart::Extension, b'\r') => go(SizePart::Lf),
            (SizePart::Digits | SizePart::Blank, b' ' | b'\t') => go(SizePart::Blank),
            (SizePart::Digits | SizePart::Blank, b';') => go(SizePart::Extension),
            (SizePart::Digits, _) => Err(BodyError::ChunkSize),
            (SizePart::Extension, b'\t' | b' '..=b'~' | 0x80..) => go(SizePart::Extension),
            (SizePart::Lf, b'\n') if size == 0 => {
                Ok(State::Trailer { bytes: 0, part: TrailerPart::Start })
            }
            (SizePart::Lf, b'\n') => match self.total.checked_add(size) {
                Some(_) => Ok(State::Chunk { left: size }),
                None => Err(BodyError::TooLong),
            },
            (SizePart::Blank | SizePart::Extension | SizePart::Lf, _) => Err(BodyError::Lines),
        }
    }
}

/// Trailers are read over, but only if they are lines of a name, a colon and a value: anything else
/// behind the last chunk may be a request that somebody hopes is overlooked.
fn trailer_byte(byte: u8, bytes: usize, part: TrailerPart) -> Result<State, BodyError> {
    let go = |part| Ok(State::Trailer { bytes, part });
    let in_name = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    match (part, byte) {
        (TrailerPart::Start, b'\r') => go(TrailerPart::LastLf),
        (TrailerPart::Start | TrailerPart::Name, _) if in_name => go(TrailerPart::Name),
        (TrailerPart::Name, b':') => go(TrailerPart::Value),
        (TrailerPart::Value, b'\t' | b' '..=b'~' | 0x80..) => go(TrailerPart::Value),
        (TrailerPart::Value, b'\r') => go(TrailerPart::Lf),
        (TrailerPart::Lf, b'\n') => go(TrailerPart::Start),
        (TrailerPart::LastLf, b'\n') => Ok(State::Done),
        _ => Err(BodyError::Lines),
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
