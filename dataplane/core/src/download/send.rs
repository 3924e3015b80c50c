//! The sending half of a download: head, then window after window.
//!
//! Waiting for the socket and moving the bytes is left to the driver. Invariants: bytes are asked
//! for in order and never past the announced end; a window has a deadline; after two windows the
//! others of the shard have their turn; nothing allocates.

use super::Step;
use crate::head::Persistence;
use crate::permit::Permit;
use crate::range::Part;
use crate::respond::{HeadWriter, Length};
use crate::time::Millis;
use glint_image::RequestId;
use glint_image::limits::{SEND_WINDOW_MS_MAX, WINDOW_BYTES, WINDOWS_PER_TURN};
use glint_link::wire::Header;

/// Why a connection is cut in the middle of a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Cut {
    /// The file ended before the announced length.
    #[error("the file is shorter than the image")]
    Short,
    /// The store failed.
    #[error("the store failed while the image was sent")]
    Store,
    /// The client took too long for a window.
    #[error("the client takes the image too slowly")]
    Slow,
    /// The client is gone.
    #[error("the client is gone")]
    Gone,
}

/// Whether a window's bytes are in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Residency {
    /// They are: sending them does not wait for a disk.
    Hot,
    /// They are not, or nobody knows.
    Cold,
}

/// What is left to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transfer {
    offset: u64,
    end: u64,
    /// Windows left in this turn.
    turn: u32,
    persistence: Persistence,
}

/// Begins: the file is open.
pub(super) fn begin(
    permit: &Permit,
    part: Option<Part>,
    size_bytes: u64,
    persistence: Persistence,
) -> Step {
    let (offset, end) = part.map_or((0, size_bytes), |p| (p.offset, p.offset + p.length));
    assert!(offset <= end && end <= size_bytes, "a part lies within its image");
    let transfer = Transfer { offset, end, turn: WINDOWS_PER_TURN, persistence };
    let checksum = permit.checksum().map(str::to_owned);
    Step::Head(SendHead { transfer, part, size_bytes, checksum })
}

// === impl Transfer ===

impl Transfer {
    /// Bytes not yet sent.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.end - self.offset
    }

    fn advanced(self, bytes: u64) -> Self {
        assert!(bytes <= self.left(), "no more is sent than was asked for");
        Self { offset: self.offset + bytes, ..self }
    }

    /// The next window, the turn of others, or the end.
    fn next_window(self) -> Step {
        if self.left() == 0 {
            Step::Done(self.persistence)
        } else if self.turn == 0 {
            Step::Yield(YieldTurn { transfer: self })
        } else {
            Step::Probe(Probe { transfer: Self { turn: self.turn - 1, ..self } })
        }
    }
}

/// [`Step::Head`].
#[derive(Debug)]
pub struct SendHead {
    transfer: Transfer,
    part: Option<Part>,
    size_bytes: u64,
    checksum: Option<String>,
}

// === impl SendHead ===

impl SendHead {
    /// Writes the head (their order is that of `glance/api/v2/image_data.py`,
    /// `ResponseSerializer.download`). `also` are headers for whoever asked.
    pub fn write(&self, out: &mut Vec<u8>, request_id: &RequestId, also: &[Header]) {
        let mut head = HeadWriter::new(out, self.status());
        head.header("Content-Type", b"application/octet-stream");
        if let Some(part) = self.part {
            head.header("Content-Range", part.content_range(self.size_bytes).as_bytes());
        }
        if let Some(checksum) = &self.checksum {
            // Hexadecimal and of the whole image, also for a part: Glance's habit, which its
            // clients check.
            head.header("Content-MD5", checksum.as_bytes());
        }
        head.length(Length::Known(self.transfer.left()));
        head.request_id(request_id);
        head.headers(also);
        head.end(self.transfer.persistence);
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        if self.part.is_some() { 206 } else { 200 }
    }

    /// How many bytes of body follow.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.transfer.left()
    }

    /// The head is with the socket.
    pub fn sent(self) -> Step {
        self.transfer.next_window()
    }

    /// It cannot be sent.
    pub fn failed(self) -> Step {
        Step::Cut(Cut::Gone)
    }
}

/// [`Step::Probe`].
#[derive(Debug)]
pub struct Probe {
    transfer: Transfer,
}

// === impl Probe ===

impl Probe {
    /// Where the window begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.transfer.offset
    }

    /// How long it is; not 0.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.transfer.left().min(WINDOW_BYTES)
    }

    /// Whether its bytes are in memory.
    pub fn probed(self, residency: Residency, now: Millis) -> Step {
        let left = self.length();
        match residency {
            Residency::Hot => {
                let deadline = now.after(SEND_WINDOW_MS_MAX);
                Step::SendFile(SendFile { transfer: self.transfer, left, deadline })
            }
            Residency::Cold => Step::SpliceIn(SpliceIn { transfer: self.transfer, length: left }),
        }
    }
}

/// [`Step::SendFile`].
#[derive(Debug)]
pub struct SendFile {
    transfer: Transfer,
    left: u64,
    deadline: Millis,
}

// === impl SendFile ===

impl SendFile {
    /// Where to send from.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.transfer.offset
    }

    /// How much, at most; not 0.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.left
    }

    /// When the client has had its time.
    #[must_use]
    pub fn deadline(&self) -> Millis {
        self.deadline
    }

    /// So many bytes are with the socket. 0 means that the file has ended.
    pub fn sent(self, bytes: u64) -> Step {
        if bytes == 0 {
            return Step::Cut(Cut::Short);
        }
        assert!(bytes <= self.left, "no more is sent than was asked for");
        let transfer = self.transfer.advanced(bytes);
        match self.left - bytes {
            0 => transfer.next_window(),
            left => Step::SendFile(Self { transfer, left, deadline: self.deadline }),
        }
    }

    /// The deadline has passed.
    pub fn timed_out(self) -> Step {
        Step::Cut(Cut::Slow)
    }

    /// It cannot be sent.
    pub fn failed(self, cut: Cut) -> Step {
        Step::Cut(cut)
    }
}

/// [`Step::SpliceIn`].
#[derive(Debug)]
pub struct SpliceIn {
    transfer: Transfer,
    length: u64,
}

// === impl SpliceIn ===

impl SpliceIn {
    /// Where to read from.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.transfer.offset
    }

    /// How much, at most; not 0.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// So many bytes are in the pipe. 0 means that the file has ended.
    pub fn spliced(self, bytes: u64, now: Millis) -> Step {
        if bytes == 0 {
            return Step::Cut(Cut::Short);
        }
        assert!(bytes <= self.length, "no more is moved than was asked for");
        let deadline = now.after(SEND_WINDOW_MS_MAX);
        Step::DrainPipe(DrainPipe { transfer: self.transfer, left: bytes, deadline })
    }

    /// It cannot be read.
    pub fn failed(self) -> Step {
        Step::Cut(Cut::Store)
    }
}

/// [`Step::DrainPipe`]. On every way out but the last byte the pipe is not empty and must not be
/// used again.
#[derive(Debug)]
pub struct DrainPipe {
    transfer: Transfer,
    left: u64,
    deadline: Millis,
}

// === impl DrainPipe ===

impl DrainPipe {
    /// How much is in the pipe; not 0.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// When the client has had its time.
    #[must_use]
    pub fn deadline(&self) -> Millis {
        self.deadline
    }

    /// So many bytes are with the socket; at least one.
    pub fn drained(self, bytes: u64) -> Step {
        assert!((1..=self.left).contains(&bytes), "a pipe gives what is in it");
        let transfer = self.transfer.advanced(bytes);
        match self.left - bytes {
            0 => transfer.next_window(),
            left => Step::DrainPipe(Self { transfer, left, deadline: self.deadline }),
        }
    }

    /// The deadline has passed.
    pub fn timed_out(self) -> Step {
        Step::Cut(Cut::Slow)
    }

    /// It cannot be sent.
    pub fn failed(self, cut: Cut) -> Step {
        Step::Cut(cut)
    }
}

/// [`Step::Yield`].
#[derive(Debug)]
pub struct YieldTurn {
    transfer: Transfer,
}

// === impl YieldTurn ===

impl YieldTurn {
    /// The others had their turn.
    pub fn resumed(self) -> Step {
        Transfer { turn: WINDOWS_PER_TURN, ..self.transfer }.next_window()
    }
}
