//! One operation of the bulk engine, from submission to answer, and the seam at which tests make it
//! fail.
//!
//! The engines perform attempts and hand in raw results, in the convention of a completion queue: a
//! count, or a negated errno. What a result means is decided here, once for both. The invariant: an
//! operation is answered exactly once, by being consumed, and until then owns everything the kernel
//! may touch; when the answer is heard, it has let go of its file and its place.

use std::io;

use glint_image::limits::DIRECT_ALIGN_BYTES;
use rustix::io::Errno;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{BulkError, Failed};
use crate::buffer::FrozenBuffer;
use crate::file::BulkFile;
use crate::pipe::Pipe;

/// How often an attempt that the kernel asked to repeat (EINTR, EAGAIN) is repeated. Neither is
/// expected for files; a kernel that goes on asking would otherwise keep the engine spinning. Past
/// it the operation fails.
const REPEATS_MAX: u32 = 64;

/// Looks at, and in tests changes, each result before it is acted on.
pub(crate) trait Seam: Send + Sync + 'static {
    /// The result to act on in place of `result`.
    fn completed(&self, kind: OpKind, result: i32) -> i32;
}

/// The seam of the real service: results are what they are.
pub(crate) struct Honest;

impl Seam for Honest {
    fn completed(&self, _kind: OpKind, result: i32) -> i32 {
        result
    }
}

/// What an operation does, for the seam.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OpKind {
    Write,
    Fsync,
    Splice,
}

/// An accepted operation.
pub(crate) struct Op {
    pub(crate) action: Action,
    repeats: u32,
    /// Its place: when it is dropped another operation may be accepted.
    permit: OwnedSemaphorePermit,
}

/// What to do, and who waits for it.
pub(crate) enum Action {
    Write(Write),
    Fsync(Fsync),
    Splice(Splice),
}

/// What follows from the result of an attempt.
enum Step {
    Again(Action),
    Done(Answer),
}

/// An answer on its way, apart from the operation, which may be dropped before it is sent.
enum Answer {
    Write(oneshot::Sender<Written>, Written),
    Fsync(oneshot::Sender<Synced>, Synced),
    Splice(oneshot::Sender<Spliced>, Spliced),
}

type Written = Result<FrozenBuffer, Failed<FrozenBuffer>>;
type Synced = Result<(), BulkError>;
type Spliced = Result<Pipe, Failed<Pipe>>;

pub(crate) struct Write {
    pub(crate) file: BulkFile,
    buffer: FrozenBuffer,
    offset: u64,
    done: usize,
    reply: oneshot::Sender<Written>,
}

pub(crate) struct Fsync {
    pub(crate) file: BulkFile,
    reply: oneshot::Sender<Synced>,
}

pub(crate) struct Splice {
    pub(crate) file: BulkFile,
    pub(crate) offset: u64,
    pub(crate) len: usize,
    pub(crate) pipe: Pipe,
    reply: oneshot::Sender<Spliced>,
}

// === impl Op ===

impl Op {
    pub(crate) fn write(
        file: BulkFile,
        buffer: FrozenBuffer,
        offset: u64,
        reply: oneshot::Sender<Written>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self::new(Action::Write(Write { file, buffer, offset, done: 0, reply }), permit)
    }

    pub(crate) fn fsync(
        file: BulkFile,
        reply: oneshot::Sender<Synced>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self::new(Action::Fsync(Fsync { file, reply }), permit)
    }

    pub(crate) fn splice(
        file: BulkFile,
        offset: u64,
        len: usize,
        pipe: Pipe,
        reply: oneshot::Sender<Spliced>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self::new(Action::Splice(Splice { file, offset, len, pipe, reply }), permit)
    }

    fn new(action: Action, permit: OwnedSemaphorePermit) -> Self {
        Self { action, repeats: 0, permit }
    }

    pub(crate) fn kind(&self) -> OpKind {
        match self.action {
            Action::Write(_) => OpKind::Write,
            Action::Fsync(_) => OpKind::Fsync,
            Action::Splice(_) => OpKind::Splice,
        }
    }

    /// Takes the result of an attempt: answers whoever waits, or gives the operation back for
    /// another attempt.
    #[must_use = "an operation given back wants another attempt"]
    pub(crate) fn handle(mut self, result: i32) -> Option<Self> {
        let result = match u32::try_from(result) {
            Ok(count) => Ok(count as usize),
            Err(_) => Err(Errno::from_raw_os_error(result.saturating_neg())),
        };
        let again = matches!(result, Err(Errno::INTR | Errno::AGAIN));
        // A sync is never repeated: see `Bulk::fsync`.
        if again && self.repeats < REPEATS_MAX && self.kind() != OpKind::Fsync {
            self.repeats += 1;
            return Some(self);
        }
        let step = match self.action {
            Action::Write(write) => write.handle(result),
            Action::Fsync(fsync) => Step::Done(fsync.handle(result)),
            Action::Splice(splice) => Step::Done(splice.handle(result)),
        };
        match step {
            Step::Again(action) => Some(Self { action, ..self }),
            Step::Done(answer) => {
                drop(self.permit);
                answer.send();
                None
            }
        }
    }
}

// === impl Answer ===

impl Answer {
    /// Whoever does not wait any more misses it; what was returned is dropped then.
    fn send(self) {
        match self {
            Self::Write(reply, answer) => drop(reply.send(answer)),
            Self::Fsync(reply, answer) => drop(reply.send(answer)),
            Self::Splice(reply, answer) => drop(reply.send(answer)),
        }
    }
}

// === impl Write ===

impl Write {
    /// The bytes of the next attempt and where they go.
    pub(crate) fn rest(&self) -> (&[u8], u64) {
        (&self.whole()[self.done..], self.offset + self.done as u64)
    }

    fn whole(&self) -> &[u8] {
        if self.file.is_direct() { self.buffer.padded() } else { &self.buffer }
    }

    fn handle(mut self, result: Result<usize, Errno>) -> Step {
        let answer = match result.map_err(io::Error::from).and_then(|count| self.advance(count)) {
            Ok(false) => return Step::Again(Action::Write(self)),
            Ok(true) => Ok(self.buffer),
            Err(error) => Err(Failed { error: BulkError::of(error), returned: self.buffer }),
        };
        Step::Done(Answer::Write(self.reply, answer))
    }

    /// Counts what an attempt wrote. Whether that was the last.
    fn advance(&mut self, count: usize) -> io::Result<bool> {
        let left = self.whole().len() - self.done;
        assert!(count <= left, "no more is written than was offered");
        if count == left {
            return Ok(true);
        }
        // A direct write that stopped inside a block is continued from the start of that block.
        let unit = if self.file.is_direct() { DIRECT_ALIGN_BYTES } else { 1 };
        let advanced = count - count % unit;
        if advanced == 0 {
            // Nothing written of some offered: no file system should, and asking again would not
            // end.
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.done += advanced;
        Ok(false)
    }
}

// === impl Fsync ===

impl Fsync {
    fn handle(self, result: Result<usize, Errno>) -> Answer {
        let answer = result.map(|_| ()).map_err(|errno| BulkError::of(errno.into()));
        Answer::Fsync(self.reply, answer)
    }
}

// === impl Splice ===

impl Splice {
    fn handle(mut self, result: Result<usize, Errno>) -> Answer {
        let answer = match result {
            Ok(count) => {
                assert!(count <= self.len, "no more is spliced than was asked for");
                self.pipe.filled(count);
                Ok(self.pipe)
            }
            Err(errno) => Err(Failed { error: BulkError::of(errno.into()), returned: self.pipe }),
        };
        Answer::Splice(self.reply, answer)
    }
}
