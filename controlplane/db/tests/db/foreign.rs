//! Changes that others make on the same database.

use controlplane_db::{Change, Foreign, ImageUpdate};
use controlplane_domain::members::MembershipStatus;
use glint_image::{ImageId, Seq, Visibility};

use crate::harness::{Bench, FREE, add_member, at};
use crate::uploads::{reserve, sealed};

/// Adopts what others changed from `at(0)` on; how many images that were.
async fn adopt(bench: &Bench) -> usize {
    let mut found = 0;
    for what in [Foreign::Images, Foreign::Members] {
        found += bench.db.adopt_foreign(what, at(0), 100, at(500)).await.unwrap();
    }
    found
}

/// Newest changes first to last, without their numbers.
async fn told(bench: &Bench, after: Seq) -> Vec<(ImageId, bool)> {
    let changes = bench.db.changes_after(after, 100).await.unwrap();
    changes.iter().map(|Change { image, restricting, .. }| (*image, *restricting)).collect()
}

/// As Glance stamps a row.
fn stamp(seconds: u32) -> String {
    format!("2026-11-21 08:45:{seconds:02}.123456")
}

async fn what_is_done_here_is_not_foreign() {
    let bench = Bench::new().await;
    let (kept, gone) = (bench.queued().await, bench.queued().await);
    let upload = reserve(&bench, kept).await;
    bench.db.commit(kept, upload.epoch, &sealed(), FREE, at(2)).await.unwrap();
    let upload = reserve(&bench, gone).await;
    bench.db.abort(gone, upload.epoch, at(2)).await.unwrap();
    let mut image = bench.db.image_get(kept).await.unwrap().unwrap();
    image.visibility = Visibility::Public;
    let update = ImageUpdate { image: &image, from_status: None, unchanged_since: None };
    bench.db.image_update(update, at(3)).await.unwrap();
    bench.db.image_delete(gone, at(4)).await.unwrap();
    bench.db.member_add(kept, "b", -1, at(5)).await.unwrap();
    bench.db.member_update(kept, "b", MembershipStatus::Accepted, at(6)).await.unwrap();
    assert_eq!(adopt(&bench).await, 0);
    bench.db.member_remove(kept, "b", at(7)).await.unwrap();
    assert_eq!(adopt(&bench).await, 0);
}

async fn what_others_do_to_images_is_found_once() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    let check = async |change: &str, expected: usize| {
        let head = bench.db.head().await.unwrap();
        bench.dir.run(change).await;
        assert_eq!(adopt(&bench).await, expected, "{change}");
        assert_eq!(told(&bench, head).await, vec![(id, true); expected], "{change}");
        assert_eq!(adopt(&bench).await, 0, "once more after {change}");
    };
    let first = stamp(1);
    check(&format!("UPDATE images SET name = 'n', updated_at = '{first}'"), 1).await;
    // In the same moment, as far as the stamps tell.
    check("UPDATE images SET status = 'deactivated'", 1).await;
    check("UPDATE images SET visibility = 'private'", 1).await;
    let second = stamp(2);
    let delete = format!(
        "UPDATE images SET status = 'deleted', deleted = TRUE, deleted_at = '{second}', \
         updated_at = '{second}'"
    );
    check(&delete, 1).await;
    // Before the time looked at: not seen, which is what bounds the cost of a look.
    check("UPDATE images SET updated_at = '2026-11-21 07:00:00.000000'", 0).await;
}

async fn what_others_do_to_members_is_found_once() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    add_member(&bench.dir, id, "proj-b", "pending").await;
    add_member(&bench.dir, id, "proj-c", "pending").await;
    for second in 1..4 {
        let head = bench.db.head().await.unwrap();
        let stamp = stamp(second);
        bench.dir.run(&format!("UPDATE image_members SET updated_at = '{stamp}'")).await;
        assert_eq!(adopt(&bench).await, 1, "two rows of one image and one moment");
        assert_eq!(told(&bench, head).await, [(id, true)]);
        assert_eq!(adopt(&bench).await, 0);
    }
}

async fn many_are_adopted_in_pieces_and_by_one_of_several() {
    let bench = Bench::new().await;
    for _ in 0..7 {
        bench.queued().await;
    }
    let head = bench.db.head().await.unwrap();
    let stamp = stamp(9);
    bench.dir.run(&format!("UPDATE images SET updated_at = '{stamp}'")).await;
    assert_eq!(bench.db.adopt_foreign(Foreign::Images, at(0), 3, at(500)).await.unwrap(), 3);
    let (one, other) = tokio::join!(adopt(&bench), adopt(&bench));
    assert_eq!(one + other, 4);
    assert_eq!(told(&bench, head).await.len(), 7);
}

async fn the_time_looked_up_to_is_kept() {
    let bench = Bench::new().await;
    bench.db.note_watched(at(7)).await.unwrap();
    assert_eq!(bench.db.watched_at().await.unwrap(), at(7));
}

controlplane_testing::on_every_database!(
    what_is_done_here_is_not_foreign,
    what_others_do_to_images_is_found_once,
    what_others_do_to_members_is_found_once,
    many_are_adopted_in_pieces_and_by_one_of_several,
    the_time_looked_up_to_is_kept,
);
