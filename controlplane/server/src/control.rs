//! Starting and stopping a control plane.
//!
//! Leaves certificates, addresses and signals to its caller. Invariants: nothing is accepted before
//! the database is open and the outbox's head is known; the tasks in the background are restarted
//! if one of them breaks; stopping lets requests under way finish first.

use crate::plane::Plane;
use crate::policies::{self, PolicyError, PolicyFiles};
use crate::{callers, catalogue, connections, foreign, reapers, reclaimer};
use controlplane_api::edge::Edge;
use controlplane_api::{ApiOptions, App, Identity};
use controlplane_db::{ConnectError, Database, DatabaseError, DatabaseOptions};
use glint_image::limits::{LEASE_MS_MAX, RELAYS_IN_FLIGHT_MAX};
use glint_link::replica::Millis;
use glint_quic::Listener;
use glint_quic::endpoint::OpenError;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long a task that broke stays down: long enough not to fill the log, short enough to be
/// missed by nobody.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// How to run a control plane.
#[derive(Debug)]
pub struct ControlOptions {
    /// Where the catalogue is, and how it is reached.
    pub database: DatabaseOptions,
    /// The UDP address on which data planes are awaited.
    pub link_bind: SocketAddr,
    /// The control plane's certificate and key.
    pub credentials: glint_quic::Credentials,
    /// How long a data plane may admit downloads without hearing from a control plane; also how
    /// long a delete may have to wait for a data plane that vanished.
    pub lease: Duration,
    /// How the API behaves.
    pub api: ApiOptions,
    /// How callers are told apart.
    pub identity: Identity,
    /// The operator's policy files.
    pub policy: PolicyFiles,
    /// What stands around the API.
    pub edge: Edge,
}

/// Why a control plane could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The lease is no length a data plane takes.
    #[error("a lease lasts from 1 ms to {LEASE_MS_MAX} ms, not {} ms", .0.as_millis())]
    Lease(Duration),
    /// The database cannot be opened.
    #[error("cannot open the database: {0}")]
    Connect(#[from] ConnectError),
    /// The database does not answer.
    #[error("cannot read the database: {0}")]
    Database(#[from] DatabaseError),
    /// The policy files cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The link's socket cannot be opened.
    #[error(transparent)]
    Link(#[from] OpenError),
}

/// A running control plane. Dropping it stops it at once.
#[derive(Debug)]
pub struct Control {
    plane: Arc<Plane>,
    listener: Arc<Listener>,
    tasks: JoinSet<()>,
}

// === impl Control ===

impl Control {
    /// Opens the database and the link. Must be called inside a tokio runtime with IO and time,
    /// which also carries the tasks.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(options: ControlOptions) -> Result<Self, StartError> {
        let ControlOptions { database, link_bind, credentials, lease, .. } = options;
        let ControlOptions { api, identity, policy, edge, .. } = options;
        let lease_ms = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        if !(1..=LEASE_MS_MAX).contains(&lease_ms) {
            return Err(StartError::Lease(lease));
        }
        let db = Database::open(&database).await?;
        let head = db.head().await?;
        let app = Arc::new(App::new(db.clone(), api, identity).behind(edge));
        let rules = policies::start(&app, &policy)?;
        let policy = Arc::new(policy);
        let listener = Arc::new(Listener::bind(link_bind, &credentials)?);
        let plane = Arc::new(Plane::new(db, app, Millis(lease_ms), head));
        let mut tasks = JoinSet::new();
        tasks.spawn(kept_up("reading the outbox", {
            let plane = Arc::clone(&plane);
            move || catalogue::run(Arc::clone(&plane))
        }));
        tasks.spawn(kept_up("tidying up", {
            let plane = Arc::clone(&plane);
            move || reapers::run(Arc::clone(&plane))
        }));
        tasks.spawn(kept_up("looking for changes made by others", {
            let plane = Arc::clone(&plane);
            move || foreign::run(Arc::clone(&plane))
        }));
        tasks.spawn(kept_up("watching the policy files", {
            let plane = Arc::clone(&plane);
            move || policies::run(Arc::clone(&plane), Arc::clone(&policy), rules.clone())
        }));
        tasks.spawn(kept_up("having bytes removed", {
            let plane = Arc::clone(&plane);
            move || reclaimer::run(Arc::clone(&plane))
        }));
        tasks.spawn(kept_up("telling data planes of the policy", {
            let plane = Arc::clone(&plane);
            move || callers::run(Arc::clone(&plane))
        }));
        tasks.spawn(kept_up("accepting data planes", {
            let (plane, listener) = (Arc::clone(&plane), Arc::clone(&listener));
            move || connections::run(Arc::clone(&plane), Arc::clone(&listener))
        }));
        tracing::info!(link = %listener.local_addr(), lease_ms, "the control plane is up");
        Ok(Self { plane, listener, tasks })
    }

    /// Where data planes connect to.
    #[must_use]
    pub fn link_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Lets requests under way finish, tells the data planes, and closes the database; all within
    /// the deadline, which cuts short what is left.
    pub async fn shutdown(mut self, deadline: Duration) {
        let deadline = Instant::now() + deadline;
        let turns = u32::try_from(RELAYS_IN_FLIGHT_MAX).expect("a small constant");
        // Whoever comes later waits behind this and is refused when the semaphore closes.
        let drained =
            tokio::time::timeout_at(deadline, self.plane.relays.acquire_many(turns)).await;
        if drained.is_err() {
            tracing::warn!("requests were still under way at the deadline and are cut short");
        }
        self.plane.relays.close();
        drop(drained);
        self.listener.close("the control plane stops");
        let _ = tokio::time::timeout_at(deadline, self.listener.wait_idle()).await;
        self.tasks.shutdown().await;
        let _ = tokio::time::timeout_at(deadline, self.plane.db.close()).await;
        tracing::info!("the control plane is down");
    }
}

/// Runs a task that is to run for ever, and runs it again if it breaks.
async fn kept_up<F>(what: &'static str, task: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let mut running = JoinSet::new();
        running.spawn(task());
        match running.join_next().await {
            Some(Err(error)) if error.is_panic() => {
                tracing::error!(%error, what, "a task of the control plane broke; it starts again");
                tokio::time::sleep(RESTART_AFTER).await;
            }
            _ => return,
        }
    }
}
