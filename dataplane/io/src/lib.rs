//! Bytes between sockets, memory and disks: sockets, pipes, aligned buffers and the bulk engine.
//!
//! The only crate of the workspace with unsafe code; each block says why it is needed
//! (`JUSTIFICATION`) and why it is sound (`SAFETY`). It decides nothing about images: which file,
//! which window and what a failure means are its callers' matter. The invariant: memory and
//! descriptors that the kernel may touch belong to the operation until the kernel is done.

pub mod buffer;
pub mod bulk;
pub mod file;
pub mod pipe;
pub mod residency;
pub mod socket;

pub use buffer::{AlignedBuffer, Arena, FrozenBuffer};
pub use bulk::select::{Engine, EngineKind, StartError};
pub use bulk::{Bulk, BulkError, BulkOptions, Failed};
pub use file::BulkFile;
pub use pipe::{Drained, Pipe, PipePool};
pub use residency::{Prober, Residency};
pub use socket::{Received, Sent, SentFile, Socket, SocketError};
