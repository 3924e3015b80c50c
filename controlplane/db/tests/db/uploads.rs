//! Epochs: who may write, and that a writer that was given up changes nothing.

use controlplane_db::{
    AbortOutcome, CommitOutcome, ImageUpdate, ReserveError, Reserved, Sealed, UploadState,
};
use controlplane_domain::ImageLocation;
use controlplane_domain::quota::StorageQuota;
use glint_image::{Epoch, ImageId, Seq, Status};

use crate::harness::{Bench, FREE, at, node};

pub(crate) fn sealed() -> Sealed {
    Sealed {
        size: 10,
        virtual_size: Some(10),
        md5: "781e5e245d69b566979b86e28d23f2c7".to_owned(),
        hash_algo: "sha512".to_owned(),
        hash_value: "cd".repeat(64),
        url: "file:///images/x".to_owned(),
        metadata: "{\"store\": \"fast\"}".to_owned(),
    }
}

pub(crate) async fn reserve(bench: &Bench, id: ImageId) -> Reserved {
    bench.db.reserve(id, node(1), u64::MAX, Some(10), FREE, at(1)).await.unwrap()
}

async fn status(bench: &Bench, id: ImageId) -> Status {
    bench.db.image_get(id).await.unwrap().unwrap().status
}

async fn an_upload_makes_an_image_active() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    let reserved = reserve(&bench, id).await;
    assert_eq!(reserved.epoch, Epoch(reserved.changed.seq.0));
    let saving = bench.db.image_get(id).await.unwrap().unwrap();
    assert_eq!((saving.status, saving.upload), (Status::Saving, Some(reserved.epoch)));
    assert_eq!(bench.db.outcome(id, reserved.epoch).await.unwrap(), UploadState::Open);
    let open = bench.db.open_uploads(10).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].image, open[0].epoch, open[0].node), (id, reserved.epoch, node(1)));
    assert_eq!((open[0].incarnation, open[0].size_expected), (u64::MAX, Some(10)));

    let done = bench.db.commit(id, reserved.epoch, &sealed(), FREE, at(2)).await.unwrap();
    assert!(matches!(done, CommitOutcome::Committed(changed) if changed.seq == Seq(3)), "{done:?}");
    let active = bench.db.image_get(id).await.unwrap().unwrap();
    assert_eq!((active.status, active.upload), (Status::Active, None));
    assert_eq!((active.size, active.virtual_size), (Some(10), Some(10)));
    assert_eq!(active.checksum, Some(sealed().md5));
    assert_eq!(active.os_hash_algo.as_deref(), Some("sha512"));
    assert_eq!(active.os_hash_value, Some(sealed().hash_value));
    let expected = ImageLocation { url: sealed().url, metadata: sealed().metadata };
    assert_eq!(active.locations, [expected]);
    assert_eq!(active.updated_at, at(2));

    // Once more: the same answer, and nothing happens.
    let again = bench.db.commit(id, reserved.epoch, &sealed(), FREE, at(3)).await.unwrap();
    assert_eq!(again, done);
    assert_eq!(bench.db.image_get(id).await.unwrap().unwrap(), active);
    assert_eq!(bench.db.head().await.unwrap(), Seq(3));
    let given_up = bench.db.abort(id, reserved.epoch, at(4)).await.unwrap();
    assert_eq!(given_up, AbortOutcome::Committed);
    assert_eq!(bench.db.image_get(id).await.unwrap().unwrap(), active);
    assert_eq!(bench.db.outcome(id, reserved.epoch).await.unwrap(), UploadState::Committed);
    assert_eq!(bench.db.open_uploads(10).await.unwrap(), []);
}

async fn only_a_queued_image_takes_an_upload() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    for (text, expected) in [
        ("saving", Status::Saving),
        ("active", Status::Active),
        ("uploading", Status::Uploading),
        ("deactivated", Status::Deactivated),
    ] {
        bench.dir.run(&format!("UPDATE images SET status = '{text}'")).await;
        let refused = bench.db.reserve(id, node(1), 1, None, FREE, at(1)).await;
        assert!(
            matches!(refused, Err(ReserveError::NotQueued(found)) if found == expected),
            "{refused:?}"
        );
    }
    let refused = bench.db.reserve(ImageId::random(), node(1), 1, None, FREE, at(1)).await;
    assert!(matches!(refused, Err(ReserveError::Gone)), "{refused:?}");
    bench.db.image_delete(id, at(2)).await.unwrap();
    let refused = bench.db.reserve(id, node(1), 1, None, FREE, at(3)).await;
    assert!(matches!(refused, Err(ReserveError::Gone)), "{refused:?}");
}

async fn a_deletion_fences_the_upload_under_way() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    let reserved = reserve(&bench, id).await;
    bench.db.image_delete(id, at(2)).await.unwrap();
    let fenced = bench.db.commit(id, reserved.epoch, &sealed(), FREE, at(3)).await.unwrap();
    assert_eq!(fenced, CommitOutcome::Fenced);
    assert_eq!(bench.db.image_get(id).await.unwrap(), None);
    assert_eq!(bench.dir.text("SELECT count(*) FROM image_locations").await, "0");
    assert_eq!(bench.dir.text("SELECT status FROM images").await, "deleted");
    assert_eq!(bench.db.outcome(id, reserved.epoch).await.unwrap(), UploadState::Dead);
    let given_up = bench.db.abort(id, reserved.epoch, at(4)).await.unwrap();
    assert_eq!(given_up, AbortOutcome::AlreadyClosed);
    assert_eq!(bench.dir.text("SELECT status FROM images").await, "deleted");
}

async fn an_upload_that_was_given_up_makes_room_for_the_next_and_cannot_come_back() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    let first = reserve(&bench, id).await;
    let closed = bench.db.abort(id, first.epoch, at(2)).await.unwrap();
    assert!(matches!(closed, AbortOutcome::Closed(_)), "{closed:?}");
    assert_eq!(status(&bench, id).await, Status::Queued);
    let again = bench.db.abort(id, first.epoch, at(2)).await.unwrap();
    assert_eq!(again, AbortOutcome::AlreadyClosed);

    let second = reserve(&bench, id).await;
    assert!(second.epoch > first.epoch);
    let late = bench.db.commit(id, first.epoch, &sealed(), FREE, at(3)).await.unwrap();
    assert_eq!(late, CommitOutcome::Fenced);
    let late = bench.db.abort(id, first.epoch, at(3)).await.unwrap();
    assert_eq!(late, AbortOutcome::AlreadyClosed);
    assert_eq!(status(&bench, id).await, Status::Saving, "the second goes on");
    let done = bench.db.commit(id, second.epoch, &sealed(), FREE, at(4)).await.unwrap();
    assert!(matches!(done, CommitOutcome::Committed(_)), "{done:?}");
}

async fn an_image_moved_by_another_program_fences_too() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    let reserved = reserve(&bench, id).await;
    bench.dir.run("UPDATE images SET status = 'queued'").await;
    let fenced = bench.db.commit(id, reserved.epoch, &sealed(), FREE, at(3)).await.unwrap();
    assert_eq!(fenced, CommitOutcome::Fenced);
    assert_eq!(status(&bench, id).await, Status::Queued);
    assert_eq!(bench.db.outcome(id, reserved.epoch).await.unwrap(), UploadState::Dead);
}

async fn a_save_that_leaves_saving_fences_too() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    let reserved = reserve(&bench, id).await;
    let mut image = bench.db.image_get(id).await.unwrap().unwrap();
    image.status = Status::Killed;
    let update =
        ImageUpdate { image: &image, from_status: Some(Status::Saving), unchanged_since: None };
    bench.db.image_update(update, at(3)).await.unwrap();
    let fenced = bench.db.commit(id, reserved.epoch, &sealed(), FREE, at(4)).await.unwrap();
    assert_eq!(fenced, CommitOutcome::Fenced);
}

async fn a_node_that_starts_anew_loses_its_uploads_and_no_others() {
    let bench = Bench::new().await;
    let (mine, current, theirs) =
        (bench.queued().await, bench.queued().await, bench.queued().await);
    let old = bench.db.reserve(mine, node(1), 7, None, FREE, at(1)).await.unwrap();
    bench.db.reserve(current, node(1), 8, None, FREE, at(1)).await.unwrap();
    bench.db.reserve(theirs, node(2), 7, None, FREE, at(1)).await.unwrap();
    let closed = bench.db.close_uploads_of(node(1), 8, at(2)).await.unwrap();
    assert_eq!(closed.len(), 1);
    assert_eq!((closed[0].image, closed[0].epoch), (mine, old.epoch));
    assert_eq!(status(&bench, mine).await, Status::Queued);
    assert_eq!(status(&bench, current).await, Status::Saving);
    assert_eq!(status(&bench, theirs).await, Status::Saving);
    assert_eq!(bench.db.outcome(mine, old.epoch).await.unwrap(), UploadState::Dead);
    assert_eq!(bench.db.close_uploads_of(node(1), 8, at(3)).await.unwrap(), []);
}

async fn an_upload_no_longer_kept_never_costs_an_image_its_bytes() {
    let bench = Bench::new().await;
    let (stored, dead, open) = (bench.queued().await, bench.queued().await, bench.queued().await);
    let committed = reserve(&bench, stored).await;
    bench.db.commit(stored, committed.epoch, &sealed(), FREE, at(10)).await.unwrap();
    let given_up = reserve(&bench, dead).await;
    bench.db.abort(dead, given_up.epoch, at(10)).await.unwrap();
    let going_on = reserve(&bench, open).await;
    assert_eq!(bench.db.prune_uploads(at(10)).await.unwrap(), 0, "not before that time");
    assert_eq!(bench.db.prune_uploads(at(11)).await.unwrap(), 2);
    let check = async |id: ImageId, epoch: Epoch, expected: UploadState| {
        assert_eq!(bench.db.outcome(id, epoch).await.unwrap(), expected, "{id}");
    };
    check(stored, committed.epoch, UploadState::Committed).await;
    check(dead, given_up.epoch, UploadState::Dead).await;
    check(open, going_on.epoch, UploadState::Open).await;
    check(ImageId::random(), Epoch(u64::MAX), UploadState::Dead).await;
}

/// An image of so many bytes in one or more places.
async fn stored(bench: &Bench, size: u64, places: usize) -> ImageId {
    let id = bench.queued().await;
    let epoch = bench.db.reserve(id, node(1), 1, None, FREE, at(1)).await.unwrap().epoch;
    let sealed = Sealed { size, ..sealed() };
    bench.db.commit(id, epoch, &sealed, FREE, at(2)).await.unwrap();
    for place in 1..places {
        bench
            .dir
            .run(&format!(
                "INSERT INTO image_locations (image_id, value, created_at, deleted, status) \
                 VALUES ('{id}', 'http://x/{place}', '2026-11-21 08:44:31', FALSE, 'active')"
            ))
            .await;
    }
    id
}

async fn usage_is_that_of_living_images_and_locations() {
    let bench = Bench::new().await;
    let used = async |except| bench.db.storage_used(Some("proj-a"), except).await.unwrap();
    assert_eq!(used(None).await, 0);
    let two = stored(&bench, 10, 2).await;
    let one = stored(&bench, 10, 1).await;
    let other = stored(&bench, 500, 1).await;
    bench.dir.run(&format!("UPDATE images SET owner = 'proj-b' WHERE id = '{other}'")).await;
    let nobodys = stored(&bench, 7, 1).await;
    bench.dir.run(&format!("UPDATE images SET owner = NULL WHERE id = '{nobodys}'")).await;
    assert_eq!((used(None).await, used(Some(two)).await, used(Some(one)).await), (30, 10, 20));
    assert_eq!(bench.db.storage_used(None, None).await.unwrap(), 7);
    bench.dir.run("UPDATE image_locations SET status = 'deleted' WHERE value LIKE 'http%'").await;
    assert_eq!(used(None).await, 20);
    bench.dir.run(&format!("UPDATE images SET status = 'killed' WHERE id = '{one}'")).await;
    assert_eq!(used(None).await, 10);
    bench.db.image_delete(two, at(9)).await.unwrap();
    assert_eq!(used(None).await, 0);
}

async fn uploads_do_not_pass_the_quota_together() {
    let bench = Bench::new().await;
    let quota = StorageQuota::of_bytes(100);
    stored(&bench, 40, 1).await;
    let reserve = async |size: Option<u64>| {
        let id = bench.queued().await;
        let reserved = bench.db.reserve(id, node(1), 1, size, quota, at(3)).await;
        reserved.map(|reserved| (id, reserved.epoch, reserved.remaining))
    };
    let commit = async |id: ImageId, epoch: Epoch, size: u64| {
        let sealed = Sealed { size, ..sealed() };
        bench.db.commit(id, epoch, &sealed, quota, at(4)).await.unwrap()
    };
    let (first, first_epoch, remaining) = reserve(Some(50)).await.unwrap();
    assert_eq!(remaining, Some(60));
    // One of unknown length may take what is left, and takes nothing from others before it came.
    let (unknown, unknown_epoch, remaining) = reserve(None).await.unwrap();
    assert_eq!(remaining, Some(10));
    let refused = reserve(Some(11)).await;
    let Err(ReserveError::Full(full)) = refused else { panic!("{refused:?}") };
    assert_eq!((full.wanted, full.remaining), (Some(11), 10));
    let refused_image = bench.dir.text("SELECT count(*) FROM images WHERE status = 'queued'").await;
    assert_eq!(refused_image, "1", "who is refused changes nothing");
    let (third, third_epoch, _) = reserve(Some(10)).await.unwrap();
    let refused = reserve(None).await;
    assert!(matches!(refused, Err(ReserveError::Full(_))), "{refused:?}");

    let refused = commit(unknown, unknown_epoch, 1).await;
    assert!(matches!(refused, CommitOutcome::Full(full, _) if full.remaining == 0), "{refused:?}");
    assert_eq!(status(&bench, unknown).await, Status::Queued);
    assert_eq!(bench.db.outcome(unknown, unknown_epoch).await.unwrap(), UploadState::Dead);
    assert_eq!(commit(unknown, unknown_epoch, 1).await, CommitOutcome::Fenced);
    for (id, epoch, size) in [(first, first_epoch, 50), (third, third_epoch, 10)] {
        let done = commit(id, epoch, size).await;
        assert!(matches!(done, CommitOutcome::Committed(_)), "{done:?}");
    }
    assert_eq!(bench.db.storage_used(Some("proj-a"), None).await.unwrap(), 100);
}

controlplane_testing::on_every_database!(
    an_upload_makes_an_image_active,
    only_a_queued_image_takes_an_upload,
    a_deletion_fences_the_upload_under_way,
    an_upload_that_was_given_up_makes_room_for_the_next_and_cannot_come_back,
    an_image_moved_by_another_program_fences_too,
    a_save_that_leaves_saving_fences_too,
    a_node_that_starts_anew_loses_its_uploads_and_no_others,
    an_upload_no_longer_kept_never_costs_an_image_its_bytes,
    usage_is_that_of_living_images_and_locations,
    uploads_do_not_pass_the_quota_together,
);
