//! All that may cross between the planes, and the machines that keep a data plane's view equal to
//! the catalogue.
//!
//! No IO: there is no socket, file, thread, clock or randomness here. `shared/quic` carries the
//! frames, both `server` crates drive the machines.
//!
//! A session has one two-way *session stream* (hello, then [`wire::ToControl`] one way and
//! [`wire::ToData`] the other) and one two-way stream per ask ([`wire::Ask`], then
//! [`wire::Answer`], bodies in [`wire::Piece`]s). Invariants:
//!
//! * State enters a view only through pushes, in order. An answer never carries state; it names the
//!   push to look at.
//! * Every wire type is flat: no `Rc`, `Arc`, maps or trait objects. Decoding is always checked.
//! * Wire types are versioned: one module per version, `wire` is the latest.

pub mod frame;
pub mod replica;
mod v1;

/// The latest version of the wire types.
pub mod wire {
    pub use crate::v1::*;
}
