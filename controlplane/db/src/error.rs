//! What can go wrong between this service and its database, and whether trying again may help.
//!
//! Operations have error enums of their own for what their caller can act on; each carries this one
//! for the rest. Which HTTP status that becomes is the caller's matter. Invariant: nothing here
//! shows a database URL, which may hold a password.

use std::time::Duration;

use glint_image::limits;

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
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(source) => {
                // SQLite's extended result code; its low byte is the primary one (sqlite3.h).
                let code: Option<i32> = source.code().and_then(|code| code.parse().ok());
                match code.map(|code| code & 0xff) {
                    // SQLITE_BUSY, SQLITE_LOCKED.
                    Some(5 | 6) => Self::Contended(error),
                    // SQLITE_NOMEM, _READONLY, _INTERRUPT, _IOERR, _FULL, _CANTOPEN, _PROTOCOL.
                    Some(7 | 8 | 9 | 10 | 13 | 14 | 15) => Self::Unavailable(error),
                    _ => Self::Refused(error),
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            _ => Self::Refused(error),
        }
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
