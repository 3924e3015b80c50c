//! The control plane on a real database, spoken to by data planes over real loopback QUIC.
//!
//! Each test has a catalogue of its own. The nodes are of `support`; what they may leave out is
//! what the tests are about.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use controlplane_db::Database;
use glint_image::{ImageId, NodeId};
use glint_link::wire::{Answer, Ask, Location, Outcome, Push, Welcome};
use glint_quic::{read_frame, write_frame};
use std::time::{Duration, Instant};
use support::{LEASE, Node, Place, head, hello, soon};

const STOP: Duration = Duration::from_secs(10);

fn node(number: u8) -> NodeId {
    NodeId([number; 16])
}

async fn reserve(node: &Node, image: ImageId) -> Answer {
    let mut head = head("PUT", &format!("/v2/images/{image}/file"));
    head.headers[0].value = b"application/octet-stream".to_vec();
    node.ask(&Ask::Reserve { image: *image.as_bytes(), head, size_bytes: Some(3) }).await
}

/// Reserves and reads the answer, but not the end of the stream behind it.
async fn reserved(node: &Node, image: ImageId) -> u64 {
    match reserve(node, image).await {
        Answer::Reserved { epoch, at, .. } => {
            node.until(|view| view.session == at.session && view.number >= at.number).await;
            epoch
        }
        other => panic!("{other:?}"),
    }
}

async fn commit(node: &Node, image: ImageId, epoch: u64) -> Answer {
    let url = format!("file:///images/{image}");
    node.ask(&Ask::Commit {
        image: *image.as_bytes(),
        epoch,
        size_bytes: 3,
        md5: [1; 16],
        sha512: [2; 64],
        location: Location { store: String::new(), url },
    })
    .await
}

async fn active(node: &Node) -> ImageId {
    let image = node.create().await;
    let epoch = reserved(node, image).await;
    let Answer::Committed { at } = commit(node, image, epoch).await else {
        panic!("not committed")
    };
    node.until(|view| view.number >= at.number).await;
    assert_eq!(node.status(image).as_deref(), Some("active"));
    image
}

async fn delete(node: &Node, image: ImageId) -> u16 {
    node.relay("DELETE", &format!("/v2/images/{image}"), "").await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_joins_becomes_current_and_only_then_gets_a_lease() {
    let place = Place::new();
    let control = place.control().await;
    let mut one = place.join(&control, node(1), 1).await;
    assert_eq!(u128::from(one.lease().await), LEASE.as_millis());
    control.shutdown(STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_wire_version_is_told_why_it_is_refused() {
    let place = Place::new();
    let control = place.control().await;
    let connector = place.connector(&control);
    let connection = soon(connector.connect()).await.unwrap();
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    write_frame(&mut send, &hello(node(1), 1, (7, 9))).await.unwrap();
    let welcome: Welcome = soon(read_frame(&mut recv)).await.unwrap();
    assert!(
        matches!(&welcome, Welcome::Refused { reason } if reason.contains("7 to 9")),
        "{welcome:?}"
    );
    control.shutdown(STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pushed_when_asked_for_and_whenever_it_changes() {
    let place = Place::new();
    let control = place.control().await;
    let one = place.join(&control, node(1), 1).await;
    let unknown = ImageId::random();
    assert!(matches!(one.resolve(unknown).await, Push::Absent { .. }));
    let image = one.create().await;
    assert_eq!(one.status(image).as_deref(), Some("queued"));
    let epoch = reserved(&one, image).await;
    assert_eq!(one.status(image).as_deref(), Some("saving"));
    let Answer::Committed { at } = commit(&one, image, epoch).await else { panic!() };
    one.until(|view| view.number >= at.number).await;
    let Push::Image(record) = one.view().images[&image].clone() else { panic!() };
    assert_eq!((record.status.as_str(), record.size_bytes), ("active", Some(3)));
    assert_eq!(record.checksum.as_deref(), Some("01010101010101010101010101010101"));
    assert_eq!(record.locations[0].url, format!("file:///images/{image}"));
    control.shutdown(STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_relayed_with_their_bodies_both_ways() {
    let place = Place::new();
    let control = place.control().await;
    let one = place.join(&control, node(1), 1).await;
    let image = ImageId::random();
    let created = one.relay("POST", "/v2/images", &format!(r#"{{"id": "{image}"}}"#)).await;
    assert_eq!(created.status, 201);
    let at = created.at;
    one.until(|view| view.session == at.session && view.number >= at.number).await;
    assert!(String::from_utf8(created.body).unwrap().contains(image.as_str()));
    assert!(created.headers.iter().all(|header| header.name != "content-length"));
    let check = async |method: &str, path: &str, expected: u16| {
        let replied = one.relay(method, path, "").await;
        assert_eq!(replied.status, expected, "{method} {path}: {replied:?}");
    };
    check("GET", "/v2/nothing-of-the-kind", 404).await;
    check("DELETE", &format!("/v2/images/{image}"), 204).await;
    check("DELETE", &format!("/v2/images/{image}"), 404).await;
    control.shutdown(STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_is_open_until_it_ends_one_way_or_the_other() {
    let place = Place::new();
    let control = place.control().await;
    let one = place.join(&control, node(1), 1).await;
    let check = async |image: ImageId, epoch: u64, expected: Outcome| {
        let answer = one.ask(&Ask::Outcome { image: *image.as_bytes(), epoch }).await;
        assert_eq!(answer, Answer::Outcome(expected));
    };
    let abort = async |image: ImageId, epoch: u64| {
        one.ask(&Ask::Abort { image: *image.as_bytes(), epoch }).await
    };
    let image = one.create().await;
    let first = reserved(&one, image).await;
    check(image, first, Outcome::Open).await;
    assert!(matches!(reserve(&one, image).await, Answer::Refused { status: 409, .. }));
    assert_eq!(abort(image, first).await, Answer::Aborted);
    assert_eq!(abort(image, first).await, Answer::Aborted);
    check(image, first, Outcome::Dead).await;
    let second = reserved(&one, image).await;
    assert_eq!(commit(&one, image, first).await, Answer::Fenced);
    assert!(matches!(commit(&one, image, second).await, Answer::Committed { .. }));
    assert!(matches!(commit(&one, image, second).await, Answer::Committed { .. }));
    check(image, second, Outcome::Committed).await;
    assert_eq!(abort(image, second).await, Answer::Outcome(Outcome::Committed));
    control.shutdown(STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_is_answered_when_every_node_has_confirmed_it() {
    // No lease ends within the test: what ends the wait is the confirmation.
    let place = Place::leasing(20 * LEASE);
    let control = place.control().await;
    let one = place.join(&control, node(1), 1).await;
    let two = place.join(&control, node(2), 1).await;
    let image = active(&one).await;
    two.resolve(image).await;
    two.confirm(false);
    let deleting = delete(&one, image);
    tokio::pin!(deleting);
    // The push has arrived at the node that confirms nothing, and the answer still waits.
    tokio::select! {
        status = &mut deleting => panic!("answered {status} before all confirmed"),
        () = two.until(|view| matches!(view.images[&image], Push::Absent { .. })) => {}
    }
    let early = tokio::time::timeout(LEASE / 10, &mut deleting).await;
    assert!(early.is_err(), "answered {early:?} before all confirmed");
    two.confirm(true);
    assert_eq!(soon(deleting).await, 204);
    control.shutdown(STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_vanishes_delays_a_delete_by_its_lease_and_no_longer() {
    let place = Place::new();
    let control = place.control().await;
    let one = place.join(&control, node(1), 1).await;
    let mut two = place.join(&control, node(2), 1).await;
    let image = active(&one).await;
    two.resolve(image).await;
    two.lease().await;
    let leased = Instant::now();
    two.vanish();
    assert_eq!(delete(&one, image).await, 204);
    let waited = leased.elapsed();
    assert!(waited >= LEASE, "{waited:?}: its lease may still have run");
    assert!(waited < 2 * LEASE + Duration::from_secs(2), "{waited:?}");
    control.shutdown(STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_waits_for_a_node_of_another_control_plane() {
    // No lease ends within the test: what ends the wait is the confirmation.
    let place = Place::leasing(20 * LEASE);
    let (near, far) = (place.control().await, place.control().await);
    let one = place.join(&near, node(1), 1).await;
    let two = place.join(&far, node(2), 1).await;
    let image = active(&one).await;
    two.resolve(image).await;
    two.confirm(false);
    let deleting = delete(&one, image);
    tokio::pin!(deleting);
    tokio::select! {
        status = &mut deleting => panic!("answered {status} before all confirmed"),
        () = two.until(|view| matches!(view.images[&image], Push::Absent { .. })) => {}
    }
    let early = tokio::time::timeout(LEASE / 10, &mut deleting).await;
    assert!(early.is_err(), "answered {early:?} before all confirmed");
    two.confirm(true);
    assert_eq!(soon(deleting).await, 204);
    near.shutdown(STOP).await;
    far.shutdown(STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_control_plane_goes_on_where_the_last_one_stopped() {
    let place = Place::new();
    let first = place.control().await;
    let one = place.join(&first, node(1), 1).await;
    let (kept, doomed) = (active(&one).await, active(&one).await);
    let held: Vec<_> = one.view().images.iter().map(support::held).collect();
    first.shutdown(STOP).await;
    // Another control plane deletes meanwhile, while the node may hold a lease.
    let db = Database::connect(&place.database_url()).await.unwrap();
    db.image_delete(doomed, controlplane_db::utc_now()).await.unwrap();
    db.close().await;
    let second = place.control().await;
    let one = place.join_holding(&second, node(1), 1, held).await;
    assert!(matches!(one.view().images[&doomed], Push::Absent { .. }), "changed while away");
    assert!(!one.view().images.contains_key(&kept), "unchanged: not pushed again");
    assert_eq!(delete(&one, kept).await, 204);
    second.shutdown(STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_a_nodes_earlier_life_are_given_up_when_it_returns() {
    let place = Place::new();
    let control = place.control().await;
    let one = place.join(&control, node(1), 1).await;
    let image = one.create().await;
    let epoch = reserved(&one, image).await;
    one.vanish();
    let one = place.join(&control, node(1), 2).await;
    assert_eq!(commit(&one, image, epoch).await, Answer::Fenced);
    one.resolve(image).await;
    assert_eq!(one.status(image).as_deref(), Some("queued"));
    control.shutdown(STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_whose_writer_did_not_hear_of_it_is_given_back() {
    // A lease that outlasts the test: it is not the reaper that gives it back.
    let place = Place::leasing(Duration::from_secs(600));
    let control = place.control().await;
    let one = place.join(&control, node(1), 1).await;
    let image = one.create().await;
    one.resolve(image).await;
    let (mut send, mut recv) = one.connection.open_bi().await.unwrap();
    // Nobody will read the answer.
    recv.stop(1_u32.into()).unwrap();
    let mut head = head("PUT", &format!("/v2/images/{image}/file"));
    head.headers[0].value = b"application/octet-stream".to_vec();
    let ask = Ask::Reserve { image: *image.as_bytes(), head, size_bytes: None };
    glint_quic::write_frame(&mut send, &ask).await.unwrap();
    let is_queued_again = |view: &support::View| match &view.images[&image] {
        Push::Image(record) => record.status == "queued" && view.number > 2 && record.seq > 2,
        _ => false,
    };
    one.until(is_queued_again).await;
    assert!(matches!(reserve(&one, image).await, Answer::Reserved { .. }));
    control.shutdown(STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_a_node_that_never_returns_are_given_up_after_its_lease() {
    let place = Place::new();
    let control = place.control().await;
    let two = place.join(&control, node(2), 1).await;
    // Its lease is younger than this.
    let joining = Instant::now();
    let one = place.join(&control, node(1), 1).await;
    let image = one.create().await;
    reserved(&one, image).await;
    two.resolve(image).await;
    one.vanish();
    two.until(
        |view| matches!(&view.images[&image], Push::Image(record) if record.status == "queued"),
    )
    .await;
    assert!(joining.elapsed() >= LEASE, "given up while the lease ran");
    control.shutdown(STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_a_deleted_image_are_reclaimed_until_a_node_says_they_are_gone() {
    let place = Place::new();
    let control = place.control().await;
    let one = place.join(&control, node(1), 1).await;
    let image = active(&one).await;
    assert_eq!(delete(&one, image).await, 204);
    one.until(|view| !view.reclaims.is_empty()).await;
    let order = one.view().reclaims[0].clone();
    assert_eq!(order.location.url, format!("file:///images/{image}"));
    one.vanish();
    // Nobody said that they are gone: the next node is asked again.
    let two = place.join(&control, node(2), 1).await;
    two.until(|view| view.reclaims.contains(&order)).await;
    assert_eq!(two.ask(&Ask::Reclaimed { order: order.order }).await, Answer::Noted);
    let db = Database::connect(&place.database_url()).await.unwrap();
    assert_eq!(db.reclaims(10).await.unwrap(), []);
    db.close().await;
    control.shutdown(STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_no_writes_costs_leases_and_not_the_link() {
    let place = Place::new();
    let control = place.control().await;
    let mut one = place.join(&control, node(1), 1).await;
    let writer = sqlx::SqlitePool::connect(&place.sqlx_url()).await.unwrap();
    let held_up = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let lease = one.ping();
    // Word that the control plane is there, naming no ping.
    one.until(|view| view.leases.contains_key(&0)).await;
    assert!(!one.view().leases.contains_key(&lease), "no lease that is not in the database");
    assert_eq!(one.relay("GET", "/v2/images", "").await.status, 200);
    held_up.rollback().await.unwrap();
    one.until(|view| view.leases.contains_key(&lease)).await;
    assert_eq!(u128::from(one.view().leases[&lease]), LEASE.as_millis());
    writer.close().await;
    control.shutdown(STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_glance_beside_changes_is_pushed() {
    let place = Place::new();
    let control = place.control().await;
    let one = place.join(&control, node(1), 1).await;
    let image = active(&one).await;
    let beside = sqlx::SqlitePool::connect(&place.sqlx_url()).await.unwrap();
    let at = "strftime('%Y-%m-%d %H:%M:%f000', 'now')";
    let deactivate = format!("UPDATE images SET status = 'deactivated', updated_at = {at}");
    sqlx::query(sqlx::AssertSqlSafe(deactivate)).execute(&beside).await.unwrap();
    let is_deactivated = |view: &support::View| matches!(&view.images[&image], Push::Image(record) if record.status == "deactivated");
    one.until(is_deactivated).await;
    let delete = format!("UPDATE images SET status = 'deleted', deleted = 1, updated_at = {at}");
    sqlx::query(sqlx::AssertSqlSafe(delete)).execute(&beside).await.unwrap();
    one.until(|view| matches!(&view.images[&image], Push::Absent { .. })).await;
    beside.close().await;
    control.shutdown(STOP).await;
}
