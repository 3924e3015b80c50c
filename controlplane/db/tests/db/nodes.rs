//! Rows of data planes: only the newest session moves them, and only what stands still is removed.

use controlplane_db::Node;
use glint_image::{Seq, SessionId};

use crate::harness::{Bench, at, node};

async fn a_row_moves_with_its_newest_session_only() {
    let bench = Bench::new().await;
    let db = &bench.db;
    let (old, new) = (SessionId(u64::MAX), SessionId(2));
    let first = db.node_hello(node(1), u64::MAX, old, 10_000, at(0)).await.unwrap();
    let expected = Node {
        node: node(1),
        incarnation: u64::MAX,
        session: old,
        renewals: 1,
        applied_seq: Seq(0),
        lease_ms: 10_000,
        seen_at: at(0),
    };
    assert_eq!(first, expected);
    assert!(db.node_renew(node(1), old, 10_000, at(1)).await.unwrap());
    assert!(db.node_applied(node(1), old, Seq(5), at(2)).await.unwrap());
    assert!(db.node_applied(node(1), old, Seq(4), at(3)).await.unwrap(), "late, and no step back");
    let rows = db.nodes().await.unwrap();
    assert_eq!(rows, [Node { renewals: 2, applied_seq: Seq(5), seen_at: at(3), ..expected }]);

    let again = db.node_hello(node(1), 8, new, 4_000, at(4)).await.unwrap();
    let expected = Node {
        incarnation: 8,
        session: new,
        renewals: 3,
        applied_seq: Seq(5),
        seen_at: at(4),
        ..expected
    };
    assert_eq!(again, expected, "the longer lease may still run");
    assert!(!db.node_renew(node(1), old, 10_000, at(5)).await.unwrap());
    assert!(!db.node_applied(node(1), old, Seq(9), at(5)).await.unwrap());
    assert!(!db.node_renew(node(2), old, 10_000, at(5)).await.unwrap(), "never said hello");
    assert_eq!(db.nodes().await.unwrap(), [again]);
    assert!(db.node_renew(node(1), new, 4_000, at(6)).await.unwrap());
    assert_eq!(db.nodes().await.unwrap()[0].lease_ms, 4_000);
}

async fn a_row_is_removed_only_as_it_was_seen() {
    let bench = Bench::new().await;
    let db = &bench.db;
    let seen = db.node_hello(node(1), 7, SessionId(1), 10_000, at(0)).await.unwrap();
    assert!(db.node_renew(node(1), SessionId(1), 10_000, at(1)).await.unwrap());
    assert!(!db.node_remove(&seen).await.unwrap(), "it moved");
    let seen = db.nodes().await.unwrap()[0];
    assert!(db.node_remove(&seen).await.unwrap());
    assert!(!db.node_remove(&seen).await.unwrap());
    assert!(!db.node_renew(node(1), SessionId(1), 10_000, at(2)).await.unwrap(), "no lease");
    assert_eq!(db.nodes().await.unwrap(), []);
}

controlplane_testing::on_every_database!(
    a_row_moves_with_its_newest_session_only,
    a_row_is_removed_only_as_it_was_seen,
);
