//! Streaming digests of image bytes: MD5 and SHA-512, which Glance computes for every upload.
//!
//! What the digests are compared with or stored as is left to the callers. The invariant: every
//! engine gives the same digests for the same bytes, however they are cut into pieces and whatever
//! is hashed beside them; the tests hold them against other implementations.

pub mod calibrate;
mod chains;
pub mod engine;
pub mod hub;
mod md5;
mod tables;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

pub use calibrate::{Calibration, calibrate};
pub use engine::Engine;
pub use hub::{Digests, HashStream, Hub};
