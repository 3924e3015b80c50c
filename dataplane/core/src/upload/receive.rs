//! The middle of an upload: the body arrives, is hashed and written, all at once.
//!
//! Buffers, sockets, hashers and writes are the driver's; here is counted what is under way.
//! Invariants: no more buffers are in use than the bound; bytes are written at the offset at which
//! they came; the way on is open only once nothing is under way.

use super::undo::{self, Made, Then};
use super::{Job, Step, StoreError, seal, too_large};
use crate::body::{Body, BodyError, Found, Framing};
use crate::respond::Response;
use crate::time::Millis;
use crate::view::Writer;
use glint_image::limits::{BODY_SPAN_BYTES_MIN, BODY_SPAN_MS, WRITE_BUFFERS_PER_UPLOAD};
use glint_image::{Epoch, Fault, ImageId};

/// Bytes Glance's file driver takes in at a time: its message about a wrong size counts whole
/// pieces (`glance_store/_drivers/filesystem.py`, `filesystem_store_chunk_size`).
const GLANCE_CHUNK_BYTES: i128 = 64 * 1024;

/// What the driver may do now in [`Step::Receive`]. It may always report completions and what the
/// view says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Want {
    /// Bring bytes of the body into the buffer that is being filled (take one if there is none). A
    /// full buffer is submitted.
    Body,
    /// The body has ended: submit the buffer that is being filled.
    Submit,
    /// All buffers are in use: wait for a write to complete.
    Completion,
    /// Nothing more comes: call [`Receive::settle`].
    Settle,
}

/// Why the body is no longer taken in.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Stop {
    /// With an answer for the client.
    Fault(Fault),
    /// The image was deleted, or its epoch is another's.
    Closed,
    /// There is nobody to answer.
    Gone,
}

/// [`Step::Receive`].
#[derive(Debug)]
pub struct Receive {
    job: Job,
    body: Body,
    /// Bytes in the buffer that is being filled.
    filling: u64,
    /// Bytes in buffers submitted so far: the offset of the next one.
    submitted: u64,
    /// Submitted buffers whose write has not completed.
    in_flight: u32,
    stop: Option<Stop>,
    /// Since when, and from how many bytes on, the client's rate is measured; begins with the first
    /// wait.
    span: Option<(Millis, u64)>,
}

pub(super) fn begin(job: Job) -> Step {
    let body = Body::new(job.framing);
    Step::Receive(Receive {
        job,
        body,
        filling: 0,
        submitted: 0,
        in_flight: 0,
        stop: None,
        span: None,
    })
}

// === impl Receive ===

impl Receive {
    /// The image.
    #[must_use]
    pub fn image(&self) -> ImageId {
        self.job.image
    }

    /// The epoch to look for in the view.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.job.epoch
    }

    /// What may be done now.
    pub fn want(&self) -> Want {
        if self.stop.is_some() {
            Want::Settle
        } else if self.body.is_done() {
            if self.filling > 0 { Want::Submit } else { Want::Settle }
        } else if self.filling == 0 && self.in_flight == WRITE_BUFFERS_PER_UPLOAD {
            Want::Completion
        } else {
            Want::Body
        }
    }

    /// How many bytes come next that are data and nothing else. With no received bytes left over,
    /// that many may be received straight into the buffer; [`Receive::received`] then says how many
    /// were.
    #[must_use]
    pub fn direct_bytes(&self) -> u64 {
        self.body.remaining()
    }

    /// So many bytes were received straight into the buffer, at most [`Receive::direct_bytes`].
    pub fn received(&mut self, bytes: u64) {
        self.body.received(bytes);
        self.took(bytes);
    }

    /// Decodes bytes that were received elsewhere; the data found, at most `room` bytes, is to be
    /// copied into the buffer. To be called again while it consumes something.
    pub fn decode(&mut self, received: &[u8], room: usize) -> Found {
        match self.body.decode(received, room) {
            Ok(found) => {
                self.took(found.data.len() as u64);
                found
            }
            Err(error) => {
                self.stop(Stop::Fault(broken(error)));
                Found { consumed: 0, data: 0..0 }
            }
        }
    }

    /// The buffer goes to the hasher and the writer; gives the offset at which it is to be written.
    /// The driver begins a new one.
    pub fn submit(&mut self) -> u64 {
        assert!(self.filling > 0, "an empty buffer is not written");
        assert!(self.in_flight < WRITE_BUFFERS_PER_UPLOAD, "buffers are bounded");
        let offset = self.submitted;
        self.submitted += self.filling;
        self.filling = 0;
        self.in_flight += 1;
        offset
    }

    /// A write has completed, or failed: all of its buffer is written, or it does not matter any
    /// more.
    pub fn completed(&mut self, result: Result<(), StoreError>) {
        assert!(self.in_flight > 0, "a write completes once");
        if self.in_flight == WRITE_BUFFERS_PER_UPLOAD {
            // The client may have been held back by us: its rate is measured anew.
            self.span = None;
        }
        self.in_flight -= 1;
        if let Err(error) = result {
            self.stop(Stop::Fault(error.fault()));
        }
    }

    /// What the view says of the epoch now.
    pub fn watched(&mut self, writer: Writer) {
        if writer == Writer::Closed {
            self.stop(Stop::Closed);
        }
    }

    /// The client sends nothing more, though the body has not ended. It may still listen.
    pub fn ended(&mut self) {
        self.stop(Stop::Fault(Fault::new(400, "The request body ended before its end was due.")));
    }

    /// The connection is broken, or the service stops.
    pub fn gone(&mut self) {
        self.stop(Stop::Gone);
    }

    /// Until when to wait for bytes of the body; then call [`Receive::timed_out`].
    pub fn deadline(&mut self, now: Millis) -> Millis {
        let (since, _) = *self.span.get_or_insert((now, self.body.total()));
        since.after(BODY_SPAN_MS)
    }

    /// The deadline has passed.
    pub fn timed_out(&mut self, now: Millis) {
        let Some((since, bytes_before)) = self.span.take() else { return };
        let bytes = self.body.total() - bytes_before;
        if now >= since.after(BODY_SPAN_MS) && bytes < BODY_SPAN_BYTES_MIN {
            self.stop(Stop::Fault(Fault::bare(408)));
        }
    }

    /// Goes on, once [`Want::Settle`] says so. A buffer that was being filled is given back unused.
    pub fn settle(self) -> Step {
        assert!(self.want() == Want::Settle, "the body has not ended");
        let mut job = self.job;
        job.body_read = self.body.is_done();
        let settle = Settle {
            size_bytes: self.submitted,
            in_flight: self.in_flight,
            stop: self.stop,
            digests: None,
            job,
        };
        settle.next()
    }

    fn took(&mut self, bytes: u64) {
        self.filling += bytes;
        let total = self.body.total();
        if total > self.job.size_bytes_max {
            self.stop(Stop::Fault(too_large()));
        }
        if let Some(expected) = self.job.declared.filter(|size| i128::from(total) > *size) {
            let got = exceeding(self.job.framing, expected, total);
            let text = format!("Size exceeds: expected {expected} bytes, got {got} bytes");
            self.stop(Stop::Fault(Fault::new(400, text)));
        }
    }

    /// The first reason counts, but a closed epoch always does: the image is not there to be
    /// answered about.
    fn stop(&mut self, stop: Stop) {
        if self.stop.is_none() || (stop == Stop::Closed && self.stop != Some(Stop::Gone)) {
            self.stop = Some(stop);
        }
    }
}

fn broken(error: BodyError) -> Fault {
    Fault::new(400, format!("The request body is not valid: {error}."))
}

/// How many bytes Glance would say it got: it notices at the end of a piece.
fn exceeding(framing: Framing, expected: i128, total: u64) -> i128 {
    let pieces = (expected.max(0) / GLANCE_CHUNK_BYTES + 1) * GLANCE_CHUNK_BYTES;
    match framing {
        Framing::Length(length) => pieces.min(i128::from(length)),
        Framing::None | Framing::Chunked => i128::from(total),
    }
}

/// What [`Step::Settle`] waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settling {
    /// A write.
    Write,
    /// Both digests.
    Digests,
}

/// [`Step::Settle`].
#[derive(Debug)]
pub struct Settle {
    job: Job,
    size_bytes: u64,
    in_flight: u32,
    stop: Option<Stop>,
    digests: Option<seal::Digests>,
}

// === impl Settle ===

impl Settle {
    /// What to wait for now. Where the upload has failed, no digests are asked for.
    #[must_use]
    pub fn waits_for(&self) -> Settling {
        if self.in_flight > 0 { Settling::Write } else { Settling::Digests }
    }

    /// A write has completed, or failed.
    pub fn completed(mut self, result: Result<(), StoreError>) -> Step {
        assert!(self.in_flight > 0, "a write completes once");
        self.in_flight -= 1;
        if let (Err(error), None) = (result, &self.stop) {
            self.stop = Some(Stop::Fault(error.fault()));
        }
        self.next()
    }

    /// The digests of all submitted bytes.
    pub fn hashed(mut self, digests: seal::Digests) -> Step {
        self.digests = Some(digests);
        self.next()
    }

    fn next(self) -> Step {
        if self.in_flight > 0 {
            return Step::Settle(self);
        }
        let Self { job, size_bytes, stop, digests, .. } = self;
        let stop = stop.or_else(|| mismatch(&job, size_bytes));
        match (stop, digests) {
            (Some(Stop::Fault(fault)), _) => {
                undo::begin(job, Made::Temp, Then::Abort, Some(Response::Fault(fault)))
            }
            (Some(Stop::Gone), _) => undo::begin(job, Made::Temp, Then::Abort, None),
            (Some(Stop::Closed), _) => undo::closed(job, Made::Temp),
            (None, None) => {
                Step::Settle(Self { job, size_bytes, in_flight: 0, stop: None, digests })
            }
            (None, Some(digests)) => {
                assert!(job.body_read, "without the body's end there is a reason to stop");
                seal::begin(job, size_bytes, digests)
            }
        }
    }
}

/// The body has ended, and is shorter than its size header said.
fn mismatch(job: &Job, size_bytes: u64) -> Option<Stop> {
    let expected = job.declared.filter(|size| *size != i128::from(size_bytes))?;
    let text = format!("Size mismatch: expected {expected} bytes, got {size_bytes} bytes");
    Some(Stop::Fault(Fault::new(400, text)))
}
