//! The ways out of an upload that failed, and waiting for answers that do not come.
//!
//! Invariants: the final name goes first and durably, the temporary name last, so that whatever is
//! interrupted here is found at the next start; names go before the epoch is given back, so that
//! the next writer finds none.

use super::seal::Commit;
use super::{Job, Step};
use crate::respond::Response;
use crate::retry::Retry;
use crate::time::Millis;
use glint_image::limits::OUTCOME_CLIENT_MS_MAX;
use glint_image::{Epoch, Fault, ImageId};
use glint_link::wire::{Answer, Ask};

/// Which names there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Made {
    /// The temporary one.
    Temp,
    /// The final one too.
    Both,
}

/// What follows the removal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    /// The epoch is given back.
    Abort,
    /// The epoch is closed already.
    Nothing,
}

/// Removes what was made, then answers.
pub(super) fn begin(job: Job, made: Made, then: Then, response: Option<Response>) -> Step {
    let op = match made {
        Made::Temp => UndoOp::UnlinkTemp,
        Made::Both => UndoOp::UnlinkFinal,
    };
    Step::Undo(Undo { job, op, then, response })
}

/// The epoch is closed: the image was deleted (`glance/api/v2/image_data.py`,
/// `ImageDataController.upload`).
pub(super) fn closed(job: Job, made: Made) -> Step {
    let text = format!(
        "Image {} could not be found after upload. \
         The image may have been deleted during the upload, cleaning up the chunks uploaded.",
        job.image
    );
    begin(job, made, Then::Nothing, Some(Response::Fault(Fault::new(410, text))))
}

/// A sync failed.
pub(super) fn suspect(job: Job, made: Made) -> Step {
    Step::Suspect(Suspect { job, made })
}

/// Gives the epoch back; there is no name to remove.
pub(super) fn abort(job: Job, response: Option<Response>) -> Step {
    Step::Abort(Abort { job, response, retry: Retry::default(), unanswered_since: None })
}

/// [`Step::Suspect`].
#[derive(Debug)]
pub struct Suspect {
    job: Job,
    made: Made,
}

// === impl Suspect ===

impl Suspect {
    /// The store is marked.
    pub fn marked(self) -> Step {
        let response = Response::Fault(super::StoreError::Suspect.fault());
        begin(self.job, self.made, Then::Abort, Some(response))
    }
}

/// One step of the removal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UndoOp {
    /// Remove the final name if it is the same file as the temporary one. It is no failure if it is
    /// not, or is not there.
    UnlinkFinal,
    /// Make that durable.
    SyncDatadir,
    /// Remove the temporary name.
    UnlinkTemp,
}

/// [`Step::Undo`].
#[derive(Debug)]
pub struct Undo {
    job: Job,
    op: UndoOp,
    then: Then,
    response: Option<Response>,
}

// === impl Undo ===

impl Undo {
    /// What to do.
    #[must_use]
    pub fn op(&self) -> UndoOp {
        self.op
    }

    /// It is done.
    pub fn done(self) -> Step {
        match self.op {
            UndoOp::UnlinkFinal => Step::Undo(Self { op: UndoOp::SyncDatadir, ..self }),
            UndoOp::SyncDatadir => Step::Undo(Self { op: UndoOp::UnlinkTemp, ..self }),
            UndoOp::UnlinkTemp => self.over(),
        }
    }

    /// It failed. The temporary name stays, so that the next start finds what is left.
    pub fn failed(self) -> Step {
        self.over()
    }

    fn over(self) -> Step {
        match self.then {
            Then::Abort => abort(self.job, self.response),
            Then::Nothing => self.job.done(self.response),
        }
    }
}

/// [`Step::Abort`].
#[derive(Debug)]
pub struct Abort {
    job: Job,
    response: Option<Response>,
    retry: Retry,
    unanswered_since: Option<Millis>,
}

// === impl Abort ===

impl Abort {
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

    /// The question.
    #[must_use]
    pub fn ask(&self) -> Ask {
        Ask::Abort { image: *self.job.image.as_bytes(), epoch: self.job.epoch.0 }
    }

    /// The answer; `Unavailable` also where none came.
    pub fn answered(mut self, answer: &Answer, now: Millis) -> Step {
        if !matches!(answer, Answer::Unavailable { .. }) {
            return self.job.done(self.response);
        }
        let since = *self.unanswered_since.get_or_insert(now);
        let pause_ms = self.retry.pause_ms();
        let nobody_waits = self.response.is_none() || self.job.detached;
        if nobody_waits || now.since(since) < OUTCOME_CLIENT_MS_MAX {
            return pause(Resume::Abort(self), pause_ms);
        }
        let response = self.response.take();
        detach(Resume::Abort(self), response, pause_ms)
    }
}

/// Where to go on after a pause.
#[derive(Debug)]
pub(super) enum Resume {
    Commit(Commit),
    Abort(Abort),
}

pub(super) fn pause(then: Resume, pause_ms: u64) -> Step {
    Step::Pause(Pause { then, pause_ms })
}

pub(super) fn detach(then: Resume, response: Option<Response>, pause_ms: u64) -> Step {
    Step::Detach(Detach { then, response, pause_ms })
}

/// [`Step::Pause`].
#[derive(Debug)]
pub struct Pause {
    then: Resume,
    pause_ms: u64,
}

// === impl Pause ===

impl Pause {
    /// How long, in milliseconds.
    #[must_use]
    pub fn pause_ms(&self) -> u64 {
        self.pause_ms
    }

    /// It is over.
    pub fn over(self) -> Step {
        match self.then {
            Resume::Commit(commit) => Step::Commit(commit),
            Resume::Abort(abort) => Step::Abort(abort),
        }
    }
}

/// [`Step::Detach`].
#[derive(Debug)]
pub struct Detach {
    then: Resume,
    response: Option<Response>,
    pause_ms: u64,
}

// === impl Detach ===

impl Detach {
    /// What to answer.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        self.response.as_ref()
    }

    /// It was sent, or could not be: the connection is no longer this upload's.
    pub fn detached(mut self) -> Step {
        match &mut self.then {
            Resume::Commit(commit) => commit.set_detached(),
            Resume::Abort(abort) => abort.job.detached = true,
        }
        pause(self.then, self.pause_ms)
    }
}
