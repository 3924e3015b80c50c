//! Glance's database: its schema, and every query the control plane makes of it.
//!
//! Leaves the rules to `controlplane/domain` (who may, what it costs) and the clock to its caller:
//! whatever stamps a row takes `now`. Invariants: whoever changes an image writes a row of the
//! outbox in the same transaction, its number taken from one counter row, so that numbers never
//! commit out of order; every transition is a compare-and-set on the row's status and epoch;
//! nothing a user sent is ever part of a statement's text.
//!
//! One module per subject: [`images`] (the catalogue), [`members`] (with whom they are shared),
//! [`uploads`] (who may write an image's bytes), `usage` (how many bytes a project takes),
//! [`outbox`] (what changed), [`foreign`] (what others changed), [`nodes`] (which data planes may
//! hold leases), [`reclaims`] (bytes to remove), [`tasks`], [`schema`] (the tables), [`pool`] (the
//! way in), [`upkeep`] (the operators' way in), [`migrations`] (from one revision to another),
//! [`purge`] (what is long deleted).

pub mod error;
pub mod foreign;
pub mod images;
pub mod members;
pub mod metadefs;
pub mod migrations;
pub mod nodes;
pub mod outbox;
pub mod pool;
pub mod purge;
pub mod reclaims;
mod row;
pub mod schema;
mod servers;
mod statement;
pub mod tasks;
mod text;
pub mod upkeep;
pub mod uploads;
pub mod url;
mod usage;

pub use error::DatabaseError;
pub use foreign::Foreign;
pub use images::delete::{DeleteError, Deleted};
pub use images::list::{
    Comparison, Direction, Filter, IntColumn, ListError, ListQuery, MemberStatus, Page, SortKey,
    TextColumn, TimeColumn, VisibilityFilter,
};
pub use images::write::{CreateError, ImageUpdate, UpdateError, Updated};
pub use members::{MemberAddError, MemberChangeError};
pub use nodes::Node;
pub use outbox::{Change, Changed, ChangesError, Record};
pub use pool::{ConnectError, Database, DatabaseOptions};
pub use purge::{PURGED, Purge, PurgeError};
pub use reclaims::Reclaim;
pub use statement::Dialect;
pub use tasks::{TaskColumn, TaskListError, TaskQuery};
pub use text::utc_now;
pub use upkeep::Upkeep;
pub use uploads::{
    AbortOutcome, ClosedUpload, CommitOutcome, OpenUpload, ReserveError, Reserved, Sealed,
    UploadState,
};
