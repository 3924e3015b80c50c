//! Drivers of the stores that hold image bytes; today the file store.
//!
//! Which step comes when is decided in `dataplane/core`; a driver performs steps and reports. Every
//! call here may block and belongs on the bulk engine's pool (`Bulk::call`). The invariant: a
//! driver touches only what it made itself or what stands under its own directory, whatever a
//! location says.

pub mod file;
pub mod location;
pub mod temp;

pub use file::{FileStore, OpenError, ReadError, ReadFile, ReclaimError};
pub use location::Refused;
pub use temp::{CreateError, LinkError, Temp, TempName};
