//! Uploads with every fault at every step, and the recovery that follows, against a model of disk
//! and control plane.
//!
//! For each scenario and each kind of fault the n-th operation fails, for n = 0, 1, 2 … until a run
//! is over before its fault comes; in half of the runs another fault follows soon after, and
//! recovery meets faults of its own. Checked: an active image always has exactly its bytes,
//! durably; at rest there is no byte without an active image; the client gets one answer and a true
//! one; every buffer comes back; and a queued image can be uploaded to.

use dataplane_core::head::{Head, Parsed, parse};
use dataplane_core::time::Millis;
use dataplane_core::upload::{Digests, Receive, SealError, SealOp, Settling, Step, StoreError};
use dataplane_core::upload::{UndoOp, Want, start};
use dataplane_core::view::View;
use dataplane_core::{recovery, upload};
use glint_image::limits::WRITE_BUFFERS_PER_UPLOAD;
use glint_image::{Epoch, ImageId, Md5, PushNumber, RequestId, SessionId, Sha512};
use glint_link::wire::{Answer, Ask, ImageRecord, Location, Mark, Outcome, Push};
use tests_sim::transfer::{Dead, EpochState, FAULTS, Fate, Fault, Faults, ImageState, World};
use tests_sim::{Rng, each_seed};

const ID: &str = "71c675ab-d94f-49cd-a114-e12490b328d9";
const FINAL: &str = "final";
/// Small, so that few bytes make many writes.
const BUFFER_BYTES: usize = 16;
const AT: Mark = Mark { session: 1, number: 0 };

/// How a body is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sent {
    Length,
    LengthOnceAsked,
    Chunked(usize),
}

#[derive(Clone, Copy, Debug)]
struct Scenario {
    sent: Sent,
    size: usize,
}

// === impl Scenario ===

impl Scenario {
    fn content(self) -> Vec<u8> {
        (0..self.size).map(|at| u8::try_from(at % 251).expect("below 251") + 1).collect()
    }

    fn head(self) -> Head {
        let framing = match self.sent {
            Sent::Length => format!("Content-Length: {}", self.size),
            Sent::LengthOnceAsked => {
                format!("Expect: 100-continue\r\nContent-Length: {}", self.size)
            }
            Sent::Chunked(_) => "Transfer-Encoding: chunked".to_owned(),
        };
        let text = format!("PUT /v2/images/{ID}/file HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
        match parse(text.as_bytes()) {
            Parsed::Head(head, _) => *head,
            other => panic!("a head, not {other:?}"),
        }
    }

    fn stream(self) -> Vec<u8> {
        let Sent::Chunked(chunk) = self.sent else { return self.content() };
        let mut stream = Vec::new();
        for piece in self.content().chunks(chunk) {
            stream.extend_from_slice(format!("{:x};ext\r\n", piece.len()).as_bytes());
            stream.extend_from_slice(piece);
            stream.extend_from_slice(b"\r\n");
        }
        stream.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
        stream
    }
}

fn digest(bytes: &[u8]) -> [u8; 16] {
    let hash = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&hash.to_le_bytes());
    digest[8..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
    digest
}

/// One upload under way.
struct Run<'a> {
    world: &'a mut World,
    content: Vec<u8>,
    stream: Vec<u8>,
    at: usize,
    /// The buffer that is being filled, and those being written.
    filling: Vec<u8>,
    writes: Vec<(usize, Vec<u8>)>,
    hashed: Vec<u8>,
    epoch: u64,
    view: View,
    now: Millis,
    responses: Vec<u16>,
    detached: bool,
    client_gone: bool,
}

// === impl Run ===

impl<'a> Run<'a> {
    fn new(world: &'a mut World, scenario: Scenario) -> Self {
        Self {
            world,
            content: scenario.content(),
            stream: scenario.stream(),
            at: 0,
            filling: Vec::new(),
            writes: Vec::new(),
            hashed: Vec::new(),
            epoch: 0,
            view: View::new([1; 32]),
            now: Millis(0),
            responses: Vec::new(),
            detached: false,
            client_gone: false,
        }
    }

    fn temp(&self) -> String {
        self.epoch.to_string()
    }

    fn drive(&mut self, mut step: Step) -> Result<(), Dead> {
        loop {
            consistent(self.world, &self.content);
            step = match step {
                Step::Reserve(_)
                | Step::Commit(_)
                | Step::Abort(_)
                | Step::Pause(_)
                | Step::Detach(_)
                | Step::Wait(_) => self.answer(step)?,
                Step::Open(open) => match self.world.operation()? {
                    Fate::Failed { full, .. } => open.failed(store_error(full)),
                    _ => {
                        assert_eq!(open.epoch(), Epoch(self.epoch));
                        assert!(self.world.disk.create(&self.temp()));
                        open.opened()
                    }
                },
                Step::Continue(wait) => match self.world.operation()? {
                    Fate::ClientGone => {
                        self.client_gone = true;
                        wait.failed()
                    }
                    _ => wait.sent(),
                },
                Step::Receive(receive) => self.receive(receive)?,
                Step::Settle(settle) => match settle.waits_for() {
                    Settling::Write => {
                        let result = self.complete_a_write()?;
                        settle.completed(result)
                    }
                    Settling::Digests => {
                        let md5 = Md5(digest(&self.hashed));
                        settle.hashed(Digests { md5, sha512: Sha512([0; 64]) })
                    }
                },
                Step::Seal(seal) => match self.seal(seal.op())? {
                    Ok(()) => seal.done(),
                    Err(error) => seal.failed(error),
                },
                Step::Clean(clean) => {
                    self.undo(UndoOp::UnlinkTemp)?;
                    clean.done()
                }
                Step::Suspect(suspect) => {
                    self.world.disk.suspect = true;
                    suspect.marked()
                }
                Step::Undo(undo) => match self.undo(undo.op())? {
                    true => undo.done(),
                    false => undo.failed(),
                },
                Step::Done(done) => {
                    self.responses.extend(done.response.map(|response| response.status()));
                    return Ok(());
                }
            };
        }
    }

    /// Steps that wait for the control plane or for time.
    fn answer(&mut self, step: Step) -> Result<Step, Dead> {
        let unavailable = || Answer::Unavailable { reason: "simulated".to_owned() };
        Ok(match step {
            Step::Reserve(reserve) => {
                // A reservation whose answer is lost is taken back by the control plane, which sees
                // the stream break.
                let (_, answered) = self.world.ask()?;
                let epoch = if answered { self.world.catalogue.reserve() } else { None };
                self.epoch = epoch.unwrap_or_default();
                reserve.answered(match (answered, epoch) {
                    (false, _) => unavailable(),
                    (true, Some(epoch)) => Answer::Reserved {
                        epoch,
                        size_bytes_max: 1 << 20,
                        store: String::new(),
                        at: AT,
                    },
                    (true, None) => {
                        Answer::Refused { status: 409, headers: Vec::new(), body: Vec::new() }
                    }
                })
            }
            Step::Commit(commit) => {
                let location = Location { store: String::new(), url: FINAL.to_owned() };
                let Ask::Commit { epoch, size_bytes, md5, .. } = commit.ask(location) else {
                    panic!("a commit asks for a commit")
                };
                let (takes_effect, answered) = self.world.ask()?;
                let taken =
                    takes_effect.then(|| self.world.catalogue.commit(epoch, size_bytes, md5));
                consistent(self.world, &self.content);
                let answer = match taken {
                    Some(true) if answered => Answer::Committed { at: AT },
                    Some(false) if answered => Answer::Fenced,
                    _ => unavailable(),
                };
                commit.answered(&answer, self.now)
            }
            Step::Abort(abort) => {
                let (takes_effect, answered) = self.world.ask()?;
                if takes_effect {
                    self.world.catalogue.abort(self.epoch);
                }
                let answer = if answered { Answer::Aborted } else { unavailable() };
                abort.answered(&answer, self.now)
            }
            Step::Pause(pause) => {
                self.now = self.now.after(pause.pause_ms());
                pause.over()
            }
            Step::Detach(detach) => {
                self.responses.extend(detach.response().map(upload_status));
                self.detached = true;
                detach.detached()
            }
            Step::Wait(wait) => wait.over(),
            other => panic!("not a step that waits: {other:?}"),
        })
    }

    fn receive(&mut self, mut receive: Receive) -> Result<Step, Dead> {
        loop {
            if self.world.rng.chance(200) {
                self.look(&mut receive);
            }
            let in_use = self.writes.len() + usize::from(!self.filling.is_empty());
            assert!(in_use <= WRITE_BUFFERS_PER_UPLOAD as usize, "buffers are bounded");
            match receive.want() {
                Want::Body if !self.writes.is_empty() && self.world.rng.chance(300) => {
                    let result = self.complete_a_write()?;
                    receive.completed(result);
                }
                Want::Body => self.bring(&mut receive)?,
                Want::Submit => self.submit(&mut receive),
                Want::Completion => {
                    let result = self.complete_a_write()?;
                    receive.completed(result);
                }
                Want::Settle => {
                    self.filling.clear();
                    return Ok(receive.settle());
                }
            }
        }
    }

    /// Bytes come in, straight into the buffer or past the decoder.
    fn bring(&mut self, receive: &mut Receive) -> Result<(), Dead> {
        match self.world.operation()? {
            Fate::ClientGone => {
                self.client_gone = true;
                receive.gone();
                return Ok(());
            }
            Fate::ClientEnds => {
                receive.ended();
                return Ok(());
            }
            Fate::Done | Fate::Failed { .. } => {}
        }
        let arrived = (self.stream.len() - self.at).min(1 + self.world.rng.index(40));
        let room = BUFFER_BYTES - self.filling.len();
        let direct = usize::try_from(receive.direct_bytes()).expect("small").min(arrived).min(room);
        let taken = if direct > 0 && self.world.rng.chance(500) {
            receive.received(direct as u64);
            self.filling.extend_from_slice(&self.stream[self.at..self.at + direct]);
            direct
        } else {
            let found = receive.decode(&self.stream[self.at..self.at + arrived], room);
            let data = self.at + found.data.start..self.at + found.data.end;
            self.filling.extend_from_slice(&self.stream[data]);
            found.consumed
        };
        self.at += taken;
        if self.filling.len() == BUFFER_BYTES {
            self.submit(receive);
        }
        Ok(())
    }

    fn submit(&mut self, receive: &mut Receive) {
        let offset = usize::try_from(receive.submit()).expect("small");
        let buffer = std::mem::take(&mut self.filling);
        self.hashed.extend_from_slice(&buffer);
        self.writes.push((offset, buffer));
    }

    /// Completes one of the writes under way, in any order.
    fn complete_a_write(&mut self) -> Result<Result<(), StoreError>, Dead> {
        let index = self.world.rng.index(self.writes.len());
        let fate = self.world.operation()?;
        let (offset, bytes) = self.writes.swap_remove(index);
        let temp = self.temp();
        if !matches!(fate, Fate::Failed { done: false, .. }) {
            self.world.disk.write(&temp, offset, &bytes);
        }
        Ok(match fate {
            Fate::Failed { full, .. } => Err(store_error(full)),
            _ => Ok(()),
        })
    }

    /// The view catches up with the catalogue.
    fn look(&mut self, receive: &mut Receive) {
        let image = ImageId::parse(ID).expect("a UUID");
        let (status, epoch) = match self.world.catalogue.image {
            ImageState::Queued => ("queued", 0),
            ImageState::Saving(epoch) => ("saving", epoch),
            ImageState::Active { .. } => ("active", 0),
            ImageState::Deleted => ("deleted", 0),
        };
        let record = ImageRecord {
            image: *image.as_bytes(),
            seq: self.world.catalogue.seq,
            status: status.to_owned(),
            visibility: "shared".to_owned(),
            owner: None,
            members: Vec::new(),
            size_bytes: None,
            checksum: None,
            epoch,
            locations: Vec::new(),
            attributes: Vec::new(),
        };
        self.view.apply(SessionId(1), PushNumber(1), &Push::Image(record));
        receive.watched(self.view.writer(receive.image(), receive.epoch()));
    }

    fn seal(&mut self, op: SealOp) -> Result<Result<(), SealError>, Dead> {
        let fate = self.world.operation()?;
        let temp = self.temp();
        let disk = &mut self.world.disk;
        let mut linked = true;
        if !matches!(fate, Fate::Failed { done: false, .. }) {
            match op {
                SealOp::Truncate { size_bytes } => {
                    disk.truncate(&temp, usize::try_from(size_bytes).expect("small"));
                }
                SealOp::Fsync => disk.fsync(&temp),
                SealOp::SyncIncoming => disk.sync_incoming(),
                SealOp::Link => linked = disk.link(&temp, FINAL),
                SealOp::SyncDatadir => disk.sync_datadir(),
            }
        }
        Ok(match fate {
            _ if !linked => Err(SealError::AlreadyThere),
            Fate::Failed { full, .. } => Err(SealError::Store(store_error(full))),
            _ => Ok(()),
        })
    }

    fn undo(&mut self, op: UndoOp) -> Result<bool, Dead> {
        let fate = self.world.operation()?;
        let temp = self.temp();
        if !matches!(fate, Fate::Failed { done: false, .. }) {
            match op {
                UndoOp::UnlinkFinal => self.world.disk.unlink_same(&temp, FINAL),
                UndoOp::SyncDatadir => self.world.disk.sync_datadir(),
                UndoOp::UnlinkTemp => self.world.disk.unlink_temp(&temp),
            }
        }
        Ok(!matches!(fate, Fate::Failed { .. }))
    }

    /// The process is dead: of the writes under way some have reached the file.
    fn die(&mut self) {
        let temp = self.temp();
        for (offset, bytes) in std::mem::take(&mut self.writes) {
            if self.world.disk.incoming().contains(&temp) && self.world.rng.chance(500) {
                self.world.disk.write(&temp, offset, &bytes);
            }
        }
    }

    /// What must hold when an upload is over and the process lives.
    fn check_end(&self) {
        let committed =
            self.world.catalogue.epochs.get(&self.epoch) == Some(&EpochState::Committed);
        let image = self.world.catalogue.image;
        assert!(!matches!(image, ImageState::Saving(_)), "the epoch was given back");
        assert!(self.writes.is_empty() && self.filling.is_empty(), "every buffer came back");
        let answers = usize::from(!self.client_gone);
        assert_eq!(self.responses.len(), answers, "one answer, to whoever listens");
        match self.responses.first() {
            Some(204) => assert!(committed, "204 is true"),
            Some(503) if self.detached => {}
            Some(_) => assert!(!committed, "a failure is true"),
            None => assert!(!committed, "nobody sent a whole body"),
        }
    }
}

fn upload_status(response: &dataplane_core::respond::Response) -> u16 {
    response.status()
}

fn store_error(full: bool) -> StoreError {
    if full { StoreError::Full } else { StoreError::Failed }
}

/// An active image has exactly its bytes, also after a power loss.
fn consistent(world: &World, content: &[u8]) {
    if let ImageState::Active { size_bytes, digest: stored } = world.catalogue.image {
        let (now, durable) = world.disk.read(FINAL).expect("an active image has its file");
        assert_eq!(
            (now.len() as u64, digest(now)),
            (size_bytes, stored),
            "the row tells the truth"
        );
        assert!(now == content, "an active image has its bytes");
        assert_eq!(durable, Some(content), "and keeps them");
    }
}

/// The node starts again: what is left of earlier uploads is dealt with.
fn recover(world: &mut World) -> Result<(), Dead> {
    world.catalogue.greet();
    for name in world.disk.incoming() {
        let epoch: u64 = name.parse().expect("names are epochs");
        let mut step = recovery::start(ImageId::parse(ID).expect("a UUID"), Epoch(epoch));
        loop {
            step = match step {
                recovery::Step::Ask(asking) => {
                    let (_, answered) = world.ask()?;
                    let outcome = match world.catalogue.epochs[&epoch] {
                        EpochState::Open => Outcome::Open,
                        EpochState::Committed => Outcome::Committed,
                        EpochState::Dead => Outcome::Dead,
                    };
                    let lost = Answer::Unavailable { reason: "simulated".to_owned() };
                    asking.answered(&if answered { Answer::Outcome(outcome) } else { lost })
                }
                recovery::Step::Pause(pause) => pause.over(),
                recovery::Step::Remove(remove) => {
                    let fate = world.operation()?;
                    if !matches!(fate, Fate::Failed { done: false, .. }) {
                        match remove.op() {
                            recovery::RemoveOp::UnlinkFinal => world.disk.unlink_same(&name, FINAL),
                            recovery::RemoveOp::SyncDatadir => world.disk.sync_datadir(),
                            recovery::RemoveOp::UnlinkTemp => world.disk.unlink_temp(&name),
                            recovery::RemoveOp::SyncIncoming => world.disk.sync_incoming(),
                        }
                    }
                    match fate {
                        Fate::Failed { .. } => remove.failed(),
                        _ => remove.done(),
                    }
                }
                recovery::Step::Done(_) => break,
            };
        }
    }
    Ok(())
}

fn upload_once(world: &mut World, scenario: Scenario) -> Result<Vec<u16>, Dead> {
    let id = RequestId::adopt(b"req-1").expect("a good id");
    let mut run = Run::new(world, scenario);
    let first: upload::Step = start(scenario.head(), ID, &id, String::new());
    match run.drive(first) {
        Ok(()) => {
            run.check_end();
            Ok(run.responses)
        }
        Err(Dead) => {
            run.die();
            Err(Dead)
        }
    }
}

/// One run with one fault; gives whether the fault was met.
fn run(seed: u64, scenario: Scenario, faults: Faults) -> bool {
    let mut world = World::new(seed, faults);
    let content = scenario.content();
    let outcome = upload_once(&mut world, scenario);
    let met = world.faults.met();
    if !met {
        assert_eq!(outcome, Ok(vec![204]), "without a fault all goes well");
    }
    world.asks_lost = 0;
    consistent(&world, &content);
    // The node starts again and meets another fault while it recovers; then it starts once more in
    // peace.
    let (at, fault) = (world.rng.below(12), FAULTS[world.rng.index(FAULTS.len())]);
    let recovery_fault =
        if fault == Fault::Delete { Faults::none() } else { Faults::at(at, fault) };
    world.faults = recovery_fault;
    let _ = recover(&mut world);
    consistent(&world, &content);
    (world.faults, world.asks_lost) = (Faults::none(), 0);
    assert_eq!(recover(&mut world), Ok(()));
    consistent(&world, &content);
    assert_eq!(world.disk.incoming(), Vec::<String>::new(), "no temporary name is left");
    if world.catalogue.reclaim {
        world.disk.reclaim(FINAL);
    }
    match world.catalogue.image {
        ImageState::Active { .. } => {}
        ImageState::Deleted => assert!(world.disk.is_empty(), "no byte without an image"),
        ImageState::Queued => {
            assert!(world.disk.is_empty(), "no byte without an image");
            assert_eq!(upload_once(&mut world, scenario), Ok(vec![204]), "it can be uploaded to");
            consistent(&world, &content);
        }
        ImageState::Saving(epoch) => panic!("epoch {epoch} is still open"),
    }
    met
}

fn one_or_two(seed: u64, at: u64, fault: Fault) -> Faults {
    let mut rng = Rng::new(seed ^ at << 32);
    let faults = Faults::at(at, fault);
    if rng.chance(500) {
        let another = FAULTS[rng.index(FAULTS.len())];
        faults.and_then(rng.between(1, 8), another)
    } else {
        faults
    }
}

#[test]
fn every_fault_at_every_step() {
    let mut scenarios = Vec::new();
    for size in [0, 1, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, 5 * BUFFER_BYTES + 3] {
        for sent in [Sent::Length, Sent::LengthOnceAsked, Sent::Chunked(1), Sent::Chunked(21)] {
            scenarios.push(Scenario { sent, size });
        }
    }
    each_seed("upload", 150, |seed| {
        for scenario in &scenarios {
            assert!(!run(seed, *scenario, Faults::none()));
            for fault in FAULTS {
                let mut at = 0;
                while run(seed, *scenario, one_or_two(seed, at, fault)) {
                    at += 1;
                }
                assert!(at > 5, "{scenario:?} {fault:?}: only {at} operations");
            }
        }
    });
}
