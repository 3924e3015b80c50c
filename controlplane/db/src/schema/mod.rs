//! The tables: Glance 33's own, and those this service keeps beside them.
//!
//! Decides what a database is when it is opened, and makes the tables of an empty one. Migrating
//! older databases is left to `glance-manage db sync`. Invariant: a database is either empty, or at
//! exactly the Alembic revision this service knows; everything else is refused before a row is
//! read.

mod describe;
mod glance;
mod own;

use sea_query::{Expr, ExprTrait as _, Query};
use uuid::Uuid;

use crate::error::DatabaseError;
use crate::pool::{Shared, Tx};
use crate::text;

/// The Alembic head of Glance 33 (`glance/db/sqlalchemy/alembic_migrations/versions`).
pub const REVISION: &str = "2024_1_contract01";

/// The version of this service's own tables.
pub const OWN_VERSION: i64 = 1;

/// Earlier revisions of Glance's migrations: what stands alone after `glance-manage db sync` of an
/// older release.
const REVISIONS_OLDER: [&str; 28] = [
    "liberty",
    "mitaka01",
    "mitaka02",
    "ocata_expand01",
    "ocata_contract01",
    "pike_expand01",
    "pike_contract01",
    "queens_expand01",
    "queens_contract01",
    "rocky_expand01",
    "rocky_expand02",
    "rocky_contract01",
    "rocky_contract02",
    "train_expand01",
    "train_contract01",
    "ussuri_expand01",
    "ussuri_contract01",
    "wallaby_expand01",
    "wallaby_contract01",
    "xena_expand01",
    "xena_contract01",
    "yoga_expand01",
    "yoga_contract01",
    "zed_expand01",
    "zed_contract01",
    "2023_1_expand01",
    "2023_1_contract01",
    "2024_1_expand01",
];

/// The tables found are not those this service works on.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Made by an older Glance, or in the middle of an upgrade.
    #[error(
        "the database is at the older revision {found}; bring it to {REVISION} with \
         `glance-manage db sync`"
    )]
    Older {
        /// What `alembic_version` holds.
        found: String,
    },
    /// A revision this service has never heard of: a newer Glance, or another program's database.
    #[error(
        "the database is at the unknown revision {found}; this version of Glint works on {REVISION}"
    )]
    Unknown {
        /// What `alembic_version` holds.
        found: String,
    },
    /// There are tables, and none says which revision they are.
    #[error("the database holds tables but no Alembic revision: it is not a catalogue of images")]
    Foreign,
    /// This service's own tables were made by a newer version of it.
    #[error(
        "the glint_ tables are at version {found}; this version of Glint works on {OWN_VERSION}"
    )]
    OwnNewer {
        /// What `glint_catalogue` holds.
        found: i64,
    },
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
crate::error::failure!(SchemaError);

/// Finds out what the database is, makes what is missing, and reads the catalogue's identity.
pub(crate) async fn open(shared: &Shared) -> Result<[u8; 16], SchemaError> {
    crate::error::retried!(attempt(shared))
}

async fn attempt(shared: &Shared) -> Result<[u8; 16], SchemaError> {
    // One transaction under the write lock: two control planes that start at once make the tables
    // once.
    let mut tx = shared.write().await?;
    let tables = tables(&mut tx).await?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    if tables.iter().all(|table| table.starts_with("sqlite_")) {
        for table in glance::TABLES {
            for text in table.definition() {
                tx.define(text).await?;
            }
        }
        let stamp = Query::insert()
            .into_table("alembic_version")
            .columns(["version_num"])
            .values_panic([REVISION.into()])
            .to_owned();
        tx.run(&stamp).await?;
    } else if has("alembic_version") {
        recognise(&mut tx).await?;
    } else {
        return Err(SchemaError::Foreign);
    }
    if !has("glint_catalogue") {
        own::create(&mut tx).await?;
    }
    let catalogue = own_version(&mut tx).await?;
    tx.commit().await?;
    Ok(catalogue)
}

/// Names of the tables there are.
async fn tables(tx: &mut Tx<'_>) -> Result<Vec<String>, DatabaseError> {
    let rows = tx.ask("SELECT name FROM sqlite_master WHERE type = 'table'").await?;
    rows.iter().map(|row| text::text(row, "name")).collect()
}

/// Accepts exactly the one revision this service knows.
async fn recognise(tx: &mut Tx<'_>) -> Result<(), SchemaError> {
    let query = Query::select()
        .column("version_num")
        .from("alembic_version")
        .order_by("version_num", sea_query::Order::Asc)
        .to_owned();
    let mut found = Vec::new();
    for row in tx.rows(&query).await? {
        found.push(text::text(&row, "version_num")?);
    }
    let known =
        |revision: &String| revision == REVISION || REVISIONS_OLDER.contains(&revision.as_str());
    match found.as_slice() {
        [only] if only == REVISION => Ok(()),
        [] => Err(SchemaError::Foreign),
        // Two heads are what an expand without its contract leaves behind.
        heads if heads.iter().all(known) => Err(SchemaError::Older { found: heads.join(", ") }),
        heads => Err(SchemaError::Unknown { found: heads.join(", ") }),
    }
}

/// Checks the version of this service's own tables and reads the catalogue's identity.
async fn own_version(tx: &mut Tx<'_>) -> Result<[u8; 16], SchemaError> {
    let query = Query::select()
        .columns(["id", "version"])
        .from("glint_catalogue")
        .and_where(Expr::col("only").eq(1))
        .to_owned();
    let row = tx.one(&query).await?;
    let found = text::int(&row, "version")?;
    if found != OWN_VERSION {
        return Err(SchemaError::OwnNewer { found });
    }
    let id = text::text(&row, "id")?;
    let id = Uuid::try_parse(&id).map_err(|_| text::damaged("id", &id))?;
    Ok(id.into_bytes())
}
