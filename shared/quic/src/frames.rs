//! Frames and bodies on a QUIC stream.
//!
//! Leaves deadlines to its caller: every function here waits as long as the peer takes, and none
//! may be dropped half-way if the stream is to be used again. Invariant: never more than one
//! frame's bound is allocated for a peer's announcement.

use bytes::Bytes;
use glint_image::limits::{FRAME_PAYLOAD_BYTES_MAX, RELAY_PIECE_BYTES};
use glint_link::frame::{self, FrameError, HEADER_BYTES, Header};
use glint_link::wire::Piece;
use quinn::{ReadExactError, RecvStream, SendStream};
use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Error as RkyvError;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};

/// A wire type that can be sent as a frame.
pub trait Writable:
    for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, RkyvError>>
{
}

impl<T> Writable for T where
    T: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, RkyvError>>
{
}

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The peer ended the stream between two frames.
    #[error("the stream has ended")]
    Ended,
    /// The peer ended the stream inside a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
    /// The bytes are not a frame of the expected type: a fault of the peer.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The stream or its connection is lost.
    #[error(transparent)]
    Lost(quinn::ReadError),
}

/// Why a frame could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The value does not fit a frame: nothing was sent.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The stream or its connection is lost.
    #[error(transparent)]
    Lost(#[from] quinn::WriteError),
}

/// Why no body could be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the caller takes.
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    /// A piece carries nothing and is not the last: an honest peer has no reason to send it.
    #[error("an empty piece inside a body")]
    EmptyPiece,
    /// A frame could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Reads one frame.
///
/// # Errors
/// [`ReadError`].
pub async fn read_frame<T>(recv: &mut RecvStream) -> Result<T, ReadError>
where
    T: Archive,
    T::Archived: for<'a> CheckBytes<HighValidator<'a, RkyvError>>
        + Deserialize<T, HighDeserializer<RkyvError>>,
{
    let mut header = [0; HEADER_BYTES];
    recv.read_exact(&mut header).await.map_err(|error| match error {
        ReadExactError::FinishedEarly(0) => ReadError::Ended,
        other => cut_short(other),
    })?;
    let header = Header::parse(&header)?;
    debug_assert!(header.payload_bytes <= FRAME_PAYLOAD_BYTES_MAX, "checked by the header");
    let mut payload = AlignedVec::<16>::with_capacity(header.payload_bytes);
    payload.resize(header.payload_bytes, 0);
    recv.read_exact(&mut payload).await.map_err(cut_short)?;
    Ok(frame::decode(header, &payload)?)
}

/// Writes one frame.
///
/// # Errors
/// [`WriteError`].
pub async fn write_frame<T: Writable>(send: &mut SendStream, value: &T) -> Result<(), WriteError> {
    let frame = frame::encode(value)?;
    Ok(send.write_chunk(Bytes::from(frame)).await?)
}

/// Reads the [`Piece`]s of a body up to the last.
///
/// # Errors
/// [`BodyError::TooLong`] as soon as more than `bytes_max` have arrived; the rest is not read.
pub async fn read_body(recv: &mut RecvStream, bytes_max: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    loop {
        let piece: Piece = read_frame(recv).await?;
        if piece.bytes.is_empty() && !piece.last {
            return Err(BodyError::EmptyPiece);
        }
        if piece.bytes.len() > bytes_max - body.len() {
            return Err(BodyError::TooLong(bytes_max));
        }
        if body.is_empty() {
            body = piece.bytes;
        } else {
            body.extend_from_slice(&piece.bytes);
        }
        if piece.last {
            return Ok(body);
        }
    }
}

/// Writes a body as [`Piece`]s; an empty one is one empty last piece.
///
/// # Errors
/// [`WriteError::Lost`].
pub async fn write_body(send: &mut SendStream, body: &[u8]) -> Result<(), WriteError> {
    let mut rest = body;
    loop {
        let (bytes, after) = rest.split_at(rest.len().min(RELAY_PIECE_BYTES));
        let last = after.is_empty();
        write_frame(send, &Piece { bytes: bytes.to_vec(), last }).await?;
        if last {
            return Ok(());
        }
        rest = after;
    }
}

fn cut_short(error: ReadExactError) -> ReadError {
    match error {
        ReadExactError::FinishedEarly(_) => ReadError::Truncated,
        ReadExactError::ReadError(error) => ReadError::Lost(error),
    }
}
