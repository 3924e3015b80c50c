//! Creating, reading, saving and deleting an image.

use controlplane_db::{CreateError, DeleteError, ImageUpdate, ListQuery, UpdateError};
use controlplane_domain::{Context, Image, ImageLocation};
use glint_image::{ImageId, Seq, Status, Visibility};

use controlplane_testing::Kind;
use time::Duration;

use crate::harness::{Bench, add_member, at, folds_case, image, pairs, texts};

fn location(url: &str, store: &str) -> ImageLocation {
    ImageLocation { url: url.to_owned(), metadata: format!("{{\"store\": \"{store}\"}}") }
}

/// An image in which no field has its usual value.
fn rich() -> Image {
    Image {
        id: ImageId::parse("71C675AB-D94F-49CD-A114-E12490B328D9").unwrap(),
        name: Some("Ubuntu 26.04 'noble' — \u{00fc}\"; DROP TABLE images; --".to_owned()),
        status: Status::Active,
        visibility: Visibility::Community,
        protected: true,
        os_hidden: true,
        owner: Some("proj-z".to_owned()),
        disk_format: Some("qcow2".to_owned()),
        container_format: Some("ovf".to_owned()),
        min_disk: i32::MAX,
        min_ram: 512,
        size: Some(1 << 40),
        virtual_size: Some((1 << 40) + 1),
        checksum: Some("781e5e245d69b566979b86e28d23f2c7".to_owned()),
        os_hash_algo: Some("sha512".to_owned()),
        os_hash_value: Some("ab".repeat(64)),
        created_at: at(-100),
        updated_at: at(-50),
        properties: pairs(&[("z", "last first"), ("a", ""), ("hw_disk_bus", "scsi")]),
        tags: texts(&["two", "one"]),
        locations: vec![location("file:///a", "fast"), location("swift://b", "cheap")],
        ..image()
    }
}

async fn every_field_survives_the_way_through_the_database() {
    let bench = Bench::new().await;
    let mut expected = rich();
    let changed = bench.db.image_create(&expected).await.unwrap();
    assert_eq!((changed.seq, changed.restricting), (Seq(1), false));
    add_member(&bench.dir, expected.id, "proj-m", "pending").await;
    expected.members = texts(&["proj-m"]);
    expected.seq = Seq(1);
    assert_eq!(bench.db.image_get(expected.id).await.unwrap(), Some(expected.clone()));
    let listed = ListQuery {
        os_hidden: true,
        visibility: controlplane_db::VisibilityFilter::All,
        ..ListQuery::newest(Context::unauthenticated(), 5)
    };
    assert_eq!(bench.db.image_list(&listed).await.unwrap().images, [expected]);

    let other_case = ImageId::parse("71c675ab-d94f-49cd-a114-e12490b328d9").unwrap();
    let found = bench.db.image_get(other_case).await.unwrap();
    assert_eq!(found.is_some(), folds_case(), "ids are text");
}

#[tokio::test]
async fn rows_stand_as_sqlalchemy_writes_them() {
    let bench = Bench::new().await;
    bench.db.image_create(&with_fractions()).await.unwrap();
    let check = async |query: &str, expected: &str| {
        assert_eq!(bench.dir.text(query).await, expected, "{query}");
    };
    check("SELECT created_at FROM images", "2026-11-21 08:42:51.881440").await;
    check("SELECT updated_at FROM images", "2026-11-21 08:43:41.000001").await;
    check("SELECT typeof(created_at) || typeof(protected) FROM images", "textinteger").await;
    check("SELECT deleted || protected || os_hidden FROM images", "011").await;
    check("SELECT deleted_at FROM images", "NULL").await;
    check("SELECT group_concat(name ORDER BY id) FROM image_properties", "z,a,hw_disk_bus").await;
    check("SELECT meta_data FROM image_locations LIMIT 1", "{\"store\": \"fast\"}").await;
    check("SELECT status || deleted FROM image_locations LIMIT 1", "active0").await;
}

/// An image whose times have fractions of a second.
fn with_fractions() -> Image {
    let after = Duration::microseconds;
    Image { created_at: at(-100) + after(881_440), updated_at: at(-50) + after(1), ..rich() }
}

async fn fractions_of_seconds_are_kept_as_far_as_glance_keeps_them() {
    let bench = Bench::new().await;
    let given = with_fractions();
    bench.db.image_create(&given).await.unwrap();
    let found = bench.db.image_get(given.id).await.unwrap().unwrap();
    let expected = if Kind::current() == Kind::Mariadb { rich() } else { given };
    assert_eq!((found.created_at, found.updated_at), (expected.created_at, expected.updated_at));
}

async fn a_stored_null_is_an_empty_text_and_a_missing_update_time_the_creation() {
    let bench = Bench::new().await;
    let given = Image { properties: pairs(&[("a", "1")]), owner: Some(String::new()), ..image() };
    bench.db.image_create(&given).await.unwrap();
    bench.dir.run("UPDATE image_properties SET value = NULL").await;
    bench.dir.run("UPDATE images SET updated_at = NULL").await;
    let found = bench.db.image_get(given.id).await.unwrap().unwrap();
    assert_eq!(found.properties, pairs(&[("a", "")]));
    assert_eq!(found.updated_at, given.created_at);
    assert_eq!(found.owner, None, "an empty owner is none");
}

async fn an_id_is_used_once_even_if_its_image_is_deleted() {
    let bench = Bench::new().await;
    let given = image();
    bench.db.image_create(&given).await.unwrap();
    let duplicate = |result| assert!(matches!(result, Err(CreateError::Duplicate)), "{result:?}");
    duplicate(bench.db.image_create(&given).await);
    bench.db.image_delete(given.id, at(1)).await.unwrap();
    duplicate(bench.db.image_create(&given).await);
    assert_eq!(bench.db.head().await.unwrap(), Seq(2), "a refusal takes no number");
}

/// Saves what a closure makes of the image as it is.
async fn save(bench: &Bench, id: ImageId, change: impl Fn(&mut Image)) -> bool {
    let mut image = bench.db.image_get(id).await.unwrap().unwrap();
    change(&mut image);
    let update = ImageUpdate { image: &image, from_status: None, unchanged_since: None };
    bench.db.image_update(update, at(9)).await.unwrap().changed.restricting
}

async fn a_save_reuses_rows_of_properties_and_not_of_tags() {
    let bench = Bench::new().await;
    let given = Image {
        properties: pairs(&[("a", "1"), ("b", "2"), ("c", "3")]),
        tags: texts(&["x", "y"]),
        ..image()
    };
    let id = given.id;
    bench.db.image_create(&given).await.unwrap();
    let check = async |query: &str, expected: &str| {
        assert_eq!(bench.dir.text(query).await, expected, "{query}");
    };
    let properties =
        "SELECT group_concat(id || name || value || deleted ORDER BY id) FROM image_properties";
    let tags = "SELECT group_concat(id || value || deleted ORDER BY id) FROM image_tags";

    save(&bench, id, |image| {
        image.properties = pairs(&[("a", "1"), ("c", "4"), ("d", "5")]);
        image.tags = texts(&["y", "z", "z"]);
    })
    .await;
    check(properties, "1a10,2b21,3c40,4d50").await;
    check(tags, "1x1,2y0,3z0").await;
    check("SELECT deleted_at FROM image_properties WHERE name = 'b'", "2026-11-21 08:44:40").await;
    let found = bench.db.image_get(id).await.unwrap().unwrap();
    assert_eq!(found.properties, pairs(&[("a", "1"), ("c", "4"), ("d", "5")]));
    assert_eq!((found.tags, found.updated_at), (texts(&["y", "z"]), at(9)));

    save(&bench, id, |image| {
        image.properties = pairs(&[("b", "6")]);
        image.tags = texts(&["x"]);
    })
    .await;
    check(properties, "1a11,2b60,3c41,4d51").await;
    check(tags, "1x1,2y1,3z1,4x0").await;
}

async fn the_import_lock_is_not_a_saves_business() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    bench
        .dir
        .run(&format!(
            "INSERT INTO image_properties (image_id, name, value, created_at, deleted) \
             VALUES ('{id}', 'os_glance_import_task', 't1', '2026-11-21 08:44:31', FALSE)"
        ))
        .await;
    save(&bench, id, |image| image.properties.clear()).await;
    let lock = "SELECT value || deleted FROM image_properties";
    assert_eq!(bench.dir.text(lock).await, "t10");
    save(&bench, id, |image| image.properties = pairs(&[("os_glance_import_task", "t2")])).await;
    assert_eq!(bench.dir.text(lock).await, "t10");
}

async fn a_save_restricts_exactly_when_somebody_may_lose_access() {
    let bench = Bench::new().await;
    let check = async |from: Visibility, to: Visibility, owner: &str, expected: bool| {
        let given = Image { visibility: from, ..image() };
        bench.db.image_create(&given).await.unwrap();
        let restricting = save(&bench, given.id, |image| {
            image.visibility = to;
            image.owner = Some(owner.to_owned());
        })
        .await;
        assert_eq!(restricting, expected, "{from} to {to}, owner {owner}");
    };
    check(Visibility::Public, Visibility::Public, "proj-a", false).await;
    check(Visibility::Public, Visibility::Private, "proj-a", true).await;
    check(Visibility::Community, Visibility::Shared, "proj-a", true).await;
    check(Visibility::Shared, Visibility::Private, "proj-a", true).await;
    check(Visibility::Private, Visibility::Public, "proj-a", false).await;
    check(Visibility::Shared, Visibility::Shared, "proj-b", true).await;
    check(Visibility::Public, Visibility::Public, "proj-b", false).await;
}

async fn a_save_without_a_status_leaves_alone_what_uploads_set() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    let stale = bench.db.image_get(id).await.unwrap().unwrap();
    bench.dir.run("UPDATE images SET status = 'active', size = 7, checksum = 'abc'").await;
    let update = ImageUpdate { image: &stale, from_status: None, unchanged_since: None };
    bench.db.image_update(update, at(9)).await.unwrap();
    let found = bench.db.image_get(id).await.unwrap().unwrap();
    assert_eq!((found.status, found.size), (Status::Active, Some(7)));
    assert_eq!(found.checksum.as_deref(), Some("abc"));
}

async fn a_save_from_a_status_takes_place_only_in_it() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    let mut changed = bench.db.image_get(id).await.unwrap().unwrap();
    changed.status = Status::Active;
    changed.size = Some(5);
    changed.locations = vec![location("file:///1", "fast"), location("file:///2", "cheap")];
    let update =
        ImageUpdate { image: &changed, from_status: Some(Status::Queued), unchanged_since: None };
    bench.db.image_update(update, at(1)).await.unwrap();
    let again = bench.db.image_update(update, at(2)).await;
    assert!(matches!(again, Err(UpdateError::Conflict(Status::Active))), "{again:?}");

    // Taking a location out orders its bytes away; changing metadata makes a new row.
    changed.locations = vec![ImageLocation {
        url: "file:///2".to_owned(),
        metadata: "{\"store\": \"cheap\", \"note\": 1}".to_owned(),
    }];
    let update =
        ImageUpdate { image: &changed, from_status: Some(Status::Active), unchanged_since: None };
    let done = bench.db.image_update(update, at(3)).await.unwrap();
    assert!(done.changed.restricting);
    let ordered: Vec<_> =
        done.reclaims.iter().map(|order| (order.store.as_str(), order.url.as_str())).collect();
    assert_eq!(ordered, [("fast", "file:///1")]);
    let rows = "SELECT group_concat(id || status || deleted ORDER BY id) FROM image_locations";
    assert_eq!(bench.dir.text(rows).await, "1deleted1,2deleted1,3active0");
    let found = bench.db.image_get(id).await.unwrap().unwrap();
    assert_eq!(found.locations, changed.locations);

    changed.status = Status::Deactivated;
    let update =
        ImageUpdate { image: &changed, from_status: Some(Status::Active), unchanged_since: None };
    assert!(bench.db.image_update(update, at(4)).await.unwrap().changed.restricting);
}

async fn locations_come_behind_those_that_stay_and_in_order_where_all_are_new() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    let mut image = bench.db.image_get(id).await.unwrap().unwrap();
    image.status = Status::Active;
    let mut from = Status::Queued;
    let mut check = async |wanted: [(&str, &str); 2], expected: [(&str, &str); 2]| {
        image.locations = wanted.map(|(url, store)| location(url, store)).to_vec();
        let update = ImageUpdate { image: &image, from_status: Some(from), unchanged_since: None };
        let done = bench.db.image_update(update, at(1)).await.unwrap();
        assert_eq!(done.reclaims, []);
        from = Status::Active;
        let found = bench.db.image_get(id).await.unwrap().unwrap().locations;
        assert_eq!(found, expected.map(|(url, store)| location(url, store)));
    };
    check([("http://a", "x"), ("http://a", "y")], [("http://a", "x"), ("http://a", "y")]).await;
    check([("http://b", "x"), ("http://a", "y")], [("http://a", "y"), ("http://b", "x")]).await;
    check([("http://b", "z"), ("http://a", "y")], [("http://b", "z"), ("http://a", "y")]).await;
}

async fn a_save_does_not_overwrite_what_it_has_not_seen() {
    let bench = Bench::new().await;
    let id = bench.queued().await;
    let loaded = bench.db.image_get(id).await.unwrap().unwrap();
    save(&bench, id, |image| image.name = Some("theirs".to_owned())).await;
    let ours = Image { name: Some("ours".to_owned()), ..loaded.clone() };
    let update = ImageUpdate { image: &ours, from_status: None, unchanged_since: Some(loaded.seq) };
    let result = bench.db.image_update(update, at(9)).await;
    assert!(matches!(result, Err(UpdateError::Stale)), "{result:?}");
    let fresh = bench.db.image_get(id).await.unwrap().unwrap();
    let update = ImageUpdate { unchanged_since: Some(fresh.seq), ..update };
    bench.db.image_update(update, at(9)).await.unwrap();

    bench.db.image_delete(id, at(10)).await.unwrap();
    let result = bench.db.image_update(update, at(11)).await;
    assert!(matches!(result, Err(UpdateError::Gone)), "{result:?}");
}

async fn a_deletion_stamps_everything_and_orders_the_bytes_away() {
    let bench = Bench::new().await;
    let given = Image { protected: false, ..rich() };
    let id = given.id;
    bench.db.image_create(&given).await.unwrap();
    add_member(&bench.dir, id, "proj-m", "accepted").await;
    let deleted = bench.db.image_delete(id, at(5)).await.unwrap();
    assert!(deleted.changed.restricting);
    assert_eq!(deleted.image.tags, given.tags);
    let ordered: Vec<_> =
        deleted.reclaims.iter().map(|order| (order.order, order.url.as_str())).collect();
    assert_eq!(ordered, [(1, "file:///a"), (2, "swift://b")]);
    assert_eq!(bench.db.reclaims(10).await.unwrap(), deleted.reclaims);
    assert_eq!(bench.db.image_get(id).await.unwrap(), None);
    assert_eq!(bench.db.record(id).await.unwrap().image, None);

    let row = "SELECT status || deleted || deleted_at FROM images";
    assert_eq!(bench.dir.text(row).await, "deleted12026-11-21 08:44:36");
    for table in ["image_properties", "image_tags", "image_locations", "image_members"] {
        let living = format!("SELECT count(*) FROM {table} WHERE deleted = FALSE");
        assert_eq!(bench.dir.text(&living).await, "0", "{table}");
        let stamped = format!("SELECT max(deleted_at) FROM {table}");
        assert_eq!(bench.dir.text(&stamped).await, "2026-11-21 08:44:36", "{table}");
    }
    let gone = bench.db.image_delete(id, at(6)).await;
    assert!(matches!(gone, Err(DeleteError::Gone)), "{gone:?}");
}

async fn a_protected_image_stays_with_all_it_has() {
    let bench = Bench::new().await;
    bench.db.image_create(&rich()).await.unwrap();
    let refused = bench.db.image_delete(rich().id, at(5)).await;
    assert!(matches!(refused, Err(DeleteError::Protected)), "{refused:?}");
    assert_eq!(bench.db.head().await.unwrap(), Seq(1));
    let found = bench.db.image_get(rich().id).await.unwrap();
    assert_eq!(found, Some(Image { seq: Seq(1), ..rich() }));
}

async fn an_order_is_forgotten_once_and_its_number_not_used_again() {
    let bench = Bench::new().await;
    let delete = async || {
        let given = Image { locations: vec![location("file:///a", "")], ..image() };
        bench.db.image_create(&given).await.unwrap();
        bench.db.image_delete(given.id, at(5)).await.unwrap().reclaims[0].order
    };
    let first = delete().await;
    assert!(bench.db.reclaim_done(first).await.unwrap());
    assert!(!bench.db.reclaim_done(first).await.unwrap());
    assert!(delete().await > first);
    assert!(!bench.db.reclaim_done(u64::MAX).await.unwrap());
    assert_eq!(bench.db.reclaims(10).await.unwrap().len(), 1);
}

controlplane_testing::on_every_database!(
    locations_come_behind_those_that_stay_and_in_order_where_all_are_new,
    fractions_of_seconds_are_kept_as_far_as_glance_keeps_them,
    every_field_survives_the_way_through_the_database,
    a_stored_null_is_an_empty_text_and_a_missing_update_time_the_creation,
    an_id_is_used_once_even_if_its_image_is_deleted,
    a_save_reuses_rows_of_properties_and_not_of_tags,
    the_import_lock_is_not_a_saves_business,
    a_save_restricts_exactly_when_somebody_may_lose_access,
    a_save_without_a_status_leaves_alone_what_uploads_set,
    a_save_from_a_status_takes_place_only_in_it,
    a_save_does_not_overwrite_what_it_has_not_seen,
    a_deletion_stamps_everything_and_orders_the_bytes_away,
    a_protected_image_stays_with_all_it_has,
    an_order_is_forgotten_once_and_its_number_not_used_again,
);
