//! What the tasks of one shard share: its view of the catalogue, and handles on everything that
//! does the work.
//!
//! Running it is left to [`crate::shards`]. Invariants: everything here but the handles belongs to
//! one thread; a view changes only by what the link tells, in the order it tells it, and a step is
//! confirmed only after the view has changed.

use crate::changes::Changes;
use crate::clock;
use crate::counters::ShardCounters;
use crate::failpoint::Failpoints;
use crate::link::asks::Asker;
use crate::link::{LinkState, Progress, ToShard};
use crate::suspicion::Suspicion;
use crate::turn::Turn;
use dataplane_core::Millis;
use dataplane_core::caller::Salt;
use dataplane_core::view::{Lookup, View};
use dataplane_hash::Hub;
use dataplane_io::{Arena, Bulk, PipePool};
use dataplane_store::FileStore;
use glint_image::limits::{LEASE_WAIT_MS_MAX, RELAY_BODIES_PER_SHARD_BYTES_MAX};
use glint_image::{ImageId, NodeId, PushNumber, SessionId};
use glint_link::replica::{ShardChange, StepNumber};
use glint_link::wire::Mark;
use monoio::net::TcpStream;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// One request in so many is told to the link, so that what is used stays held. A power of two.
const USED_SAMPLE: u64 = 16;

/// What every shard gets a copy of.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    /// What goes into the names of callers and replies, all shards' alike.
    pub(crate) salt: Salt,
    /// This node's lasting id, part of the names under which its uploads arrive.
    pub(crate) node: NodeId,
    /// Asks the control plane.
    pub(crate) asker: Asker,
    /// The bulk engine.
    pub(crate) bulk: Bulk,
    /// The upload buffers.
    pub(crate) arena: Arena,
    /// The hash workers.
    pub(crate) hub: Hub,
    /// The file store.
    pub(crate) store: FileStore,
    /// Whether the store may be trusted with new bytes.
    pub(crate) suspicion: Arc<Suspicion>,
    /// For crash tests.
    pub(crate) failpoints: Arc<Failpoints>,
    /// Whether start-up recovery is done.
    pub(crate) recovered: watch::Receiver<bool>,
    /// How far the link is.
    pub(crate) link: watch::Receiver<LinkState>,
    /// Tells the link which images are used.
    pub(crate) used: mpsc::Sender<ImageId>,
}

/// One shard.
#[derive(Debug)]
pub(crate) struct Shard {
    index: usize,
    /// How far all shards are.
    progress: Progress,
    /// The newest step this shard has applied.
    step: Cell<StepNumber>,
    /// Handles.
    pub(crate) common: Common,
    /// What this shard counts.
    pub(crate) counters: Arc<ShardCounters>,
    /// What this shard knows.
    pub(crate) view: RefCell<View>,
    /// Rung when the view has changed.
    pub(crate) changes: Changes,
    /// How its tasks take turns.
    pub(crate) turn: Turn,
    /// Pipes for cold windows.
    pub(crate) pipes: PipePool,
    /// Whether the process is ending.
    pub(crate) draining: Cell<bool>,
    /// Bytes of relayed request bodies held now.
    relay_bytes: Cell<usize>,
    /// Open connections.
    connections: RefCell<BTreeMap<u64, Connected>>,
    next_connection: Cell<u64>,
    requests: Cell<u64>,
}

#[derive(Debug)]
struct Connected {
    socket: Rc<TcpStream>,
    /// Whether it is between two requests.
    idle: bool,
}

/// A part of the memory for relayed bodies, given back when dropped.
#[derive(Debug)]
pub(crate) struct RelayRoom<'a> {
    shard: &'a Shard,
    bytes: usize,
}

// === impl Shard ===

impl Shard {
    pub(crate) fn new(
        index: usize,
        common: Common,
        counters: Arc<ShardCounters>,
        turn: Turn,
        pipes: PipePool,
        progress: Progress,
    ) -> Self {
        let view = RefCell::new(View::new(common.salt));
        Self {
            index,
            progress,
            step: Cell::new(StepNumber(0)),
            common,
            counters,
            view,
            changes: Changes::default(),
            turn,
            pipes,
            draining: Cell::new(false),
            relay_bytes: Cell::new(0),
            connections: RefCell::new(BTreeMap::new()),
            next_connection: Cell::new(0),
            requests: Cell::new(0),
        }
    }

    /// The time now, as the machines count it.
    pub(crate) fn now(&self) -> Millis {
        Millis(clock::now().0)
    }

    /// Does what the link says.
    pub(crate) fn handle(&self, message: ToShard) {
        match message {
            ToShard::Change { step, change } => {
                self.change(&change);
                self.step.set(step);
                self.progress.confirm(self.index, step);
            }
            ToShard::Lease(until) => self.view.borrow_mut().grant_lease(Millis(until.0)),
        }
        self.changes.ring();
    }

    fn change(&self, change: &ShardChange) {
        let mut view = self.view.borrow_mut();
        match change {
            ShardChange::Begin { session } => view.begin_session(SessionId(*session)),
            ShardChange::Push { at, push } => {
                let _ = view.apply(SessionId(at.session), PushNumber(at.number), push);
            }
            ShardChange::Caller { at, caller } => {
                let (session, number) = (SessionId(at.session), PushNumber(at.number));
                view.take_caller(session, number, caller, self.now());
            }
            ShardChange::Reached { at } => view.reach(SessionId(at.session), PushNumber(at.number)),
            ShardChange::Evict(images) => images.iter().for_each(|image| view.evict(*image)),
            ShardChange::DropAll => view.clear(),
        }
    }

    /// Waits until this shard's view has reached a mark; `false` when it has not in time.
    pub(crate) async fn reaches(&self, mark: Mark, within: Duration) -> bool {
        let reached = || self.view.borrow().reached(mark).then_some(());
        // Mostly it has: pushes come before the answer that names them.
        if reached().is_some() {
            return true;
        }
        monoio::time::timeout(within, self.changes.until(reached)).await.is_ok()
    }

    /// Waits until the views of all shards have reached a mark; `false` when they have not in time.
    /// After an answer that speaks of a change, the client's next connection may be another
    /// shard's.
    pub(crate) async fn reaches_everywhere(&self, mark: Mark, within: Duration) -> bool {
        if mark.number == 0 {
            return true;
        }
        let everywhere = async {
            let reached = || self.view.borrow().reached(mark).then_some(());
            self.changes.until(reached).await;
            let here = self.step.get();
            let mut floor = self.progress.floor();
            // The sender is ours too, so this ends only when it has come true.
            let _ = floor.wait_for(|floor| *floor >= here).await;
        };
        monoio::time::timeout(within, everywhere).await.is_ok()
    }

    /// Where a session has just begun and the image is held, waits a moment for the lease: that is
    /// on its way.
    pub(crate) async fn settle_lease(&self, image: ImageId) {
        let stale = self.view.borrow().lookup(image, self.now()) == Lookup::Stale;
        if !stale || *self.common.link.borrow() == LinkState::Away {
            return;
        }
        let leased = || self.view.borrow().leased(self.now()).then_some(());
        let within = Duration::from_millis(LEASE_WAIT_MS_MAX);
        // Without a lease after all this time, the answer is what it was.
        let _ = monoio::time::timeout(within, self.changes.until(leased)).await;
    }

    /// Counts a use of an image; a sample of them is told to the link.
    pub(crate) fn used(&self, image: ImageId) {
        let count = self.requests.get().wrapping_add(1);
        self.requests.set(count);
        if count.is_multiple_of(USED_SAMPLE) {
            // Only a hint: when the link is busy this one is lost.
            let _ = self.common.used.try_send(image);
        }
    }

    /// Takes room for a relayed body; `None` where there is not enough.
    pub(crate) fn relay_room(&self) -> RelayRoom<'_> {
        RelayRoom { shard: self, bytes: 0 }
    }
}

// === impl Shard: connections ===

impl Shard {
    /// How many connections are open.
    pub(crate) fn connections(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Notes a new connection; gives its number.
    pub(crate) fn connected(&self, socket: &Rc<TcpStream>) -> u64 {
        let number = self.next_connection.get();
        self.next_connection.set(number + 1);
        let connected = Connected { socket: Rc::clone(socket), idle: false };
        self.connections.borrow_mut().insert(number, connected);
        number
    }

    /// Notes that a connection is between two requests, or no longer.
    pub(crate) fn set_idle(&self, number: u64, idle: bool) {
        if let Some(connected) = self.connections.borrow_mut().get_mut(&number) {
            connected.idle = idle;
        }
    }

    /// Forgets a connection.
    pub(crate) fn disconnected(&self, number: u64) {
        self.connections.borrow_mut().remove(&number);
        self.changes.ring();
    }

    /// Ends idle connections; the others end after the request under way.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        self.changes.ring();
        for connected in self.connections.borrow().values().filter(|connected| connected.idle) {
            shut_down(&connected.socket);
        }
    }

    /// Ends every connection, whatever it does.
    pub(crate) fn cut_all(&self) {
        for connected in self.connections.borrow().values() {
            shut_down(&connected.socket);
        }
    }
}

fn shut_down(socket: &TcpStream) {
    if let Err(error) = dataplane_io::socket::shut_down(socket) {
        tracing::debug!(%error, "a connection was gone before it was shut down");
    }
}

// === impl RelayRoom ===

impl RelayRoom<'_> {
    /// Takes so many bytes more; `false` where the shard holds as much as it may.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let held = self.shard.relay_bytes.get() + bytes;
        if held > RELAY_BODIES_PER_SHARD_BYTES_MAX {
            return false;
        }
        self.shard.relay_bytes.set(held);
        self.bytes += bytes;
        true
    }
}

impl Drop for RelayRoom<'_> {
    fn drop(&mut self) {
        self.shard.relay_bytes.set(self.shard.relay_bytes.get() - self.bytes);
    }
}
