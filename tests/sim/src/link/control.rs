//! A control plane of the simulation: the real publishers and barriers, and a driver that does only
//! what they ask for.
//!
//! Orders to the database are events of their own: they take effect some time after they were
//! given, even if the process has died meanwhile, and their results come back later still.

use super::database::{Clock, ImageRow, NodeRow, State};
use super::{Direction, Frame, LEASE_MS, Reply, World};
use glint_image::limits::PUSHES_UNCONFIRMED_MAX;
use glint_image::{ImageId, NodeId, Seq, SessionId};
use glint_link::replica::{
    Barrier, Change, Here, Loaded, Millis, NodeObservation, Publisher, PublisherAction,
    PublisherConfig, Ticket, Verdict, lease_margin,
};
use glint_link::wire::{self, Policy, Settings, Welcome};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) enum ControlEvent {
    /// Timers, the outbox, barriers, lapsed nodes.
    Tick,
    /// Reads the outbox, because this process changed something.
    Outbox,
    /// Looks at the nodes for a barrier.
    Look {
        barrier: u64,
    },
    Frame {
        connection: usize,
        frame: Box<Frame>,
    },
    Disconnected {
        connection: usize,
    },
    /// Transactions as they take effect.
    Transaction(Transaction),
    /// Their results.
    Welcomed {
        connection: usize,
        node: NodeId,
        session: SessionId,
    },
    Loaded {
        connection: usize,
        image: ImageId,
        loaded: Box<Loaded>,
    },
    Read {
        connection: usize,
        ask: u64,
        image: ImageId,
        reply: Reply,
    },
    Renewed {
        connection: usize,
        done: bool,
    },
    Head {
        connection: usize,
        head: Seq,
    },
    Looked {
        barrier: u64,
        asked: Millis,
        rows: Vec<(NodeId, NodeRow)>,
    },
}

#[derive(Clone, Debug)]
pub(super) enum Transaction {
    Hello { connection: usize, node: NodeId },
    Load { connection: usize, image: ImageId },
    Read { connection: usize, ask: u64, image: ImageId, as_of: Seq, generation: u64 },
    Renew { connection: usize, node: NodeId, session: SessionId },
    Head { connection: usize },
    Applied { node: NodeId, session: SessionId, through: Seq },
    Look { barrier: u64, asked: Millis },
    Remove { node: NodeId, seen: NodeRow },
}

#[derive(Debug)]
pub(super) struct Control {
    pub(super) life: u64,
    pub(super) clock: Clock,
    pub(super) frozen_until: u64,
    /// Of the settings in force here.
    generation: u64,
    /// The newest change handed to the sessions.
    fed: Seq,
    sessions: BTreeMap<usize, Session>,
    barriers: BTreeMap<u64, Wait>,
    barriers_begun: u64,
    /// Since when each row has stood as it stands.
    standing: BTreeMap<NodeId, (NodeRow, Millis)>,
}

#[derive(Debug)]
struct Session {
    node: NodeId,
    publisher: Publisher,
    /// The tickets of relayed changes.
    changes: BTreeMap<Ticket, Seq>,
    /// The tickets of relayed reads.
    reads: BTreeMap<Ticket, Reply>,
}

/// An answer that a barrier holds back.
#[derive(Debug)]
struct Wait {
    change: Change,
    barrier: Barrier,
    looking: bool,
}

// === impl ControlEvent ===

impl ControlEvent {
    pub(super) fn is_database(&self) -> bool {
        matches!(self, Self::Transaction(_))
    }
}

// === impl Control ===

impl Control {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            life: 0,
            clock,
            frozen_until: 0,
            generation: 0,
            fed: Seq(0),
            sessions: BTreeMap::new(),
            barriers: BTreeMap::new(),
            barriers_begun: 0,
            standing: BTreeMap::new(),
        }
    }

    pub(super) fn barriers_open(&self) -> usize {
        self.barriers.len()
    }

    /// Everything this process knows of a node, also from sessions that the node has left: the
    /// barrier is to see through it.
    fn observation(&self, node: NodeId, row: NodeRow) -> NodeObservation {
        let sessions = self.sessions.values().filter(|session| session.node == node);
        let here = sessions
            .map(|session| Here {
                session: session.publisher.connection(),
                confirmed: session.publisher.confirmed_through(),
            })
            .max_by_key(|here| here.confirmed);
        let NodeRow { session, applied, .. } = row;
        NodeObservation { node, session, applied, lease: Millis(LEASE_MS), here }
    }
}

// === impl World: control planes ===

impl World {
    /// The process ends and another begins. Answers that barriers held back are never given.
    pub(super) fn restart_control(&mut self, control: usize) {
        for connection in 0..self.connections.len() {
            if self.connections[connection].control == control {
                self.cut(connection);
            }
        }
        let old = &self.controls[control];
        let old_generation = old.generation;
        let new =
            Control { life: old.life + 1, fed: self.database.head, ..Control::new(old.clock) };
        self.controls[control] = new;
        self.new_generation(control, old_generation);
        self.control_event(control, 1, ControlEvent::Tick);
    }

    /// Other settings are in force at a control plane.
    pub(super) fn replace_settings(&mut self, control: usize) {
        self.coverage.settings += 1;
        self.new_generation(control, self.controls[control].generation);
        let clock = self.controls[control].clock.read(self.now);
        let settings = self.settings_of(control);
        for connection in self.controls[control].sessions.keys().copied().collect::<Vec<_>>() {
            let settings = settings.clone();
            self.with(control, connection, |publisher| publisher.handle_settings(clock, settings));
        }
    }

    fn new_generation(&mut self, control: usize, old: u64) {
        // The first control planes begin with one generation, which nobody replaces.
        if old != 0 {
            self.replaced.insert(old, self.now);
        }
        self.generation += 1;
        self.controls[control].generation = self.generation;
    }

    fn settings_of(&self, control: usize) -> Settings {
        let generation = self.controls[control].generation;
        // Now and then the rules compare something else.
        let attributes = vec![format!("attribute_{}", generation / 2 % 2)];
        let policy = Policy { attributes, ..Policy::default() };
        Settings { generation, minor_versions: vec![17], policy, ..Settings::default() }
    }

    /// A request changed something through this control plane.
    pub(super) fn changed(&mut self, control: usize, change: Change) {
        let state = &mut self.controls[control];
        if change.restricting {
            state.barriers_begun += 1;
            let wait = Wait { change, barrier: Barrier::new(change.seq), looking: false };
            let barrier = state.barriers_begun;
            state.barriers.insert(barrier, wait);
            self.control_event(control, 0, ControlEvent::Look { barrier });
        }
        if self.rng.chance(700) {
            self.control_event(control, 1, ControlEvent::Outbox);
        }
    }

    pub(super) fn handle_control(&mut self, control: usize, event: ControlEvent) {
        let clock = self.controls[control].clock.read(self.now);
        match event {
            ControlEvent::Tick => self.tick_control(control),
            ControlEvent::Outbox => self.read_outbox(control),
            ControlEvent::Look { barrier } => self.look(control, barrier),
            ControlEvent::Frame { connection, frame } => {
                self.take_request(control, connection, *frame)
            }
            ControlEvent::Disconnected { connection } => {
                self.controls[control].sessions.remove(&connection);
            }
            ControlEvent::Welcomed { connection, node, session } => {
                self.welcome(control, connection, node, session);
            }
            ControlEvent::Loaded { connection, image, loaded } => {
                self.with(control, connection, |publisher| {
                    publisher.handle_loaded(clock, image, *loaded)
                });
            }
            ControlEvent::Read { connection, ask, image, reply } => {
                if let Some(session) = self.controls[control].sessions.get_mut(&connection) {
                    session.reads.insert(Ticket(ask), reply);
                }
                self.with(control, connection, |publisher| {
                    publisher.handle_watch(clock, Ticket(ask), image);
                });
            }
            ControlEvent::Renewed { connection, done: true } => {
                self.transaction(control, Transaction::Head { connection });
            }
            ControlEvent::Renewed { connection, done: false } => {
                self.with(control, connection, Publisher::handle_superseded);
            }
            ControlEvent::Head { connection, head } => {
                self.with(control, connection, |publisher| publisher.handle_renewed(clock, head));
            }
            ControlEvent::Looked { barrier, asked, rows } => {
                self.looked(control, barrier, asked, &rows)
            }
            ControlEvent::Transaction(_) => unreachable!("transactions belong to the database"),
        }
    }

    fn tick_control(&mut self, control: usize) {
        let clock = self.controls[control].clock.read(self.now);
        let due: Vec<_> = self.controls[control]
            .sessions
            .iter()
            .filter(|(_, session)| session.publisher.poll_timeout().is_some_and(|at| at <= clock))
            .map(|(connection, _)| *connection)
            .collect();
        for connection in due {
            self.with(control, connection, |publisher| publisher.handle_timeout(clock));
        }
        self.read_outbox(control);
        let state = &self.controls[control];
        let barriers: Vec<_> = state.barriers.keys().copied().collect();
        for barrier in barriers {
            self.look(control, barrier);
        }
        // Now and then a look for nobody's sake, to find nodes that are gone for good.
        if self.rng.chance(100) {
            self.transaction(control, Transaction::Look { barrier: u64::MAX, asked: clock });
        }
        let next = self.rng.between(10, 50);
        self.control_event(control, next, ControlEvent::Tick);
    }

    fn look(&mut self, control: usize, barrier: u64) {
        let state = &mut self.controls[control];
        let asked = state.clock.read(self.now);
        let Some(wait) = state.barriers.get_mut(&barrier) else { return };
        if !std::mem::replace(&mut wait.looking, true) {
            self.transaction(control, Transaction::Look { barrier, asked });
        }
    }

    fn read_outbox(&mut self, control: usize) {
        let clock = self.controls[control].clock.read(self.now);
        for change in self.database.changes_after(self.controls[control].fed) {
            self.controls[control].fed = change.seq;
            for connection in self.controls[control].sessions.keys().copied().collect::<Vec<_>>() {
                self.with(control, connection, |publisher| publisher.handle_change(clock, change));
            }
        }
    }

    fn take_request(&mut self, control: usize, connection: usize, frame: Frame) {
        let clock = self.controls[control].clock.read(self.now);
        match frame {
            Frame::Hello(hello) => {
                let node = NodeId(hello.node);
                self.transaction(control, Transaction::Hello { connection, node });
            }
            Frame::ToControl(message) => {
                self.with(control, connection, |publisher| {
                    publisher.handle_message(clock, message)
                });
            }
            Frame::Resolve { ask, image } => self.with(control, connection, |publisher| {
                publisher.handle_resolve(clock, Ticket(ask), image);
            }),
            Frame::Read { ask, image } => {
                let state = &self.controls[control];
                let (as_of, generation) = (state.fed, state.generation);
                let read = Transaction::Read { connection, ask, image, as_of, generation };
                self.transaction(control, read);
            }
            Frame::Change { ask, image } => {
                if !self.controls[control].sessions.contains_key(&connection) {
                    return;
                }
                let change = self.change_through(control, image);
                if let Some(session) = self.controls[control].sessions.get_mut(&connection) {
                    session.changes.insert(Ticket(ask), change.seq);
                }
                self.with(control, connection, |publisher| {
                    publisher.handle_mark(clock, Ticket(ask), change.seq);
                });
            }
            Frame::Welcome(_)
            | Frame::ToData(_)
            | Frame::Resolved { .. }
            | Frame::Replied { .. }
            | Frame::Changed { .. } => unreachable!("to a control plane"),
        }
    }

    fn welcome(&mut self, control: usize, connection: usize, node: NodeId, session: SessionId) {
        let known = self.controls[control].sessions.contains_key(&connection);
        // A repeated hello, or one of a connection that is gone already.
        if known || !self.connections[connection].alive {
            return;
        }
        let settings = self.settings_of(control);
        let state = &mut self.controls[control];
        let config =
            PublisherConfig { session, lease: Millis(LEASE_MS), head: state.fed, settings };
        let publisher = Publisher::new(state.clock.read(self.now), config);
        state.sessions.insert(
            connection,
            Session { node, publisher, changes: BTreeMap::new(), reads: BTreeMap::new() },
        );
        let welcome = Welcome::Accepted {
            version: wire::VERSION,
            session: session.0,
            catalogue: [7; 16],
            lease_ms: LEASE_MS,
        };
        self.transmit(connection, Direction::ToData, Frame::Welcome(welcome));
    }

    /// Tells a publisher something and does what it asks for.
    fn with(&mut self, control: usize, connection: usize, tell: impl FnOnce(&mut Publisher)) {
        let Some(session) = self.controls[control].sessions.get_mut(&connection) else { return };
        tell(&mut session.publisher);
        let (node, of) = (session.node, session.publisher.connection());
        let unconfirmed = session.publisher.pushes_unconfirmed();
        assert!(unconfirmed <= PUSHES_UNCONFIRMED_MAX, "{unconfirmed} pushes ahead");
        while let Some(session) = self.controls[control].sessions.get_mut(&connection) {
            let Some(action) = session.publisher.poll_action() else { return };
            match action {
                PublisherAction::Send(message) => {
                    self.transmit(connection, Direction::ToData, Frame::ToData(message));
                }
                PublisherAction::Load { image } => {
                    self.transaction(control, Transaction::Load { connection, image });
                }
                PublisherAction::Renew => {
                    self.transaction(control, Transaction::Renew { connection, node, session: of });
                }
                PublisherAction::Marked { ticket, mark } => {
                    let ask = ticket.0;
                    let answer =
                        match (session.changes.remove(&ticket), session.reads.remove(&ticket)) {
                            (Some(seq), _) => Frame::Changed { ask, mark, seq },
                            (_, Some(reply)) => Frame::Replied { ask, mark, reply },
                            _ => Frame::Resolved { ask, mark },
                        };
                    self.transmit(connection, Direction::ToData, answer);
                }
                PublisherAction::Confirmed { through } => {
                    self.transaction(control, Transaction::Applied { node, session: of, through });
                }
                PublisherAction::Close(_) => {
                    self.controls[control].sessions.remove(&connection);
                    self.cut(connection);
                }
            }
        }
    }

    fn looked(&mut self, control: usize, barrier: u64, asked: Millis, rows: &[(NodeId, NodeRow)]) {
        let answered = self.controls[control].clock.read(self.now);
        self.find_lapsed(control, asked, answered, rows);
        let state = &mut self.controls[control];
        let observations: Vec<_> =
            rows.iter().map(|(node, row)| state.observation(*node, *row)).collect();
        let Some(wait) = state.barriers.get_mut(&barrier) else { return };
        wait.looking = false;
        let seq = wait.change.seq;
        let unconfirmed = observations
            .iter()
            .any(|row| row.applied < seq && row.here.is_none_or(|here| here.confirmed < seq));
        match wait.barrier.observe(asked, answered, &observations) {
            Verdict::Done => {
                self.coverage.barriers_by_lease += u64::from(unconfirmed);
                let wait = state.barriers.remove(&barrier).expect("it was just there");
                self.barrier_over(wait.change);
            }
            Verdict::Pending { look_at } => {
                let after = state.clock.until(self.now, look_at);
                self.control_event(control, after, ControlEvent::Look { barrier });
            }
        }
    }

    /// Removes rows of nodes whose lease is surely over.
    fn find_lapsed(
        &mut self,
        control: usize,
        asked: Millis,
        answered: Millis,
        rows: &[(NodeId, NodeRow)],
    ) {
        let lease = Millis(LEASE_MS);
        let mut lapsed = Vec::new();
        let known = std::mem::take(&mut self.controls[control].standing);
        for (node, row) in rows {
            let same = known
                .get(node)
                .filter(|(seen, _)| seen.renewals == row.renewals && seen.session == row.session);
            let since = same.map_or(answered, |(_, since)| *since);
            if asked >= since.plus(lease).plus(lease_margin(lease)) {
                lapsed.push((*node, *row));
            }
            self.controls[control].standing.insert(*node, (*row, since));
        }
        for (node, seen) in lapsed {
            self.transaction(control, Transaction::Remove { node, seen });
        }
    }
}

// === impl World: transactions ===

impl World {
    fn transaction(&mut self, control: usize, transaction: Transaction) {
        let after = self.database_delay();
        self.control_event(control, after, ControlEvent::Transaction(transaction));
    }

    /// A transaction takes effect; its result travels back.
    pub(super) fn handle_transaction(&mut self, control: usize, life: u64, event: ControlEvent) {
        let ControlEvent::Transaction(transaction) = event else {
            unreachable!("the caller checked")
        };
        let result = match transaction {
            Transaction::Hello { connection, node } => {
                let session = self.database.hello(node);
                ControlEvent::Welcomed { connection, node, session }
            }
            Transaction::Load { connection, image } => {
                let version_known = !self.rng.chance(self.plan.version_lost_permille);
                let loaded = self.database.load(image, version_known, self.plan.show_deleted);
                ControlEvent::Loaded { connection, image, loaded: Box::new(loaded) }
            }
            Transaction::Read { connection, ask, image, as_of, generation } => {
                // Of an image that is not there nothing is shown.
                let exists = |row: &&ImageRow| row.state != State::Deleted;
                let row = self.database.images.get(&image).filter(exists);
                let version = row.map(|row| row.seq).unwrap_or_default();
                let reply = Reply { as_of, version, generation };
                ControlEvent::Read { connection, ask, image, reply }
            }
            Transaction::Renew { connection, node, session } => {
                ControlEvent::Renewed { connection, done: self.database.renew(node, session) }
            }
            Transaction::Head { connection } => {
                ControlEvent::Head { connection, head: self.database.head }
            }
            Transaction::Applied { node, session, through } => {
                return self.database.applied(node, session, through);
            }
            Transaction::Look { barrier, asked } => {
                let rows = self.database.nodes.iter().map(|(node, row)| (*node, *row)).collect();
                ControlEvent::Looked { barrier, asked, rows }
            }
            Transaction::Remove { node, seen } => return self.database.remove(node, seen),
        };
        if life == self.controls[control].life {
            let after = self.database_delay();
            self.control_event(control, after, result);
        }
    }
}
