//! A small fleet on one database: control planes with publishers and barriers, data planes with
//! subscribers and two shards each, and a network that loses, repeats and reorders frames and cuts
//! connections.
//!
//! The machines are the real ones; everything else is as simple as can be. What is checked, at
//! every step:
//!
//! * safety: once the barrier of a restricting change is over, no shard has an active record older
//!   than it and a lease;
//! * order: the state a shard is shown of an image never gets older while its process lives;
//! * answers: who waits for a mark sees at least what was committed when it asked;
//! * replies: a reply that is kept is never older than the record it stands on;
//! * settings: one lease after settings are replaced, no shard admits anything under them;
//! * bounds: nobody holds or sends ahead more than allowed;
//!
//! and after the faults have stopped: every node is current and has a lease, every record and every
//! kept reply equals the database, every barrier is over, and nobody waits.

mod control;
mod database;
mod node;

use crate::Rng;
use control::{Control, ControlEvent};
use database::{Clock, Database, State};
use glint_image::{ImageId, NodeId, Seq};
use glint_link::replica::Change;
use glint_link::wire::{Hello, Mark, ToControl, ToData, Welcome};
use node::{Node, NodeEvent};
use std::collections::BTreeMap;

/// Length of a lease, in each process's own milliseconds.
const LEASE_MS: u64 = 600;

/// How long faults go on, and how long everything has to settle after that.
const CHAOS_MS: u64 = 5_000;
const CALM_MS: u64 = 5_000;

const SHARDS: usize = 2;

/// What one seed has in store.
#[derive(Clone, Debug)]
struct Plan {
    /// Frames may be lost, repeated and overtake each other. Otherwise the network is like QUIC:
    /// all of a connection or nothing.
    harsh: bool,
    loss_permille: u64,
    repeat_permille: u64,
    latency_ms: u64,
    /// Chances in a thousand, at each turn of chaos (about every 25 ms).
    change_permille: u64,
    cut_permille: u64,
    freeze_permille: u64,
    restart_permille: u64,
    settings_permille: u64,
    images: u64,
    images_held_max: usize,
    /// Deleted images are pushed as records with that status instead of absences.
    show_deleted: bool,
    /// How often the outbox no longer has an image's newest change.
    version_lost_permille: u64,
    /// Longest step of a shard, and of the database.
    shard_ms: u64,
    database_ms: u64,
    /// How often a frame of a harsh network, or a transaction, takes most of a lease.
    straggler_permille: u64,
}

/// The world of one seed.
#[derive(Debug)]
struct World {
    rng: Rng,
    plan: Plan,
    now: u64,
    calm: bool,
    queue: BTreeMap<(u64, u64), Event>,
    queued: u64,
    database: Database,
    controls: Vec<Control>,
    nodes: Vec<Node>,
    connections: Vec<Connection>,
    /// The newest generation of settings of any control plane.
    generation: u64,
    /// When generations were replaced, or ended with their control plane.
    replaced: BTreeMap<u64, u64>,
    /// For each image, the newest restricting change whose barrier is over.
    over: BTreeMap<ImageId, Seq>,
    coverage: Coverage,
}

#[derive(Debug)]
struct Connection {
    node: usize,
    control: usize,
    alive: bool,
    /// Where frames may not overtake: when the last one of each direction arrives.
    arrivals: [u64; 2],
}

#[derive(Clone, Debug)]
enum Event {
    Chaos,
    Node { node: usize, life: u64, event: NodeEvent },
    Control { control: usize, life: u64, event: ControlEvent },
}

/// What travels on a connection.
#[derive(Clone, Debug)]
enum Frame {
    Hello(Hello),
    Welcome(Welcome),
    ToControl(ToControl),
    ToData(ToData),
    /// `Ask::Resolve`; asks travel on streams of their own and overtake frames, but are not lost.
    Resolve {
        ask: u64,
        image: ImageId,
    },
    /// Its answer.
    Resolved {
        ask: u64,
        mark: Mark,
    },
    /// A relayed request that shows an image.
    Read {
        ask: u64,
        image: ImageId,
    },
    /// Its answer.
    Replied {
        ask: u64,
        mark: Mark,
        reply: Reply,
    },
    /// A relayed request that changes an image.
    Change {
        ask: u64,
        image: ImageId,
    },
    /// Its answer, and the change it made.
    Changed {
        ask: u64,
        mark: Mark,
        seq: Seq,
    },
}

/// A reply that may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reply {
    /// Every change up to here is surely in it.
    as_of: Seq,
    /// The newest change in it.
    version: Seq,
    /// The settings under which it was made.
    generation: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    ToControl,
    ToData,
}

/// What happened in a run, so that a test can tell whether the interesting things did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Barriers of restricting changes that ended.
    pub barriers: u64,
    /// Of those, the ones that a lease had to run out for.
    pub barriers_by_lease: u64,
    /// Leases that shards were told of.
    pub leases: u64,
    /// Sessions that began, by a welcome or a reset.
    pub sessions: u64,
    /// Records dropped to make room.
    pub evictions: u64,
    /// Asks that saw what they waited for.
    pub answers: u64,
    /// Replies kept.
    pub kept: u64,
    /// Settings replaced.
    pub settings: u64,
    /// Moments at which some shard would have admitted a download, as a share of those looked at.
    pub admissions: u64,
}

/// Runs one seed to its end.
///
/// # Panics
/// When something that must hold does not.
#[must_use]
pub fn run(seed: u64) -> Coverage {
    let mut world = World::new(seed);
    let trace = std::env::var_os("GLINT_SIM_TRACE").is_some();
    while let Some(((at, _), event)) = world.queue.pop_first() {
        world.now = at;
        if at >= CHAOS_MS && !world.calm {
            world.begin_calm();
        }
        if at >= CHAOS_MS + CALM_MS {
            break;
        }
        if trace {
            let line = format!("{at:6} {event:?}\n");
            std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).expect("stderr");
        }
        world.handle(event);
    }
    world.check_settled();
    world.coverage
}

// === impl Plan ===

impl Plan {
    fn draw(rng: &mut Rng) -> Self {
        let mut sometimes =
            |permille: u64, most: u64| if rng.chance(permille) { rng.below(most) } else { 0 };
        let cut_permille = sometimes(700, 30);
        let freeze_permille = sometimes(600, 30);
        let restart_permille = sometimes(500, 15);
        let settings_permille = sometimes(500, 40);
        let version_lost_permille = sometimes(400, 1000);
        let loss_permille = sometimes(600, 100);
        let repeat_permille = sometimes(600, 200);
        let straggler_permille = sometimes(500, 60);
        // Many images make sessions that differ in what they know of; few make more happen to each.
        let images = if rng.chance(400) { rng.between(8, 20) } else { rng.between(1, 6) };
        Self {
            harsh: rng.chance(600),
            loss_permille,
            repeat_permille,
            latency_ms: if rng.chance(300) { 2 } else { rng.between(1, 60) },
            change_permille: rng.between(50, 400),
            cut_permille,
            freeze_permille,
            restart_permille,
            settings_permille,
            images,
            images_held_max: rng.index(6) + 1,
            show_deleted: rng.chance(500),
            version_lost_permille,
            straggler_permille,
            shard_ms: if rng.chance(200) { 200 } else { rng.between(1, 20) },
            database_ms: if rng.chance(200) { 150 } else { rng.below(15) },
        }
    }
}

// === impl World: time and network ===

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::draw(&mut rng);
        let mut clock =
            || Clock { offset: rng.below(1 << 40), rate_permille: 990 + 10 * rng.below(3) };
        let controls = (0..2).map(|_| Control::new(clock())).collect();
        let node = |index: u8, clock| Node::new(NodeId([index; 16]), clock, plan.images_held_max);
        let nodes = vec![node(1, clock()), node(2, clock())];
        let mut world = Self {
            rng,
            plan,
            now: 0,
            calm: false,
            queue: BTreeMap::new(),
            queued: 0,
            database: Database::default(),
            controls,
            nodes,
            connections: Vec::new(),
            generation: 0,
            replaced: BTreeMap::new(),
            over: BTreeMap::new(),
            coverage: Coverage::default(),
        };
        world.schedule(0, Event::Chaos);
        for node in 0..world.nodes.len() {
            world.node_event(node, 0, NodeEvent::Tick);
        }
        for control in 0..world.controls.len() {
            world.control_event(control, 0, ControlEvent::Tick);
        }
        world
    }

    fn schedule(&mut self, after: u64, event: Event) {
        self.queued += 1;
        self.queue.insert((self.now + after, self.queued), event);
    }

    fn node_event(&mut self, node: usize, after: u64, event: NodeEvent) {
        let life = self.nodes[node].life;
        self.schedule(after, Event::Node { node, life, event });
    }

    fn control_event(&mut self, control: usize, after: u64, event: ControlEvent) {
        let life = self.controls[control].life;
        self.schedule(after, Event::Control { control, life, event });
    }

    /// How long a transaction takes to have its effect, or its result to come back.
    fn database_delay(&mut self) -> u64 {
        self.rng.below(self.plan.database_ms + 1) + self.straggler()
    }

    fn straggler(&mut self) -> u64 {
        let late = !self.calm && self.rng.chance(self.plan.straggler_permille);
        if late { self.rng.below(LEASE_MS) } else { 0 }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Chaos => self.chaos(),
            Event::Node { node, life, event } => {
                let (alive, frozen) = (self.nodes[node].life, self.nodes[node].frozen_until);
                if life == alive && frozen > self.now && event.waits_while_frozen() {
                    self.schedule(frozen - self.now, Event::Node { node, life, event });
                } else if life == alive {
                    self.handle_node(node, event);
                }
            }
            Event::Control { control, life, event } => {
                let (alive, frozen) =
                    (self.controls[control].life, self.controls[control].frozen_until);
                if event.is_database() {
                    // What was sent to the database happens, whatever becomes of the sender.
                    self.handle_transaction(control, life, event);
                } else if life == alive && frozen > self.now {
                    self.schedule(frozen - self.now, Event::Control { control, life, event });
                } else if life == alive {
                    self.handle_control(control, event);
                }
            }
        }
    }

    fn connect(&mut self, node: usize, control: usize) -> usize {
        self.connections.push(Connection { node, control, alive: true, arrivals: [0, 0] });
        self.connections.len() - 1
    }

    /// Sends a frame; what becomes of it is the network's choice.
    fn transmit(&mut self, connection: usize, direction: Direction, frame: Frame) {
        if !self.connections[connection].alive {
            return;
        }
        let ask = matches!(
            frame,
            Frame::Resolve { .. }
                | Frame::Resolved { .. }
                | Frame::Read { .. }
                | Frame::Replied { .. }
                | Frame::Change { .. }
                | Frame::Changed { .. }
        );
        let harsh = self.plan.harsh && !self.calm && !ask;
        if harsh && self.rng.chance(self.plan.loss_permille) {
            return;
        }
        let copies = if harsh && self.rng.chance(self.plan.repeat_permille) { 2 } else { 1 };
        for _ in 0..copies {
            let mut at = self.now + self.rng.between(1, self.plan.latency_ms);
            if harsh {
                at += self.straggler();
            }
            if !harsh && !ask {
                let last = &mut self.connections[connection].arrivals[direction as usize];
                at = at.max(*last);
                *last = at;
            }
            let (node, control) =
                (self.connections[connection].node, self.connections[connection].control);
            let frame = frame.clone();
            match direction {
                Direction::ToControl => {
                    let event = ControlEvent::Frame { connection, frame: Box::new(frame) };
                    self.control_event(control, at - self.now, event);
                }
                Direction::ToData => {
                    let event = NodeEvent::Frame { connection, frame: Box::new(frame) };
                    self.node_event(node, at - self.now, event);
                }
            }
        }
    }

    /// Nothing more is sent; each end notices some time later, until which it takes what is still
    /// under way.
    fn cut(&mut self, connection: usize) {
        if !std::mem::take(&mut self.connections[connection].alive) {
            return;
        }
        let longest = if self.rng.chance(300) { 2 * LEASE_MS } else { 60 };
        let (node, control) =
            (self.connections[connection].node, self.connections[connection].control);
        let (first, second) = (self.rng.below(longest), self.rng.below(longest));
        self.node_event(node, first, NodeEvent::Disconnected { connection });
        self.control_event(control, second, ControlEvent::Disconnected { connection });
    }
}

// === impl World: chaos ===

impl World {
    fn image(&mut self) -> ImageId {
        let number = self.rng.below(self.plan.images);
        ImageId::parse(&format!("00000000-0000-0000-0000-{number:012x}")).expect("a UUID")
    }

    /// The faults stop: nobody is frozen any more, and everything takes as long as it usually does.
    fn begin_calm(&mut self) {
        self.calm = true;
        self.plan.latency_ms = self.plan.latency_ms.min(20);
        self.plan.database_ms = self.plan.database_ms.min(15);
        self.plan.shard_ms = self.plan.shard_ms.min(20);
        for node in &mut self.nodes {
            node.frozen_until = self.now;
        }
        for control in &mut self.controls {
            control.frozen_until = self.now;
        }
    }

    fn chaos(&mut self) {
        if self.calm {
            return;
        }
        if self.rng.chance(self.plan.change_permille) {
            self.change();
        }
        if self.rng.chance(self.plan.cut_permille) && !self.connections.is_empty() {
            let alive: Vec<_> =
                (0..self.connections.len()).filter(|at| self.connections[*at].alive).collect();
            if !alive.is_empty() {
                let connection = alive[self.rng.index(alive.len())];
                self.cut(connection);
            }
        }
        if self.rng.chance(self.plan.freeze_permille) {
            let until = self.now + self.rng.between(1, 3 * LEASE_MS);
            if self.rng.chance(500) {
                let node = self.rng.index(self.nodes.len());
                self.nodes[node].frozen_until = until;
            } else {
                let control = self.rng.index(self.controls.len());
                self.controls[control].frozen_until = until;
            }
        }
        if self.rng.chance(self.plan.settings_permille) {
            let control = self.rng.index(self.controls.len());
            self.replace_settings(control);
        }
        if self.rng.chance(self.plan.restart_permille) {
            if self.rng.chance(500) {
                let node = self.rng.index(self.nodes.len());
                self.restart_node(node);
            } else {
                let control = self.rng.index(self.controls.len());
                self.restart_control(control);
            }
        }
        let next = self.rng.between(1, 50);
        self.schedule(next, Event::Chaos);
    }

    /// A request changes an image through some control plane, whose answer waits for a barrier if
    /// it must.
    fn change(&mut self) {
        let control = self.rng.index(self.controls.len());
        if self.controls[control].frozen_until > self.now {
            return;
        }
        let image = self.image();
        self.change_through(control, image);
    }

    fn change_through(&mut self, control: usize, image: ImageId) -> Change {
        let state = match self.rng.below(10) {
            0..5 => State::Active,
            5..7 => State::Deactivated,
            _ => State::Deleted,
        };
        let change = self.database.change(image, state);
        self.changed(control, change);
        change
    }
}

// === impl World: what must hold ===

impl World {
    /// The barrier of a change is over: from here on no shard may admit a download under an older
    /// state.
    fn barrier_over(&mut self, change: Change) {
        self.coverage.barriers += 1;
        let over = self.over.entry(change.image).or_default();
        *over = change.seq.max(*over);
        for node in 0..self.nodes.len() {
            for shard in 0..SHARDS {
                self.check_shard(node, shard, change.image);
            }
        }
    }

    fn check_shard(&mut self, node: usize, shard: usize, image: ImageId) {
        let clock = self.nodes[node].clock.read(self.now);
        let Some(version) = self.nodes[node].shards[shard].admits(image, clock) else { return };
        self.coverage.admissions += 1;
        let generation = self.nodes[node].shards[shard].generation;
        // Clocks run up to a percent fast or slow.
        let replaced = self.replaced.get(&generation).copied().unwrap_or(u64::MAX);
        assert!(
            self.now <= replaced.saturating_add(LEASE_MS + LEASE_MS / 50),
            "at {}: node {node} shard {shard} admits under settings replaced at {replaced}",
            self.now
        );
        let over = self.over.get(&image).copied().unwrap_or_default();
        assert!(
            version >= over,
            "at {}: node {node} shard {shard} admits {image} as of {version}, \
             and the barrier of {over} is over",
            self.now
        );
    }

    fn check_settled(&self) {
        for (index, control) in self.controls.iter().enumerate() {
            assert_eq!(
                control.barriers_open(),
                0,
                "control {index} has a barrier that does not end"
            );
        }
        for (index, node) in self.nodes.iter().enumerate() {
            assert!(node.subscriber.is_current(), "node {index} is not current");
            assert!(node.asked.is_empty(), "node {index} was not answered: {:?}", node.asked);
            for (at, shard) in node.shards.iter().enumerate() {
                assert!(
                    shard.lease_until > node.clock.read(self.now),
                    "node {index} shard {at}: no lease"
                );
                assert_eq!(shard.waiting(), 0, "node {index} shard {at}: someone waits for a mark");
                assert!(
                    shard.records.len() <= self.plan.images_held_max,
                    "node {index} shard {at}"
                );
                for (image, reply) in &shard.kept {
                    let truth = self.database.images.get(image).map(|row| row.seq);
                    assert_eq!(truth, Some(reply.version), "{image}: kept at node {index}");
                }
                for (image, record) in &shard.records {
                    let truth = self.database.images.get(image);
                    let exists = truth.filter(|row| row.state != State::Deleted);
                    let (active, version) =
                        (exists.map(|row| row.state == State::Active), truth.map(|row| row.seq));
                    assert_eq!(
                        record.active,
                        active == Some(true),
                        "node {index} shard {at}: {image} is {record:?}, in the database {truth:?}"
                    );
                    assert!(
                        version.is_none_or(|seq| record.version >= seq),
                        "{image} is {record:?}, {truth:?}"
                    );
                }
            }
        }
    }
}
