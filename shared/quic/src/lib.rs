//! Carries the frames of `glint-link` over QUIC with mutual TLS: certificates, endpoints, framed
//! streams.
//!
//! A crate of its own because of its heavy dependencies (quinn, rustls). What the frames mean, and
//! when to send which, is left to the two `server` crates. Invariant: past the handshake the peer
//! holds a certificate of our own authority and of the opposite role, so neither plane can be taken
//! for the other.
//!
//! On every connection the first two-way stream the data plane opens is the *session stream*; every
//! further one is an ask.

pub mod ca;
pub mod endpoint;
pub mod frames;

pub use ca::{Authority, Credentials, Role};
pub use endpoint::{Connector, Listener};
pub use frames::{read_body, read_frame, write_body, write_frame};
pub use quinn::{Connection, RecvStream, SendStream, VarInt};
