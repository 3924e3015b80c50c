//! The operators' way into a database: at whatever revision it is, without making anything in it.
//!
//! What is done there stands in [`crate::migrations`], [`crate::purge`] and the metadata
//! definitions. Invariant: opening changes nothing and asks for no revision; the tables of this
//! service need not be there.

use crate::pool::{ConnectError, Database};
use crate::statement::Dialect;

/// A database that operators look after.
#[derive(Debug)]
pub struct Upkeep {
    pub(crate) db: Database,
}

impl Upkeep {
    /// Opens the database behind an SQLAlchemy URL; a SQLite file is made where there is none.
    ///
    /// # Errors
    /// [`ConnectError`]: the URL or the opening.
    pub async fn open(url: &str) -> Result<Self, ConnectError> {
        Ok(Self { db: Database::open_as_it_is(url).await? })
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
