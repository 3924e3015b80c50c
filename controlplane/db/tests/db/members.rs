//! Members: who an image is shared with.

use controlplane_db::{Changed, ImageUpdate, MemberAddError, MemberChangeError};
use controlplane_domain::members::{Membership, MembershipStatus};
use glint_image::{ImageId, Visibility};

use crate::harness::{Bench, add_member, at, folds_case, texts};

fn names(members: &[Membership]) -> Vec<&str> {
    members.iter().map(|each| each.member.as_str()).collect()
}

async fn members_come_answer_and_go() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    let (added, changed) = bench.db.member_add(id, "proj-b", 2, at(1)).await.unwrap();
    let expected = Membership {
        member: "proj-b".to_owned(),
        status: MembershipStatus::Pending,
        created_at: at(1),
        updated_at: at(1),
    };
    assert_eq!((&added, changed.restricting), (&expected, false));
    bench.db.member_add(id, "a", 2, at(2)).await.unwrap();
    let accepted = MembershipStatus::Accepted;
    let (updated, answered) = bench.db.member_update(id, "proj-b", accepted, at(3)).await.unwrap();
    let expected = Membership { status: accepted, updated_at: at(3), ..expected };
    assert_eq!((&updated, answered.restricting), (&expected, false));
    assert!(answered.seq > changed.seq);
    assert_eq!(names(&bench.db.members(id).await.unwrap()), ["proj-b", "a"]);
    assert_eq!(bench.db.member(id, "proj-b").await.unwrap(), Some(expected));
    let image = bench.db.image_get(id).await.unwrap().unwrap();
    assert_eq!((image.members, image.updated_at, image.seq.0), (texts(&["proj-b", "a"]), at(0), 4));

    let removed = bench.db.member_remove(id, "proj-b", at(4)).await.unwrap();
    assert_eq!((removed.seq.0, removed.restricting), (5, true));
    assert_eq!(bench.db.member(id, "proj-b").await.unwrap(), None);
    assert_eq!(names(&bench.db.members(id).await.unwrap()), ["a"]);
}

async fn a_removed_members_row_is_used_again() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    bench.db.member_add(id, "b", -1, at(1)).await.unwrap();
    bench.db.member_update(id, "b", MembershipStatus::Rejected, at(2)).await.unwrap();
    bench.db.member_remove(id, "b", at(3)).await.unwrap();
    let (again, _) = bench.db.member_add(id, "b", -1, at(4)).await.unwrap();
    let status = MembershipStatus::Pending;
    assert_eq!((again.status, again.created_at, again.updated_at), (status, at(1), at(4)));
    assert_eq!(bench.dir.text("SELECT COUNT(*) FROM image_members").await, "1");
    assert_eq!(bench.dir.text("SELECT deleted_at FROM image_members").await, "NULL");
}

async fn what_cannot_be_is_refused_and_leaves_no_trace() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    bench.db.member_add(id, "b", 1, at(1)).await.unwrap();
    let full = bench.db.member_add(id, "c", 1, at(2)).await;
    assert!(matches!(full, Err(MemberAddError::Quota(_))), "{full:?}");
    let full = bench.db.member_add(id, "b", 1, at(2)).await;
    assert!(matches!(full, Err(MemberAddError::Quota(_))), "the quota comes first: {full:?}");
    let twice = bench.db.member_add(id, "b", 2, at(2)).await;
    assert!(matches!(twice, Err(MemberAddError::Duplicate)), "{twice:?}");
    let nobody = ImageId::random();
    let gone = bench.db.member_add(nobody, "b", 2, at(2)).await;
    assert!(matches!(gone, Err(MemberAddError::Gone)), "{gone:?}");
    let other_case = if folds_case() { "d" } else { "B" };
    for (image, member) in [(nobody, "b"), (id, "c"), (id, other_case)] {
        let status = MembershipStatus::Accepted;
        let gone = bench.db.member_update(image, member, status, at(2)).await;
        assert!(matches!(gone, Err(MemberChangeError::Gone)), "{gone:?}");
        let gone = bench.db.member_remove(image, member, at(2)).await;
        assert!(matches!(gone, Err(MemberChangeError::Gone)), "{gone:?}");
    }
    assert_eq!(bench.db.head().await.unwrap().0, 2, "a refusal changes nothing");
}

async fn removal_restricts_only_where_membership_counts() {
    let bench = Bench::new().await;
    let check = async |visibility: Visibility, expected: bool| {
        let id = bench.queued().await;
        add_member(&bench.dir, id, "b", "accepted").await;
        let mut image = bench.db.image_get(id).await.unwrap().unwrap();
        image.visibility = visibility;
        let update = ImageUpdate { image: &image, from_status: None, unchanged_since: None };
        bench.db.image_update(update, at(1)).await.unwrap();
        let Changed { restricting, .. } = bench.db.member_remove(id, "b", at(2)).await.unwrap();
        assert_eq!(restricting, expected, "{visibility}");
    };
    check(Visibility::Shared, true).await;
    check(Visibility::Private, false).await;
    check(Visibility::Public, false).await;
    check(Visibility::Community, false).await;
}

async fn one_of_many_who_add_the_same_member_succeeds() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    let add = || bench.db.member_add(id, "b", -1, at(1));
    let (a, b, c, d) = tokio::join!(add(), add(), add(), add());
    let added = [a, b, c, d].iter().filter(|result| result.is_ok()).count();
    assert_eq!(added, 1);
    assert_eq!(bench.dir.text("SELECT COUNT(*) FROM image_members").await, "1");
}

controlplane_testing::on_every_database!(
    members_come_answer_and_go,
    a_removed_members_row_is_used_again,
    what_cannot_be_is_refused_and_leaves_no_trace,
    removal_restricts_only_where_membership_counts,
    one_of_many_who_add_the_same_member_succeeds,
);
