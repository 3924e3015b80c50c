//! The data plane as a running thing: shards, connections, and the data plane's end of the link.
//!
//! Drives the machines of `dataplane/core` with the IO of `dataplane/io`, the store of
//! `dataplane/store`, the digests of `dataplane/hash`, and the replica machine of `shared/link`. It
//! decides nothing that one of those can decide. What stands in a configuration file, and signals,
//! are left to its caller. Invariants: every thread it starts is joined by [`Data::shutdown`]; no
//! download begins on a shard whose view does not allow it; no upload begins before start-up
//! recovery has settled what earlier processes left behind.

mod changes;
mod clock;
mod connection;
mod counters;
mod data;
mod download;
mod failpoint;
mod input;
mod link;
mod maintenance;
mod node;
mod options;
mod race;
mod relay;
mod shard;
mod shards;
mod stream;
mod suspicion;
#[cfg(test)]
mod testing;
mod turn;
mod upload;

pub use counters::Counters;
pub use data::Data;
pub use options::{DataOptions, Engines, StartError};
