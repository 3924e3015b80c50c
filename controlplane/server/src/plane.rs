//! What every task of the control plane shares.
//!
//! Holds handles only: the truth is in the database. Leaves starting and stopping to `control`.
//! Invariant: `seen` is raised before a batch of changes is handed out, so that a session that
//! begins after reading it misses nothing.

use crate::bodies::Bodies;
use crate::callers;
use crate::sessions::Sessions;
use axum::Router;
use controlplane_api::App;
use controlplane_db::{Database, DatabaseError};
use glint_image::Seq;
use glint_image::limits::{CHANGES_BATCHES_MAX, RELAYS_IN_FLIGHT_MAX};
use glint_link::replica::{Change, Millis, lease_margin};
use glint_link::wire;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tokio::time::Instant;

/// How long an ask may take besides waiting for leases: a client of the API waits no longer for a
/// reply.
const DECISION: Duration = Duration::from_secs(60);

/// How long to wait before the database is asked again after it did not answer.
pub(crate) const DATABASE_RETRY: Duration = Duration::from_millis(100);

/// How long the database must answer everything before it is called sound again.
const DATABASE_SOUND: Millis = Millis(10_000);

/// What the outbox reader hands to the sessions.
#[derive(Clone, Debug)]
pub(crate) enum Feed {
    /// Rows of the outbox, in order.
    Changes(Arc<[Change]>),
    /// Rows up to this one are no longer kept and may not have been handed out.
    Lost(Seq),
}

/// See the module's text.
pub(crate) struct Plane {
    pub(crate) db: Database,
    pub(crate) app: Arc<App>,
    pub(crate) router: Router,
    pub(crate) lease: Millis,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) bodies: Bodies,
    /// The settings of data planes. Set after the API has them, so that no reply is taken for one of
    /// newer settings than it is.
    pub(crate) settings: watch::Sender<Arc<wire::Settings>>,
    /// Turns of relayed requests.
    pub(crate) relays: Arc<Semaphore>,
    /// Wakes the outbox reader at once when something was changed here.
    pub(crate) changed: Notify,
    /// Wakes the reclaimer at once when bytes may be removed.
    pub(crate) reclaims_wanted: Notify,
    /// The outbox rows as they are read.
    pub(crate) feed: broadcast::Sender<Feed>,
    /// The newest row handed out.
    pub(crate) seen: watch::Sender<Seq>,
    started: Instant,
    database_away: AtomicBool,
    /// When the database last failed to answer, as [`Plane::now`].
    database_failed_ms: AtomicU64,
}

// === impl Plane ===

impl std::fmt::Debug for Plane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plane").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl Plane {
    /// `head` is where the outbox reader begins.
    pub(crate) fn new(db: Database, app: Arc<App>, lease: Millis, head: Seq) -> Self {
        Self {
            db,
            router: controlplane_api::router(Arc::clone(&app)),
            settings: watch::Sender::new(Arc::new(callers::settings(&app))),
            app,
            lease,
            sessions: Arc::new(Sessions::new()),
            bodies: Bodies::new(),
            relays: Arc::new(Semaphore::new(RELAYS_IN_FLIGHT_MAX)),
            changed: Notify::new(),
            reclaims_wanted: Notify::new(),
            feed: broadcast::Sender::new(CHANGES_BATCHES_MAX),
            seen: watch::Sender::new(head),
            started: Instant::now(),
            database_away: AtomicBool::new(false),
            database_failed_ms: AtomicU64::new(0),
        }
    }

    /// The time for the link's machines. A clock that stands still while the machine sleeps
    /// (CLOCK_MONOTONIC) is right on this side: it can only make the control plane wait longer for
    /// a lease to run out.
    pub(crate) fn now(&self) -> Millis {
        Millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// A point of [`Plane::now`] for tokio's timers.
    pub(crate) fn instant(&self, at: Millis) -> Instant {
        self.started + Duration::from_millis(at.0)
    }

    /// How long a lease and its margin last.
    pub(crate) fn lease_over(&self) -> Duration {
        Duration::from_millis(self.lease.plus(lease_margin(self.lease)).0)
    }

    /// The deadline of one ask. A restricting change may have to wait for a whole lease.
    pub(crate) fn ask_deadline(&self) -> Duration {
        DECISION + self.lease_over()
    }

    /// Notes an answer of the database: logs its absence once, however many are waiting, and its
    /// return when nobody had to wait for a while (it may read well and be unable to write).
    pub(crate) fn noted<T, E: Display>(&self, answer: Result<T, E>) -> Result<T, E> {
        let now = self.now();
        match &answer {
            Ok(_) if self.database_away.load(Ordering::Relaxed) => {
                let failed = Millis(self.database_failed_ms.load(Ordering::Relaxed));
                if now.since(failed) >= DATABASE_SOUND
                    && self.database_away.swap(false, Ordering::Relaxed)
                {
                    tracing::info!("the database answers again");
                }
            }
            Ok(_) => {}
            Err(error) => {
                self.database_failed_ms.store(now.0, Ordering::Relaxed);
                if !self.database_away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "the database does not answer; trying again");
                }
            }
        }
        answer
    }

    /// Asks the database until it answers. Bounded by whoever drops the future. `Err` only for what
    /// asking again cannot mend.
    pub(crate) async fn answered<T, F>(
        &self,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, DatabaseError>
    where
        F: Future<Output = Result<T, DatabaseError>>,
    {
        loop {
            match ask().await {
                Err(error) if error.may_pass() => {
                    let _ = self.noted(Err::<(), _>(error));
                    tokio::time::sleep(DATABASE_RETRY).await;
                }
                Err(error) => return Err(error),
                Ok(answer) => return self.noted(Ok(answer)),
            }
        }
    }
}
