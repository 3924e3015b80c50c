//! Start-up recovery: what becomes of the temporary names that an earlier run of this node left
//! behind.
//!
//! Listing the names, asking and removing are the driver's; one machine per name. Invariants:
//! nothing is removed before the control plane has said what became of the epoch; bytes of a
//! committed epoch keep their final name; of a dead one the final name goes first and durably, so
//! that recovery itself may be interrupted anywhere and begin again.

use crate::retry::Retry;
use glint_image::{Epoch, ImageId};
use glint_link::wire::{Answer, Ask, Outcome};

/// Where the recovery of one name stands, and so what to do next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Ask what became of the epoch.
    Ask(Asking),
    /// Wait, then go on.
    Pause(Pause),
    /// One step of removing names.
    Remove(Remove),
    /// Nothing more can be done about this name now.
    Done(Recovered),
}

/// What became of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recovered {
    /// The upload had been committed; the bytes stay under their final name.
    Committed,
    /// The upload is dead; no byte is left.
    Removed,
    /// A name could not be removed: the next start tries again.
    Left,
}

/// One step of the removal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RemoveOp {
    /// Remove the final name if it is the same file as the temporary one. It is no failure if it is
    /// not, or is not there.
    UnlinkFinal,
    /// Make that durable.
    SyncDatadir,
    /// Remove the temporary name.
    UnlinkTemp,
    /// Make that durable.
    SyncIncoming,
}

/// Begins with a name `<image>.<epoch>.<this node>` under `.incoming`.
pub fn start(image: ImageId, epoch: Epoch) -> Step {
    Step::Ask(Asking { image, epoch, retry: Retry::default() })
}

/// [`Step::Ask`].
#[derive(Debug)]
pub struct Asking {
    image: ImageId,
    epoch: Epoch,
    retry: Retry,
}

// === impl Asking ===

impl Asking {
    /// The question.
    #[must_use]
    pub fn ask(&self) -> Ask {
        Ask::Outcome { image: *self.image.as_bytes(), epoch: self.epoch.0 }
    }

    /// The answer; `Unavailable` also where none came. An open epoch is asked about again: the
    /// control plane closes those of earlier runs when this node greets it.
    pub fn answered(mut self, answer: &Answer) -> Step {
        match answer {
            Answer::Outcome(Outcome::Committed) => {
                Step::Remove(Remove { op: RemoveOp::UnlinkTemp, end: Recovered::Committed })
            }
            Answer::Outcome(Outcome::Dead) => {
                Step::Remove(Remove { op: RemoveOp::UnlinkFinal, end: Recovered::Removed })
            }
            _ => {
                let pause_ms = self.retry.pause_ms();
                Step::Pause(Pause { asking: self, pause_ms })
            }
        }
    }
}

/// [`Step::Pause`].
#[derive(Debug)]
pub struct Pause {
    asking: Asking,
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
        Step::Ask(self.asking)
    }
}

/// [`Step::Remove`].
#[derive(Debug)]
pub struct Remove {
    op: RemoveOp,
    end: Recovered,
}

// === impl Remove ===

impl Remove {
    /// What to do.
    #[must_use]
    pub fn op(&self) -> RemoveOp {
        self.op
    }

    /// It is done.
    pub fn done(self) -> Step {
        let op = match self.op {
            RemoveOp::UnlinkFinal => RemoveOp::SyncDatadir,
            RemoveOp::SyncDatadir => RemoveOp::UnlinkTemp,
            RemoveOp::UnlinkTemp => RemoveOp::SyncIncoming,
            RemoveOp::SyncIncoming => return Step::Done(self.end),
        };
        Step::Remove(Self { op, ..self })
    }

    /// It failed. What comes after it is not done: the temporary name must outlive the final one.
    pub fn failed(self) -> Step {
        Step::Done(Recovered::Left)
    }
}
