//! Keys, times and bounds.

use super::*;
use crate::testing::{admin, everybody, head, settings};

fn callers() -> Callers {
    let mut callers = Callers::new([1; 32]);
    callers.set(&settings(1, &[]));
    callers
}

fn caller(who: Who, grant: Option<Grant>, valid_ms: u64) -> Arc<Caller> {
    let Who::Caller(key) = who else { panic!("a caller, not everybody") };
    Arc::new(Caller { key: key.bytes(), generation: 1, grant, valid_ms })
}

#[test]
fn one_caller_is_who_sends_the_same_identity() {
    let callers = callers();
    let check = |one: &str, other: &str, same: bool| {
        let who = |headers: &str| callers.who(&head(&format!("GET / | {headers}")));
        assert_eq!(who(one) == who(other), same, "{one} and {other}");
    };
    check("X-Auth-Token: a", "X-Auth-Token: a | Accept: text/html", true);
    check("X-Auth-Token: a", "X-Auth-Token: b", false);
    check("X-Auth-Token: a", "X-Roles: a", false);
    check("X-Auth-Token: a", "Accept: a", false);
    check("X-Auth-Token: a | X-Roles: b", "X-Roles: b | X-Auth-Token: a", true);
    check("X-Roles: a | X-Roles: b", "X-Roles: b | X-Roles: a", false);
    check("X-Roles: ab | X-Roles: c", "X-Roles: a | X-Roles: bc", false);
    check("X-Roles: a", "X-Roles: a | X-Roles:", false);
    check("Accept: a", "Accept: b", true);
    let request_id = |length: usize| format!("X-Openstack-Request-Id: {}", "a".repeat(length));
    check("Accept: a", &request_id(REQUEST_ID_BYTES_MAX), true);
    check("Accept: a", &request_id(REQUEST_ID_BYTES_MAX + 1), false);
}

#[test]
fn a_key_says_nothing_elsewhere_and_holds_no_token() {
    let request = head("GET / | X-Auth-Token: secret");
    let mut other = Callers::new([2; 32]);
    other.set(&settings(1, &[]));
    assert_ne!(callers().who(&request), other.who(&request));
    assert_eq!(callers().headers_of(&head("GET / | X-Roles: a | Accept: b")).len(), 1);
}

#[test]
fn what_is_known_of_a_caller_has_its_time() {
    let check = |valid_ms: u64, at: u64, known: bool| {
        let mut callers = callers();
        let who = callers.who(&head("GET / | X-Auth-Token: a"));
        callers.hold(&caller(who, Some(admin()), valid_ms), Millis(1_000));
        assert_eq!(callers.get(who, Millis(at)).is_some(), known, "{valid_ms} {at}");
        callers.set(&settings(2, &[]));
        assert!(callers.get(who, Millis(1_000)).is_none(), "other settings, other callers");
    };
    check(50, 1_000, true);
    check(50, 1_049, true);
    check(50, 1_050, false);
    check(u64::MAX, 1_000 + CALLER_MS_MAX - 1, true);
    check(u64::MAX, 1_000 + CALLER_MS_MAX, false);
}

#[test]
fn where_nobody_authenticates_nobody_is_asked_about() {
    let mut callers = Callers::new([1; 32]);
    let request = head("GET / | X-Auth-Token: a");
    let before = callers.who(&request);
    assert!(callers.get(before, Millis(0)).is_none(), "nothing is known before the settings come");
    callers.set(&everybody(admin()));
    assert_eq!(callers.who(&request), Who::Everybody);
    assert!(callers.get(Who::Everybody, Millis(u64::MAX)).is_some());
}

/// Ten thousand tokens take no more than 32 MiB, and strangers do not drive out those who are let
/// in and used.
#[test]
fn callers_are_bounded_by_bytes() {
    let mut callers = callers();
    let who = |number: u64| callers_key(number);
    let roles = vec!["member".to_owned(); 20];
    let credentials = vec![Attribute { name: "roles".into(), value: AttributeValue::Texts(roles) }];
    let grant = Grant { credentials, ..admin() };
    assert!(bytes_of(&caller(who(1), Some(grant.clone()), 1)) <= 3 * 1024);
    for number in 0..10_000 {
        callers.hold(&caller(who(number), Some(grant.clone()), 50), Millis(0));
    }
    assert!((0..10_000).all(|number| callers.get(who(number), Millis(0)).is_some()));
    for number in 10_000..200_000 {
        callers.hold(&caller(who(number), None, 50), Millis(0));
        assert!(callers.get(who(number), Millis(0)).is_some());
        assert!(callers.get(who(number % 50), Millis(0)).is_some());
    }
    assert!(callers.known.len() <= CALLERS_BYTES_MAX / 512);
}

fn callers_key(number: u64) -> Who {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_le_bytes());
    Who::Caller(CallerKey(key))
}
