//! The subscriber, event by event. What it does together with publishers is `tests/sim`'s matter.

use super::*;
use crate::wire::{Held, ImageRecord, Settings};

const LEASE: u64 = 900;

fn image(number: u8) -> [u8; 36] {
    let text = format!("00000000-0000-0000-0000-0000000000{number:02x}");
    *ImageId::parse(&text).expect("a UUID").as_bytes()
}

fn id(number: u8) -> ImageId {
    ImageId::from_bytes(&image(number)).expect("a UUID")
}

fn absent(number: u8, seq: u64) -> Push {
    Push::Absent { image: image(number), seq }
}

fn record(number: u8, seq: u64) -> Push {
    Push::Image(ImageRecord {
        image: image(number),
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

fn welcome(session: u64, catalogue: u8) -> Welcome {
    let catalogue = [catalogue; 16];
    Welcome::Accepted { version: wire::VERSION, session, catalogue, lease_ms: LEASE }
}

fn push(session: u64, number: u64, body: Push) -> ToData {
    ToData::Push { session, number, body }
}

fn drain(subscriber: &mut Subscriber) -> Vec<Action> {
    std::iter::from_fn(|| subscriber.poll_action()).collect()
}

/// A node that holds images 1 and 2 in session 64, all of it confirmed.
fn running() -> Subscriber {
    let mut config = Config::new(NodeId([1; 16]), 1, "ring".to_owned());
    (config.images_max, config.hold_piece_images) = (2, 1);
    let mut subscriber = Subscriber::new(config);
    subscriber.handle_welcome(Millis(0), welcome(64, 7));
    for (number, body) in [(1, record(1, 5)), (2, record(2, 6)), (3, Push::Current)] {
        subscriber.handle_message(Millis(0), push(64, number, body));
    }
    subscriber.handle_shards_applied(StepNumber(4));
    drain(&mut subscriber);
    subscriber
}

/// What the node does when it is told something.
fn check(event: impl FnOnce(&mut Subscriber), expected: &[Action]) {
    let mut subscriber = running();
    event(&mut subscriber);
    assert_eq!(drain(&mut subscriber), expected);
}

fn send(message: ToControl) -> Action {
    Action::Send(message)
}

fn shards(step: u64, change: ShardChange) -> Action {
    Action::Shards { step: StepNumber(step), change }
}

fn hold(session: u64, from: u32, held: &[(u8, u64)], last: bool) -> Action {
    let images =
        held.iter().map(|(number, seq)| Held { image: image(*number), seq: *seq }).collect();
    send(ToControl::Hold { session, from, images, last })
}

#[test]
fn a_welcome_begins_a_session_with_the_list_of_what_is_held() {
    check(
        |subscriber| subscriber.handle_welcome(Millis(9), welcome(128, 7)),
        &[
            shards(5, ShardChange::Begin { session: 128 }),
            hold(128, 0, &[(1, 5)], false),
            hold(128, 1, &[(2, 6)], true),
        ],
    );
    check(
        |subscriber| subscriber.handle_welcome(Millis(9), welcome(128, 8)),
        &[
            shards(5, ShardChange::DropAll),
            shards(6, ShardChange::Begin { session: 128 }),
            hold(128, 0, &[], true),
        ],
    );
}

#[test]
fn a_welcome_that_cannot_be_lived_with_closes() {
    let refused = Welcome::Refused { reason: "no".to_owned() };
    let reason = CloseReason::Refused("no".to_owned());
    check(|subscriber| subscriber.handle_welcome(Millis(9), refused), &[Action::Close(reason)]);
    let newer = Welcome::Accepted { version: 9, session: 128, catalogue: [7; 16], lease_ms: 1 };
    let reason = CloseReason::Version(9);
    check(|subscriber| subscriber.handle_welcome(Millis(9), newer), &[Action::Close(reason)]);
}

#[test]
fn pushes_are_taken_once_in_order_and_only_of_this_session() {
    let told =
        |at: Millis, message: ToData| move |s: &mut Subscriber| s.handle_message(at, message);
    let at = Mark { session: 64, number: 4 };
    let body = absent(1, 9);
    check(
        told(Millis(1), push(64, 4, body.clone())),
        &[shards(5, ShardChange::Push { at, push: body.clone() })],
    );
    check(told(Millis(1), push(64, 3, body.clone())), &[]);
    check(told(Millis(1), push(63, 4, body.clone())), &[]);
    check(
        |subscriber| {
            subscriber.handle_message(Millis(1), push(64, 5, body.clone()));
            subscriber.handle_message(Millis(1), push(64, 6, body.clone()));
            subscriber.handle_message(Millis(1), push(64, 4, body.clone()));
        },
        &[send(ToControl::Resync { session: 64 })],
    );
    check(told(Millis(1), push(64, 4, absent(1, 4))), &[shards(5, ShardChange::Reached { at })]);
    let settings = Push::Settings(Settings::default());
    check(
        told(Millis(1), push(64, 4, settings.clone())),
        &[shards(5, ShardChange::Push { at, push: settings })],
    );
    let nobody = Push::Absent { image: [b'x'; 36], seq: 9 };
    let reason = CloseReason::NotAnImage;
    check(told(Millis(1), push(64, 4, nobody)), &[Action::Close(reason)]);
}

#[test]
fn records_without_the_attributes_of_new_rules_are_dropped_before_the_rules_come() {
    let attributes = vec!["color".to_owned()];
    let policy = wire::Policy { attributes, ..wire::Policy::default() };
    let settings = Push::Settings(Settings { policy, ..Settings::default() });
    let at = Mark { session: 64, number: 4 };
    check(
        |subscriber| {
            subscriber.handle_message(Millis(1), push(64, 4, settings.clone()));
            subscriber.handle_message(Millis(1), push(64, 5, settings.clone()));
            subscriber.handle_shards_applied(StepNumber(7));
        },
        &[
            shards(5, ShardChange::Evict(vec![id(1), id(2)])),
            shards(6, ShardChange::Push { at, push: settings.clone() }),
            shards(7, ShardChange::Push { at: Mark { number: 5, ..at }, push: settings.clone() }),
            send(ToControl::Applied { session: 64, through: 5 }),
            send(ToControl::Forget { session: 64, through: 3, images: vec![image(1), image(2)] }),
        ],
    );
}

#[test]
fn a_confirmation_waits_for_all_shards() {
    check(
        |subscriber| {
            subscriber.handle_message(Millis(1), push(64, 4, absent(1, 9)));
            let _ = drain(subscriber);
            subscriber.handle_shards_applied(StepNumber(4));
            assert_eq!(drain(subscriber), []);
            subscriber.handle_shards_applied(StepNumber(5));
        },
        &[send(ToControl::Applied { session: 64, through: 4 })],
    );
}

#[test]
fn a_record_is_forgotten_once_no_shard_has_it() {
    check(
        |subscriber| {
            subscriber.handle_message(Millis(1), push(64, 4, record(3, 9)));
            let at = Mark { session: 64, number: 4 };
            let expected = [
                shards(5, ShardChange::Push { at, push: record(3, 9) }),
                shards(6, ShardChange::Evict(vec![id(1)])),
            ];
            assert_eq!(drain(subscriber), expected);
            subscriber.handle_shards_applied(StepNumber(5));
            assert_eq!(drain(subscriber), [send(ToControl::Applied { session: 64, through: 4 })]);
            subscriber.handle_shards_applied(StepNumber(6));
        },
        &[send(ToControl::Forget { session: 64, through: 4, images: vec![image(1)] })],
    );
}

#[test]
fn a_reset_begins_again_under_a_higher_number() {
    check(
        |subscriber| subscriber.handle_message(Millis(1), ToData::Reset { session: 65 }),
        &[
            shards(5, ShardChange::Begin { session: 65 }),
            hold(65, 0, &[(1, 5)], false),
            hold(65, 1, &[(2, 6)], true),
        ],
    );
    for old in [63, 64] {
        check(
            |subscriber| subscriber.handle_message(Millis(1), ToData::Reset { session: old }),
            &[],
        );
    }
}

/// Pings at 100, is answered `lease_ms` at 150, and says when the lease ends.
fn check_lease(lease_ms: u64, answered: impl FnOnce(&mut Subscriber), expected: u64) {
    let mut subscriber = running();
    subscriber.handle_timeout(Millis(100));
    let applied = send(ToControl::Applied { session: 64, through: 3 });
    let ping = send(ToControl::Ping { session: 64, nonce: 1 });
    assert_eq!(drain(&mut subscriber), [applied, ping]);
    answered(&mut subscriber);
    subscriber.handle_message(Millis(150), ToData::Pong { nonce: 1, lease_ms });
    assert_eq!(subscriber.lease_until(), Millis(expected));
}

#[test]
fn a_lease_counts_from_the_ping_and_never_shrinks() {
    check_lease(500, |_| {}, 600);
    check_lease(0, |_| {}, 0);
    check_lease(LEASE * 5, |_| {}, 100 + LEASE);
    let other = |subscriber: &mut Subscriber| {
        subscriber.handle_message(Millis(120), ToData::Reset { session: 65 });
    };
    check_lease(500, other, 0);
    let longer = |subscriber: &mut Subscriber| {
        subscriber.handle_timeout(Millis(400));
        subscriber.handle_message(Millis(410), ToData::Pong { nonce: 2, lease_ms: 500 });
    };
    check_lease(500, longer, 900);
}

#[test]
fn a_silent_control_plane_is_given_up() {
    let mut subscriber = running();
    let mut now = Millis(0);
    while let Some(at) = subscriber.poll_timeout() {
        assert!(at >= now && at.0 <= 2 * LEASE, "{at:?} after {now:?}");
        now = at;
        subscriber.handle_timeout(now);
    }
    assert_eq!(now, Millis(2 * LEASE));
    assert_eq!(drain(&mut subscriber).last(), Some(&Action::Close(CloseReason::Silent)));
}

#[test]
fn a_control_plane_that_runs_ahead_is_given_up() {
    let mut subscriber = running();
    let last = 3 + PUSHES_UNCONFIRMED_MAX as u64 + 1;
    for number in 4..=last {
        assert_eq!(subscriber.poll_timeout().is_some(), number <= last, "at {number}");
        subscriber.handle_message(Millis(1), push(64, number, absent(1, 9)));
    }
    assert_eq!(drain(&mut subscriber).last(), Some(&Action::Close(CloseReason::Flood)));
}
