//! The data planes connected here, and how the rest of the control plane talks to their sessions.
//!
//! A [`SessionHandle`] speaks to the one task that owns the session (`node`); leaves what a session
//! is to that task. Invariants: at most one session per node (a newer one closes the older); what a
//! session confirmed never goes back.

use glint_image::limits::LINK_SESSIONS_MAX;
use glint_image::{ImageId, NodeId, Seq, SessionId};
use glint_link::wire::{Caller, Mark, Reclaim};
use glint_quic::{Connection, VarInt};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};

/// What the task that owns a session is asked to do.
#[derive(Debug)]
pub(crate) enum Request {
    /// Subscribe the node to an image and say at which mark to look.
    Resolve {
        /// The image.
        image: ImageId,
        /// Where the mark goes.
        reply: oneshot::Sender<Mark>,
    },
    /// See to it that the node hears of changes of an image, and say at which mark it has its
    /// record.
    Watch {
        /// The image.
        image: ImageId,
        /// Where the mark goes.
        reply: oneshot::Sender<Mark>,
    },
    /// Push what is known of a caller and say at which mark to look.
    Caller {
        /// What is known.
        caller: Caller,
        /// Where the mark goes.
        reply: oneshot::Sender<Mark>,
    },
    /// Say at which mark everything up to a change has been pushed.
    Reach {
        /// The change.
        seq: Seq,
        /// Where the mark goes.
        reply: oneshot::Sender<Mark>,
    },
    /// Have bytes removed.
    Reclaim(Reclaim),
    /// An order was carried out: push it no more.
    Reclaimed {
        /// The order.
        order: u64,
    },
}

/// The session has ended: whoever asked is no longer connected either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session has ended")]
pub(crate) struct SessionEnded;

/// One more session than [`LINK_SESSIONS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{LINK_SESSIONS_MAX} nodes are connected, no more are taken")]
pub(crate) struct Full;

/// Speaks to the task that owns a session.
#[derive(Clone, Debug)]
pub(crate) struct SessionHandle {
    /// The node at the other end.
    pub(crate) node: NodeId,
    /// The connection's first session number, as in the node's row.
    pub(crate) session: SessionId,
    /// The incarnation of the node's process.
    pub(crate) incarnation: u64,
    requests: mpsc::Sender<Request>,
    confirmed: Arc<AtomicU64>,
    connection: Connection,
}

/// All sessions of this control plane.
#[derive(Debug)]
pub(crate) struct Sessions {
    by_node: Mutex<BTreeMap<NodeId, SessionHandle>>,
    /// Changes whenever some session confirmed something, came or went.
    progress: watch::Sender<u64>,
}

/// Takes its session out of the table when dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    sessions: Arc<Sessions>,
    handle: SessionHandle,
}

// === impl SessionHandle ===

impl SessionHandle {
    /// A handle for a session about to begin.
    pub(crate) fn new(
        node: NodeId,
        session: SessionId,
        incarnation: u64,
        requests: mpsc::Sender<Request>,
        connection: Connection,
    ) -> Self {
        let confirmed = Arc::new(AtomicU64::new(0));
        Self { node, session, incarnation, requests, confirmed, connection }
    }

    /// Everything up to this change that concerns the node is in force there.
    pub(crate) fn confirmed(&self) -> Seq {
        Seq(self.confirmed.load(Ordering::Acquire))
    }

    /// Subscribes the node to an image.
    pub(crate) async fn resolve(&self, image: ImageId) -> Result<Mark, SessionEnded> {
        self.ask(|reply| Request::Resolve { image, reply }).await
    }

    /// Has the node hear of changes of an image.
    pub(crate) async fn watch(&self, image: ImageId) -> Result<Mark, SessionEnded> {
        self.ask(|reply| Request::Watch { image, reply }).await
    }

    /// Has a caller pushed.
    pub(crate) async fn caller(&self, caller: Caller) -> Result<Mark, SessionEnded> {
        self.ask(|reply| Request::Caller { caller, reply }).await
    }

    /// Waits until everything up to a change has been pushed.
    pub(crate) async fn reach(&self, seq: Seq) -> Result<Mark, SessionEnded> {
        self.ask(|reply| Request::Reach { seq, reply }).await
    }

    /// Hands a request to the session without waiting for an answer.
    pub(crate) async fn tell(&self, request: Request) -> Result<(), SessionEnded> {
        self.requests.send(request).await.map_err(|_| SessionEnded)
    }

    async fn ask(
        &self,
        request: impl FnOnce(oneshot::Sender<Mark>) -> Request,
    ) -> Result<Mark, SessionEnded> {
        let (reply, answer) = oneshot::channel();
        self.tell(request(reply)).await?;
        answer.await.map_err(|_| SessionEnded)
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.confirmed, &other.confirmed)
    }
}

// === impl Sessions ===

impl Sessions {
    pub(crate) fn new() -> Self {
        Self { by_node: Mutex::new(BTreeMap::new()), progress: watch::Sender::new(0) }
    }

    /// Enters a session; an older one of the same node is closed.
    pub(crate) fn register(self: &Arc<Self>, handle: SessionHandle) -> Result<Registration, Full> {
        let mut by_node = self.lock();
        if by_node.len() >= LINK_SESSIONS_MAX && !by_node.contains_key(&handle.node) {
            return Err(Full);
        }
        if let Some(older) = by_node.insert(handle.node, handle.clone()) {
            older.connection.close(VarInt::from_u32(0), b"the node has a newer session");
        }
        drop(by_node);
        self.tick();
        Ok(Registration { sessions: Arc::clone(self), handle })
    }

    /// The sessions there are, in the order of their nodes.
    pub(crate) fn list(&self) -> Vec<SessionHandle> {
        self.lock().values().cloned().collect()
    }

    /// Follows confirmations, arrivals and departures.
    pub(crate) fn progress(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }

    fn tick(&self) {
        self.progress.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, SessionHandle>> {
        // The table is valid between any two statements that hold the lock, so a panic of a holder
        // does no harm.
        self.by_node.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Registration ===

impl Registration {
    /// Notes how far the node has confirmed.
    pub(crate) fn confirm(&self, seq: Seq) {
        if self.handle.confirmed.fetch_max(seq.0, Ordering::AcqRel) < seq.0 {
            self.sessions.tick();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut by_node = self.sessions.lock();
        if by_node.get(&self.handle.node).is_some_and(|entered| entered.is(&self.handle)) {
            by_node.remove(&self.handle.node);
        }
        drop(by_node);
        self.sessions.tick();
    }
}
