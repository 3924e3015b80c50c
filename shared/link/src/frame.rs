//! Frames: magic, wire version, length, checksum, then a checked rkyv archive.
//!
//! ```text
//! 0      4      6     8          12          16
//! | GLNK | vers | 0 0 | length LE | crc32c LE | payload … |
//! ```
//!
//! The reader of a stream takes [`HEADER_BYTES`], asks [`Header::parse`] how many bytes follow,
//! takes those and calls [`decode`]. Mutual TLS is no reason to skip a check: every archive is
//! validated before it is looked at.

use crate::v1::VERSION;
use glint_image::limits::FRAME_PAYLOAD_BYTES_MAX;
use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Error as RkyvError;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};

/// Length of a frame's header in bytes.
pub const HEADER_BYTES: usize = 16;
const MAGIC: [u8; 4] = *b"GLNK";

/// Why a frame cannot be taken. Each ends the stream it came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first four bytes are not ours.
    #[error("not a link frame")]
    Magic,
    /// A wire version this build does not speak.
    #[error("wire version {0}, this build speaks {VERSION}")]
    Version(u16),
    /// The sender announces more than the bound.
    #[error("frame of {0} bytes, at most {FRAME_PAYLOAD_BYTES_MAX} are taken")]
    TooLong(usize),
    /// The payload is not what the sender checksummed.
    #[error("frame checksum does not match")]
    Checksum,
    /// The payload is not a valid archive of the expected type.
    #[error("frame payload is not valid")]
    Payload,
}

/// A frame's header, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many bytes of payload follow.
    pub payload_bytes: usize,
    checksum: u32,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// [`FrameError::Magic`], [`FrameError::Version`] or [`FrameError::TooLong`]; nothing
    /// was allocated.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let [m0, m1, m2, m3, v0, v1, z0, z1, l0, l1, l2, l3, c0, c1, c2, c3] = *bytes;
        if [m0, m1, m2, m3] != MAGIC || [z0, z1] != [0, 0] {
            return Err(FrameError::Magic);
        }
        let version = u16::from_le_bytes([v0, v1]);
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let payload_bytes = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if payload_bytes > FRAME_PAYLOAD_BYTES_MAX {
            return Err(FrameError::TooLong(payload_bytes));
        }
        Ok(Self { payload_bytes, checksum: u32::from_le_bytes([c0, c1, c2, c3]) })
    }
}

/// Writes a value as a frame.
///
/// # Errors
/// [`FrameError::TooLong`] if the value does not fit a frame: the caller must send less.
pub fn encode<T>(value: &T) -> Result<Vec<u8>, FrameError>
where
    T: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, RkyvError>>,
{
    let payload = rkyv::to_bytes::<RkyvError>(value).map_err(|_| FrameError::Payload)?;
    if payload.len() > FRAME_PAYLOAD_BYTES_MAX {
        return Err(FrameError::TooLong(payload.len()));
    }
    let length = u32::try_from(payload.len()).expect("the bound is far below 2^32");
    let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&VERSION.to_le_bytes());
    frame.extend_from_slice(&[0, 0]);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
    frame.extend_from_slice(&payload);
    Ok(frame)
}

/// Reads the payload that follows a header.
///
/// # Errors
/// [`FrameError::Checksum`] or [`FrameError::Payload`].
pub fn decode<T>(header: Header, payload: &[u8]) -> Result<T, FrameError>
where
    T: Archive,
    T::Archived: for<'a> CheckBytes<HighValidator<'a, RkyvError>>
        + Deserialize<T, HighDeserializer<RkyvError>>,
{
    if payload.len() != header.payload_bytes || crc32c::crc32c(payload) != header.checksum {
        return Err(FrameError::Checksum);
    }
    rkyv::from_bytes::<T, RkyvError>(payload).map_err(|_| FrameError::Payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Answer, Mark};

    fn header_of(frame: &[u8]) -> Result<Header, FrameError> {
        Header::parse(frame[..HEADER_BYTES].try_into().expect("sixteen bytes"))
    }

    #[test]
    fn what_goes_in_comes_out() {
        let answer = Answer::Relayed {
            status: 201,
            headers: vec![],
            at: Mark { session: 7, number: 3 },
            keep: None,
        };
        let frame = encode(&answer).expect("small");
        let header = header_of(&frame).expect("our own");
        assert_eq!(decode::<Answer>(header, &frame[HEADER_BYTES..]), Ok(answer));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let frame =
            encode(&Answer::Committed { at: Mark { session: 1, number: 1 } }).expect("small");
        for bit in 0..frame.len() * 8 {
            let mut bent = frame.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            let read = header_of(&bent).and_then(|h| decode::<Answer>(h, &bent[HEADER_BYTES..]));
            assert!(read.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn an_announced_giant_is_refused_before_anything_is_allocated() {
        let mut frame = encode(&Answer::Fenced).expect("small");
        frame[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(header_of(&frame), Err(FrameError::TooLong(u32::MAX as usize)));
    }
}
