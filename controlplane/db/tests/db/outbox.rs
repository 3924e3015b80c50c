//! The outbox: order, snapshots, trimming.

use controlplane_db::{Change, ChangesError};
use glint_image::{ImageId, Seq};

use crate::harness::{Bench, at, image};

async fn changes_are_numbered_from_one_and_told_in_order() {
    let bench = Bench::new().await;
    assert_eq!(bench.db.head().await.unwrap(), Seq(0));
    assert_eq!(bench.db.changes_after(Seq(0), 10).await.unwrap(), []);
    let (first, second) = (bench.queued().await, bench.queued().await);
    bench.db.image_delete(first, at(1)).await.unwrap();
    let change = |seq, image, restricting| Change { seq: Seq(seq), image, restricting };
    let all = [change(1, first, false), change(2, second, false), change(3, first, true)];
    let check = async |after: u64, limit: u32, expected: &[Change]| {
        assert_eq!(bench.db.changes_after(Seq(after), limit).await.unwrap(), expected);
    };
    check(0, 10, &all).await;
    check(0, 2, &all[..2]).await;
    check(2, 10, &all[2..]).await;
    check(3, 10, &[]).await;
    assert_eq!(bench.db.head().await.unwrap(), Seq(3));
}

async fn a_record_names_the_head_it_was_read_at() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    bench.queued().await;
    let record = bench.db.record(id).await.unwrap();
    assert_eq!((record.as_of, record.image.unwrap().seq), (Seq(2), Seq(1)));
    let absent = bench.db.record(ImageId::random()).await.unwrap();
    assert_eq!((absent.as_of, absent.image), (Seq(2), None));
}

async fn whoever_missed_trimmed_changes_is_told_so() {
    let bench = Bench::new().await;
    for second in 0..4 {
        let mut image = image();
        image.created_at = at(second);
        bench.db.image_create(&image).await.unwrap();
    }
    assert_eq!(bench.db.trim(at(0)).await.unwrap(), 0);
    assert_eq!(bench.db.trim(at(2)).await.unwrap(), 2);
    let missed = bench.db.changes_after(Seq(1), 10).await;
    assert!(matches!(missed, Err(ChangesError::Trimmed { through: Seq(2) })), "{missed:?}");
    assert_eq!(bench.db.changes_after(Seq(2), 10).await.unwrap().len(), 2);

    // The newest stays whatever its age, and numbers go on from it.
    assert_eq!(bench.db.trim(at(1000)).await.unwrap(), 1);
    assert_eq!(bench.db.trim(at(1000)).await.unwrap(), 0);
    assert_eq!(bench.db.changes_after(Seq(3), 10).await.unwrap().len(), 1);
    bench.queued().await;
    assert_eq!(bench.db.head().await.unwrap(), Seq(5));
}

async fn a_young_change_below_an_old_one_is_kept_and_so_is_the_old_one() {
    let bench = Bench::new().await;
    for second in [0, 50, 1] {
        let mut image = image();
        image.created_at = at(second);
        bench.db.image_create(&image).await.unwrap();
    }
    assert_eq!(bench.db.trim(at(40)).await.unwrap(), 1, "clocks of two planes may differ");
    assert_eq!(bench.db.changes_after(Seq(1), 10).await.unwrap().len(), 2);
}

controlplane_testing::on_every_database!(
    changes_are_numbered_from_one_and_told_in_order,
    a_record_names_the_head_it_was_read_at,
    whoever_missed_trimmed_changes_is_told_so,
    a_young_change_below_an_old_one_is_kept_and_so_is_the_old_one,
);
