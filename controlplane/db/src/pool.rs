//! The way into the database: connections, transactions, and the count of statements.
//!
//! What is asked stands in the other modules; how a server is reached, in `servers`. Every database
//! has connections that write and others that read. SQLite allows one writer, so there is one
//! writing connection, whose queue is the pool's; readers, in WAL mode, neither wait for the writer
//! nor make it wait. Invariants: a writing transaction takes the catalogue's write lock at its first
//! step (`BEGIN IMMEDIATE`; elsewhere the counter's row, which every control plane locks) and then
//! reads what is committed, so it neither decides on what was nor loses half-way to another control
//! plane; a reading one sees one snapshot; on SQLite a commit that has returned is on the disk
//! (`synchronous=FULL`), elsewhere as the server is set up; a transaction dropped unfinished is
//! rolled back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use glint_image::limits;
use sea_query::{InsertStatement, SelectStatement};
use sqlx::mysql::MySqlPool;
use sqlx::postgres::PgPool;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, MySql, Postgres, Sqlite, Transaction};

use crate::error::DatabaseError;
pub(crate) use crate::row::Row;
use crate::schema::{self, SchemaError};
use crate::servers;
use crate::statement::{Dialect, NewRows, Prepared, Statement};
use crate::url::{Target, UrlError};

/// The catalogue. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Database {
    pub(crate) shared: Arc<Shared>,
}

/// What all clones of a [`Database`] share.
pub(crate) struct Shared {
    pools: Pools,
    statements: AtomicU64,
    catalogue: [u8; 16],
    /// The tables may be those of anybody, at any revision.
    as_it_is: bool,
}

/// Connections that write, and connections that read.
enum Pools {
    Sqlite { writers: SqlitePool, readers: SqlitePool },
    Postgres { writers: PgPool, readers: PgPool },
    MySql { writers: MySqlPool, readers: MySqlPool },
}

/// How a database is opened: `[database]` of the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseOptions {
    /// `connection`, with its `connection_parameters`. Holds a password.
    pub url: String,
    /// Most connections that read: `max_pool_size` and `max_overflow`; cut to
    /// [`limits::DB_CONNECTIONS_MAX`]. SQLite: [`limits::DB_READERS_MAX`].
    pub connections_max: u32,
    /// Longest wait for a connection: `pool_timeout`.
    pub wait_max: Duration,
    /// Longest life of a connection: `connection_recycle_time`. `None`: without an end.
    pub recycle: Option<Duration>,
    /// Attempts at reaching the server at the start: `max_retries` and one. `None`: for ever.
    pub attempts_max: Option<u32>,
    /// Wait between them: `retry_interval`.
    pub attempts_apart: Duration,
    /// `mysql_sql_mode`. `None`: the server's own.
    pub mysql_sql_mode: Option<String>,
    /// `mysql_wsrep_sync_wait`. `None`: the server's own.
    pub mysql_wsrep_sync_wait: Option<u32>,
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

/// A transaction under way.
pub(crate) struct Tx<'d> {
    inner: Inner,
    writes: bool,
    statements: &'d AtomicU64,
}

/// A transaction of one of the databases.
enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
    MySql(Transaction<'static, MySql>),
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("statements", &self.statements()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for DatabaseOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Everything but the URL, which may hold a password.
        f.debug_struct("DatabaseOptions")
            .field("connections_max", &self.connections_max)
            .finish_non_exhaustive()
    }
}

// === impl Database ===

impl Database {
    /// Opens the database behind an SQLAlchemy URL (`sqlite:////var/lib/glance/glance.sqlite`) with
    /// everything else preset, and one attempt.
    ///
    /// # Errors
    /// [`ConnectError`]: the URL, the opening, or the tables found.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::open(&DatabaseOptions { attempts_max: Some(1), ..DatabaseOptions::new(url) }).await
    }

    /// Opens a database. An empty one gets its tables; one made by Glance is used as it is, with
    /// this service's own tables beside.
    ///
    /// # Errors
    /// [`ConnectError`]: the URL, the opening, or the tables found.
    pub async fn open(options: &DatabaseOptions) -> Result<Self, ConnectError> {
        let mut shared = Shared::open(options).await?;
        let mut attempts: u32 = 1;
        shared.catalogue = loop {
            match schema::open(&shared).await {
                Err(SchemaError::Database(error))
                    if error.may_pass()
                        && options.attempts_max.is_none_or(|max| attempts < max) =>
                {
                    tracing::warn!(%error, attempts, "the database is away; trying again");
                    tokio::time::sleep(options.attempts_apart).await;
                    attempts = attempts.saturating_add(1);
                }
                Err(SchemaError::Database(error)) => return Err(error.into()),
                result => break result?,
            }
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Opens it and neither asks what it is nor makes anything in it.
    pub(crate) async fn open_as_it_is(options: &DatabaseOptions) -> Result<Self, ConnectError> {
        let mut shared = Shared::open(options).await?;
        shared.as_it_is = true;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The identity of this catalogue: made with its tables, the same for every control plane that
    /// shares them.
    #[must_use]
    pub fn catalogue(&self) -> [u8; 16] {
        self.shared.catalogue
    }

    /// Which database answers.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.shared.pools.dialect()
    }

    /// How many statements were run so far, for operators and for tests that a listing costs a
    /// fixed number. What begins and ends a transaction is not counted.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.shared.statements.load(Ordering::Relaxed)
    }

    /// Waits for what is under way and closes every connection.
    pub async fn close(&self) {
        self.shared.pools.close().await;
    }

    /// Begins a transaction that writes.
    pub(crate) async fn write(&self) -> Result<Tx<'_>, DatabaseError> {
        self.shared.write().await
    }

    /// Begins a transaction that reads one snapshot.
    pub(crate) async fn read(&self) -> Result<Tx<'_>, DatabaseError> {
        let inner = match &self.shared.pools {
            Pools::Sqlite { readers, .. } => Inner::Sqlite(readers.begin().await?),
            Pools::Postgres { readers, .. } => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                Inner::Postgres(readers.begin_with(begin).await?)
            }
            Pools::MySql { readers, .. } => {
                Inner::MySql(readers.begin_with("START TRANSACTION READ ONLY").await?)
            }
        };
        Ok(Tx { inner, writes: false, statements: &self.shared.statements })
    }
}

// === impl DatabaseOptions ===

impl DatabaseOptions {
    /// A URL, and the presets of oslo.db.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            connections_max: 55,
            wait_max: Duration::from_millis(limits::DB_WAIT_MS_MAX),
            recycle: Some(Duration::from_secs(3600)),
            attempts_max: Some(11),
            attempts_apart: Duration::from_secs(10),
            mysql_sql_mode: Some("TRADITIONAL".to_owned()),
            mysql_wsrep_sync_wait: None,
        }
    }
}

// === impl Pools ===

impl Pools {
    async fn open(options: &DatabaseOptions) -> Result<Self, ConnectError> {
        match Target::parse(&options.url)? {
            Target::SqliteFile(path) => Ok(Self::open_file(&path).await?),
            Target::Postgres(server) => {
                let (writers, readers) = servers::postgres(&server, options)?;
                Ok(Self::Postgres { writers, readers })
            }
            Target::MySql(server) => {
                let (writers, readers) = servers::mysql(&server, options)?;
                Ok(Self::MySql { writers, readers })
            }
        }
    }

    async fn open_file(path: &std::path::Path) -> Result<Self, DatabaseError> {
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
        let writers = || {
            let options = options.clone().create_if_missing(true);
            pool().max_connections(1).max_lifetime(None).connect_with(options)
        };
        let writers = patiently(wait, writers).await?;
        let readers = pool()
            .max_connections(limits::DB_READERS_MAX)
            .max_lifetime(None)
            .connect_lazy_with(options.create_if_missing(false).pragma("query_only", "ON"));
        Ok(Self::Sqlite { writers, readers })
    }

    fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite { .. } => Dialect::Sqlite,
            Self::Postgres { .. } => Dialect::Postgres,
            Self::MySql { .. } => Dialect::MySql,
        }
    }

    async fn close(&self) {
        match self {
            Self::Sqlite { writers, readers } => {
                readers.close().await;
                writers.close().await;
            }
            Self::Postgres { writers, readers } => {
                readers.close().await;
                writers.close().await;
            }
            Self::MySql { writers, readers } => {
                readers.close().await;
                writers.close().await;
            }
        }
    }
}

// === impl Shared ===

impl Shared {
    async fn open(options: &DatabaseOptions) -> Result<Self, ConnectError> {
        let pools = Pools::open(options).await?;
        let statements = AtomicU64::new(0);
        Ok(Self { pools, statements, catalogue: [0; 16], as_it_is: false })
    }

    /// Begins a transaction that writes, under the write lock.
    pub(crate) async fn write(&self) -> Result<Tx<'_>, DatabaseError> {
        let mut tx = self.begin().await?;
        let is_own = !self.as_it_is || schema::has_own(&mut tx).await?;
        if tx.dialect() != Dialect::Sqlite && is_own {
            let locked = tx.inner.ask("SELECT seq FROM glint_counter FOR UPDATE").await?;
            if locked.len() != 1 {
                let what = "glint_counter has not exactly one row".to_owned();
                return Err(DatabaseError::Damaged(what));
            }
        }
        Ok(tx)
    }

    /// Begins a transaction that makes tables, which the write lock is one of. PostgreSQL: under
    /// the lock of a number. MariaDB and MySQL commit with every statement that makes a table.
    pub(crate) async fn define(&self) -> Result<Tx<'_>, DatabaseError> {
        let mut tx = self.begin().await?;
        if tx.dialect() == Dialect::Postgres {
            // The letters of "glint".
            tx.inner.ask("SELECT pg_advisory_xact_lock(443237527156)").await?;
        }
        Ok(tx)
    }

    async fn begin(&self) -> Result<Tx<'_>, DatabaseError> {
        let inner = match &self.pools {
            Pools::Sqlite { writers, .. } => {
                Inner::Sqlite(writers.begin_with("BEGIN IMMEDIATE").await?)
            }
            // What is read after the lock was taken must be what the lock's last holder wrote.
            Pools::Postgres { writers, .. } => {
                Inner::Postgres(writers.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?)
            }
            // At the level `servers` sets on writing connections: READ COMMITTED too.
            Pools::MySql { writers, .. } => {
                Inner::MySql(writers.begin_with("START TRANSACTION").await?)
            }
        };
        Ok(Tx { inner, writes: true, statements: &self.statements })
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
    /// Which database answers.
    pub(crate) fn dialect(&self) -> Dialect {
        match &self.inner {
            Inner::Sqlite(_) => Dialect::Sqlite,
            Inner::Postgres(_) => Dialect::Postgres,
            Inner::MySql(_) => Dialect::MySql,
        }
    }

    /// All rows of a query.
    pub(crate) async fn rows(
        &mut self,
        query: &SelectStatement,
    ) -> Result<Vec<Row>, DatabaseError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let prepared = query.prepared(self.dialect());
        Ok(self.inner.fetch(prepared).await?)
    }

    /// The first row of a query, if there is one. The query asks for one at most, or a few.
    pub(crate) async fn row(
        &mut self,
        query: &SelectStatement,
    ) -> Result<Option<Row>, DatabaseError> {
        Ok(self.rows(query).await?.into_iter().next())
    }

    /// The first row of a query on one table, locked against every other program as far as this
    /// transaction writes.
    pub(crate) async fn row_to_change(
        &mut self,
        query: &SelectStatement,
    ) -> Result<Option<Row>, DatabaseError> {
        if !self.writes {
            return self.row(query).await;
        }
        // Without effect on SQLite, where the write lock is everybody's.
        self.row(query.clone().lock_exclusive()).await
    }

    /// The row of a query that always has one.
    pub(crate) async fn one(&mut self, query: &SelectStatement) -> Result<Row, DatabaseError> {
        let missing = || DatabaseError::Damaged("a row that is always there is missing".to_owned());
        self.row(query).await?.ok_or_else(missing)
    }

    /// Runs a change; the number of rows it touched, whether or not it made them different.
    pub(crate) async fn run(&mut self, change: &impl Statement) -> Result<u64, DatabaseError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let prepared = change.prepared(self.dialect());
        Ok(self.inner.execute(prepared).await?)
    }

    /// Inserts rows whose keys are free; how many. Where one is taken, the others may be left out
    /// too (MariaDB): fewer than were given means a duplicate.
    pub(crate) async fn insert_new(
        &mut self,
        insert: &InsertStatement,
    ) -> Result<u64, DatabaseError> {
        match self.run(&NewRows(insert)).await {
            Err(error) if self.dialect() == Dialect::MySql && error.is_duplicate() => Ok(0),
            result => result,
        }
    }

    /// Runs a statement without parameters that defines tables. Its text comes from `schema` alone.
    pub(crate) async fn define(&mut self, text: String) -> Result<(), DatabaseError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        Ok(self.inner.define(text).await?)
    }

    /// The rows of a fixed question about the database itself (a pragma), which sea-query cannot
    /// spell.
    pub(crate) async fn ask(&mut self, text: &'static str) -> Result<Vec<Row>, DatabaseError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        Ok(self.inner.ask(text).await?)
    }

    /// How the database would go about a query.
    #[cfg(test)]
    pub(crate) async fn explain(&mut self, query: &SelectStatement) -> Vec<Row> {
        let mut prepared = query.prepared(self.dialect());
        let explain =
            if self.dialect() == Dialect::Sqlite { "EXPLAIN QUERY PLAN" } else { "EXPLAIN" };
        prepared.text = format!("{explain} {}", prepared.text);
        self.inner.fetch(prepared).await.expect("a query of this crate")
    }

    /// Makes what was written durable and visible; for a reader, ends the snapshot.
    pub(crate) async fn commit(self) -> Result<(), DatabaseError> {
        Ok(match self.inner {
            Inner::Sqlite(inner) => inner.commit().await,
            Inner::Postgres(inner) => inner.commit().await,
            Inner::MySql(inner) => inner.commit().await,
        }?)
    }
}

// === impl Inner ===

impl Inner {
    async fn fetch(&mut self, prepared: Prepared) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(tx) => {
                let (text, values) = prepared.for_sqlite();
                let rows = sqlx::query_with(AssertSqlSafe(text), values).fetch_all(&mut **tx);
                rows.await?.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(tx) => {
                let (text, values) = prepared.for_postgres();
                let rows = sqlx::query_with(AssertSqlSafe(text), values).fetch_all(&mut **tx);
                rows.await?.into_iter().map(Row::Postgres).collect()
            }
            Self::MySql(tx) => {
                let (text, values) = prepared.for_mysql();
                let rows = sqlx::query_with(AssertSqlSafe(text), values).fetch_all(&mut **tx);
                rows.await?.into_iter().map(Row::MySql).collect()
            }
        })
    }

    async fn execute(&mut self, prepared: Prepared) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(tx) => {
                let (text, values) = prepared.for_sqlite();
                let query = sqlx::query_with(AssertSqlSafe(text), values);
                query.execute(&mut **tx).await?.rows_affected()
            }
            Self::Postgres(tx) => {
                let (text, values) = prepared.for_postgres();
                let query = sqlx::query_with(AssertSqlSafe(text), values);
                query.execute(&mut **tx).await?.rows_affected()
            }
            Self::MySql(tx) => {
                let (text, values) = prepared.for_mysql();
                let query = sqlx::query_with(AssertSqlSafe(text), values);
                query.execute(&mut **tx).await?.rows_affected()
            }
        })
    }

    async fn define(&mut self, text: String) -> Result<(), sqlx::Error> {
        let text = sqlx::raw_sql(AssertSqlSafe(text));
        match self {
            Self::Sqlite(tx) => text.execute(&mut **tx).await.map(|_| ()),
            Self::Postgres(tx) => text.execute(&mut **tx).await.map(|_| ()),
            Self::MySql(tx) => text.execute(&mut **tx).await.map(|_| ()),
        }
    }

    async fn ask(&mut self, text: &'static str) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(tx) => {
                let rows = sqlx::query(text).fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(tx) => {
                let rows = sqlx::query(text).fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
            Self::MySql(tx) => {
                let rows = sqlx::query(text).fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::MySql).collect()
            }
        })
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
            let Row::Sqlite(row) = row else { panic!("a SQLite file") };
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
