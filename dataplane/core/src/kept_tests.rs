//! Which requests are the same, and how long a reply stands.

use super::*;
use crate::testing::{admin, everybody, head, member_of, settings};
use crate::view::View;
use glint_image::{PushNumber, SessionId};
use glint_link::wire::{Grant, ImageRecord, Keep, Push, Settings};

const ID: &str = "71c675ab-d94f-49cd-a114-e12490b328d9";
const SESSION: SessionId = SessionId(7);

fn id() -> ImageId {
    ImageId::parse(ID).expect("a UUID")
}

fn record(seq: u64) -> Push {
    Push::Image(ImageRecord {
        image: *id().as_bytes(),
        seq,
        status: "active".to_owned(),
        visibility: "public".to_owned(),
        owner: None,
        members: Vec::new(),
        size_bytes: None,
        checksum: None,
        epoch: 0,
        locations: Vec::new(),
        attributes: Vec::new(),
    })
}

fn reply(bytes: usize) -> KeptReply {
    KeptReply { status: 200, headers: Vec::new(), body: vec![b'x'; bytes] }
}

/// A view with a lease, a caller and a record of change 5.
struct World {
    view: View,
    who: Who,
    key: ReplyKey,
    pushes: u64,
}

impl World {
    fn new() -> Self {
        let mut view = View::new([1; 32]);
        view.grant_lease(Millis(1_000_000));
        view.apply(SESSION, PushNumber(1), &Push::Settings(settings(3, &[])));
        view.apply(SESSION, PushNumber(2), &record(5));
        let request = head("GET /v2/images/x | X-Auth-Token: a");
        let who = view.who(&request);
        let key = view.reply_key(&request, who).expect("a read");
        let mut world = Self { view, who, key, pushes: 2 };
        world.caller(3, Some(member_of("p")));
        world
    }

    fn push(&mut self, push: &Push) {
        self.pushes += 1;
        self.view.apply(SESSION, PushNumber(self.pushes), push);
    }

    fn caller(&mut self, generation: u64, grant: Option<Grant>) {
        self.pushes += 1;
        let Who::Caller(key) = self.who else { panic!("a caller") };
        let caller = Caller { key: key.bytes(), generation, grant, valid_ms: 10_000 };
        self.view.take_caller(SESSION, PushNumber(self.pushes), &Arc::new(caller), Millis(0));
    }

    fn keep(&mut self, as_of: u64, generation: u64) {
        let image = Some(*id().as_bytes());
        let keep = Keep { image, as_of, caller: true, generation };
        self.view.keep(self.key, self.who, &keep, reply(10), Millis(0));
    }

    fn has(&mut self, at: u64) -> bool {
        self.view.kept(self.key, Millis(at)).is_some()
    }
}

#[test]
fn requests_are_the_same_unless_something_could_shape_the_answer() {
    let view = |settings: &Settings| {
        let mut view = View::new([1; 32]);
        view.apply(SESSION, PushNumber(1), &Push::Settings(settings.clone()));
        view
    };
    let key = |view: &View, request: &str| {
        let head = head(request);
        view.reply_key(&head, view.who(&head))
    };
    let (tokens, nobody) = (view(&settings(1, &[])), view(&everybody(admin())));
    let check = |view: &View, one: &str, other: &str, same: bool| {
        let (one_key, other_key) = (key(view, one), key(view, other));
        assert!(one_key.is_some() && other_key.is_some());
        assert_eq!(one_key == other_key, same, "{one} and {other}");
    };
    check(&tokens, "GET /a", "GET /b", false);
    check(&tokens, "GET /a", "GET /a?", false);
    check(&tokens, "GET /a?b", "GET /a?c", false);
    check(&tokens, "GET /a | Accept: x", "GET /a | Accept: y", false);
    check(&tokens, "GET /a | Host: x", "GET /a | Host: y", false);
    check(&tokens, "GET /a | X-Forwarded-Proto: x", "GET /a | X-Forwarded-Proto: y", false);
    check(&tokens, "GET /a | Unheard-Of: x", "GET /a", false);
    check(&tokens, "GET /a | User-Agent: x", "GET /a | User-Agent: y", true);
    check(&tokens, "GET /a | X-Openstack-Request-Id: x", "GET /a", true);
    check(&tokens, "GET /a | X-Auth-Token: x", "GET /a | X-Auth-Token: y", false);
    check(&nobody, "GET /a | X-Auth-Token: x", "GET /a | X-Auth-Token: y", true);
    for request in ["POST /a", "HEAD /a", "GET /a | Content-Length: 1", "DELETE /a"] {
        assert_eq!(key(&tokens, request), None, "{request}");
    }
}

#[test]
fn a_reply_stands_until_something_under_it_moves() {
    let check = |what: &str, moves: fn(&mut World), stands: bool| {
        let mut world = World::new();
        world.keep(5, 3);
        assert!(world.has(1), "{what}");
        moves(&mut world);
        assert_eq!(world.has(2), stands, "{what}");
    };
    check("nothing", |_| {}, true);
    check("the end of a session", |world| world.view.begin_session(SessionId(8)), true);
    check("a newer record", |world| world.push(&record(6)), false);
    check("the record again", |world| world.push(&record(5)), false);
    check("an older record", |world| world.push(&record(4)), true);
    check(
        "an absence",
        |world| world.push(&Push::Absent { image: *id().as_bytes(), seq: 6 }),
        false,
    );
    check("room made", |world| world.view.evict(id()), false);
    check("the caller again", |world| world.caller(3, Some(member_of("p"))), false);
    check("the caller turned away", |world| world.caller(3, None), false);
    check("other settings", |world| world.push(&Push::Settings(settings(4, &[]))), false);
    check("the same settings", |world| world.push(&Push::Settings(settings(3, &[]))), true);
    check("another catalogue", |world| world.view.clear(), false);
}

#[test]
fn a_reply_has_its_time() {
    let check = |at: u64, stands: bool| {
        let mut world = World::new();
        world.keep(5, 3);
        assert_eq!(world.has(at), stands, "{at}");
    };
    // The caller is known for ten seconds.
    check(9_999, true);
    check(10_000, false);
    let mut world = World::new();
    let keep = Keep { image: None, as_of: 0, caller: false, generation: 3 };
    world.view.keep(world.key, world.who, &keep, reply(10), Millis(0));
    assert!(world.has(KEPT_REPLY_MS_MAX - 1) && !world.has(KEPT_REPLY_MS_MAX));
    let mut world = World::new();
    world.keep(5, 3);
    assert!(!world.has(1_000_000), "without a lease nothing stands");
}

#[test]
fn only_a_reply_that_is_as_new_as_the_view_is_kept() {
    let check = |what: &str, before: fn(&mut World), as_of: u64, generation: u64, kept: bool| {
        let mut world = World::new();
        before(&mut world);
        world.keep(as_of, generation);
        assert_eq!(world.has(1), kept, "{what}");
    };
    check("all as it is", |_| {}, 5, 3, true);
    check("newer than the record", |_| {}, 9, 3, true);
    check("older than the record", |_| {}, 4, 3, false);
    check("other settings", |_| {}, 5, 2, false);
    check("an image not held", |world| world.view.evict(id()), 5, 3, false);
    check("an unknown caller", |world| world.caller(2, Some(admin())), 5, 3, true);
    check("no caller", |world| world.push(&Push::Settings(settings(4, &[]))), 5, 4, false);
}

#[test]
fn large_replies_are_not_kept() {
    let mut world = World::new();
    let keep = Keep { image: None, as_of: 0, caller: false, generation: 3 };
    world.view.keep(world.key, world.who, &keep, reply(KEPT_REPLY_BYTES_MAX), Millis(0));
    assert!(!world.has(1));
}
