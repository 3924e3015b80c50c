//! Downloads with every fault at every step.
//!
//! For each request and each kind of fault the n-th operation fails, for n = 0, 1, 2 … until a run
//! is over before its fault comes. Checked: what is sent is a run of the right bytes from the right
//! place, and all of them where the response ends well; a response that cannot be completed is cut;
//! no download begins once the view knows that the image is gone, or the lease is over; one that
//! has begun goes on; others get their turn.

use dataplane_core::caller::Who;
use dataplane_core::download::{Cut, OpenError, Residency, Step, start};
use dataplane_core::head::{Head, Parsed, Persistence, parse};
use dataplane_core::time::Millis;
use dataplane_core::view::View;
use glint_image::limits::{SEND_WINDOW_MS_MAX, WINDOW_BYTES, WINDOWS_PER_TURN};
use glint_image::{ImageId, PushNumber, RequestId, SessionId};
use glint_link::wire::{
    Answer, Grant, ImageRecord, Location, Mark, Policy, PolicyRule, PolicyText, Push, Settings,
};
use tests_sim::{Rng, each_seed};

const ID: &str = "71c675ab-d94f-49cd-a114-e12490b328d9";
const LEASE_MS: u64 = 10_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// The operation fails.
    Fails,
    /// The client has gone.
    ClientGone,
    /// The client does not take anything for as long as it may.
    ClientStalls,
    /// The file has lost its end.
    Truncated,
    /// The image is deleted and the push has come.
    Deleted,
    /// The lease is over.
    LeaseOver,
    /// The view has dropped the record to make room.
    Evicted,
}

const FAULTS: [Fault; 7] = [
    Fault::Fails,
    Fault::ClientGone,
    Fault::ClientStalls,
    Fault::Truncated,
    Fault::Deleted,
    Fault::LeaseOver,
    Fault::Evicted,
];

#[derive(Clone, Copy, Debug)]
struct Request {
    size: u64,
    /// The header, and the bytes it stands for.
    range: Option<(&'static str, u64, u64)>,
}

impl Request {
    fn expected(self) -> (u64, u64) {
        self.range.map_or((0, self.size), |(_, first, end)| (first, end))
    }

    fn head(self) -> Head {
        let range = self.range.map_or(String::new(), |(value, ..)| format!("Range: {value}\r\n"));
        let text = format!("GET /v2/images/{ID}/file HTTP/1.1\r\nHost: a\r\n{range}\r\n");
        match parse(text.as_bytes()) {
            Parsed::Head(head, _) => *head,
            other => panic!("a head, not {other:?}"),
        }
    }
}

/// How a download ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// All of the announced bytes were sent.
    Whole,
    /// Another response was sent.
    Answered(u16),
    /// The connection was cut.
    Cut(Cut),
}

struct World {
    rng: Rng,
    view: View,
    now: Millis,
    pushes: u64,
    /// How long the file is.
    file: u64,
    operations: u64,
    fault: Option<(u64, Fault)>,
    /// Whether the view knows that no download may begin, since before the first byte.
    closed: bool,
    began: bool,
    /// Where the bytes sent so far begin and end.
    sent: Option<(u64, u64)>,
    windows: u32,
}

// === impl World ===

impl World {
    fn new(seed: u64, request: Request, fault: Option<(u64, Fault)>) -> Self {
        let mut view = View::new([1; 32]);
        view.grant_lease(Millis(LEASE_MS));
        view.apply(SessionId(1), PushNumber(1), &Push::Settings(settings()));
        Self {
            rng: Rng::new(seed),
            view,
            now: Millis(0),
            pushes: 1,
            file: request.size,
            operations: 0,
            fault,
            closed: false,
            began: false,
            sent: None,
            windows: 0,
        }
    }

    fn push(&mut self, push: &Push) {
        self.pushes += 1;
        self.view.apply(SessionId(1), PushNumber(self.pushes), push);
    }

    /// The record as the control plane has it.
    fn record(&self, size: u64) -> Push {
        Push::Image(ImageRecord {
            image: *image().as_bytes(),
            seq: 1,
            status: "active".to_owned(),
            visibility: "public".to_owned(),
            owner: None,
            members: Vec::new(),
            size_bytes: Some(size),
            checksum: None,
            epoch: 0,
            locations: ["file:///a", "file:///b"]
                .map(|url| Location { store: String::new(), url: url.to_owned() })
                .to_vec(),
            attributes: Vec::new(),
        })
    }

    /// Counts an operation; the fault it meets, if the caller has to deal with it.
    fn operation(&mut self) -> Option<Fault> {
        let met = self.fault.filter(|(at, _)| *at == self.operations).map(|(_, fault)| fault);
        self.operations += 1;
        match met? {
            Fault::Deleted => {
                self.push(&Push::Absent { image: *image().as_bytes(), seq: 2 });
                self.closed |= !self.began;
            }
            Fault::LeaseOver => {
                self.now = Millis(LEASE_MS);
                self.closed |= !self.began;
            }
            Fault::Evicted => self.view.evict(image()),
            Fault::Truncated => self.file /= 2,
            fault => return Some(fault),
        }
        None
    }

    fn met(&self) -> bool {
        self.fault.is_some_and(|(at, _)| at < self.operations)
    }

    /// Moves some of the bytes asked for; 0 at the end of the file.
    fn moved(&mut self, offset: u64, length: u64) -> u64 {
        assert!((1..=WINDOW_BYTES).contains(&length), "a window, and not an empty one");
        let here = self.file.saturating_sub(offset).min(length);
        if here == 0 { 0 } else { self.rng.between(1, here) }
    }

    fn sends(&mut self, offset: u64, bytes: u64) {
        let (first, end) = self.sent.unwrap_or((offset, offset));
        assert_eq!(offset, end, "bytes are sent in order");
        self.sent = Some((first, end + bytes));
    }
}

/// Nobody authenticates, and the rules accept.
fn settings() -> Settings {
    let rule =
        |name: &str| PolicyRule { name: name.to_owned(), text: PolicyText::Text("@".to_owned()) };
    let policy = Policy { rules: vec![rule("download_image")], ..Policy::default() };
    let grant = Grant { is_admin: true, in_scope: true, ..Grant::default() };
    Settings { generation: 1, everybody: Some(grant), policy, ..Settings::default() }
}

fn image() -> ImageId {
    ImageId::parse(ID).expect("a UUID")
}

fn drive(world: &mut World, request: Request) -> End {
    let mut step = start(&request.head(), ID, Who::Everybody);
    loop {
        step = match step {
            Step::Look(look) => {
                world.operation();
                let sight = world.view.sight(look.who(), look.image(), world.now);
                look.found(&sight)
            }
            Step::Resolve(resolve) => match world.operation() {
                Some(Fault::Fails) => {
                    resolve.answered(&Answer::Unavailable { reason: "simulated".to_owned() })
                }
                _ => {
                    let gone = world.closed && world.now.0 < LEASE_MS;
                    if !gone {
                        world.push(&world.record(request.size));
                    }
                    let at = Mark { session: 1, number: world.pushes };
                    resolve.answered(&Answer::Resolved { at })
                }
            },
            Step::Wait(wait) => match world.operation() {
                Some(Fault::Fails) => wait.timed_out(),
                _ => {
                    assert!(world.view.reached(wait.mark()));
                    wait.reached()
                }
            },
            Step::Open(open) => {
                assert!(!world.closed, "nothing is opened that may not be");
                world.began = true;
                match world.operation() {
                    Some(Fault::Fails) => open.failed(OpenError::Unreachable),
                    _ => {
                        assert_eq!(open.permit().image(), image());
                        open.opened(world.file)
                    }
                }
            }
            Step::Head(head) => {
                let mut out = Vec::new();
                head.write(&mut out, &RequestId::adopt(b"req-1").expect("a good id"), &[]);
                let (first, end) = request.expected();
                assert_eq!(head.body_bytes(), end - first);
                match world.operation() {
                    Some(Fault::ClientGone) => head.failed(),
                    _ => head.sent(),
                }
            }
            Step::Done(persistence) => {
                assert_eq!(persistence, Persistence::Keep);
                return End::Whole;
            }
            Step::Respond(response, _) => return End::Answered(response.status()),
            Step::Cut(cut) => return End::Cut(cut),
            sending => send(world, sending),
        };
    }
}

/// The steps that move bytes.
fn send(world: &mut World, step: Step) -> Step {
    match step {
        Step::Probe(probe) => {
            world.operation();
            world.windows += 1;
            assert!(world.windows <= WINDOWS_PER_TURN, "others have their turn");
            let hot = world.rng.chance(500);
            probe.probed(if hot { Residency::Hot } else { Residency::Cold }, world.now)
        }
        Step::Yield(turn) => {
            world.windows = 0;
            turn.resumed()
        }
        Step::SendFile(send) => match world.operation() {
            Some(Fault::Fails) => send.failed(Cut::Store),
            Some(Fault::ClientGone) => send.failed(Cut::Gone),
            Some(Fault::ClientStalls) => {
                assert_eq!(send.deadline(), world.now.after(SEND_WINDOW_MS_MAX));
                send.timed_out()
            }
            _ => {
                let bytes = world.moved(send.offset(), send.length());
                world.sends(send.offset(), bytes);
                send.sent(bytes)
            }
        },
        Step::SpliceIn(splice) => match world.operation() {
            Some(Fault::Fails) => splice.failed(),
            _ => {
                let bytes = world.moved(splice.offset(), splice.length());
                // What is in the pipe is sent from here on, whatever becomes of the file.
                world.sends(splice.offset(), 0);
                splice.spliced(bytes, world.now)
            }
        },
        Step::DrainPipe(drain) => match world.operation() {
            Some(Fault::Fails) => drain.failed(Cut::Store),
            Some(Fault::ClientGone) => drain.failed(Cut::Gone),
            Some(Fault::ClientStalls) => drain.timed_out(),
            _ => {
                let bytes = world.rng.between(1, drain.left());
                let (_, end) = world.sent.expect("the splice said where");
                world.sends(end, bytes);
                drain.drained(bytes)
            }
        },
        other => panic!("not a step that sends: {other:?}"),
    }
}

/// One run; gives whether the fault was met.
fn run(seed: u64, request: Request, known: bool, fault: Option<(u64, Fault)>) -> bool {
    let mut world = World::new(seed, request, fault);
    if known {
        world.push(&world.record(request.size));
    }
    let end = drive(&mut world, request);
    let (first, past) = request.expected();
    let sent = world.sent.unwrap_or((first, first));
    assert!(sent.0 == first && sent.1 <= past, "{sent:?} of {first}..{past}");
    match end {
        End::Whole => assert_eq!(sent, (first, past), "all of it"),
        End::Answered(_) => assert_eq!(world.sent, None, "one response"),
        End::Cut(_) => {}
    }
    let kind = fault.map(|(_, kind)| kind).filter(|_| world.met());
    match (kind, end) {
        (None, end) => assert_eq!(end, End::Whole, "without a fault all goes well"),
        (Some(Fault::Deleted), end) if world.closed => assert_eq!(end, End::Answered(404)),
        (Some(Fault::LeaseOver), end) if world.closed => assert_eq!(end, End::Answered(503)),
        (Some(Fault::Deleted | Fault::LeaseOver | Fault::Evicted), end) => {
            assert_eq!(end, End::Whole, "what has begun goes on");
        }
        (Some(Fault::Truncated), end) => match end {
            End::Whole | End::Answered(503) | End::Cut(Cut::Short) => {}
            other => panic!("{other:?}"),
        },
        (Some(Fault::ClientGone), end) => {
            assert!(matches!(end, End::Whole | End::Cut(Cut::Gone)), "{end:?}");
        }
        (Some(Fault::ClientStalls), end) => {
            assert!(matches!(end, End::Whole | End::Cut(Cut::Slow)), "{end:?}");
        }
        (Some(Fault::Fails), end) => {
            let expected = matches!(end, End::Whole | End::Answered(503) | End::Cut(Cut::Store));
            assert!(expected, "{end:?}");
        }
    }
    world.met()
}

#[test]
fn every_fault_at_every_step() {
    let window = WINDOW_BYTES;
    let whole = |size| Request { size, range: None };
    let requests = [
        whole(0),
        whole(1),
        whole(window),
        whole(window + 1),
        whole(5 * window + 3),
        Request { size: 5 * window, range: Some(("bytes=0-0", 0, 1)) },
        Request { size: 5 * window, range: Some(("bytes=1048575-", window - 1, 5 * window)) },
        Request { size: 5 * window, range: Some(("bytes=-1048577", 4 * window - 1, 5 * window)) },
        Request { size: 10, range: Some(("bytes=-3", 7, 10)) },
    ];
    each_seed("download", 60, |seed| {
        for request in requests {
            for known in [true, false] {
                assert!(!run(seed, request, known, None));
                for fault in FAULTS {
                    let mut at = 0;
                    while run(seed, request, known, Some((at, fault))) {
                        at += 1;
                    }
                    assert!(at >= 3, "{request:?} {fault:?}: only {at} operations");
                }
            }
        }
    });
}
