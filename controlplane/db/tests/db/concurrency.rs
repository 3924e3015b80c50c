//! Many at once: one winner, numbers in order, no half-read state; also over two control planes'
//! handles on one file.

use std::collections::BTreeSet;

use controlplane_db::{Database, ReserveError};
use glint_image::{Seq, Status};

use controlplane_testing::Place;

use crate::harness::{Bench, FREE, at, image, node};

async fn of_many_uploads_at_once_exactly_one_begins() {
    let bench = Bench::new().await;
    let other_plane = Database::connect(&bench.dir.url()).await.unwrap();
    let id = bench.queued().await;
    let tasks: Vec<_> = (0..32)
        .map(|number| {
            let db = if number % 2 == 0 { bench.db.clone() } else { other_plane.clone() };
            tokio::spawn(async move { db.reserve(id, node(number), 1, None, FREE, at(1)).await })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(reserved) => winners.push(reserved.epoch),
            Err(ReserveError::NotQueued(Status::Saving)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(winners.len(), 1);
    let found = bench.db.image_get(id).await.unwrap().unwrap();
    assert_eq!(found.upload, Some(winners[0]));
    assert_eq!(bench.db.head().await.unwrap(), Seq(2));
}

async fn numbers_become_visible_in_their_order() {
    const WRITERS: u64 = 8;
    const CHANGES_EACH: u64 = 12;
    let bench = Bench::new().await;
    let other_plane = Database::connect(&bench.dir.url()).await.unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let db = if number % 2 == 0 { bench.db.clone() } else { other_plane.clone() };
            tokio::spawn(async move {
                for _ in 0..CHANGES_EACH {
                    db.image_create(&image()).await.unwrap();
                }
            })
        })
        .collect();
    // Whoever follows the outbox from the last number it saw must end up with all of them.
    let mut last = Seq(0);
    let mut seen = BTreeSet::new();
    while last < Seq(WRITERS * CHANGES_EACH) {
        for change in bench.db.changes_after(last, 7).await.unwrap() {
            assert_eq!(change.seq, last.next(), "a number was passed over");
            last = change.seq;
            let record = bench.db.record(change.image).await.unwrap();
            assert!(record.as_of >= change.seq, "older than the change it follows");
            assert!(record.image.is_some(), "the change is visible and its image is not");
            seen.insert(change.image);
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(u64::try_from(seen.len()).unwrap(), WRITERS * CHANGES_EACH);
}

async fn two_control_planes_that_start_at_once_make_one_catalogue() {
    // Often enough that they meet at the first step, which is the switch to WAL mode.
    for _ in 0..20 {
        let dir = Place::new().await;
        let url = dir.url();
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let url = url.clone();
                tokio::spawn(async move { Database::connect(&url).await.unwrap().catalogue() })
            })
            .collect();
        let mut identities = BTreeSet::new();
        for task in tasks {
            identities.insert(task.await.unwrap());
        }
        assert_eq!(identities.len(), 1);
    }
}

async fn a_dropped_transaction_leaves_nothing_behind() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    // The caller goes away at any point of the transaction.
    for polls in 1..40 {
        let delete = bench.db.image_delete(id, at(1));
        let mut delete = std::pin::pin!(delete);
        let mut finished = false;
        for _ in 0..polls {
            let turn = std::future::poll_fn(|context| {
                std::task::Poll::Ready(delete.as_mut().poll(context).is_ready())
            });
            if turn.await {
                finished = true;
                break;
            }
            tokio::task::yield_now().await;
        }
        if finished {
            break;
        }
    }
    // A further transaction has the write lock only when the dropped one is over.
    bench.queued().await;
    // Whole or not at all: the children tell the same story as the row.
    let gone = bench.db.image_get(id).await.unwrap().is_none();
    let changes = bench.db.changes_after(Seq(0), 10).await.unwrap().len();
    assert_eq!(changes, if gone { 3 } else { 2 });
}

controlplane_testing::on_every_database!(
    of_many_uploads_at_once_exactly_one_begins,
    numbers_become_visible_in_their_order,
    two_control_planes_that_start_at_once_make_one_catalogue,
    a_dropped_transaction_leaves_nothing_behind,
);
