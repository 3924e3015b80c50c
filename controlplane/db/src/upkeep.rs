//! The operators' way into a database: at whatever revision it is, without making anything in it.
//!
//! What is done there stands in [`crate::migrations`], [`crate::purge`] and the metadata
//! definitions. Invariant: opening changes nothing and asks for no revision; the tables of this
//! service need not be there.

use crate::pool::{ConnectError, Database, DatabaseOptions};
use crate::statement::Dialect;

/// A database that operators look after.
#[derive(Debug)]
pub struct Upkeep {
    pub(crate) db: Database,
}

impl Upkeep {
    /// Opens the database behind an SQLAlchemy URL with everything else preset, and one attempt; a
    /// SQLite file is made where there is none.
    ///
    /// # Errors
    /// [`ConnectError`]: the URL or the opening.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::open(&DatabaseOptions { attempts_max: Some(1), ..DatabaseOptions::new(url) }).await
    }

    /// Opens a database; one that is away is waited for as the options say.
    ///
    /// # Errors
    /// [`ConnectError`]: the URL or the opening.
    pub async fn open(options: &DatabaseOptions) -> Result<Self, ConnectError> {
        let db = Database::open_as_it_is(options).await?;
        let mut attempts: u32 = 1;
        while let Err(error) = db.read().await.map(drop) {
            if !error.may_pass() || options.attempts_max.is_some_and(|max| attempts >= max) {
                return Err(error.into());
            }
            tracing::warn!(%error, attempts, "the database is away; trying again");
            tokio::time::sleep(options.attempts_apart).await;
            attempts = attempts.saturating_add(1);
        }
        Ok(Self { db })
    }

    /// Whether Glance upgrades this kind of database while services run: SQLite and MySQL
    /// (`glance/cmd/manage.py`, `_validate_engine`).
    #[must_use]
    pub fn can_roll(&self) -> bool {
        self.db.dialect() != Dialect::Postgres
    }

    /// Waits for what is under way and closes every connection.
    pub async fn close(&self) {
        self.db.close().await;
    }
}
