//! Starts and stops the planes: which thread they run on, in which order, and how long an orderly
//! end may take.
//!
//! Leaves what they do to `controlplane-server` and `dataplane-server`.

use crate::exit::Failure;
use controlplane_server::{Control, ControlOptions};
use dataplane_server::{Data, DataOptions};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long a data plane may go on admitting downloads without word from a control plane.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// How long downloads and uploads under way may take to end. Kubernetes kills after 30 s, systemd
/// after 90 s.
const DATA_DRAIN: Duration = Duration::from_secs(20);
/// How long answers under way may take once no data plane asks any more.
const CONTROL_DRAIN: Duration = Duration::from_secs(5);

/// Threads for the control plane. It never touches image bytes; two keep one slow query from
/// delaying every lease.
const CONTROL_THREADS: usize = 2;

/// A control plane with the runtime it lives on.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    runtime: Runtime,
    control: Control,
}

// === impl ControlPlane ===

impl ControlPlane {
    /// Starts a control plane on threads of its own.
    pub(crate) fn start(options: ControlOptions) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(CONTROL_THREADS)
            .thread_name("control")
            .enable_all()
            .build()
            .map_err(|error| Failure::system(format!("cannot start threads: {error}")))?;
        let control = runtime.block_on(Control::start(options)).map_err(Failure::system)?;
        Ok(Self { runtime, control })
    }

    /// Where data planes connect.
    pub(crate) fn link_addr(&self) -> SocketAddr {
        self.control.link_addr()
    }

    /// Ends it in order.
    pub(crate) fn stop(self) {
        self.runtime.block_on(self.control.shutdown(CONTROL_DRAIN));
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

/// Starts a data plane.
pub(crate) fn start_data(options: DataOptions) -> Result<Data, Failure> {
    Data::start(options).map_err(Failure::system)
}

/// Ends a data plane in order.
pub(crate) fn stop_data(data: Data) {
    data.shutdown(DATA_DRAIN);
}
