//! What can go wrong between this service and its database, and whether trying again may help.
//!
//! Operations have error enums of their own for what their caller can act on; each carries this one
//! for the rest. Which HTTP status that becomes is the caller's matter. Invariant: nothing here
//! shows a database URL, which may hold a password.

use std::time::Duration;

use glint_image::limits;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;

/// The database did not do its part.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Another writer held what this transaction needed. Retried here, with a bound; then as
    /// `Unavailable`.
    #[error("the database is contended: {0}")]
    Contended(#[source] sqlx::Error),
    /// Away, overloaded, out of space: a later attempt may succeed.
    #[error("the database cannot answer now: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// A statement the database refuses, or an answer of the wrong shape: a fault of this service
    /// or a foreign schema.
    #[error("the database answered what it never should: {0}")]
    Refused(#[source] sqlx::Error),
    /// A value that a column cannot keep, which others can: a client's fault.
    #[error("the database cannot keep a value: {0}")]
    Unfit(#[source] sqlx::Error),
    /// A row that cannot be what this service or Glance wrote.
    #[error("a row of the database is damaged: {0}")]
    Damaged(String),
}

impl DatabaseError {
    /// Whether a later attempt may succeed: 503 for a client, try again for a machine.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Contended(_) | Self::Unavailable(_))
    }

    /// Whether a key that must be free was taken.
    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Refused(sqlx::Error::Database(error)) if error.is_unique_violation())
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(source) => match fate(source.as_ref()) {
                Fate::Contended => Self::Contended(error),
                Fate::Unavailable => Self::Unavailable(error),
                Fate::Unfit => Self::Unfit(error),
                Fate::Refused => Self::Refused(error),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::BeginFailed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            _ => Self::Refused(error),
        }
    }
}

/// What an error of a database means for whoever asked.
enum Fate {
    Contended,
    Unavailable,
    Unfit,
    Refused,
}

fn fate(error: &(dyn sqlx::error::DatabaseError + 'static)) -> Fate {
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return fate_mysql(error.number());
    }
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        return fate_postgres(&code);
    }
    // SQLite's extended result code; its low byte is the primary one (sqlite3.h).
    match code.parse::<i32>().map(|code| code & 0xff) {
        // SQLITE_BUSY, SQLITE_LOCKED.
        Ok(5 | 6) => Fate::Contended,
        // SQLITE_NOMEM, _READONLY, _INTERRUPT, _IOERR, _FULL, _CANTOPEN, _PROTOCOL.
        Ok(7 | 8 | 9 | 10 | 13 | 14 | 15) => Fate::Unavailable,
        _ => Fate::Refused,
    }
}

/// By SQLSTATE (PostgreSQL, Appendix A).
fn fate_postgres(state: &str) -> Fate {
    match state {
        // Serialization failure, deadlock, lock not available.
        "40001" | "40P01" | "55P03" => Fate::Contended,
        // Read-only transaction (a standby), query cancelled, shutdown, crash, cannot connect now,
        // idle in transaction for too long.
        "25006" | "57014" | "57P01" | "57P02" | "57P03" | "25P03" => Fate::Unavailable,
        // A text too long, a number too large, characters this database has not (NUL).
        "22001" | "22003" | "22021" | "22P05" => Fate::Unfit,
        // Connections, resources (disk, memory, too many connections), system errors.
        _ if ["08", "53", "58"].iter().any(|class| state.starts_with(class)) => Fate::Unavailable,
        _ => Fate::Refused,
    }
}

/// By number (mysqld_error.h; MariaDB's above 1900).
fn fate_mysql(number: u16) -> Fate {
    match number {
        // A number too large, characters its columns have not (four bytes), a text too long.
        1264 | 1366 | 1406 => Fate::Unfit,
        // Lock wait timeout, deadlock (also Galera's lost certification), row changed since read.
        1205 | 1213 | 1020 => Fate::Contended,
        // Disk full, memory, too many connections, unknown command (a Galera node not ready),
        // shutdown, table full, read-only, statement interrupted, connection killed, idle for too
        // long, statement timeout.
        1021 | 1037 | 1038 | 1040 | 1047 | 1053 | 1114 | 1203 | 1290 | 1317 | 1792 | 1836
        | 1927 | 1969 | 3024 | 4031 => Fate::Unavailable,
        _ => Fate::Refused,
    }
}

/// An operation's error, seen by the retry loop.
pub(crate) trait Failure {
    /// The database's part in it, if any.
    fn database(&self) -> Option<&DatabaseError>;
}

impl Failure for DatabaseError {
    fn database(&self) -> Option<&DatabaseError> {
        Some(self)
    }
}

/// Implements [`Failure`] for an operation's error enum that has a `Database` variant.
macro_rules! failure {
    ($($name:ty),+) => {$(
        impl $crate::error::Failure for $name {
            fn database(&self) -> Option<&$crate::error::DatabaseError> {
                match self {
                    Self::Database(error) => Some(error),
                    #[allow(unreachable_patterns, reason = "an enum may have no other variant")]
                    _ => None,
                }
            }
        }
    )+};
}
pub(crate) use failure;

/// How often a transaction that lost to another writer is still tried, and how long to wait before
/// it is.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    spent: u32,
}

impl Patience {
    /// Waits and says yes where the failure is contention and attempts are left.
    pub(crate) async fn again(&mut self, failure: Option<&DatabaseError>) -> bool {
        let contended = matches!(failure, Some(DatabaseError::Contended(_)));
        if !contended || self.spent >= limits::DB_ATTEMPTS_MAX - 1 {
            return false;
        }
        self.spent += 1;
        tokio::time::sleep(Duration::from_millis(limits::DB_RETRY_WAIT_MS) * self.spent).await;
        true
    }
}

/// Evaluates an attempt at a transaction until it does not lose to another writer, or patience
/// ends.
macro_rules! retried {
    ($attempt:expr) => {{
        let mut patience = $crate::error::Patience::default();
        loop {
            match $attempt.await {
                Err(error) if patience.again($crate::error::Failure::database(&error)).await => {}
                result => break result,
            }
        }
    }};
}
pub(crate) use retried;
