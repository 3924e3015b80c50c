//! The tables: Glance 33's own, and those this service keeps beside them.
//!
//! Decides what a database is when it is opened, and makes the tables of an empty one. Bringing
//! older ones on is left to `crate::migrations`. Invariant: a database is either empty, or at an
//! Alembic revision whose tables have all columns this service asks for; everything else is refused
//! before a row is read.

pub(crate) mod describe;
pub(crate) mod glance;
mod own;

use sea_query::{Expr, ExprTrait as _, Query};
use uuid::Uuid;

use crate::error::DatabaseError;
use crate::migrations::{self, Place};
use crate::pool::{Row, Shared, Tx};
use crate::statement::Dialect;
use crate::text;

/// The Alembic head of Glance 33 (`glance/db/sqlalchemy/alembic_migrations/versions`).
pub const REVISION: &str = "2024_1_contract01";

/// The version of this service's own tables.
pub const OWN_VERSION: i64 = 1;

/// The table that is there where this service has tables of its own.
const OWN: &str = "glint_catalogue";

/// The tables found are not those this service works on.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Made by a Glance before Wallaby, and not expanded since.
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
    // One transaction under a lock: two control planes that start at once make the tables once. On
    // MariaDB and MySQL, which commit each table by itself, every step is one that can be done
    // twice and taken up by another.
    let mut tx = shared.define().await?;
    let tables = tables(&mut tx).await?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    let is_made = has(OWN) && own_row(&mut tx).await?.is_some();
    // This service's tables come first, so that they tell whose tables a half-made database holds.
    let is_half_made = has(OWN) && !is_made && migrations::heads(&mut tx).await?.is_empty();
    if is_half_made || is_empty(&tables) {
        own::create(&mut tx).await?;
        make(&mut tx).await?;
        migrations::stamp(&mut tx, &[], &[REVISION]).await?;
    } else if has("alembic_version") {
        recognise(&mut tx).await?;
        if !is_made {
            own::create(&mut tx).await?;
        }
    } else {
        return Err(SchemaError::Foreign);
    }
    if !is_made {
        own::fill(&mut tx).await?;
    }
    let catalogue = own_version(&mut tx).await?;
    tx.commit().await?;
    Ok(catalogue)
}

/// Whether this service has tables of its own.
pub(crate) async fn has_own(tx: &mut Tx<'_>) -> Result<bool, DatabaseError> {
    Ok(tables(tx).await?.iter().any(|table| table == OWN))
}

/// Whether a database has no tables.
pub(crate) fn is_empty(tables: &[String]) -> bool {
    tables.iter().all(|table| table.starts_with("sqlite_"))
}

/// Makes Glance's tables, without a revision.
pub(crate) async fn make(tx: &mut Tx<'_>) -> Result<(), DatabaseError> {
    for table in glance::TABLES {
        define(tx, &table).await?;
    }
    Ok(())
}

/// Makes the table that Alembic keeps revisions in.
pub(crate) async fn make_version_table(tx: &mut Tx<'_>) -> Result<(), DatabaseError> {
    let [table, ..] = glance::TABLES;
    define(tx, &table).await
}

async fn define(tx: &mut Tx<'_>, table: &describe::Table) -> Result<(), DatabaseError> {
    for text in table.definition(tx.dialect()) {
        tx.define(text).await?;
    }
    Ok(())
}

/// Names of the tables there are.
pub(crate) async fn tables(tx: &mut Tx<'_>) -> Result<Vec<String>, DatabaseError> {
    let rows = tx
        .ask(match tx.dialect() {
            Dialect::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
            Dialect::Postgres => {
                "SELECT tablename AS name FROM pg_catalog.pg_tables \
                 WHERE schemaname = current_schema()"
            }
            Dialect::MySql => {
                "SELECT table_name AS name FROM information_schema.tables \
                 WHERE table_schema = DATABASE()"
            }
        })
        .await?;
    rows.iter().map(|row| text::text(row, "name")).collect()
}

/// Accepts the revisions whose tables have all that this service asks for: it serves while they are
/// upgraded, and looks at none of the parts that an upgrade touches.
async fn recognise(tx: &mut Tx<'_>) -> Result<(), SchemaError> {
    let heads = migrations::heads(tx).await?;
    match Place::of(&heads) {
        Place::At(stage) if stage.is_served() => Ok(()),
        Place::Nowhere => Err(SchemaError::Foreign),
        Place::At(_) | Place::Ancient => Err(SchemaError::Older { found: heads.join(", ") }),
        Place::Unknown(_) => Err(SchemaError::Unknown { found: heads.join(", ") }),
    }
}

/// The row of the catalogue: its identity, and the version of this service's own tables.
async fn own_row(tx: &mut Tx<'_>) -> Result<Option<Row>, DatabaseError> {
    let query = Query::select()
        .columns(["id", "version"])
        .from("glint_catalogue")
        .and_where(Expr::col("only").eq(1))
        .to_owned();
    tx.row(&query).await
}

/// Checks the version of this service's own tables and reads the catalogue's identity.
async fn own_version(tx: &mut Tx<'_>) -> Result<[u8; 16], SchemaError> {
    let row = own_row(tx).await?.ok_or_else(|| text::damaged("only", "no row"))?;
    let found = text::int(&row, "version")?;
    if found != OWN_VERSION {
        return Err(SchemaError::OwnNewer { found });
    }
    let id = text::text(&row, "id")?;
    let id = Uuid::try_parse(&id).map_err(|_| text::damaged("id", &id))?;
    Ok(id.into_bytes())
}
