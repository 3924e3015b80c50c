//! The data plane's end of the replicated view.
//!
//! It knows which records the node holds (the records themselves live in the shards' views), takes
//! pushes in order, tells every shard what to do, confirms to the control plane what *all* shards
//! have done, asks for leases and keeps the one it has. The caller (the link thread) opens
//! connections, moves frames and mailbox items, and calls [`Subscriber::handle_timeout`] when
//! [`Subscriber::poll_timeout`] says so. After every `handle_…` call it takes all of
//! [`Subscriber::poll_action`].
//!
//! Invariants: a push reaches the shards exactly once and in order; nothing of another session
//! does. A record's number never falls while the node holds it. A lease counts from when its ping
//! was sent. The control plane is told that a record is forgotten only when no shard has it.

mod held;

use super::Millis;
use crate::wire::{self, Caller, Hello, Mark, Push, Reclaim, ToControl, ToData, Welcome};
use glint_image::limits::{
    HOLD_PIECE_IMAGES, LEASE_MS_MAX, PINGS_UNANSWERED_MAX, PUSHES_UNCONFIRMED_MAX, VIEW_IMAGES_MAX,
};
use glint_image::{ImageId, NodeId, Seq};
use held::{HeldSet, Take};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Who the node is, and how much it holds.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's lasting id.
    pub node: NodeId,
    /// New at every start of the process.
    pub incarnation: u64,
    /// Which runtime and bulk engine run, for the operator.
    pub engine: String,
    /// Most records held; [`VIEW_IMAGES_MAX`] but in tests.
    pub images_max: usize,
    /// Most records in one piece of a `Hold` list; [`HOLD_PIECE_IMAGES`] but in tests.
    pub hold_piece_images: usize,
}

impl Config {
    /// A node that holds as much as [`VIEW_IMAGES_MAX`] allows.
    #[must_use]
    pub fn new(node: NodeId, incarnation: u64, engine: String) -> Self {
        let (images_max, hold_piece_images) = (VIEW_IMAGES_MAX, HOLD_PIECE_IMAGES);
        Self { node, incarnation, engine, images_max, hold_piece_images }
    }
}

/// The place of a [`ShardChange`] among all of this process: rising by one, never reused, whatever
/// the session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct StepNumber(pub u64);

/// What every shard does to its view, in the order of the [`StepNumber`]s.
#[allow(clippy::large_enum_variant, reason = "nearly all of these are pushes, and none lives long")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShardChange {
    /// A session begins, not yet current. Records stay as they are; marks of other sessions wait
    /// for its [`Push::Current`].
    Begin {
        /// The session.
        session: u64,
    },
    /// Apply a push: an image, an absence, settings, or that the view is current.
    Push {
        /// Session and number of the push.
        at: Mark,
        /// What it says.
        push: Push,
    },
    /// Take note of a caller. What is known of it is shared by all shards.
    Caller {
        /// Session and number of the push.
        at: Mark,
        /// What is known.
        caller: Arc<Caller>,
    },
    /// A push that changes no view was taken; waiters on its mark go on.
    Reached {
        /// Session and number of the push.
        at: Mark,
    },
    /// Drop these records.
    Evict(Vec<ImageId>),
    /// Drop every record and the lease: another catalogue stands behind the control plane now.
    DropAll,
}

/// What the caller does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write this to the session stream.
    Send(ToControl),
    /// Hand this to every shard; call [`Subscriber::handle_shards_applied`] when all have done it.
    Shards {
        /// Its place. Confirming a number confirms all before it.
        step: StepNumber,
        /// What to do.
        change: ShardChange,
    },
    /// Tell every shard that new downloads may begin before this point in time. Needs no
    /// confirmation.
    Lease {
        /// When the lease ends.
        until: Millis,
    },
    /// Remove these bytes, durably, and ask `Reclaimed`. The same order may come again.
    Reclaim(Reclaim),
    /// Close the connection, then call [`Subscriber::handle_disconnected`] and connect anew.
    Close(CloseReason),
}

/// Why a connection is closed from this end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The control plane does not want this node; the text is its reason.
    #[error("the control plane refuses this node: {0}")]
    Refused(String),
    /// It answered with a wire version that was not offered.
    #[error("the control plane chose wire version {0}, which was not offered")]
    Version(u16),
    /// Nothing was heard for two leases.
    #[error("the control plane is silent")]
    Silent,
    /// More pushes came than may be unconfirmed.
    #[error("the control plane pushes more than {PUSHES_UNCONFIRMED_MAX} changes ahead")]
    Flood,
    /// A push names an image by something that is no id.
    #[error("a push names no image id")]
    NotAnImage,
}

/// The data plane's end. See the module's text.
#[derive(Debug)]
pub struct Subscriber {
    config: Config,
    catalogue: Option<[u8; 16]>,
    held: HeldSet,
    /// The attributes that the records held carry for the rules.
    attributes: Vec<String>,
    session: Option<Session>,
    lease_until: Millis,
    nonce: u64,
    step: StepNumber,
    actions: VecDeque<Action>,
}

/// What is known of the session that runs.
#[derive(Debug)]
struct Session {
    number: u64,
    /// The next push to take.
    expected: u64,
    /// A push is missing and `Resync` was sent: nothing can be taken until the reset.
    broken: bool,
    current: bool,
    /// The number of the push that made it current; 0 before.
    current_at: u64,
    closed: bool,
    /// The newest push confirmed.
    confirmed: u64,
    /// Pushes on their way through the shards.
    in_shards: VecDeque<(StepNumber, u64)>,
    /// Evictions on their way through the shards, with the newest push taken when they were made.
    leaving: VecDeque<(StepNumber, u64, Vec<ImageId>)>,
    lease: Millis,
    ping_at: Millis,
    heard_at: Millis,
    pings: BTreeMap<u64, Millis>,
}

// === impl Subscriber: what the caller asks ===

impl Subscriber {
    /// A node that holds nothing.
    #[must_use]
    pub fn new(config: Config) -> Self {
        assert!(config.images_max > 0, "a node that may hold nothing can serve nothing");
        assert!((1..=HOLD_PIECE_IMAGES).contains(&config.hold_piece_images), "it fits a frame");
        Self {
            held: HeldSet::new(config.images_max),
            config,
            catalogue: None,
            attributes: Vec::new(),
            session: None,
            lease_until: Millis(0),
            nonce: 0,
            step: StepNumber(0),
            actions: VecDeque::new(),
        }
    }

    /// The first frame of a new connection.
    #[must_use]
    pub fn hello(&self) -> Hello {
        Hello {
            versions: (wire::VERSION, wire::VERSION),
            node: self.config.node.0,
            incarnation: self.config.incarnation,
            catalogue: self.catalogue,
            engine: self.config.engine.clone(),
        }
    }

    /// The next thing to do, until `None`.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Subscriber::handle_timeout`] at the latest; `None` without a session.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Millis> {
        let session = self.session.as_ref().filter(|session| !session.closed)?;
        Some(session.ping_at.min(session.silent_at()))
    }

    /// When the lease ends; long ago if there is none.
    #[must_use]
    pub fn lease_until(&self) -> Millis {
        self.lease_until
    }

    /// Whether a session runs and all its `Hold` list has been answered.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.current && !session.broken)
    }

    /// The session that runs.
    #[must_use]
    pub fn session(&self) -> Option<u64> {
        self.session.as_ref().map(|session| session.number)
    }

    /// How many records the node holds.
    #[must_use]
    pub fn images_held(&self) -> usize {
        self.held.len()
    }
}

// === impl Subscriber: events ===

impl Subscriber {
    /// The control plane answered the hello.
    pub fn handle_welcome(&mut self, now: Millis, welcome: Welcome) {
        let (version, session, catalogue, lease_ms) = match welcome {
            Welcome::Accepted { version, session, catalogue, lease_ms } => {
                (version, session, catalogue, lease_ms)
            }
            Welcome::Refused { reason } => return self.close(CloseReason::Refused(reason)),
        };
        if version != wire::VERSION {
            return self.close(CloseReason::Version(version));
        }
        if self.catalogue.is_some_and(|known| known != catalogue) {
            self.held.clear();
            self.lease_until = Millis(0);
            self.shards(ShardChange::DropAll);
        }
        self.catalogue = Some(catalogue);
        self.begin(now, session, Millis(lease_ms.clamp(1, LEASE_MS_MAX)));
    }

    /// A frame of the session stream. Anything about another session than the one that runs is
    /// ignored.
    pub fn handle_message(&mut self, now: Millis, message: ToData) {
        let Some(session) = self.session.as_mut().filter(|session| !session.closed) else { return };
        session.heard_at = now;
        match message {
            ToData::Pong { nonce, lease_ms } => self.take_pong(nonce, lease_ms),
            // Sessions of one connection rise; an older reset that comes late is not news.
            ToData::Reset { session: next } if next > session.number => {
                let lease = session.lease;
                self.begin(now, next, lease);
            }
            ToData::Reset { .. } => {}
            ToData::Push { session: of, number, body } => {
                if of == session.number && !session.broken {
                    self.take_push(number, body);
                }
            }
        }
    }

    /// Every shard has done everything up to this step.
    pub fn handle_shards_applied(&mut self, step: StepNumber) {
        let Some(session) = self.session.as_mut().filter(|session| !session.closed) else { return };
        let before = session.confirmed;
        while let Some((_, number)) = session.in_shards.pop_front_if(|(at, _)| *at <= step) {
            session.confirmed = number;
        }
        if session.confirmed > before {
            self.actions.push_back(Action::Send(session.applied()));
            // Only from this confirmation on can a lease be had: without another ping now the node
            // would serve nothing new for the third of a lease until the next one is due.
            if (before + 1..=session.confirmed).contains(&session.current_at) {
                session.ping_at = Millis(0);
            }
        }
        while let Some((_, through, images)) =
            session.leaving.pop_front_if(|(at, _, _)| *at <= step)
        {
            let images = images.iter().map(|image| *image.as_bytes()).collect();
            let forget = ToControl::Forget { session: session.number, through, images };
            self.actions.push_back(Action::Send(forget));
        }
    }

    /// The connection is gone. Records and lease stay; both serve until the lease ends.
    pub fn handle_disconnected(&mut self) {
        self.session = None;
        self.actions.retain(|action| !matches!(action, Action::Send(_) | Action::Close(_)));
    }

    /// Time has come for a ping, or to give up on a silent control plane.
    pub fn handle_timeout(&mut self, now: Millis) {
        let Some(session) = self.session.as_mut().filter(|session| !session.closed) else { return };
        if now >= session.silent_at() {
            return self.close(CloseReason::Silent);
        }
        if now < session.ping_at {
            return;
        }
        self.nonce += 1;
        session.pings.insert(self.nonce, now);
        if session.pings.len() > PINGS_UNANSWERED_MAX {
            session.pings.pop_first();
        }
        session.ping_at = now.plus(Millis((session.lease.0 / 3).max(1)));
        let ping = ToControl::Ping { session: session.number, nonce: self.nonce };
        // Each ping repeats the confirmation, so that none can be missing for longer than a third
        // of a lease.
        if session.confirmed > 0 {
            self.actions.push_back(Action::Send(session.applied()));
        }
        self.actions.push_back(Action::Send(ping));
    }

    /// A request used this record: it is not the next to make room. A hint; calling it for a sample
    /// of the requests will do.
    pub fn handle_used(&mut self, image: ImageId) {
        self.held.touch(image);
    }
}

// === impl Subscriber: inside ===

impl Subscriber {
    fn close(&mut self, reason: CloseReason) {
        if let Some(session) = &mut self.session {
            session.closed = true;
        }
        self.actions.push_back(Action::Close(reason));
    }

    fn shards(&mut self, change: ShardChange) -> StepNumber {
        self.step = StepNumber(self.step.0 + 1);
        self.actions.push_back(Action::Shards { step: self.step, change });
        self.step
    }

    fn begin(&mut self, now: Millis, number: u64, lease: Millis) {
        self.session = Some(Session {
            number,
            expected: 1,
            broken: false,
            current: false,
            current_at: 0,
            closed: false,
            confirmed: 0,
            in_shards: VecDeque::new(),
            leaving: VecDeque::new(),
            lease,
            ping_at: now,
            heard_at: now,
            pings: BTreeMap::new(),
        });
        self.shards(ShardChange::Begin { session: number });
        self.send_hold(number);
    }

    fn send_hold(&mut self, session: u64) {
        let mut list = self.held.list();
        let mut from = 0;
        loop {
            let rest = list.split_off(list.len().min(self.config.hold_piece_images));
            let count = u32::try_from(list.len()).expect("a piece is a few thousand");
            let last = rest.is_empty();
            self.actions.push_back(Action::Send(ToControl::Hold {
                session,
                from,
                images: list,
                last,
            }));
            if last {
                return;
            }
            from += count;
            list = rest;
        }
    }

    fn take_pong(&mut self, nonce: u64, lease_ms: u64) {
        let Some(session) = &mut self.session else { return };
        let Some(sent_at) = session.pings.remove(&nonce) else { return };
        if lease_ms == 0 {
            return;
        }
        let until = sent_at.plus(Millis(lease_ms).min(session.lease));
        if until > self.lease_until {
            self.lease_until = until;
            self.actions.push_back(Action::Lease { until });
        }
    }

    fn take_push(&mut self, number: u64, push: Push) {
        let Some(session) = &mut self.session else { return };
        if number < session.expected {
            return;
        }
        if number > session.expected {
            session.broken = true;
            let resync = ToControl::Resync { session: session.number };
            self.actions.push_back(Action::Send(resync));
            return;
        }
        if session.in_shards.len() >= PUSHES_UNCONFIRMED_MAX {
            return self.close(CloseReason::Flood);
        }
        let at = Mark { session: session.number, number };
        session.expected = number + 1;
        let change = match push {
            Push::Image(record) => {
                let Ok(image) = ImageId::from_bytes(&record.image) else {
                    return self.close(CloseReason::NotAnImage);
                };
                match self.held.take(image, Seq(record.seq), false) {
                    Take::Newer => ShardChange::Push { at, push: Push::Image(record) },
                    Take::Older => ShardChange::Reached { at },
                }
            }
            Push::Absent { image: text, seq } => {
                let Ok(image) = ImageId::from_bytes(&text) else {
                    return self.close(CloseReason::NotAnImage);
                };
                match self.held.take(image, Seq(seq), true) {
                    Take::Newer => {
                        ShardChange::Push { at, push: Push::Absent { image: text, seq } }
                    }
                    Take::Older => ShardChange::Reached { at },
                }
            }
            Push::Current => {
                session.current = true;
                session.current_at = number;
                ShardChange::Push { at, push: Push::Current }
            }
            Push::Settings(settings) => {
                self.take_attributes(number, &settings.policy.attributes);
                ShardChange::Push { at, push: Push::Settings(settings) }
            }
            Push::Caller(caller) => ShardChange::Caller { at, caller: Arc::new(caller) },
            Push::Reclaim(order) => {
                self.actions.push_back(Action::Reclaim(order));
                ShardChange::Reached { at }
            }
        };
        let step = self.shards(change);
        if let Some(session) = &mut self.session {
            session.in_shards.push_back((step, number));
        }
        self.make_room(number);
    }

    /// Records without the attributes that the rules of push `number` compare must not meet these
    /// rules: they are dropped first, and asked for again as they are wanted.
    fn take_attributes(&mut self, number: u64, attributes: &[String]) {
        if self.attributes == attributes {
            return;
        }
        self.attributes = attributes.to_vec();
        let gone = self.held.take_all();
        self.drop_records(number.saturating_sub(1), gone);
    }

    /// Drops what is over the bound. The control plane hears of it when no shard has it any more.
    fn make_room(&mut self, through: u64) {
        let gone = self.held.evict();
        self.drop_records(through, gone);
    }

    /// Has every shard drop records that are held no more. `through` is the newest push taken
    /// before.
    fn drop_records(&mut self, through: u64, gone: Vec<ImageId>) {
        if gone.is_empty() {
            return;
        }
        let step = self.shards(ShardChange::Evict(gone.clone()));
        if let Some(session) = &mut self.session {
            session.leaving.push_back((step, through, gone));
        }
    }
}

// === impl Session ===

impl Session {
    fn applied(&self) -> ToControl {
        ToControl::Applied { session: self.number, through: self.confirmed }
    }

    fn silent_at(&self) -> Millis {
        self.heard_at.plus(Millis(self.lease.0 * 2))
    }
}

#[cfg(test)]
mod tests;
