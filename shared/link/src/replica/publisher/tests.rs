//! The publisher, event by event. What it does together with subscribers is `tests/sim`'s matter.

use super::*;
use crate::wire::{Held, Location, Policy};

const FIRST: u64 = SESSIONS_PER_CONNECTION;
const LEASE: Millis = Millis(1_000);
const HEAD: u64 = 10;

fn image(number: u64) -> ImageId {
    ImageId::parse(&format!("00000000-0000-0000-0000-{number:012x}")).expect("a UUID")
}

fn settings() -> Settings {
    Settings { minor_versions: vec![17], ..Settings::default() }
}

fn absent(number: u64, seq: u64) -> Push {
    Push::Absent { image: *image(number).as_bytes(), seq }
}

fn gone(as_of: u64) -> Loaded {
    Loaded { as_of: Seq(as_of), record: None }
}

fn change(seq: u64, number: u64, restricting: bool) -> Change {
    Change { seq: Seq(seq), image: image(number), restricting }
}

fn push(session: u64, number: u64, body: Push) -> Action {
    Action::Send(ToData::Push { session, number, body })
}

fn pong(nonce: u64, lease_ms: u64) -> Action {
    Action::Send(ToData::Pong { nonce, lease_ms })
}

fn marked(ticket: u64, session: u64, number: u64) -> Action {
    Action::Marked { ticket: Ticket(ticket), mark: Mark { session, number } }
}

fn load(number: u64) -> Action {
    Action::Load { image: image(number) }
}

fn reset(session: u64) -> Action {
    Action::Send(ToData::Reset { session })
}

fn hold(session: u64, from: u32, held: &[(u64, u64)], last: bool) -> ToControl {
    let held =
        held.iter().map(|(number, seq)| Held { image: *image(*number).as_bytes(), seq: *seq });
    ToControl::Hold { session, from, images: held.collect(), last }
}

fn applied(session: u64, through: u64) -> ToControl {
    ToControl::Applied { session, through }
}

fn drain(publisher: &mut Publisher) -> Vec<Action> {
    std::iter::from_fn(|| publisher.poll_action()).collect()
}

fn welcomed() -> Publisher {
    let config =
        Config { session: SessionId(FIRST), lease: LEASE, head: Seq(HEAD), settings: settings() };
    Publisher::new(Millis(0), config)
}

/// A node that holds the absence of image 1, as of 5, and has confirmed that this is current.
fn running() -> Publisher {
    let mut publisher = welcomed();
    publisher.handle_message(Millis(0), hold(FIRST, 0, &[(1, 5)], true));
    publisher.handle_loaded(Millis(0), image(1), gone(HEAD));
    publisher.handle_message(Millis(0), applied(FIRST, 3));
    drain(&mut publisher);
    assert_eq!(publisher.confirmed_through(), Seq(HEAD));
    publisher
}

/// What follows when a running publisher is told something.
fn check(event: impl FnOnce(&mut Publisher), expected: &[Action]) {
    let mut publisher = running();
    event(&mut publisher);
    assert_eq!(drain(&mut publisher), expected);
}

#[test]
fn the_list_is_compared_before_the_view_is_called_current() {
    let mut publisher = welcomed();
    let mut told = |message: ToControl, expected: &[Action]| {
        publisher.handle_message(Millis(0), message);
        assert_eq!(drain(&mut publisher), expected);
    };
    told(hold(FIRST, 0, &[(1, 5)], false), &[]);
    told(hold(FIRST, 0, &[(1, 5)], false), &[]);
    told(hold(FIRST, 2, &[(3, 5)], true), &[]);
    let first = push(FIRST, 1, Push::Settings(settings()));
    told(hold(FIRST, 1, &[(2, HEAD)], true), &[first, load(1), load(2)]);
    publisher.handle_loaded(Millis(0), image(1), gone(HEAD));
    assert_eq!(drain(&mut publisher), [push(FIRST, 2, absent(1, HEAD))]);
    publisher.handle_loaded(Millis(0), image(2), gone(HEAD));
    assert_eq!(drain(&mut publisher), [push(FIRST, 3, Push::Current)], "2 is as the node has it");
    publisher.handle_message(Millis(0), applied(FIRST, 2));
    assert_eq!((drain(&mut publisher), publisher.confirmed_through()), (vec![], Seq(0)));
    publisher.handle_message(Millis(0), applied(FIRST, 3));
    assert_eq!(drain(&mut publisher), [Action::Confirmed { through: Seq(HEAD) }]);
}

#[test]
fn a_list_that_does_not_come_ends_the_connection() {
    let mut publisher = welcomed();
    assert_eq!(publisher.poll_timeout(), Some(LEASE));
    publisher.handle_timeout(Millis(LEASE.0 - 1));
    assert_eq!(drain(&mut publisher), []);
    publisher.handle_timeout(LEASE);
    assert_eq!(drain(&mut publisher), [Action::Close(EndReason::HoldLate)]);
    publisher.handle_message(LEASE, hold(FIRST, 0, &[], true));
    assert_eq!((drain(&mut publisher), publisher.poll_timeout()), (vec![], None));
}

#[test]
fn a_change_is_loaded_pushed_and_confirmed_if_the_node_holds_the_image() {
    check(|p| p.handle_change(Millis(1), change(11, 1, false)), &[load(1)]);
    check(|p| p.handle_change(Millis(1), change(11, 2, false)), &[]);
    check(|p| p.handle_change(Millis(1), change(HEAD, 1, false)), &[]);
    let confirmed = Action::Confirmed { through: Seq(11) };
    check(|p| p.handle_change(Millis(1), change(11, 2, true)), std::slice::from_ref(&confirmed));
    check(
        |publisher| {
            publisher.handle_change(Millis(1), change(11, 1, true));
            publisher.handle_loaded(Millis(1), image(1), gone(11));
            assert_eq!(drain(publisher), [load(1), push(FIRST, 4, absent(1, 11))]);
            assert_eq!(publisher.confirmed_through(), Seq(10));
            publisher.handle_message(Millis(2), applied(FIRST, 4));
        },
        &[confirmed],
    );
}

#[test]
fn an_ask_is_answered_with_a_push_that_was_loaded_after_it() {
    check(
        |publisher| {
            publisher.handle_resolve(Millis(1), Ticket(8), image(2));
            publisher.handle_resolve(Millis(1), Ticket(9), image(2));
            assert_eq!(drain(publisher), [load(2)]);
            // 8 is served by the load under way, 9 came after it began.
            publisher.handle_loaded(Millis(1), image(2), gone(HEAD));
            assert_eq!(drain(publisher), [load(2)], "read again, for both");
            publisher.handle_message(Millis(1), forget(image(2), 9));
            publisher.handle_loaded(Millis(1), image(2), gone(HEAD));
        },
        &[push(FIRST, 4, absent(2, HEAD)), marked(8, FIRST, 4), marked(9, FIRST, 4)],
    );
    check(
        |publisher| {
            publisher.handle_resolve(Millis(1), Ticket(8), image(1));
            publisher.handle_loaded(Millis(1), image(1), gone(HEAD));
        },
        &[load(1), push(FIRST, 4, absent(1, HEAD)), marked(8, FIRST, 4)],
    );
}

fn forget(image: ImageId, through: u64) -> ToControl {
    ToControl::Forget { session: FIRST, through, images: vec![*image.as_bytes()] }
}

#[test]
fn a_mark_for_a_change_waits_until_the_change_is_pushed() {
    check(|p| p.handle_mark(Millis(1), Ticket(8), Seq(HEAD)), &[marked(8, FIRST, 3)]);
    check(|p| p.handle_mark(Millis(1), Ticket(8), Seq(11)), &[]);
    check(
        |publisher| {
            publisher.handle_mark(Millis(1), Ticket(8), Seq(11));
            publisher.handle_change(Millis(1), change(11, 1, false));
            assert_eq!(drain(publisher), [load(1)]);
            publisher.handle_loaded(Millis(1), image(1), gone(11));
        },
        &[push(FIRST, 4, absent(1, 11)), marked(8, FIRST, 4)],
    );
}

#[test]
fn what_a_node_forgot_concerns_it_no_more() {
    check(
        |publisher| {
            publisher.handle_message(Millis(1), forget(image(1), 1));
            publisher.handle_change(Millis(1), change(11, 1, false));
            assert_eq!(
                drain(publisher),
                [load(1)],
                "it took push 2 after it had dropped the image"
            );
            publisher.handle_message(Millis(1), forget(image(1), 2));
            publisher.handle_change(Millis(1), change(12, 1, false));
        },
        &[],
    );
}

#[test]
fn a_lease_needs_the_newest_settings_confirmed() {
    let newer = || Settings { generation: 2, ..settings() };
    check(
        |publisher| {
            publisher.handle_settings(Millis(1), settings());
            assert_eq!(drain(publisher), [], "they are the same");
            publisher.handle_settings(Millis(1), newer());
            assert_eq!(drain(publisher), [push(FIRST, 4, Push::Settings(newer()))]);
            publisher.handle_message(Millis(2), ToControl::Ping { session: FIRST, nonce: 1 });
            assert_eq!(drain(publisher), [Action::Renew]);
            publisher.handle_renewed(Millis(3), Seq(HEAD));
            assert_eq!(drain(publisher), [], "the node may still follow the old ones");
            publisher.handle_message(Millis(4), applied(FIRST, 4));
        },
        &[pong(1, LEASE.0)],
    );
}

#[test]
fn settings_that_compare_other_attributes_have_records_read_again() {
    let attributes = vec!["color".to_owned()];
    let policy = Policy { attributes, ..Policy::default() };
    let other = || Settings { generation: 2, policy: policy.clone(), ..settings() };
    check(
        |publisher| {
            publisher.handle_resolve(Millis(1), Ticket(1), image(2));
            assert_eq!(drain(publisher), [load(2)]);
            publisher.handle_settings(Millis(1), other());
            assert_eq!(drain(publisher), [push(FIRST, 4, Push::Settings(other()))]);
            publisher.handle_loaded(Millis(2), image(2), gone(HEAD));
            assert_eq!(drain(publisher), [load(2)], "it was read for the old rules");
            publisher.handle_loaded(Millis(3), image(2), gone(HEAD));
        },
        &[push(FIRST, 5, absent(2, HEAD)), marked(1, FIRST, 5)],
    );
}

#[test]
fn callers_follow_the_settings_they_were_judged_under() {
    let caller = || Caller { key: [1; 32], generation: 0, grant: None, valid_ms: 5 };
    let mut early = welcomed();
    early.handle_caller(Millis(0), Ticket(1), caller());
    assert_eq!(drain(&mut early), [], "nothing is pushed before the list has come");
    early.handle_message(Millis(0), hold(FIRST, 0, &[], true));
    let pushes = [Push::Settings(settings()), Push::Caller(caller()), Push::Current];
    let [first, second, third] = pushes;
    let [first, second, third] =
        [(1, first), (2, second), (3, third)].map(|(at, body)| push(FIRST, at, body));
    assert_eq!(drain(&mut early), [first, second, marked(1, FIRST, 2), third]);
}

#[test]
fn a_watched_image_is_read_only_where_the_node_has_none() {
    check(
        |publisher| publisher.handle_watch(Millis(1), Ticket(1), image(1)),
        &[marked(1, FIRST, 3)],
    );
    check(|publisher| publisher.handle_watch(Millis(1), Ticket(1), image(2)), &[load(2)]);
}

#[test]
fn a_lease_needs_a_renewal_and_everything_confirmed() {
    let ping = |nonce| ToControl::Ping { session: FIRST, nonce };
    let mut early = welcomed();
    early.handle_message(Millis(1), ping(1));
    assert_eq!(drain(&mut early), [pong(1, 0)]);
    check(
        |publisher| {
            publisher.handle_message(Millis(1), ping(1));
            assert_eq!(drain(publisher), [Action::Renew]);
            publisher.handle_renewed(Millis(2), Seq(11));
            assert_eq!(drain(publisher), [], "11 was not fed yet");
            publisher.handle_change(Millis(3), change(11, 2, false));
            assert_eq!(publisher.counts_until(), Some(Millis(1 + 1_000 + 101)));
        },
        &[pong(1, LEASE.0)],
    );
    check(Publisher::handle_superseded, &[Action::Close(EndReason::Superseded)]);
}

#[test]
fn a_node_that_confirms_nothing_for_a_lease_starts_over() {
    check(
        |publisher| {
            publisher.handle_resolve(Millis(5), Ticket(8), image(1));
            publisher.handle_loaded(Millis(5), image(1), gone(HEAD));
            publisher.handle_resolve(Millis(6), Ticket(9), image(1));
            drain(publisher);
            assert_eq!(publisher.poll_timeout(), Some(Millis(1_005)));
            publisher.handle_timeout(Millis(1_005));
            assert_eq!(
                (drain(publisher), publisher.confirmed_through()),
                (vec![reset(FIRST + 1)], Seq(0))
            );
            // Nothing of the old session counts; the ask does.
            publisher.handle_message(Millis(1_006), applied(FIRST, 4));
            publisher.handle_loaded(Millis(1_006), image(1), gone(HEAD));
            assert_eq!(drain(publisher), []);
            publisher.handle_message(Millis(1_006), hold(FIRST + 1, 0, &[(1, HEAD)], true));
            publisher.handle_loaded(Millis(1_006), image(1), gone(HEAD));
        },
        &[
            push(FIRST + 1, 1, Push::Settings(settings())),
            load(1),
            push(FIRST + 1, 2, absent(1, HEAD)),
            marked(9, FIRST + 1, 2),
            push(FIRST + 1, 3, Push::Current),
        ],
    );
}

#[test]
fn a_missing_push_or_missed_changes_start_over() {
    let told = |message: ToControl| move |p: &mut Publisher| p.handle_message(Millis(1), message);
    check(told(ToControl::Resync { session: FIRST }), &[reset(FIRST + 1)]);
    check(told(ToControl::Resync { session: FIRST - 1 }), &[]);
    check(|p| p.handle_changes_lost(Millis(1), Seq(20)), &[reset(FIRST + 1)]);
    let protocol = |text| Action::Close(EndReason::Protocol(text));
    check(told(applied(FIRST, 4)), &[protocol("it confirms what was not sent")]);
    check(
        |publisher| {
            for session in FIRST..2 * FIRST {
                publisher.handle_message(Millis(1), ToControl::Resync { session });
            }
            let last = drain(publisher).pop();
            assert_eq!(last, Some(Action::Close(EndReason::Resets)));
        },
        &[],
    );
}

#[test]
fn orders_are_repeated_in_every_session_until_they_are_carried_out() {
    let order = |order| Reclaim {
        order,
        image: *image(1).as_bytes(),
        location: Location { store: String::new(), url: String::new() },
    };
    check(
        |publisher| {
            assert!(publisher.handle_reclaim(Millis(1), order(7)));
            assert!(publisher.handle_reclaim(Millis(1), order(7)), "it has it already");
            assert!(publisher.handle_reclaim(Millis(1), order(8)));
            let expected =
                [push(FIRST, 4, Push::Reclaim(order(7))), push(FIRST, 5, Push::Reclaim(order(8)))];
            assert_eq!(drain(publisher), expected);
            publisher.handle_reclaimed(7);
            publisher.handle_message(Millis(1), ToControl::Resync { session: FIRST });
            publisher.handle_message(Millis(1), hold(FIRST + 1, 0, &[], true));
        },
        &[
            reset(FIRST + 1),
            push(FIRST + 1, 1, Push::Settings(settings())),
            push(FIRST + 1, 2, Push::Reclaim(order(8))),
            push(FIRST + 1, 3, Push::Current),
        ],
    );
    let mut publisher = running();
    let taken = (0..).take_while(|at| publisher.handle_reclaim(Millis(1), order(*at))).count();
    assert_eq!(taken, RECLAIMS_OPEN_MAX);
}

#[test]
fn records_wait_unread_while_the_node_confirms_nothing() {
    let mut publisher = running();
    let asks = PUSHES_UNCONFIRMED_MAX as u64 + 100;
    for number in 0..asks {
        publisher.handle_resolve(Millis(1), Ticket(number), image(number));
        while let Some(action) = publisher.poll_action() {
            if let Action::Load { image } = action {
                publisher.handle_loaded(Millis(1), image, gone(HEAD));
            }
        }
    }
    assert_eq!(publisher.pushes_unconfirmed(), PUSHES_UNCONFIRMED_MAX);
    let through = 3 + PUSHES_UNCONFIRMED_MAX as u64;
    publisher.handle_message(Millis(2), applied(FIRST, through));
    let loads =
        drain(&mut publisher).into_iter().filter(|action| matches!(action, Action::Load { .. }));
    assert_eq!(loads.count(), RECORD_LOADS_MAX, "the rest goes on");
}
