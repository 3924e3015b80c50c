//! The way into the database: connections, transactions, and the count of statements.
//!
//! What is asked stands in the other modules. SQLite allows one writer, so there is one writing
//! connection, whose queue is the pool's; readers have a pool of their own and, in WAL mode,
//! neither wait for the writer nor make it wait. Invariants: a writing transaction takes the write
//! lock at its first step (`BEGIN IMMEDIATE`), so it cannot lose half-way; a commit that has
//! returned is on the disk (`synchronous=FULL`); a transaction dropped unfinished is rolled back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use glint_image::limits;
use sea_query::{
    DeleteStatement, InsertStatement, SelectStatement, SqliteQueryBuilder, UpdateStatement,
};
use sea_query_sqlx::{SqlxBinder, SqlxValues};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Sqlite, Transaction};

use crate::error::DatabaseError;
use crate::schema::{self, SchemaError};
use crate::url::{Target, UrlError};

/// The catalogue. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Database {
    pub(crate) shared: Arc<Shared>,
}

/// What all clones of a [`Database`] share.
pub(crate) struct Shared {
    writer: SqlitePool,
    readers: SqlitePool,
    statements: AtomicU64,
    catalogue: [u8; 16],
}

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL names nothing this service can open.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// It cannot be opened, or not now.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Its tables are not those this service works on.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// One row of an answer.
pub(crate) type Row = sqlx::sqlite::SqliteRow;

/// A transaction under way.
pub(crate) struct Tx<'d> {
    inner: Transaction<'static, Sqlite>,
    statements: &'d AtomicU64,
}

/// A statement and its parameters. The text comes from sea-query over names of this crate; values
/// travel beside it.
pub(crate) trait Statement {
    /// Text and parameters in SQLite's dialect.
    fn prepared(&self) -> (String, SqlxValues);
}

macro_rules! statement {
    ($($name:ty),+) => {$(
        impl Statement for $name {
            fn prepared(&self) -> (String, SqlxValues) {
                self.build_sqlx(SqliteQueryBuilder)
            }
        }
    )+};
}
statement!(SelectStatement, InsertStatement, UpdateStatement, DeleteStatement);

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("statements", &self.statements()).finish_non_exhaustive()
    }
}

// === impl Database ===

impl Database {
    /// Opens the database behind an SQLAlchemy URL (`sqlite:////var/lib/glance/glance.sqlite`). An
    /// empty one gets its tables; one made by Glance is used as it is, with this service's own
    /// tables beside.
    ///
    /// # Errors
    /// [`ConnectError`]: the URL, the opening, or the tables found.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let mut shared = Shared::open(url).await?;
        shared.catalogue = schema::open(&shared).await?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Opens it and neither asks what it is nor makes anything in it.
    pub(crate) async fn open_as_it_is(url: &str) -> Result<Self, ConnectError> {
        Ok(Self { shared: Arc::new(Shared::open(url).await?) })
    }

    /// The identity of this catalogue: made with its tables, the same for every control plane that
    /// shares them.
    #[must_use]
    pub fn catalogue(&self) -> [u8; 16] {
        self.shared.catalogue
    }

    /// How many statements were run so far, for operators and for tests that a listing costs a
    /// fixed number.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.shared.statements.load(Ordering::Relaxed)
    }

    /// Waits for what is under way and closes every connection.
    pub async fn close(&self) {
        self.shared.readers.close().await;
        self.shared.writer.close().await;
    }

    /// Begins a transaction that writes.
    pub(crate) async fn write(&self) -> Result<Tx<'_>, DatabaseError> {
        self.shared.write().await
    }

    /// Begins a transaction that reads one snapshot.
    pub(crate) async fn read(&self) -> Result<Tx<'_>, DatabaseError> {
        let inner = self.shared.readers.begin().await?;
        Ok(Tx { inner, statements: &self.shared.statements })
    }
}

impl Shared {
    async fn open(url: &str) -> Result<Self, ConnectError> {
        let Target::SqliteFile(path) = Target::parse(url)?;
        let wait = Duration::from_millis(limits::DB_WAIT_MS_MAX);
        // Foreign keys are declared and not enforced: so it is in Glance (oslo.db, `sqlite_fk`
        // False).
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false)
            .busy_timeout(wait);
        let pool = || SqlitePoolOptions::new().acquire_timeout(wait).idle_timeout(None);
        let writer = || {
            let options = options.clone().create_if_missing(true);
            pool().max_connections(1).max_lifetime(None).connect_with(options)
        };
        let writer = patiently(wait, writer).await?;
        let readers = pool()
            .max_connections(limits::DB_READERS_MAX)
            .max_lifetime(None)
            .connect_lazy_with(options.create_if_missing(false).pragma("query_only", "ON"));
        Ok(Self { writer, readers, statements: AtomicU64::new(0), catalogue: [0; 16] })
    }

    pub(crate) async fn write(&self) -> Result<Tx<'_>, DatabaseError> {
        let inner = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Tx { inner, statements: &self.statements })
    }
}

/// Opens until nobody else is in the way: SQLite does not wait by itself where several processes
/// put a new file into WAL mode at once (sqlite.org/wal.html, "Sometimes Queries Return
/// SQLITE_BUSY In WAL Mode").
async fn patiently<F>(
    wait: Duration,
    mut open: impl FnMut() -> F,
) -> Result<SqlitePool, DatabaseError>
where
    F: Future<Output = Result<SqlitePool, sqlx::Error>>,
{
    let deadline = Instant::now() + wait;
    loop {
        match open().await.map_err(DatabaseError::from) {
            Err(DatabaseError::Contended(_)) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(limits::DB_RETRY_WAIT_MS)).await;
            }
            result => return result,
        }
    }
}

// === impl Tx ===

impl Tx<'_> {
    /// All rows of a query.
    pub(crate) async fn rows(
        &mut self,
        query: &SelectStatement,
    ) -> Result<Vec<Row>, DatabaseError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let (text, values) = query.prepared();
        Ok(sqlx::query_with(AssertSqlSafe(text), values).fetch_all(&mut *self.inner).await?)
    }

    /// The first row of a query, if there is one.
    pub(crate) async fn row(
        &mut self,
        query: &SelectStatement,
    ) -> Result<Option<Row>, DatabaseError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let (text, values) = query.prepared();
        Ok(sqlx::query_with(AssertSqlSafe(text), values).fetch_optional(&mut *self.inner).await?)
    }

    /// The row of a query that always has one.
    pub(crate) async fn one(&mut self, query: &SelectStatement) -> Result<Row, DatabaseError> {
        let missing = || DatabaseError::Damaged("a row that is always there is missing".to_owned());
        self.row(query).await?.ok_or_else(missing)
    }

    /// Runs a change; the number of rows it touched.
    pub(crate) async fn run(&mut self, change: &impl Statement) -> Result<u64, DatabaseError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let (text, values) = change.prepared();
        let done = sqlx::query_with(AssertSqlSafe(text), values).execute(&mut *self.inner).await?;
        Ok(done.rows_affected())
    }

    /// Runs a statement without parameters that defines tables. Its text comes from `schema` alone.
    pub(crate) async fn define(&mut self, text: String) -> Result<(), DatabaseError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        sqlx::query(AssertSqlSafe(text)).execute(&mut *self.inner).await?;
        Ok(())
    }

    /// The rows of a fixed question about the database itself (a pragma), which sea-query cannot
    /// spell.
    pub(crate) async fn ask(&mut self, text: &'static str) -> Result<Vec<Row>, DatabaseError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        Ok(sqlx::query(text).fetch_all(&mut *self.inner).await?)
    }

    /// How the database would go about a query.
    #[cfg(test)]
    pub(crate) async fn explain(&mut self, query: &SelectStatement) -> Vec<Row> {
        let (text, values) = query.prepared();
        let text = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
        let rows = sqlx::query_with(text, values).fetch_all(&mut *self.inner).await;
        rows.expect("a query of this crate")
    }

    /// Makes what was written durable and visible; for a reader, ends the snapshot.
    pub(crate) async fn commit(self) -> Result<(), DatabaseError> {
        Ok(self.inner.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::Row as _;

    /// The safety of a commit depends on settings of each connection, so each is asked.
    #[tokio::test]
    async fn what_is_committed_is_on_the_disk() {
        let dir = std::env::temp_dir().join(format!("glint-db-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&dir).expect("a fresh name");
        let url = format!("sqlite:///{}/glance.sqlite", dir.display());
        let db = Database::connect(&url).await.expect("a writable directory");
        let check = async |tx: &mut Tx<'_>, pragma: &'static str, expected: &str| {
            let row = tx.ask(pragma).await.expect("a pragma").remove(0);
            let found: String = row.try_get_unchecked(0).expect("one column");
            assert_eq!(found, expected, "{pragma}");
        };
        let mut writer = db.write().await.expect("a connection");
        check(&mut writer, "PRAGMA journal_mode", "wal").await;
        check(&mut writer, "PRAGMA synchronous", "2").await;
        check(&mut writer, "PRAGMA foreign_keys", "0").await;
        check(&mut writer, "PRAGMA busy_timeout", "5000").await;
        // A reader is served while a writer is at work, and cannot write.
        let mut reader = db.read().await.expect("a connection");
        check(&mut reader, "PRAGMA synchronous", "2").await;
        check(&mut reader, "PRAGMA query_only", "1").await;
        assert!(reader.define("CREATE TABLE t (a TEXT)".to_owned()).await.is_err());
        drop((writer, reader));
        db.close().await;
        std::fs::remove_dir_all(&dir).expect("nobody else has it");
    }
}
