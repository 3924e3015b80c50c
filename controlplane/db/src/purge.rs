//! Purging: rows that were deleted softly long ago go for good.
//!
//! Which tables in which order, how old and how many at most is left to the caller; Glance does the
//! tables of [`PURGED`] one by one, and images by a command of their own (OSSN-0075). Invariants:
//! no row goes that another still refers to, whether or not the database enforces it; no image goes
//! whose bytes this service has yet to remove, or whose deletion it has yet to tell.

use sea_query::{Expr, ExprTrait as _, Func, Order, Query, SelectStatement};
use time::PrimitiveDateTime;

use crate::error::{DatabaseError, failure, retried};
use crate::pool::Tx;
use crate::schema;
use crate::text;
use crate::upkeep::Upkeep;

/// A table whose rows can be purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// What tasks were given and gave.
    TaskInfo,
    /// Properties of images.
    ImageProperties,
    /// Tags of images.
    ImageTags,
    /// Where images lay.
    ImageLocations,
    /// Whom images were shared with.
    ImageMembers,
    /// Tasks.
    Tasks,
    /// Images.
    Images,
}

/// What `glance-manage db purge` goes through, in its order
/// (`glance/db/sqlalchemy/api.py`, `purge_deleted_rows`).
pub const PURGED: [Purge; 6] = [
    Purge::TaskInfo,
    Purge::ImageProperties,
    Purge::ImageTags,
    Purge::ImageLocations,
    Purge::ImageMembers,
    Purge::Tasks,
];

/// Why nothing was purged from a table.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// Rows of another table refer to some of those that would go.
    #[error("rows of {0} still refer to rows that would go: purge those first")]
    Referenced(&'static str),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
failure!(PurgeError);

// === impl Purge ===

impl Purge {
    /// The table's name.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Self::TaskInfo => "task_info",
            Self::ImageProperties => "image_properties",
            Self::ImageTags => "image_tags",
            Self::ImageLocations => "image_locations",
            Self::ImageMembers => "image_members",
            Self::Tasks => "tasks",
            Self::Images => "images",
        }
    }

    fn key(self) -> &'static str {
        if self == Self::TaskInfo { "task_id" } else { "id" }
    }

    /// Tables whose rows refer to this one's, and by which column.
    fn referring(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Tasks => &[("task_info", "task_id")],
            Self::Images => &[
                ("image_properties", "image_id"),
                ("image_tags", "image_id"),
                ("image_locations", "image_id"),
                ("image_members", "image_id"),
            ],
            _ => &[],
        }
    }

    /// The rows that would go, those deleted first at the front. What tasks were given has no time
    /// of its own and goes by that of its task.
    fn candidates(self, before: PrimitiveDateTime, rows_max: Option<u32>) -> SelectStatement {
        let timed = if self == Self::TaskInfo { "tasks" } else { self.table() };
        let mut query = Query::select();
        query
            .column((timed, "id"))
            .from(timed)
            .and_where(Expr::col((timed, "deleted_at")).lt(text::stamp(before)))
            // Glance leaves the time where a property or a member is put back (`_set_properties_for_image`),
            // and purges such a row although it is in use.
            .and_where(Expr::col((timed, "deleted")).eq(true))
            .order_by((timed, "deleted_at"), Order::Asc);
        if self == Self::TaskInfo {
            let has_info = Query::select().column("task_id").from("task_info").to_owned();
            query.and_where(Expr::col((timed, "id")).in_subquery(has_info));
        }
        if let Some(most) = rows_max {
            query.limit(u64::from(most));
        }
        query
    }
}

impl Upkeep {
    /// Purges rows of one table that were deleted before a time, at most so many; how many went.
    ///
    /// # Errors
    /// [`PurgeError`]; then none of the table went.
    pub async fn purge(
        &self,
        what: Purge,
        before: PrimitiveDateTime,
        rows_max: Option<u32>,
    ) -> Result<u64, PurgeError> {
        retried!(self.try_purge(what, before, rows_max))
    }

    async fn try_purge(
        &self,
        what: Purge,
        before: PrimitiveDateTime,
        rows_max: Option<u32>,
    ) -> Result<u64, PurgeError> {
        let mut tx = self.db.write().await?;
        let mut candidates = what.candidates(before, rows_max);
        if what == Purge::Images && schema::has_own(&mut tx).await? {
            keep_what_is_needed(&mut candidates);
        }
        // A table cannot be read and changed by one statement on MySQL, unless what is read stands
        // in a table of its own.
        let chosen = Query::select().column("id").from_subquery(candidates, "chosen").to_owned();
        for (table, column) in what.referring() {
            if refers(&mut tx, table, column, chosen.clone()).await? {
                return Err(PurgeError::Referenced(table));
            }
        }
        let delete = Query::delete()
            .from_table(what.table())
            .and_where(Expr::col(what.key()).in_subquery(chosen))
            .to_owned();
        let gone = tx.run(&delete).await?;
        tx.commit().await?;
        Ok(gone)
    }
}

/// Leaves out images that have a change to tell, bytes to remove or a writer to turn away.
fn keep_what_is_needed(candidates: &mut SelectStatement) {
    let open = Expr::col("state").eq("open");
    for (table, condition) in
        [("glint_changes", None), ("glint_reclaims", None), ("glint_uploads", Some(open))]
    {
        let mut needed = Query::select().column("image_id").from(table).to_owned();
        if let Some(condition) = condition {
            needed.and_where(condition);
        }
        candidates.and_where(Expr::col(("images", "id")).not_in_subquery(needed));
    }
}

async fn refers(
    tx: &mut Tx<'_>,
    table: &'static str,
    column: &'static str,
    chosen: SelectStatement,
) -> Result<bool, DatabaseError> {
    let query = Query::select()
        .expr_as(Func::count(Expr::col(column)), "rows")
        .from(table)
        .and_where(Expr::col(column).in_subquery(chosen))
        .to_owned();
    Ok(text::count(&tx.one(&query).await?, "rows")? > 0)
}
