//! What a database is when it is opened.

use controlplane_db::pool::ConnectError;
use controlplane_db::schema::{REVISION, SchemaError};
use controlplane_db::{Database, DatabaseError};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use controlplane_testing::{Kind, Place};

use crate::harness::Bench;

/// The tables of Glance 33 at its head, as its own `glance-manage db sync` makes them: columns,
/// indexes, constraints.
pub(crate) fn glance_tables() -> &'static str {
    match Kind::current() {
        Kind::Sqlite => include_str!("tables/sqlite.txt"),
        Kind::Postgresql => include_str!("tables/postgresql.txt"),
        Kind::Mariadb => include_str!("tables/mariadb.txt"),
    }
}

/// The tables of a database in the form of `glance_tables`, without those of this service.
pub(crate) async fn describe(dir: &Place) -> String {
    let query = match dir.kind() {
        Kind::Sqlite => return describe_file(dir).await,
        Kind::Postgresql => include_str!("tables/postgresql.sql"),
        Kind::Mariadb => include_str!("tables/mariadb.sql"),
    };
    let mut lines = dir.texts(query).await;
    lines.sort();
    lines.join("\n") + "\n"
}

/// The tables of a file.
async fn describe_file(dir: &Place) -> String {
    let mut lines = Vec::new();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' \
                  AND name NOT LIKE 'glint_%' ORDER BY name";
    for table in rows(dir, tables).await {
        let table: String = table.get(0);
        lines.push(table.clone());
        for row in rows(dir, &format!("PRAGMA table_info({table})")).await {
            let mut line = format!("  {} {}", row.get::<String, _>(1), row.get::<String, _>(2));
            if row.get::<i64, _>(3) != 0 {
                line.push_str(" notnull");
            }
            if let Some(preset) = row.get::<Option<String>, _>(4) {
                line.push_str(&format!(" default {preset}"));
            }
            if row.get::<i64, _>(5) != 0 {
                line.push_str(&format!(" pk{}", row.get::<i64, _>(5)));
            }
            lines.push(line);
        }
        let mut indexes = Vec::new();
        for row in rows(dir, &format!("PRAGMA index_list({table})")).await {
            let name: String = row.get(1);
            let columns = rows(dir, &format!("PRAGMA index_info('{name}')")).await;
            let columns: Vec<String> = columns.iter().map(|column| column.get(2)).collect();
            let kind = if row.get::<i64, _>(2) != 0 { "unique" } else { "index" };
            let shown =
                if name.starts_with("sqlite_auto") { String::new() } else { format!("{name} ") };
            indexes.push(format!("  {kind} {shown}({})", columns.join(",")));
        }
        indexes.sort();
        lines.extend(indexes);
        let mut foreign = Vec::new();
        for row in rows(dir, &format!("PRAGMA foreign_key_list({table})")).await {
            let (to, from): (String, String) = (row.get(2), row.get(3));
            foreign.push(format!("  foreign {from} {to}.{}", row.get::<String, _>(4)));
        }
        foreign.sort();
        lines.extend(foreign);
    }
    lines.join("\n") + "\n"
}

/// Rows of a statement on a file.
async fn rows(dir: &Place, text: &str) -> Vec<SqliteRow> {
    let mut raw = dir.sqlite().await;
    let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    rows
}

async fn an_empty_database_gets_glances_tables() {
    let bench = Bench::new().await;
    let found = describe(&bench.dir).await;
    for (found, expected) in found.lines().zip(glance_tables().lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found, glance_tables());
    let revision = bench.dir.text("SELECT group_concat(version_num) FROM alembic_version").await;
    assert_eq!(revision, REVISION);
}

#[tokio::test]
async fn constraints_have_the_names_migrations_refer_to() {
    let bench = Bench::new().await;
    let check = async |table: &str, constraint: &str| {
        let sql = format!("SELECT sql FROM sqlite_master WHERE name = '{table}'");
        let sql = bench.dir.text(&sql).await;
        assert!(sql.contains(&format!("CONSTRAINT \"{constraint}\"")), "{sql}");
    };
    check("alembic_version", "alembic_version_pkc").await;
    check("image_properties", "ix_image_properties_image_id_name").await;
    check("image_members", "image_members_image_id_member_deleted_at_key").await;
    check("cached_images", "ix_cached_images_image_id_node_reference_id").await;
    check("metadef_tags", "uq_metadef_tags_namespace_id_name").await;
}

async fn a_catalogue_keeps_its_identity_and_another_has_another() {
    let bench = Bench::new().await;
    let again = Database::connect(&bench.dir.url()).await.unwrap();
    assert_eq!(bench.db.catalogue(), again.catalogue());
    let other = Bench::new().await;
    assert_ne!(bench.db.catalogue(), other.db.catalogue());
}

/// Opens a database in which only these statements were run.
async fn open_after(statements: &[&str]) -> Result<Database, ConnectError> {
    let dir = Place::new().await;
    for statement in statements {
        dir.run(statement).await;
    }
    Database::connect(&dir.url()).await
}

async fn only_known_revisions_are_used() {
    let table = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)";
    let check = async |revisions: &[&str], expected: &str| {
        let inserts: Vec<String> = revisions
            .iter()
            .map(|revision| format!("INSERT INTO alembic_version VALUES ('{revision}')"))
            .collect();
        let statements: Vec<&str> =
            std::iter::once(table).chain(inserts.iter().map(String::as_str)).collect();
        let found = match open_after(&statements).await {
            Ok(_) => "used".to_owned(),
            Err(ConnectError::Schema(SchemaError::Older { found })) => format!("older {found}"),
            Err(ConnectError::Schema(SchemaError::Unknown { found })) => format!("unknown {found}"),
            Err(ConnectError::Schema(SchemaError::Foreign)) => "foreign".to_owned(),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(found, expected, "{revisions:?}");
    };
    check(&["2024_1_contract01"], "used").await;
    check(&["2023_1_contract01"], "used").await;
    check(&["2024_1_expand01", "2023_1_contract01"], "used").await;
    check(&["wallaby_contract01"], "used").await;
    check(&["ussuri_contract01"], "older ussuri_contract01").await;
    check(&["2024_1_expand01"], "older 2024_1_expand01").await;
    check(&["2031_1_contract01"], "unknown 2031_1_contract01").await;
    check(&[], "foreign").await;
}

async fn tables_of_another_program_are_left_alone() {
    let found = open_after(&["CREATE TABLE songs (title TEXT)"]).await;
    assert!(matches!(found, Err(ConnectError::Schema(SchemaError::Foreign))), "{found:?}");
}

async fn own_tables_of_a_newer_version_are_refused() {
    let bench = Bench::new().await;
    bench.dir.run("UPDATE glint_catalogue SET version = 99").await;
    let found = Database::connect(&bench.dir.url()).await;
    let newer = matches!(found, Err(ConnectError::Schema(SchemaError::OwnNewer { found: 99 })));
    assert!(newer, "{found:?}");
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_an_error_and_not_a_panic() {
    let dir = Place::new().await;
    let url = format!("sqlite:///{}/no/such/dir/glance.sqlite", dir.file().display());
    let found = Database::connect(&url).await;
    let away = matches!(found, Err(ConnectError::Database(DatabaseError::Unavailable(_))));
    assert!(away, "{found:?}");
    std::fs::write(dir.file(), vec![b'x'; 8192]).unwrap();
    assert!(Database::connect(&dir.url()).await.is_err(), "not a database");
}

controlplane_testing::on_every_database!(
    an_empty_database_gets_glances_tables,
    a_catalogue_keeps_its_identity_and_another_has_another,
    only_known_revisions_are_used,
    tables_of_another_program_are_left_alone,
    own_tables_of_a_newer_version_are_refused,
);
