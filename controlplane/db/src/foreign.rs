//! Changes of images that somebody else made on this database, a Glance beside this service above
//! all: found, and given rows in the outbox.
//!
//! Whoever changes an image through Glance stamps its row's `updated_at`
//! (`glance/db/sqlalchemy/models.py`, `GlanceBase`); a row whose stamp, status and visibility stand
//! in no row of the outbox was changed by others. Rows of `image_members` are stamped likewise and
//! leave the image's row alone. When to look where is left to `controlplane/server`. Invariants: looking
//! at images
//! costs reading the rows stamped lately, never the catalogue (Glance's index
//! `updated_at_image_idx`); a change found by several control planes gets one row; a found change
//! counts as restricting.
//!
//! On MariaDB stamps are whole seconds: of two foreign changes of one image in the same second that
//! leave status and visibility as they are, the second is seen only if it is there when the first
//! is found.

use glint_image::ImageId;
use sea_query::{Expr, ExprTrait as _, Order, Query, SelectStatement};
use time::PrimitiveDateTime;

use crate::error::{DatabaseError, retried};
use crate::outbox;
use crate::pool::{Database, Tx};
use crate::text;

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// Rows of `images`, by the index of their stamps.
    Images,
    /// Rows of `image_members`, all of them: Glance keeps no index of their stamps.
    Members,
}

/// A row that others changed.
struct Found {
    image: ImageId,
    stamp: PrimitiveDateTime,
}

impl Database {
    /// Gives every image that others changed in this way since a time a row in the outbox, at most
    /// `limit` of them; how many there were.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn adopt_foreign(
        &self,
        what: Foreign,
        since: PrimitiveDateTime,
        limit: u32,
        now: PrimitiveDateTime,
    ) -> Result<usize, DatabaseError> {
        let mut tx = self.read().await?;
        let found = find(&mut tx, what, since, limit).await?;
        tx.commit().await?;
        if found.is_empty() {
            return Ok(0);
        }
        retried!(self.try_adopt(what, since, limit, now))
    }

    async fn try_adopt(
        &self,
        what: Foreign,
        since: PrimitiveDateTime,
        limit: u32,
        now: PrimitiveDateTime,
    ) -> Result<usize, DatabaseError> {
        let mut tx = self.write().await?;
        // With the counter in hand no other control plane adopts the same rows meanwhile.
        outbox::next(&mut tx, "seq").await?;
        let found = find(&mut tx, what, since, limit).await?;
        for found in &found {
            let changed = outbox::record_change(&mut tx, found.image, true, now).await?;
            if what == Foreign::Members {
                outbox::stamp_member(&mut tx, changed.seq, found.stamp).await?;
            }
        }
        tx.commit().await?;
        Ok(found.len())
    }

    /// Up to when some control plane has looked for foreign changes without a gap.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn watched_at(&self) -> Result<PrimitiveDateTime, DatabaseError> {
        let mut tx = self.read().await?;
        let query = Query::select().column("watched_at").from("glint_counter").to_owned();
        let at = text::time(&tx.one(&query).await?, "watched_at")?;
        tx.commit().await?;
        Ok(at)
    }

    /// Notes that foreign changes up to a time are found.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn note_watched(&self, at: PrimitiveDateTime) -> Result<(), DatabaseError> {
        retried!(self.try_note_watched(at))
    }

    async fn try_note_watched(&self, at: PrimitiveDateTime) -> Result<(), DatabaseError> {
        let mut tx = self.write().await?;
        let update = Query::update()
            .table("glint_counter")
            .value("watched_at", text::stamp(at))
            .and_where(Expr::col("only").eq(1))
            .to_owned();
        tx.run(&update).await?;
        tx.commit().await
    }
}

async fn find(
    tx: &mut Tx<'_>,
    what: Foreign,
    since: PrimitiveDateTime,
    limit: u32,
) -> Result<Vec<Found>, DatabaseError> {
    let mut query = match what {
        Foreign::Images => changed_images(since),
        Foreign::Members => changed_members(since),
    };
    let mut found = Vec::new();
    for row in tx.rows(query.limit(u64::from(limit))).await? {
        let image = text::image_id(&row, "image_id")?;
        found.push(Found { image, stamp: text::time(&row, "updated_at")? });
    }
    Ok(found)
}

/// Images whose rows stand as no row of the outbox says.
fn changed_images(since: PrimitiveDateTime) -> SelectStatement {
    let known = Query::select()
        .expr(Expr::val(1))
        .from("glint_changes")
        .and_where(change("image_id").equals(("images", "id")))
        .and_where(change("row_updated_at").equals(("images", "updated_at")))
        .and_where(change("row_status").equals(("images", "status")))
        .and_where(change("row_visibility").eq(outbox::visibility("images")))
        .to_owned();
    Query::select()
        .expr_as(Expr::col(("images", "id")), "image_id")
        .column(("images", "updated_at"))
        .from("images")
        .and_where(Expr::col(("images", "updated_at")).gte(text::stamp(since)))
        .and_where(Expr::exists(known).not())
        .order_by(("images", "updated_at"), Order::Asc)
        .to_owned()
}

/// Images with a member row that others wrote. (One that was written here may be among them: its
/// image is told of twice.)
fn changed_members(since: PrimitiveDateTime) -> SelectStatement {
    let known = Query::select()
        .expr(Expr::val(1))
        .from("glint_changes")
        .and_where(change("image_id").equals(("image_members", "image_id")))
        .and_where(change("row_updated_at").equals(("image_members", "updated_at")))
        .to_owned();
    Query::select()
        .columns([("image_members", "image_id"), ("image_members", "updated_at")])
        .distinct()
        .from("image_members")
        .and_where(Expr::col(("image_members", "updated_at")).gte(text::stamp(since)))
        .and_where(Expr::exists(known).not())
        .to_owned()
}

fn change(column: &'static str) -> Expr {
    Expr::col(("glint_changes", column))
}
