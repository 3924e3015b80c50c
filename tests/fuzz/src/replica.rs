//! The replica machines, fed with whatever a broken or hostile peer may send.
//!
//! The bytes are a programme of small events for one publisher and one subscriber that are *not*
//! connected: each is told what no honest peer would say. What a peer says may end a connection; it
//! may not break a machine, nor the promises about what comes out of it.

use glint_image::limits::{LEASE_MS_MAX, PUSHES_UNCONFIRMED_MAX, RECORD_LOADS_MAX};
use glint_image::{ImageId, NodeId, Seq, SessionId};
use glint_link::replica::{
    Change, Loaded, Millis, Publisher, PublisherAction, PublisherConfig, SESSIONS_PER_CONNECTION,
    ShardChange, StepNumber, Subscriber, SubscriberAction, SubscriberConfig, Ticket,
};
use glint_link::wire::{
    Caller, Held, ImageRecord, Location, Policy, Push, Reclaim, Settings, ToControl, ToData,
    Welcome,
};
use std::collections::{BTreeMap, BTreeSet};

const IMAGES_MAX: usize = 5;
const LEASE: Millis = Millis(100);

/// Replica machines.
///
/// # Panics
/// If a machine breaks, or what it does breaks a promise.
pub fn replica(bytes: &[u8]) {
    let mut input = Input { bytes };
    let mut publisher = PublisherEnd::new();
    let mut subscriber = SubscriberEnd::new();
    let mut now = Millis(1);
    while let Some(kind) = input.byte() {
        now = now.plus(Millis(u64::from(kind >> 5)));
        if kind % 2 == 0 {
            publisher.event(&mut input, kind, now);
            publisher.check();
        } else {
            subscriber.event(&mut input, kind, now);
            subscriber.check(now);
        }
    }
}

/// The programme. Once it ends, everything reads as zero.
struct Input<'a> {
    bytes: &'a [u8],
}

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn small(&mut self) -> u64 {
        match self.byte().unwrap_or_default() {
            // Now and then a number that nobody would send.
            255 => u64::MAX,
            254 => u64::from(u32::MAX),
            small => u64::from(small % 32),
        }
    }

    fn coin(&mut self) -> bool {
        self.byte().unwrap_or_default() & 1 == 0
    }

    fn image(&mut self) -> [u8; 36] {
        let number = self.byte().unwrap_or_default();
        if number == 255 {
            return [b'x'; 36];
        }
        let text = format!("00000000-0000-0000-0000-0000000000{:02x}", number % 12);
        *ImageId::parse(&text).expect("a UUID").as_bytes()
    }
}

struct PublisherEnd {
    machine: Publisher,
    session: u64,
    sent: u64,
    loads: BTreeSet<ImageId>,
    renewing: usize,
    head: u64,
    ended: bool,
}

impl PublisherEnd {
    fn new() -> Self {
        let settings = Settings { minor_versions: vec![0, 17], ..Settings::default() };
        let session = SessionId(SESSIONS_PER_CONNECTION);
        let config = PublisherConfig { session, lease: LEASE, head: Seq(3), settings };
        Self {
            machine: Publisher::new(Millis(0), config),
            session: session.0,
            sent: 0,
            loads: BTreeSet::new(),
            renewing: 0,
            head: 3,
            ended: false,
        }
    }

    fn event(&mut self, input: &mut Input<'_>, kind: u8, now: Millis) {
        // Mostly the session that runs, or nothing would ever get anywhere.
        let session = if input.small() < 30 { self.session } else { input.small() };
        let machine = &mut self.machine;
        match (kind >> 1) % 16 {
            0..3 => {
                let (from, count, last) = (input.small(), input.small() % 4, input.coin());
                let from = u32::try_from(from).unwrap_or(u32::MAX);
                let images =
                    (0..count).map(|_| Held { image: input.image(), seq: input.small() }).collect();
                machine.handle_message(now, ToControl::Hold { session, from, images, last });
            }
            3 | 4 => {
                let through = if input.coin() { self.sent } else { input.small() };
                machine.handle_message(now, ToControl::Applied { session, through });
            }
            5 => machine.handle_message(now, ToControl::Ping { session, nonce: input.small() }),
            6 => {
                let (through, images) = (input.small(), vec![input.image(), input.image()]);
                machine.handle_message(now, ToControl::Forget { session, through, images });
            }
            7 => machine.handle_message(now, ToControl::Resync { session }),
            8 | 9 => {
                self.head += input.small() % 3;
                let image = ImageId::from_bytes(&input.image()).unwrap_or_else(|_| other());
                let restricting = input.coin();
                machine.handle_change(now, Change { seq: Seq(self.head), image, restricting });
            }
            10 | 11 => {
                if let Some(image) = self.loads.pop_first() {
                    let seq = self.head.saturating_sub(input.small());
                    let record = (input.coin() || input.coin())
                        .then(|| record(*image.as_bytes(), seq, seq & 1 == 0));
                    machine.handle_loaded(now, image, Loaded { as_of: Seq(self.head), record });
                }
            }
            12 => {
                let image = ImageId::from_bytes(&input.image()).unwrap_or_else(|_| other());
                machine.handle_resolve(now, Ticket(input.small()), image);
            }
            13 => machine.handle_mark(now, Ticket(input.small()), Seq(input.small())),
            14 => {
                if self.renewing > 0 {
                    self.renewing -= 1;
                    machine.handle_renewed(now, Seq(self.head));
                }
                let location = Location { store: String::new(), url: String::new() };
                let reclaim = Reclaim { order: input.small(), image: input.image(), location };
                let _ = machine.handle_reclaim(now, reclaim);
            }
            _ => {
                match input.small() % 4 {
                    0 => machine.handle_reclaimed(input.small()),
                    1 => machine.handle_settings(now, settings(input.small())),
                    2 => machine.handle_caller(now, Ticket(input.small()), caller(input.small())),
                    _ => {
                        let image = ImageId::from_bytes(&input.image()).unwrap_or_else(|_| other());
                        machine.handle_watch(now, Ticket(input.small()), image);
                    }
                }
                machine.handle_timeout(now);
            }
        }
    }

    fn check(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            assert!(!self.ended, "{action:?} after the end");
            match action {
                PublisherAction::Send(ToData::Push { session, number, .. }) => {
                    assert_eq!(
                        (session, number),
                        (self.session, self.sent + 1),
                        "pushes are counted"
                    );
                    self.sent = number;
                }
                PublisherAction::Send(ToData::Reset { session }) => {
                    assert_eq!(session, self.session + 1, "sessions are counted");
                    (self.session, self.sent) = (session, 0);
                }
                PublisherAction::Send(ToData::Pong { lease_ms, .. }) => {
                    let noted = self.machine.counts_until().is_some();
                    assert!(lease_ms == 0 || noted, "a lease is noted");
                }
                PublisherAction::Load { image } => {
                    assert!(self.loads.insert(image), "{image} is being loaded already");
                    assert!(self.loads.len() <= RECORD_LOADS_MAX);
                }
                PublisherAction::Renew => self.renewing += 1,
                PublisherAction::Marked { mark, .. } => {
                    assert_eq!(mark.session, self.session);
                    assert!(mark.number <= self.sent, "a mark names what was sent");
                }
                PublisherAction::Confirmed { through } => {
                    assert!(through <= Seq(self.head), "what has not happened is not confirmed");
                }
                PublisherAction::Close(_) => self.ended = true,
            }
        }
        assert!(self.renewing <= 1, "one renewal at a time");
        assert!(self.machine.pushes_unconfirmed() <= PUSHES_UNCONFIRMED_MAX);
    }
}

/// A caller who is not let in.
pub(crate) fn caller(generation: u64) -> Caller {
    Caller { key: [5; 32], generation, grant: None, valid_ms: generation }
}

/// Settings whose rules compare one attribute or another.
pub(crate) fn settings(generation: u64) -> Settings {
    let attributes = vec![format!("attribute_{}", generation % 2)];
    let policy = Policy { attributes, ..Policy::default() };
    Settings { generation, policy, ..Settings::default() }
}

fn other() -> ImageId {
    ImageId::parse("ffffffff-0000-0000-0000-000000000000").expect("a UUID")
}

/// A record with every field in use.
pub(crate) fn record(image: [u8; 36], seq: u64, active: bool) -> ImageRecord {
    ImageRecord {
        image,
        seq,
        status: if active { "active" } else { "deactivated" }.to_owned(),
        visibility: "shared".to_owned(),
        owner: Some("proj-a".to_owned()),
        members: vec!["proj-b".to_owned()],
        size_bytes: Some(3),
        checksum: Some("acbd18db4cc2f85cedef654fccc4a4d8".to_owned()),
        epoch: 0,
        locations: vec![Location { store: String::new(), url: "file:///images/x".to_owned() }],
        attributes: Vec::new(),
    }
}

struct SubscriberEnd {
    machine: Subscriber,
    step: u64,
    session: u64,
    number: u64,
    held: BTreeMap<[u8; 36], u64>,
    lease_until: Millis,
}

impl SubscriberEnd {
    fn new() -> Self {
        let mut config = SubscriberConfig::new(NodeId([1; 16]), 1, String::new());
        (config.images_max, config.hold_piece_images) = (IMAGES_MAX, 2);
        Self {
            machine: Subscriber::new(config),
            step: 0,
            session: 0,
            number: 0,
            held: BTreeMap::new(),
            lease_until: Millis(0),
        }
    }

    fn event(&mut self, input: &mut Input<'_>, kind: u8, now: Millis) {
        let session = if input.small() < 30 { self.session } else { input.small() };
        let machine = &mut self.machine;
        match (kind >> 1) % 16 {
            0 => {
                let catalogue = [u8::from(input.small() > 25); 16];
                let version = if input.small() == 31 { 2 } else { 1 };
                let lease_ms = input.small().saturating_mul(7);
                let session = input.small();
                machine.handle_disconnected();
                let welcome = Welcome::Accepted { version, session, catalogue, lease_ms };
                machine.handle_welcome(now, welcome);
            }
            1 => machine.handle_message(now, ToData::Reset { session: input.small() }),
            2 | 3 => {
                let (nonce, lease_ms) = (input.small(), input.small());
                machine.handle_message(now, ToData::Pong { nonce, lease_ms });
            }
            4 => machine.handle_timeout(now),
            5 => machine.handle_disconnected(),
            6 | 7 => {
                machine.handle_shards_applied(StepNumber(self.step.saturating_sub(input.small())))
            }
            8 => {
                let image = ImageId::from_bytes(&input.image()).unwrap_or_else(|_| other());
                machine.handle_used(image);
            }
            _ => {
                let number = if input.small() < 28 { self.number + 1 } else { input.small() };
                let image = input.image();
                let body = match input.small() {
                    0 => Push::Current,
                    1 => Push::Settings(settings(input.small())),
                    2 => {
                        let location = Location { store: String::new(), url: String::new() };
                        Push::Reclaim(Reclaim { order: 1, image, location })
                    }
                    3 => Push::Caller(caller(input.small())),
                    4..8 => Push::Absent { image, seq: input.small() },
                    _ => Push::Image(record(image, input.small(), true)),
                };
                machine.handle_message(now, ToData::Push { session, number, body });
            }
        }
    }

    fn check(&mut self, now: Millis) {
        while let Some(action) = self.machine.poll_action() {
            match action {
                SubscriberAction::Shards { step, change } => {
                    assert_eq!(step.0, self.step + 1, "steps are counted");
                    self.step = step.0;
                    self.change(change);
                }
                SubscriberAction::Lease { until } => {
                    assert!(until > self.lease_until, "a lease never shrinks");
                    assert!(
                        until <= now.plus(Millis(LEASE_MS_MAX)),
                        "nor is it longer than allowed"
                    );
                    self.lease_until = until;
                }
                SubscriberAction::Send(ToControl::Applied { session, through }) => {
                    assert_eq!(session, self.session);
                    assert!(through <= self.number, "what was not taken is not confirmed");
                }
                SubscriberAction::Send(_)
                | SubscriberAction::Reclaim(_)
                | SubscriberAction::Close(_) => {}
            }
        }
        assert!(self.machine.images_held() <= IMAGES_MAX);
        assert_eq!(
            self.machine.images_held(),
            self.held.len(),
            "shards hold what the machine says"
        );
    }

    fn change(&mut self, change: ShardChange) {
        match change {
            ShardChange::Begin { session } => (self.session, self.number) = (session, 0),
            ShardChange::Reached { at }
            | ShardChange::Caller { at, .. }
            | ShardChange::Push { at, push: Push::Current | Push::Settings(_) } => {
                self.reach(at);
            }
            ShardChange::Push { at, push } => {
                self.reach(at);
                let (image, seq) = match push {
                    Push::Image(record) => (record.image, record.seq),
                    Push::Absent { image, seq } => (image, seq),
                    other => panic!("no matter of shards: {other:?}"),
                };
                let before = self.held.insert(image, seq);
                assert!(before.is_none_or(|before| before <= seq), "a record got older");
            }
            ShardChange::Evict(images) => {
                for image in images {
                    assert!(
                        self.held.remove(image.as_bytes()).is_some(),
                        "only what is held leaves"
                    );
                }
            }
            ShardChange::DropAll => {
                self.held.clear();
                self.lease_until = Millis(0);
            }
        }
    }

    fn reach(&mut self, at: glint_link::wire::Mark) {
        assert_eq!((at.session, at.number), (self.session, self.number + 1), "out of order");
        self.number = at.number;
    }
}

/// Programmes that get somewhere: a list, a push, a confirmation; a welcome, pushes, a lease.
pub(crate) fn examples() -> Vec<Vec<u8>> {
    let publisher: [u8; 40] = [
        0, 0, 0, 1, 0, 1, 5, // an image held at 5
        24, 0, 2, 2, // an ask
        20, 0, 1, 1, 20, 0, 1, 1, // two loads
        6, 0, 0, // all confirmed
        10, 0, 9, 28, 0, 1, 1, // a ping, renewed
        16, 0, 1, 1, 0, 20, 0, 1, 1, 6, 0, // a change, loaded, confirmed
    ];
    let subscriber: [u8; 36] = [
        1, 0, 0, 0, 20, 9, // a welcome
        19, 0, 0, 1, 9, 5, 19, 0, 0, 2, 9, 5, // two images
        13, 0, 0, 9, 0, // a ping after the shards are done
        5, 0, 1, 20, // its answer
        19, 0, 0, 1, 4, 6, // gone
        3, 0, 21, // a reset
    ];
    vec![
        publisher.to_vec(),
        subscriber.to_vec(),
        [&publisher[..], &subscriber].concat(),
        (0..=255).collect(),
    ]
}
