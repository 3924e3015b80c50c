//! What the data plane is started with, what it says about itself, and why it may not start.
//!
//! Leaves reading configuration files and signals to its caller.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What the data plane is started with.
#[derive(Clone, Debug)]
pub struct DataOptions {
    /// Where clients connect; port 0 takes a free one (see [`Data::bound`]).
    pub bind: SocketAddr,
    /// The control plane's link address.
    pub link: SocketAddr,
    /// What the link proves itself with.
    pub credentials: glint_quic::Credentials,
    /// Holds the node's lasting id.
    pub state_dir: PathBuf,
    /// The file store: `filesystem_store_datadir`.
    pub datadir: PathBuf,
    /// How many shards; `None`: one per core.
    pub shards: Option<usize>,
    /// Do not use io_uring even where it works.
    pub force_epoll: bool,
}

/// Which engines run, and why those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engines {
    /// What drives the sockets: `io_uring` or `epoll`.
    pub runtime: &'static str,
    /// What moves bytes to and from disks: `io_uring` or `threads`.
    pub bulk: &'static str,
    /// Why, for the operator.
    pub why: String,
}

impl std::fmt::Display for Engines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} runtime, {} bulk engine ({})", self.runtime, self.bulk, self.why)
    }
}

/// Why the data plane did not start. In each case nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The client address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The file store cannot be used.
    #[error(transparent)]
    Store(#[from] dataplane_store::OpenError),
    /// The link's certificates or its socket cannot be used.
    #[error(transparent)]
    Link(#[from] glint_quic::endpoint::OpenError),
    /// `GLINT_FAILPOINT` cannot be read.
    #[error("{0}")]
    Failpoint(String),
    /// Something of the machine is missing or refused.
    #[error("cannot {what}: {source}")]
    System {
        /// What was attempted: verb and object.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}
