//! Streaming digests of image bytes: MD5 and SHA-512, which Glance computes for every upload.
//!
//! What the digests are compared with or stored as is left to the callers. The invariant: every
//! backend gives the same digest for the same bytes, however they are cut into pieces; the tests
//! hold them against one another.

pub mod calibrate;
pub mod hub;
pub mod md5;
pub mod sha512;

#[cfg(test)]
mod tests;

pub use calibrate::{Calibration, calibrate};
pub use hub::{Digests, HashStream, Hub};
pub use md5::{Md5Backend, Md5Stream};
pub use sha512::{Sha512Backend, Sha512Stream};
