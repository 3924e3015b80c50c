//! A download, from the decision to the last byte.
//!
//! The driver opens files, probes the page cache, moves bytes and waits; this machine says what
//! comes next, and which answer the client gets. It never sees a byte of an image. Invariants: a
//! file is opened only with a [`Permit`], and at most once sent; what is announced in
//! `Content-Length` is sent exactly, or the connection is cut; nothing is padded.
//!
//! ```text
//! start ─▶ Look ─▶ Open ─▶ Head ─▶ Probe ─ hot ─▶ SendFile ─▶ Probe … ─▶ Done
//!           │ ▲                      │                         └▶ Yield after two windows
//!           ▼ │                      └ cold ▶ SpliceIn ▶ DrainPipe ─▶ Probe …
//!    Identify, Resolve ▶ Wait      Look, Open: ─▶ Respond      sending: ─▶ Cut
//!                                        Look: ─▶ TurnAway
//! ```

mod send;

pub use send::{
    Cut, DrainPipe, Probe, Residency, SendFile, SendHead, SpliceIn, Transfer, YieldTurn,
};

use crate::authorize::{Verdict, authorize, not_found, undecided};
use crate::body::Framing;
use crate::caller::{CallerKey, Who};
use crate::head::{Head, Persistence};
use crate::permit::Permit;
use crate::range::{self, Requested};
use crate::respond::Response;
use crate::view::Sight;
use glint_image::limits::{IDENTIFY_ATTEMPTS_MAX, RESOLVE_ATTEMPTS_MAX};
use glint_image::{Fault, ImageId};
use glint_link::wire::{Answer, Ask, Header, Location, Mark};

/// Where a download stands, and so what to do next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Look caller and image up in the view and say what was found.
    Look(Look),
    /// Ask the control plane who the caller is and say what it answered.
    Identify(Identify),
    /// Ask the control plane and say what it answered.
    Resolve(Resolve),
    /// Wait until the view has reached a mark, at most `MARK_WAIT_MS_MAX`.
    Wait(Wait),
    /// Open a file.
    Open(Open),
    /// Send the head, with more to follow if there is a body.
    Head(SendHead),
    /// Find out whether the next window is in memory.
    Probe(Probe),
    /// Send a window, or what is left of it, straight from the file.
    SendFile(SendFile),
    /// Have the bulk engine move a window from the file into a pipe.
    SpliceIn(SpliceIn),
    /// Send what is in the pipe.
    DrainPipe(DrainPipe),
    /// Let the other connections of this shard have their turn.
    Yield(YieldTurn),
    /// The response is sent. The connection goes on as it says.
    Done(Persistence),
    /// The caller is not to be let in: have the control plane answer the whole request, whose body
    /// is not read yet.
    TurnAway,
    /// Send this response instead.
    Respond(Response, Persistence),
    /// Close the connection at once: the head is sent and its promise cannot be kept.
    Cut(Cut),
}

/// What a request wants, as far as a download is concerned.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Wanted {
    who: Who,
    /// The image, or what is wrong with the request; told only to callers who are let in.
    image: Result<ImageId, Fault>,
    /// What the range headers say; what is wrong with them is told only after everything else.
    part: Result<Requested, Fault>,
    prefers_store: bool,
    persistence: Persistence,
    identified: u32,
    resolved: u32,
}

/// Begins a download. `id_text` is the id of the route, `who` is the sender of the head.
pub fn start(head: &Head, id_text: &str, who: Who) -> Step {
    // Glance refuses a body before it looks at anything but the caller (`glance/common/wsgi.py`,
    // `Resource.__call__`). It is never read, so the connection cannot go on; a chunked one, which
    // Glance lets pass, is treated alike.
    let bodiless = matches!(head.framing, Framing::None | Framing::Length(0));
    let image = if bodiless {
        ImageId::parse(id_text).map_err(|_| not_found(id_text))
    } else {
        Err(Fault::new(400, "A body is not expected with this request."))
    };
    let wanted = Wanted {
        who,
        image,
        part: range::requested(
            head.header("range").as_deref(),
            head.header("content-range").as_deref(),
        ),
        prefers_store: prefers_store(head.query.as_deref().unwrap_or_default()),
        persistence: if bodiless { head.persistence } else { Persistence::Close },
        identified: 0,
        resolved: 0,
    };
    Step::Look(Look { wanted })
}

/// Whether `?prefer=` names a store (`glance/api/v2/image_data.py`,
/// `RequestDeserializer.download`).
fn prefers_store(query: &str) -> bool {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| *name == "prefer")
        .any(|(_, stores)| stores.split(',').any(|s| !s.trim_matches(['+', ' ']).is_empty()))
}

// === impl Wanted ===

impl Wanted {
    /// What Glance checks between the permission and the data.
    fn checked(&self) -> Result<Requested, Fault> {
        if self.prefers_store {
            return Err(Fault::new(
                400,
                "Store selection for download is not available when multiple backends are not \
                 enabled.",
            ));
        }
        self.part.clone()
    }

    /// Has the control plane asked who the caller is, unless that was tried often enough.
    fn identify(mut self) -> Step {
        match self.who {
            Who::Caller(key) if self.identified < IDENTIFY_ATTEMPTS_MAX => {
                self.identified += 1;
                Step::Identify(Identify { wanted: self, key })
            }
            // Everybody was alike when the request came, and is no more.
            _ => self.refuse(undecided()),
        }
    }

    /// Has the control plane asked for the image, unless that was tried often enough. `otherwise`
    /// is the answer where it cannot be asked.
    fn resolve(mut self, image: ImageId, otherwise: Fault) -> Step {
        if self.resolved == RESOLVE_ATTEMPTS_MAX {
            return self.refuse(undecided());
        }
        self.resolved += 1;
        Step::Resolve(Resolve { wanted: self, image, otherwise })
    }

    fn respond(self, response: Response) -> Step {
        Step::Respond(response, self.persistence)
    }

    fn refuse(self, fault: Fault) -> Step {
        self.respond(Response::Fault(fault))
    }
}

/// [`Step::Look`].
#[derive(Debug)]
pub struct Look {
    wanted: Wanted,
}

// === impl Look ===

impl Look {
    /// The caller to look up.
    #[must_use]
    pub fn who(&self) -> Who {
        self.wanted.who
    }

    /// The image to look up; `None` where the request names none that can exist.
    #[must_use]
    pub fn image(&self) -> Option<ImageId> {
        self.wanted.image.as_ref().ok().copied()
    }

    /// What the view knows of them, now.
    pub fn found(self, sight: &Sight<'_>) -> Step {
        let Self { wanted } = self;
        let Some(caller) = sight.caller else { return wanted.identify() };
        let Some(grant) = &caller.grant else { return Step::TurnAway };
        let id = match &wanted.image {
            Ok(id) => *id,
            Err(fault) => {
                let fault = fault.clone();
                return wanted.refuse(fault);
            }
        };
        match authorize(id, sight, grant) {
            Verdict::Resolve => wanted.resolve(id, undecided()),
            // Whoever stored the bytes, or shared the image, through another node has an answer
            // already, and the push may still be on its way: nobody is refused on what was known
            // before his request, as long as there is somebody to ask.
            Verdict::NoData if wanted.resolved == 0 => wanted.resolve(id, undecided()),
            Verdict::Refused(fault) if wanted.resolved == 0 && fault != undecided() => {
                wanted.resolve(id, fault)
            }
            Verdict::Refused(fault) => wanted.refuse(fault),
            Verdict::NoData => match wanted.checked() {
                Err(fault) => wanted.refuse(fault),
                // A well-formed range of an image without data crashes Glance.
                Ok(_) => wanted.respond(Response::NoData),
            },
            Verdict::Permitted(permit) => match wanted.checked() {
                Err(fault) => wanted.refuse(fault),
                Ok(part) => Step::Open(Open { wanted, permit, part, location: 0 }),
            },
        }
    }
}

/// [`Step::Identify`].
#[derive(Debug)]
pub struct Identify {
    wanted: Wanted,
    key: CallerKey,
}

// === impl Identify ===

impl Identify {
    /// The question, given the headers of the request that say who sends it.
    #[must_use]
    pub fn ask(&self, headers: Vec<Header>) -> Ask {
        Ask::Identify { key: self.key.bytes(), headers }
    }

    /// The answer; `Unavailable` also where none came.
    pub fn answered(self, answer: &Answer) -> Step {
        match answer {
            Answer::Identified { at } => Step::Wait(Wait { wanted: self.wanted, at: *at }),
            _ => self.wanted.refuse(undecided()),
        }
    }
}

/// [`Step::Resolve`].
#[derive(Debug)]
pub struct Resolve {
    wanted: Wanted,
    image: ImageId,
    otherwise: Fault,
}

// === impl Resolve ===

impl Resolve {
    /// The question.
    #[must_use]
    pub fn ask(&self) -> Ask {
        Ask::Resolve { image: *self.image.as_bytes() }
    }

    /// The answer; `Unavailable` also where none came.
    pub fn answered(self, answer: &Answer) -> Step {
        match answer {
            Answer::Resolved { at } => Step::Wait(Wait { wanted: self.wanted, at: *at }),
            _ => self.wanted.refuse(self.otherwise),
        }
    }
}

/// [`Step::Wait`].
#[derive(Debug)]
pub struct Wait {
    wanted: Wanted,
    at: Mark,
}

// === impl Wait ===

impl Wait {
    /// The mark to wait for.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.at
    }

    /// The view has reached it.
    pub fn reached(self) -> Step {
        Step::Look(Look { wanted: self.wanted })
    }

    /// It has not, in all that time.
    pub fn timed_out(self) -> Step {
        self.wanted.refuse(undecided())
    }
}

/// Why a location cannot be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// There are no bytes.
    Missing,
    /// The store cannot be reached, or fails.
    Unreachable,
    /// This store, or this kind of location, cannot be read from.
    Unsupported,
}

/// [`Step::Open`].
#[derive(Debug)]
pub struct Open {
    wanted: Wanted,
    permit: Permit,
    part: Requested,
    location: usize,
}

// === impl Open ===

impl Open {
    /// The permission to read.
    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The location to open.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.permit.locations()[self.location]
    }

    /// The file is open and so long.
    ///
    /// A file that is shorter or longer than the row says holds other bytes than those that were
    /// hashed: it counts as unreachable, and the next location is tried.
    pub fn opened(self, file_bytes: u64) -> Step {
        let size = self.permit.size_bytes().unwrap_or(file_bytes);
        if size != file_bytes {
            return self.failed(OpenError::Unreachable);
        }
        let Self { wanted, permit, part, .. } = self;
        match part.within(size) {
            Err(fault) => wanted.refuse(fault),
            Ok(part) => send::begin(&permit, part, size, wanted.persistence),
        }
    }

    /// It cannot be opened. The next location is tried; the last one's error decides the answer
    /// (`glance/location.py`, `ImageProxy.get_data`).
    pub fn failed(self, error: OpenError) -> Step {
        let Self { wanted, permit, part, location } = self;
        if location + 1 < permit.locations().len() {
            return Step::Open(Self { wanted, permit, part, location: location + 1 });
        }
        match error {
            OpenError::Missing => wanted.respond(Response::NoData),
            OpenError::Unreachable => wanted.refuse(Fault::new(
                503,
                "Remote server where the image is present is unavailable.",
            )),
            OpenError::Unsupported => {
                wanted.refuse(Fault::new(400, "Getting images from this store is not supported."))
            }
        }
    }
}

#[cfg(test)]
mod tests;
