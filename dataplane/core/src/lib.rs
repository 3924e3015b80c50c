//! The machines behind the two byte routes, downloads and uploads, and all that is decided before a
//! byte moves.
//!
//! No IO: there is no socket, file, thread, clock or randomness here. `dataplane/server` performs
//! what the machines ask for and tells them what came of it; the same machines run under the
//! simulator (`tests/sim`) and the fuzzer (`tests/fuzz`).
//!
//! A machine is a `Step` enum: each variant is a state and at the same time the one thing to do
//! next, and has only the methods that answer it. So a driver is one `match` in a loop, and an
//! event in the wrong state cannot be written down. Invariants:
//!
//! * No byte of an image leaves without a [`Permit`], and only [`authorize`](authorize::authorize)
//!   makes one.
//! * An upload is announced (committed) only after all its bytes are durable under their final
//!   name.
//! * Every way out of an upload leaves either an active image with all its bytes, or no byte; what
//!   a crash interrupts, [`recovery`] finishes.

pub mod authorize;
pub mod body;
pub mod caller;
pub mod cross_origin;
pub mod download;
pub mod drain;
pub mod head;
pub mod kept;
pub mod permit;
pub mod range;
pub mod recovery;

pub mod respond;
pub mod retry;
pub mod route;
pub mod rules;
mod second_chance;
#[cfg(test)]
mod testing;
pub mod time;
pub mod upload;

pub mod view;

pub use permit::Permit;
pub use time::Millis;
