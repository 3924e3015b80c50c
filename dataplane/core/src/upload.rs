//! An upload, from the reservation to the answer. The order of its steps is the promise
//! (docs/flows/upload.md).
//!
//! The driver asks the control plane, receives, hashes, writes and touches files; this machine says
//! what comes next, what a failure means and which answer the client gets. It never sees a byte of
//! an image. Invariants:
//!
//! * The commit is asked for only when every byte is durable under the final name, and the body's
//!   end was proved.
//! * While it is unknown whether the commit happened, nothing is removed and nothing is announced.
//! * Whatever else happens, the names this upload made are removed, and then its epoch is given
//!   back; a name that cannot be removed keeps its `.incoming` companion, by which the next start
//!   finds it.
//! * The client gets at most one answer.
//!
//! ```text
//! start ▶ Reserve ▶ Open ▶ Continue ▶ Receive ▶ Settle ▶ Seal… ▶ Commit ▶ Clean ▶ Wait ▶ Done
//!                     └────────────────┴─────────┴─────────┴───────┴ Fenced, Refused
//!                                      ▼                           │
//!                        Suspect ▶ Undo… ▶ Abort ▶ Done            └▶ Undo… ▶ Done
//!    Commit, Abort without an answer: ▶ Pause ▶ again; after a while ▶ Detach, and on alone
//! ```

mod receive;
mod seal;
mod undo;

pub use receive::{Receive, Settle, Settling, Want};
pub use seal::{Clean, Commit, Digests, Seal, SealError, SealOp, Wait};
pub use undo::{Abort, Detach, Pause, Suspect, Undo, UndoOp};

use crate::authorize::{not_found, undecided};
use crate::body::{Body, Framing};
use crate::head::{Head, Persistence};
use crate::respond::Response;
use glint_image::{Epoch, Fault, ImageId, RequestId};
use glint_link::wire::{Answer, Ask, RequestHead};

/// Where an upload stands, and so what to do next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Ask the control plane whether it may begin, and under which epoch.
    Reserve(Reserve),
    /// Make the temporary file.
    Open(Open),
    /// Tell the client to send the body.
    Continue(Continue),
    /// Take the body in: receive, hash and write at once.
    Receive(Receive),
    /// Wait for what is still under way of it.
    Settle(Settle),
    /// One step on the way to a durable final name.
    Seal(Seal),
    /// Ask the control plane to make the image active.
    Commit(Commit),
    /// Remove the temporary name; the image is active.
    Clean(Clean),
    /// Wait until this node's view has reached a mark, at most `MARK_WAIT_MS_MAX`.
    Wait(Wait),
    /// The store has lost bytes it took: it gets no more until it proves itself.
    Suspect(Suspect),
    /// One step of removing what was made.
    Undo(Undo),
    /// Give the epoch back.
    Abort(Abort),
    /// Wait, then go on.
    Pause(Pause),
    /// Answer the client now and close its connection; then go on without it.
    Detach(Detach),
    /// The upload is over.
    Done(Done),
}

/// [`Step::Done`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Done {
    /// What to answer; `None` if the client has its answer or is gone.
    pub response: Option<Response>,
    /// What becomes of the connection.
    pub persistence: Persistence,
    /// Whether the client may still be sending the body: it is to be drained before the connection
    /// closes.
    pub unread: bool,
}

/// Why a store operation failed, as far as the answer depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// No space, quota or file size left.
    #[error("the store is full")]
    Full,
    /// No permission to write.
    #[error("the store may not be written to")]
    Denied,
    /// The store is suspect since an earlier failure.
    #[error("the store is suspect")]
    Suspect,
    /// Anything else.
    #[error("the store failed")]
    Failed,
}

// === impl StoreError ===

impl StoreError {
    /// Codes and words are Glance's: `glance/api/v2/image_data.py`,
    /// `ImageDataController.upload`.
    fn fault(self) -> Fault {
        match self {
            Self::Full => Fault::new(
                413,
                "Image storage media is full: There is not enough disk space on the image storage \
                 media.",
            ),
            Self::Denied => Fault::new(
                503,
                "Insufficient permissions on image storage media: \
                 Permission to write image storage media denied.",
            ),
            Self::Suspect => Fault::new(503, "The image store cannot be written to at present."),
            Self::Failed => Fault::bare(500),
        }
    }
}

/// What an upload is about, carried from state to state.
#[derive(Debug)]
struct Job {
    image: ImageId,
    epoch: Epoch,
    framing: Framing,
    /// `x-openstack-image-size`, if it says something.
    declared: Option<i128>,
    expects_continue: bool,
    persistence: Persistence,
    /// Stop at the first byte over this many.
    size_bytes_max: u64,
    /// Whether the whole body was taken in.
    body_read: bool,
    /// Whether the client has had its answer.
    detached: bool,
}

// === impl Job ===

impl Job {
    /// The end.
    fn done(self, response: Option<Response>) -> Step {
        let persistence = if self.body_read { self.persistence } else { Persistence::Close };
        Step::Done(Done {
            response: response.filter(|_| !self.detached),
            persistence,
            unread: !self.body_read,
        })
    }

    fn refuse(self, fault: Fault) -> Step {
        self.done(Some(Response::Fault(fault)))
    }
}

/// Begins an upload. `id_text` is the id of the route.
pub fn start(head: Head, id_text: &str, request_id: &RequestId, peer: String) -> Step {
    let image = ImageId::parse(id_text);
    let declared = head.header("x-openstack-image-size").and_then(|value| declared(&value));
    let job = Job {
        image: image.unwrap_or_else(|_| nobody()),
        epoch: Epoch(0),
        framing: head.framing,
        declared,
        expects_continue: head.expects_continue,
        persistence: head.persistence,
        size_bytes_max: 0,
        body_read: Body::new(head.framing).is_done(),
        detached: false,
    };
    if image.is_err() {
        // Glance looks at the media type first; of an image that cannot exist nothing else is worth
        // saying.
        return job.refuse(not_found(id_text));
    }
    let request = head.into_request(request_id, peer);
    Step::Reserve(Reserve { job, request })
}

/// Stands in for the id of a job that is refused before anything uses it.
fn nobody() -> ImageId {
    ImageId::parse("00000000-0000-0000-0000-000000000000").expect("a UUID by its looks")
}

/// Python's `int()` of a header. 0 says nothing: the file driver of `glance_store` takes it for an
/// unknown size. What is no number was refused with the reservation.
fn declared(value: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let digits = text.trim_start_matches(['+', '-']).replace('_', "");
    let number: i128 = digits.parse().ok()?;
    let number = if text.starts_with('-') { -number } else { number };
    (number != 0).then_some(number)
}

/// [`Step::Reserve`].
#[derive(Debug)]
pub struct Reserve {
    job: Job,
    request: RequestHead,
}

// === impl Reserve ===

impl Reserve {
    /// The question.
    #[must_use]
    pub fn ask(&self) -> Ask {
        Ask::Reserve {
            image: *self.job.image.as_bytes(),
            head: self.request.clone(),
            size_bytes: self.job.framing.size_bytes(),
        }
    }

    /// The answer; `Unavailable` also where none came.
    pub fn answered(self, answer: Answer) -> Step {
        let job = self.job;
        match answer {
            Answer::Reserved { epoch, size_bytes_max, .. } => {
                let job = Job { epoch: Epoch(epoch), size_bytes_max, ..job };
                if job.framing.size_bytes().is_some_and(|bytes| bytes > size_bytes_max) {
                    return undo::abort(job, Some(Response::Fault(too_large())));
                }
                Step::Open(Open { job })
            }
            Answer::Refused { status, headers, body } => {
                job.done(Some(Response::Ready { status, headers, body }))
            }
            _ => job.refuse(undecided()),
        }
    }
}

/// `glance/api/v2/image_data.py`, `ImageSizeLimitExceeded`.
fn too_large() -> Fault {
    Fault::new(413, "The incoming image is too large: The provided image is too large.")
}

/// [`Step::Open`].
#[derive(Debug)]
pub struct Open {
    job: Job,
}

// === impl Open ===

impl Open {
    /// The image.
    #[must_use]
    pub fn image(&self) -> ImageId {
        self.job.image
    }

    /// The epoch, part of the temporary name.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.job.epoch
    }

    /// How much room to set aside, if that is known.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.job.framing.size_bytes()
    }

    /// The file is open.
    pub fn opened(self) -> Step {
        if self.job.expects_continue && !self.job.body_read {
            Step::Continue(Continue { job: self.job })
        } else {
            receive::begin(self.job)
        }
    }

    /// It is not, and its name does not exist.
    pub fn failed(self, error: StoreError) -> Step {
        undo::abort(self.job, Some(Response::Fault(error.fault())))
    }
}

/// [`Step::Continue`]: send [`CONTINUE`](crate::respond::CONTINUE).
#[derive(Debug)]
pub struct Continue {
    job: Job,
}

// === impl Continue ===

impl Continue {
    /// It is sent.
    pub fn sent(self) -> Step {
        receive::begin(self.job)
    }

    /// The client is gone.
    pub fn failed(self) -> Step {
        undo::begin(self.job, undo::Made::Temp, undo::Then::Abort, None)
    }
}

#[cfg(test)]
mod tests;
