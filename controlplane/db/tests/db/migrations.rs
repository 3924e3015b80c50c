//! From one revision to another, and what is purged.

use controlplane_db::metadefs::files::{Loaded, Merge};
use controlplane_db::migrations::{MigrateError, Pending, Phase};
use controlplane_db::{Database, PURGED, Purge, PurgeError, Upkeep};
use controlplane_domain::metadefs::NamespaceFile;

use controlplane_testing::Place;

use crate::harness::{Bench, at, image};
use crate::schema::{describe, glance_tables};

async fn upkeep(dir: &Place) -> Upkeep {
    Upkeep::connect(&dir.url()).await.unwrap()
}

/// A database as Glance 27 (2023.2) left it.
async fn older() -> (Place, Upkeep) {
    let dir = Place::new().await;
    let upkeep = upkeep(&dir).await;
    assert_eq!(upkeep.upgrade("2023_1_contract01").await.unwrap(), ["2023_1_contract01"]);
    (dir, upkeep)
}

async fn an_empty_database_is_expanded_and_contracted_to_the_head() {
    let dir = Place::new().await;
    let upkeep = upkeep(&dir).await;
    assert_eq!(upkeep.pending().await.unwrap(), Pending::Expand);
    let before = upkeep.migrate().await;
    assert!(matches!(before, Err(MigrateError::First(Pending::Expand))), "{before:?}");
    let heads = ["2023_1_contract01", "2024_1_expand01"].map(str::to_owned).to_vec();
    let expanded = Phase::Upgraded { to: "2024_1_expand01", heads };
    assert_eq!(upkeep.expand().await.unwrap(), expanded);
    assert_eq!(upkeep.expand().await.unwrap(), Phase::NothingToDo);
    assert_eq!(upkeep.migrate().await.unwrap(), Phase::NothingToDo);
    let heads = vec!["2024_1_contract01".to_owned()];
    let contracted = Phase::Upgraded { to: "2024_1_contract01", heads };
    assert_eq!(upkeep.contract().await.unwrap(), contracted);
    assert_eq!(upkeep.contract().await.unwrap(), Phase::UpToDate);
    assert_eq!(upkeep.pending().await.unwrap(), Pending::Nothing);
    assert_eq!(describe(&dir).await, glance_tables());
}

async fn every_older_revision_leads_to_the_same_tables() {
    for revision in ["pike_contract01", "rocky_contract01", "wallaby_expand01", "zed_contract01"] {
        let dir = Place::new().await;
        let upkeep = upkeep(&dir).await;
        upkeep.upgrade(revision).await.unwrap();
        let tables = describe(&dir).await;
        assert!(!tables.contains("cached_images"), "{revision}");
        let has_hash = tables.contains("os_hash_value");
        assert_eq!(has_hash, !["pike_contract01", "rocky_contract01"].contains(&revision));
        assert_eq!(upkeep.upgrade("heads").await.unwrap(), ["2024_1_contract01"], "{revision}");
        assert_eq!(describe(&dir).await, glance_tables(), "{revision}");
    }
}

async fn a_service_works_through_the_phases() {
    let (dir, upkeep) = older().await;
    let db = Database::connect(&dir.url()).await.unwrap();
    let works = async || {
        let new = image();
        db.image_create(&new).await.unwrap();
        db.image_delete(new.id, at(1)).await.unwrap();
    };
    works().await;
    upkeep.expand().await.unwrap();
    works().await;
    assert_eq!(upkeep.pending().await.unwrap(), Pending::Contract);
    upkeep.migrate().await.unwrap();
    works().await;
    upkeep.contract().await.unwrap();
    works().await;
    assert_eq!(upkeep.heads().await.unwrap(), ["2024_1_contract01"]);
}

async fn data_of_an_old_release_moves_before_contraction() {
    let dir = Place::new().await;
    let upkeep = upkeep(&dir).await;
    upkeep.upgrade("rocky_contract02").await.unwrap();
    dir.run(
        "INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram) VALUES \
         ('a', 'active', '2019-01-01', FALSE, 0, 0), ('b', 'active', '2019-01-01', FALSE, 0, 0), \
         ('c', 'active', '2019-01-01', FALSE, 0, 0)",
    )
    .await;
    dir.run(
        "INSERT INTO image_locations (image_id, value, created_at, deleted, meta_data) VALUES \
         ('a', 'file:///a', '2019-01-01', FALSE, '{\"backend\": \"fast\"}'), \
         ('b', 'file:///b', '2019-01-01', FALSE, '{}'), ('c', 'file:///c', '2019-01-01', FALSE, NULL)",
    )
    .await;
    upkeep.expand().await.unwrap();
    assert_eq!(upkeep.pending().await.unwrap(), Pending::Migrate);
    let early = upkeep.contract().await;
    assert!(matches!(early, Err(MigrateError::First(Pending::Migrate))), "{early:?}");
    assert_eq!(upkeep.migrate().await.unwrap(), Phase::Migrated(1));
    assert_eq!(upkeep.pending().await.unwrap(), Pending::Contract);
    upkeep.contract().await.unwrap();
    let moved =
        dir.text("SELECT group_concat(meta_data ORDER BY value) FROM image_locations").await;
    assert_eq!(moved, "{\"store\": \"fast\"},{}");
}

async fn what_cannot_be_migrated_is_left_alone() {
    let check = async |statements: &[&str], expected: &str| {
        let dir = Place::new().await;
        for statement in statements {
            dir.run(statement).await;
        }
        let found = upkeep(&dir).await.upgrade("heads").await.unwrap_err().to_string();
        assert!(found.contains(expected), "{found}");
    };
    let table = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)";
    check(&[table, "INSERT INTO alembic_version VALUES ('mitaka02')"], "at mitaka02").await;
    let newer = "INSERT INTO alembic_version VALUES ('2031_1_contract01')";
    check(&[table, newer], "Can't locate revision identified by '2031_1_contract01'").await;
    check(&["CREATE TABLE songs (title TEXT)"], "no Alembic revision").await;
}

async fn a_revision_can_be_stated() {
    let dir = Place::new().await;
    let upkeep = upkeep(&dir).await;
    for (target, expected) in [
        ("2023_1_contract01", &["2023_1_contract01"][..]),
        ("2024_1_expand01", &["2023_1_contract01", "2024_1_expand01"]),
        ("2023_1_expand01", &["2023_1_expand01"]),
        ("liberty", &["liberty"]),
        ("heads", &["2024_1_contract01"]),
    ] {
        upkeep.version_control(target).await.unwrap();
        assert_eq!(upkeep.heads().await.unwrap(), expected, "{target}");
    }
    assert!(upkeep.version_control("nonsense").await.is_err());
}

/// How many rows of each table go.
async fn purge(upkeep: &Upkeep, day: i64, most: Option<u32>) -> Vec<u64> {
    let mut gone = Vec::new();
    for table in PURGED {
        gone.push(upkeep.purge(table, at(day * 86_400), most).await.unwrap());
    }
    gone
}

async fn old_rows_go_and_young_ones_stay() {
    let bench = Bench::new().await;
    let mut images = Vec::new();
    for day in 0..3 {
        let mut new = image();
        new.tags = vec!["a".to_owned(), "b".to_owned()];
        new.properties = vec![("p".to_owned(), "v".to_owned())];
        bench.db.image_create(&new).await.unwrap();
        bench.db.image_delete(new.id, at(day * 86_400)).await.unwrap();
        images.push(new.id);
        let stamp = format!("2026-11-{} 08:44:31.000000", 21 + day);
        bench.dir.run(&format!(
            "INSERT INTO tasks (id, type, status, owner, created_at, deleted_at, deleted) VALUES \
             ('{day}', 'import', 'success', 'o', '2026-11-01', '{stamp}', TRUE)"
        )).await;
        bench.dir.run(&format!("INSERT INTO task_info (task_id) VALUES ('{day}')")).await;
    }
    let living = bench.queued().await;
    // As Glance leaves a property that was removed and put back.
    bench
        .dir
        .run(&format!(
            "INSERT INTO image_properties (image_id, name, value, created_at, deleted_at, deleted) \
             VALUES ('{living}', 'back', 'v', '2026-11-01', '2026-11-02', FALSE)"
        ))
        .await;
    let upkeep = upkeep(&bench.dir).await;
    // Nothing was deleted before the first day.
    assert_eq!(purge(&upkeep, -1, None).await, [0; 6]);
    assert_eq!(purge(&upkeep, 2, Some(1)).await, [1, 1, 1, 0, 0, 1]);
    assert_eq!(purge(&upkeep, 2, None).await, [1, 1, 3, 0, 0, 1]);
    assert_eq!(purge(&upkeep, 2, None).await, [0; 6]);
    // The outbox still tells of them.
    assert_eq!(upkeep.purge(Purge::Images, at(172_800), None).await.unwrap(), 0);
    bench.db.trim(at(400 * 86_400)).await.unwrap();
    bench.queued().await;
    bench.db.trim(at(400 * 86_400)).await.unwrap();
    assert_eq!(upkeep.purge(Purge::Images, at(172_800), Some(1)).await.unwrap(), 1);
    assert_eq!(upkeep.purge(Purge::Images, at(172_800), None).await.unwrap(), 1);
    // The third has children.
    let referenced = upkeep.purge(Purge::Images, at(999_999), None).await;
    assert!(
        matches!(referenced, Err(PurgeError::Referenced("image_properties"))),
        "{referenced:?}"
    );
    assert_eq!(bench.dir.text("SELECT count(*) FROM images").await, "3");
    let living = bench.db.image_get(living).await.unwrap().unwrap();
    assert_eq!(living.properties, [("back".to_owned(), "v".to_owned())]);
    assert!(bench.db.image_get(images[2]).await.unwrap().is_none());
}

/// A namespace with one of everything; `word` is what is said of each.
fn namespace(word: &str) -> NamespaceFile {
    let text = format!(
        r#"{{"namespace": "OS::A", "description": "{word}", "protected": true,
            "resource_type_associations": [{{"name": "OS::Type", "prefix": "{word}"}}],
            "properties": {{"p": {{"title": "{word}", "unknown": 1}}}},
            "objects": [{{"name": "o", "description": "{word}"}}],
            "tags": [{{"name": "t"}}, {{"name": "{word}"}}]}}"#
    );
    NamespaceFile::read(&text).unwrap()
}

async fn files_of_metadefs_are_merged_as_asked() {
    let bench = Bench::new().await;
    let upkeep = upkeep(&bench.dir).await;
    let (old, new) = (namespace("old"), namespace("new"));
    let load = async |file: &NamespaceFile, merge: Merge| {
        upkeep.metadefs_load(file, merge, at(0)).await.unwrap()
    };
    assert_eq!(load(&old, Merge::Skip).await, Loaded::Written);
    assert_eq!(upkeep.metadefs_export().await.unwrap(), std::slice::from_ref(&old));
    assert_eq!(load(&new, Merge::Skip).await, Loaded::Skipped);
    assert_eq!(upkeep.metadefs_export().await.unwrap(), std::slice::from_ref(&old));
    assert_eq!(load(&new, Merge::Add).await, Loaded::Written);
    let tags = ["t", "old", "new"].map(str::to_owned).to_vec();
    assert_eq!(
        upkeep.metadefs_export().await.unwrap(),
        [NamespaceFile { tags: tags.clone(), ..old }]
    );
    load(&new, Merge::PreferNew).await;
    assert_eq!(upkeep.metadefs_export().await.unwrap(), [NamespaceFile { tags, ..new.clone() }]);
    assert_eq!(load(&new, Merge::Overwrite).await, Loaded::Overwritten);
    assert_eq!(upkeep.metadefs_export().await.unwrap(), [new]);
    let types = "SELECT group_concat(name || protected) FROM metadef_resource_types";
    assert_eq!(bench.dir.text(types).await, "OS::Type1");
    upkeep.metadefs_unload().await.unwrap();
    assert_eq!(upkeep.metadefs_export().await.unwrap(), []);
    assert_eq!(bench.dir.text(types).await, "NULL");
}

controlplane_testing::on_every_database!(
    an_empty_database_is_expanded_and_contracted_to_the_head,
    every_older_revision_leads_to_the_same_tables,
    a_service_works_through_the_phases,
    data_of_an_old_release_moves_before_contraction,
    what_cannot_be_migrated_is_left_alone,
    a_revision_can_be_stated,
    old_rows_go_and_young_ones_stay,
    files_of_metadefs_are_merged_as_asked,
);
