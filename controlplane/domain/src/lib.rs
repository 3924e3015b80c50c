//! The rules of the catalogue: what an image is, which changes are legal, who may make them, what
//! they cost.
//!
//! No IO: no database, socket, file or clock; `now` is an argument. `controlplane/db` stores what
//! is decided here, `controlplane/api` turns refusals into status codes. Invariant: a refusal's
//! text is Glance's, word for word.

pub mod access;
pub mod actions;
pub mod attributes;
pub mod context;
pub mod create;
pub mod image;
pub mod locations;
pub mod members;
pub mod metadefs;
pub mod patch;
pub mod policy;
mod properties;
pub mod property_protection;
pub mod quota;
pub mod tasks;
pub mod upload;
pub mod uri;
pub mod value;

pub use context::Context;
pub use image::{Image, ImageLocation};
pub use policy::{Policy, PolicyRefused};
