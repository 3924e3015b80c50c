//! The end of an upload that went well so far: durable bytes, a durable name, the commit, the
//! answer.
//!
//! File operations are the driver's, one at a time. Invariants: the temporary name is durable
//! before the final one can be, so a crash never leaves a final name alone; a failed sync is final
//! and is never tried again (after it the kernel may call lost pages clean); the commit is asked
//! for until its outcome is known.

use super::undo::{self, Made, Then};
use super::{Job, Step, StoreError};
use crate::authorize::undecided;
use crate::respond::Response;
use crate::retry::Retry;
use crate::time::Millis;
use glint_image::limits::OUTCOME_CLIENT_MS_MAX;
use glint_image::{Epoch, Fault, ImageId, Md5, Sha512};
use glint_link::wire::{Answer, Ask, Location, Mark};

/// Both digests of an image's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digests {
    /// MD5.
    pub md5: Md5,
    /// SHA-512.
    pub sha512: Sha512,
}

/// One step to a durable final name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SealOp {
    /// Give the file its exact length: direct IO writes whole blocks, and room may have been set
    /// aside.
    Truncate {
        /// The length.
        size_bytes: u64,
    },
    /// Make the bytes durable.
    Fsync,
    /// Make the temporary name durable.
    SyncIncoming,
    /// Give the file its final name, which must not exist.
    Link,
    /// Make the final name durable.
    SyncDatadir,
}

/// Why a step failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SealError {
    /// The final name exists already. Only [`SealOp::Link`] fails so.
    #[error("the final name exists already")]
    AlreadyThere,
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// [`Step::Seal`].
#[derive(Debug)]
pub struct Seal {
    job: Job,
    size_bytes: u64,
    digests: Digests,
    op: SealOp,
}

pub(super) fn begin(job: Job, size_bytes: u64, digests: Digests) -> Step {
    Step::Seal(Seal { job, size_bytes, digests, op: SealOp::Truncate { size_bytes } })
}

// === impl Seal ===

impl Seal {
    /// What to do.
    #[must_use]
    pub fn op(&self) -> SealOp {
        self.op
    }

    /// It is done.
    pub fn done(self) -> Step {
        let op = match self.op {
            SealOp::Truncate { .. } => SealOp::Fsync,
            SealOp::Fsync => SealOp::SyncIncoming,
            SealOp::SyncIncoming => SealOp::Link,
            SealOp::Link => SealOp::SyncDatadir,
            SealOp::SyncDatadir => {
                return Step::Commit(Commit {
                    job: self.job,
                    size_bytes: self.size_bytes,
                    digests: self.digests,
                    retry: Retry::default(),
                    unanswered_since: None,
                });
            }
        };
        Step::Seal(Self { op, ..self })
    }

    /// It failed.
    pub fn failed(self, error: SealError) -> Step {
        let fault = |error: StoreError| Some(Response::Fault(error.fault()));
        match (self.op, error) {
            (SealOp::Truncate { .. }, SealError::Store(error)) => {
                undo::begin(self.job, Made::Temp, Then::Abort, fault(error))
            }
            // Glance: `glance_store.Duplicate` reaches the client as 500. The bytes under that name
            // are not ours to touch.
            (_, SealError::AlreadyThere) => {
                let response = Response::Fault(Fault::bare(500));
                undo::begin(self.job, Made::Temp, Then::Abort, Some(response))
            }
            // The link may have been made for all we know.
            (SealOp::Link, SealError::Store(error)) => {
                undo::begin(self.job, Made::Both, Then::Abort, fault(error))
            }
            (SealOp::Fsync | SealOp::SyncIncoming, SealError::Store(_)) => {
                undo::suspect(self.job, Made::Temp)
            }
            (SealOp::SyncDatadir, SealError::Store(_)) => undo::suspect(self.job, Made::Both),
        }
    }
}

/// [`Step::Commit`].
#[derive(Debug)]
pub struct Commit {
    job: Job,
    size_bytes: u64,
    digests: Digests,
    retry: Retry,
    unanswered_since: Option<Millis>,
}

// === impl Commit ===

impl Commit {
    /// The image.
    #[must_use]
    pub fn image(&self) -> ImageId {
        self.job.image
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.job.epoch
    }

    /// The question; `location` is the final name as the catalogue is to spell it.
    #[must_use]
    pub fn ask(&self, location: Location) -> Ask {
        Ask::Commit {
            image: *self.job.image.as_bytes(),
            epoch: self.job.epoch.0,
            size_bytes: self.size_bytes,
            md5: self.digests.md5.0,
            sha512: self.digests.sha512.0,
            location,
        }
    }

    /// The answer; `Unavailable` also where none came.
    ///
    /// Without one it is unknown whether the image is active: the bytes stay, the client is not
    /// told, the same is asked again.
    pub fn answered(mut self, answer: &Answer, now: Millis) -> Step {
        match answer {
            Answer::Committed { at } => Step::Clean(Clean { job: self.job, at: *at }),
            Answer::Fenced => undo::closed(self.job, Made::Both),
            // The epoch is closed as well; the bytes are refused now that their number is known.
            Answer::Refused { status, headers, body } => {
                let (status, headers, body) = (*status, headers.clone(), body.clone());
                let response = Response::Ready { status, headers, body };
                undo::begin(self.job, Made::Both, Then::Nothing, Some(response))
            }
            _ => {
                let since = *self.unanswered_since.get_or_insert(now);
                let pause_ms = self.retry.pause_ms();
                let late = !self.job.detached && now.since(since) >= OUTCOME_CLIENT_MS_MAX;
                let then = undo::Resume::Commit(self);
                if late {
                    undo::detach(then, Some(Response::Fault(undecided())), pause_ms)
                } else {
                    undo::pause(then, pause_ms)
                }
            }
        }
    }

    pub(super) fn set_detached(&mut self) {
        self.job.detached = true;
    }
}

/// [`Step::Clean`].
#[derive(Debug)]
pub struct Clean {
    job: Job,
    at: Mark,
}

// === impl Clean ===

impl Clean {
    /// The temporary name is gone, or cannot be removed: then the next start finds it, and that its
    /// epoch was committed.
    pub fn done(self) -> Step {
        Step::Wait(Wait { job: self.job, at: self.at })
    }
}

/// [`Step::Wait`].
#[derive(Debug)]
pub struct Wait {
    job: Job,
    at: Mark,
}

// === impl Wait ===

impl Wait {
    /// The mark to wait for.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.at
    }

    /// The view has reached it, or the time is over: the image is active either way.
    pub fn over(self) -> Step {
        self.job.done(Some(Response::Stored))
    }
}
