//! A data plane of the simulation: the real subscriber, and shards as plain as can be.
//!
//! A shard's view has no rules of its own: it does what it is told in the order it is told, so that
//! nothing hides a mistake of the machines. The invariant checked here is that the states it is
//! told of an image never get older.

use super::database::Clock;
use super::{Direction, Frame, LEASE_MS, Reply, SHARDS, World};
use glint_image::{ImageId, NodeId, Seq};
use glint_link::replica::{
    Millis, ShardChange, StepNumber, Subscriber, SubscriberAction, SubscriberConfig,
};
use glint_link::wire::{Mark, Push};
use std::collections::{BTreeMap, VecDeque};

#[derive(Clone, Debug)]
pub(super) enum NodeEvent {
    /// Timers, connecting, client requests.
    Tick,
    Frame {
        connection: usize,
        frame: Box<Frame>,
    },
    Disconnected {
        connection: usize,
    },
    /// A shard works on its mailbox.
    Shard {
        shard: usize,
    },
    /// The link thread hears how far the shards are.
    Applied {
        step: StepNumber,
    },
}

#[derive(Debug)]
pub(super) struct Node {
    id: NodeId,
    pub(super) life: u64,
    pub(super) clock: Clock,
    pub(super) frozen_until: u64,
    pub(super) subscriber: Subscriber,
    images_held_max: usize,
    pub(super) shards: Vec<Shard>,
    /// The connection, and until when it has to be welcomed.
    connection: Option<usize>,
    connecting_since: u64,
    welcomed: bool,
    asks: u64,
    /// Requests whose ask is not answered.
    pub(super) asked: BTreeMap<u64, Asked>,
}

/// A request that waits for `Ask::Resolve`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    shard: usize,
    image: ImageId,
    /// `Ask::Resolve`, not a relayed change.
    resolve: bool,
    /// How often the shard had dropped the record when it was asked.
    evictions: u64,
    /// The image's newest change when it was asked.
    floor: Seq,
    /// What was answered, if it may be kept.
    reply: Option<Reply>,
}

#[derive(Clone, Debug)]
enum Mail {
    Change { step: StepNumber, change: ShardChange },
    Lease { until: Millis },
    Answer { asked: Asked, mark: Mark },
}

#[derive(Debug, Default)]
pub(super) struct Shard {
    mailbox: VecDeque<Mail>,
    working: bool,
    applied: StepNumber,
    pub(super) records: BTreeMap<ImageId, Record>,
    pub(super) lease_until: Millis,
    /// Of the settings in force.
    pub(super) generation: u64,
    /// Replies kept, each on the record held.
    pub(super) kept: BTreeMap<ImageId, Reply>,
    session: u64,
    number: u64,
    current: bool,
    waits: Vec<(Asked, Mark)>,
    /// How often each record was dropped to make room.
    evictions: BTreeMap<ImageId, u64>,
    /// The newest state of each image in this life, whether it is still held or not.
    newest: BTreeMap<ImageId, Seq>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) active: bool,
    pub(super) version: Seq,
    /// The number it was pushed with.
    seq: Seq,
}

// === impl NodeEvent ===

impl NodeEvent {
    /// A frozen link thread does not freeze the shards, which is the harder case.
    pub(super) fn waits_while_frozen(&self) -> bool {
        !matches!(self, Self::Shard { .. })
    }
}

// === impl Shard ===

impl Shard {
    /// The state under which a new download of an image would begin now, if one would.
    pub(super) fn admits(&self, image: ImageId, clock: Millis) -> Option<Seq> {
        let record = self.records.get(&image).filter(|record| record.active)?;
        (self.lease_until > clock).then_some(record.version)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waits.len()
    }

    fn reached(&self, mark: Mark) -> bool {
        if mark.session == self.session { self.number >= mark.number } else { self.current }
    }

    fn hold(&mut self, image: [u8; 36], active: bool, version: u64, seq: u64) -> ImageId {
        let image = ImageId::from_bytes(&image).expect("the simulation's own");
        let (version, seq) = (Seq(version), Seq(seq));
        let newest = self.newest.entry(image).or_default();
        assert!(version >= *newest, "{image} is shown as of {version} after {newest}");
        *newest = version;
        self.records.insert(image, Record { active, version, seq });
        self.kept.remove(&image);
        image
    }

    /// Keeps a reply on the record held; whether it does.
    fn keep(&mut self, image: ImageId, reply: Reply) -> bool {
        let record = self.records.get(&image).filter(|record| record.seq <= reply.as_of);
        let fits = reply.version > Seq(0) && reply.generation == self.generation;
        let Some(record) = record.filter(|_| fits) else {
            return false;
        };
        assert!(reply.version >= record.version, "{image}: {reply:?} is kept on {record:?}");
        self.kept.insert(image, reply);
        true
    }

    /// Does one thing; names the image it is about, if any.
    fn change(&mut self, change: ShardChange) -> Option<ImageId> {
        match change {
            ShardChange::Begin { session } => {
                (self.session, self.number, self.current) = (session, 0, false);
                None
            }
            ShardChange::Push { at, push } => {
                assert_eq!(
                    at,
                    Mark { session: self.session, number: self.number + 1 },
                    "out of order"
                );
                self.number = at.number;
                match push {
                    Push::Image(record) => Some(self.hold(
                        record.image,
                        record.status == "active",
                        record.epoch,
                        record.seq,
                    )),
                    Push::Absent { image, seq } => Some(self.hold(image, false, seq, seq)),
                    Push::Current => {
                        self.current = true;
                        None
                    }
                    Push::Settings(settings) => {
                        if settings.generation != self.generation {
                            self.kept.clear();
                        }
                        self.generation = settings.generation;
                        None
                    }
                    Push::Caller(caller) => panic!("callers come shared: {caller:?}"),
                    Push::Reclaim(order) => panic!("shards remove no bytes: {order:?}"),
                }
            }
            ShardChange::Reached { at } | ShardChange::Caller { at, .. } => {
                assert_eq!(
                    at,
                    Mark { session: self.session, number: self.number + 1 },
                    "out of order"
                );
                self.number = at.number;
                None
            }
            ShardChange::Evict(images) => {
                for image in images {
                    self.records.remove(&image);
                    self.kept.remove(&image);
                    *self.evictions.entry(image).or_default() += 1;
                }
                None
            }
            ShardChange::DropAll => {
                self.records.clear();
                self.kept.clear();
                self.lease_until = Millis(0);
                None
            }
        }
    }
}

// === impl Node ===

impl Node {
    pub(super) fn new(id: NodeId, clock: Clock, images_held_max: usize) -> Self {
        let mut config = SubscriberConfig::new(id, 0, String::new());
        (config.images_max, config.hold_piece_images) = (images_held_max, 2);
        Self {
            id,
            life: 0,
            clock,
            frozen_until: 0,
            subscriber: Subscriber::new(config),
            images_held_max,
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            connection: None,
            connecting_since: 0,
            welcomed: false,
            asks: 0,
            asked: BTreeMap::new(),
        }
    }
}

// === impl World: data planes ===

impl World {
    /// The process ends and another begins; only the name and the machine's clock stay.
    pub(super) fn restart_node(&mut self, node: usize) {
        if let Some(connection) = self.nodes[node].connection {
            self.cut(connection);
        }
        let old = &self.nodes[node];
        let new = Node::new(old.id, old.clock, old.images_held_max);
        let new = Node { life: old.life + 1, ..new };
        self.nodes[node] = new;
        self.node_event(node, 1, NodeEvent::Tick);
    }

    pub(super) fn handle_node(&mut self, node: usize, event: NodeEvent) {
        match event {
            NodeEvent::Tick => self.tick_node(node),
            NodeEvent::Frame { connection, frame } => {
                if self.nodes[node].connection == Some(connection) {
                    self.take_frame(node, *frame);
                }
            }
            NodeEvent::Disconnected { connection } => {
                if self.nodes[node].connection == Some(connection) {
                    self.lose_connection(node);
                }
            }
            NodeEvent::Shard { shard } => self.work(node, shard),
            NodeEvent::Applied { step } => self.nodes[node].subscriber.handle_shards_applied(step),
        }
        self.perform(node);
    }

    fn tick_node(&mut self, node: usize) {
        let (clock, now) = (self.nodes[node].clock.read(self.now), self.now);
        let state = &mut self.nodes[node];
        if state.subscriber.poll_timeout().is_some_and(|at| at <= clock) {
            state.subscriber.handle_timeout(clock);
        }
        match state.connection {
            None => self.say_hello(node),
            Some(_) if state.welcomed => self.request(node),
            Some(connection) if now > state.connecting_since + LEASE_MS => {
                self.cut(connection);
                self.lose_connection(node);
            }
            Some(_) => {}
        }
        let next = self.rng.between(10, 50);
        self.node_event(node, next, NodeEvent::Tick);
    }

    fn say_hello(&mut self, node: usize) {
        let control = self.rng.index(self.controls.len());
        let connection = self.connect(node, control);
        let state = &mut self.nodes[node];
        (state.connection, state.connecting_since, state.welcomed) =
            (Some(connection), self.now, false);
        let hello = state.subscriber.hello();
        self.transmit(connection, Direction::ToControl, Frame::Hello(hello));
    }

    fn lose_connection(&mut self, node: usize) {
        let state = &mut self.nodes[node];
        (state.connection, state.welcomed) = (None, false);
        state.asked.clear();
        state.subscriber.handle_disconnected();
    }

    /// A client asks some shard for some image; an unknown one is asked for.
    fn request(&mut self, node: usize) {
        let image = self.image();
        let shard = self.rng.index(SHARDS);
        self.check_shard(node, shard, image);
        let floor = self.database.images.get(&image).map(|row| row.seq).unwrap_or_default();
        let (ask_anyway, change) = (self.rng.chance(100), self.rng.chance(100) && !self.calm);
        let read = self.rng.chance(200) && !change;
        let state = &mut self.nodes[node];
        state.subscriber.handle_used(image);
        if state.shards[shard].records.contains_key(&image) && !ask_anyway && !change && !read {
            return;
        }
        // The last asks have to be answered before the end.
        if self.now > super::CHAOS_MS + super::CALM_MS - 3 * LEASE_MS {
            return;
        }
        let Some(connection) = state.connection else { return };
        let evictions = state.shards[shard].evictions.get(&image).copied().unwrap_or_default();
        state.asks += 1;
        let ask = state.asks;
        let resolve = !change && !read;
        let asked = Asked { shard, image, resolve, evictions, floor, reply: None };
        state.asked.insert(ask, asked);
        let frame = match (change, read) {
            (true, _) => Frame::Change { ask, image },
            (_, true) => Frame::Read { ask, image },
            _ => Frame::Resolve { ask, image },
        };
        self.transmit(connection, Direction::ToControl, frame);
    }

    fn take_frame(&mut self, node: usize, frame: Frame) {
        let clock = self.nodes[node].clock.read(self.now);
        let state = &mut self.nodes[node];
        match frame {
            // Repeated welcomes are the network's joke; a stream has one.
            Frame::Welcome(_) if state.welcomed => {}
            Frame::Welcome(welcome) => {
                state.welcomed = true;
                state.subscriber.handle_welcome(clock, welcome);
            }
            Frame::ToData(_) if !state.welcomed => {}
            Frame::ToData(message) => state.subscriber.handle_message(clock, message),
            Frame::Resolved { ask, mark } => {
                if let Some(asked) = state.asked.remove(&ask) {
                    self.post(node, asked.shard, Mail::Answer { asked, mark });
                }
            }
            Frame::Changed { ask, mark, seq } => {
                if let Some(asked) = state.asked.remove(&ask) {
                    let asked = Asked { floor: seq, ..asked };
                    self.post(node, asked.shard, Mail::Answer { asked, mark });
                }
            }
            Frame::Replied { ask, mark, reply } => {
                if let Some(asked) = state.asked.remove(&ask) {
                    let asked = Asked { reply: Some(reply), ..asked };
                    self.post(node, asked.shard, Mail::Answer { asked, mark });
                }
            }
            Frame::Hello(_)
            | Frame::ToControl(_)
            | Frame::Read { .. }
            | Frame::Resolve { .. }
            | Frame::Change { .. } => unreachable!("to a data plane"),
        }
    }

    fn perform(&mut self, node: usize) {
        while let Some(action) = self.nodes[node].subscriber.poll_action() {
            match action {
                SubscriberAction::Send(message) => {
                    if let Some(connection) = self.nodes[node].connection {
                        self.transmit(connection, Direction::ToControl, Frame::ToControl(message));
                    }
                }
                SubscriberAction::Shards { step, change } => {
                    match &change {
                        ShardChange::Begin { .. } => self.coverage.sessions += 1,
                        ShardChange::Evict(images) => {
                            self.coverage.evictions += images.len() as u64
                        }
                        _ => {}
                    }
                    for shard in 0..SHARDS {
                        self.post(node, shard, Mail::Change { step, change: change.clone() });
                    }
                }
                SubscriberAction::Lease { until } => {
                    self.coverage.leases += 1;
                    for shard in 0..SHARDS {
                        self.post(node, shard, Mail::Lease { until });
                    }
                }
                SubscriberAction::Reclaim(order) => panic!("nobody ordered {order:?}"),
                SubscriberAction::Close(_) => {
                    if let Some(connection) = self.nodes[node].connection {
                        self.cut(connection);
                    }
                    self.lose_connection(node);
                }
            }
            let held = self.nodes[node].subscriber.images_held();
            assert!(held <= self.plan.images_held_max, "node {node} holds {held}");
        }
    }

    fn post(&mut self, node: usize, shard: usize, mail: Mail) {
        let state = &mut self.nodes[node].shards[shard];
        state.mailbox.push_back(mail);
        if !std::mem::replace(&mut state.working, true) {
            let after = self.rng.below(self.plan.shard_ms + 1);
            self.node_event(node, after, NodeEvent::Shard { shard });
        }
    }

    /// A shard takes a few items of its mailbox and says how far it is.
    fn work(&mut self, node: usize, shard: usize) {
        for _ in 0..self.rng.between(1, 4) {
            let state = &mut self.nodes[node].shards[shard];
            let touched = match state.mailbox.pop_front() {
                None => break,
                Some(Mail::Change { step, change }) => {
                    state.applied = step;
                    state.change(change)
                }
                Some(Mail::Lease { until }) => {
                    state.lease_until = until;
                    None
                }
                Some(Mail::Answer { asked, mark }) => {
                    state.waits.push((asked, mark));
                    None
                }
            };
            self.wake(node, shard);
            if let Some(image) = touched {
                self.check_shard(node, shard, image);
            }
        }
        let state = &mut self.nodes[node].shards[shard];
        state.working = !state.mailbox.is_empty();
        if state.working {
            let after = self.rng.below(self.plan.shard_ms + 1);
            self.node_event(node, after, NodeEvent::Shard { shard });
        }
        // A new lease may make any record count.
        for image in self.nodes[node].shards[shard].records.keys().copied().collect::<Vec<_>>() {
            self.check_shard(node, shard, image);
        }
        let step =
            self.nodes[node].shards.iter().map(|shard| shard.applied).min().unwrap_or_default();
        let after = self.rng.below(self.plan.shard_ms + 1);
        self.node_event(node, after, NodeEvent::Applied { step });
    }

    fn wake(&mut self, node: usize, shard: usize) {
        let state = &mut self.nodes[node].shards[shard];
        let (ready, waits) = std::mem::take(&mut state.waits)
            .into_iter()
            .partition(|(_, mark)| state.reached(*mark));
        state.waits = waits;
        let ready: Vec<(Asked, Mark)> = ready;
        for (asked, mark) in ready {
            self.coverage.answers += 1;
            // A mark of the session that runs names a push of the record; nothing but eviction can
            // take it away again.
            let evictions = state.evictions.get(&asked.image).copied().unwrap_or_default();
            let kept = evictions == asked.evictions;
            let due = asked.resolve && kept && mark.session == state.session;
            let seen = state.records.contains_key(&asked.image);
            assert!(seen || !due, "{} was asked for in vain", asked.image);
            if let Some(reply) = asked.reply {
                self.coverage.kept += u64::from(state.keep(asked.image, reply));
            }
            // A change is answered: no reply from before it may stand here.
            if let Some(reply) = state.kept.get(&asked.image).filter(|_| asked.reply.is_none()) {
                assert!(reply.version >= asked.floor, "{reply:?}, asked after {}", asked.floor);
            }
            // It may have been dropped again to make room; then the request asks once more.
            if let Some(record) = state.records.get(&asked.image).filter(|_| asked.reply.is_none())
            {
                assert!(
                    record.version >= asked.floor,
                    "node {node} shard {shard} sees {record:?} of {} at {mark:?}, asked after {}",
                    asked.image,
                    asked.floor
                );
            }
        }
    }
}
