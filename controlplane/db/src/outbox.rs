//! The outbox: every change of the catalogue, numbered, in the transaction that made it.
//!
//! Who is told is left to `controlplane/server`. The number is taken by updating one counter row,
//! which every changing transaction does as long as it holds the write lock; so numbers become
//! visible in their order, without one ever appearing below a number already seen. There may be
//! gaps. Invariant: a record read with [`Database::record`] is at least as new as the number it
//! claims.

use glint_image::{ImageId, Seq};
use sea_query::{Expr, ExprTrait as _, Func, Order, Query, Value};
use time::PrimitiveDateTime;

use controlplane_domain::Image;

use crate::error::{DatabaseError, failure, retried};
use crate::images;
use crate::pool::{Database, Tx};
use crate::text;

/// A change that was made: what the reply to its maker has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its number.
    pub seq: Seq,
    /// Whether somebody may have lost access by it: then the reply waits until every data plane
    /// knows.
    pub restricting: bool,
}

/// One row of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number.
    pub seq: Seq,
    /// The image it is about.
    pub image: ImageId,
    /// Whether somebody may have lost access by it.
    pub restricting: bool,
}

/// An image as of a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The newest number there was when this was read: what is told below is at least as new.
    pub as_of: Seq,
    /// The image; `None` if there is none, or none any more.
    pub image: Option<Image>,
}

/// The changes after a number cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// Some of them are no longer kept: whoever asks has missed changes and must read every record
    /// it holds anew.
    #[error("changes through {through} are no longer kept")]
    Trimmed {
        /// The newest number that may be missing.
        through: Seq,
    },
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
failure!(ChangesError);

impl Database {
    /// The newest number; 0 in a catalogue that nobody changed.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn head(&self) -> Result<Seq, DatabaseError> {
        let mut tx = self.read().await?;
        let head = head(&mut tx).await?;
        tx.commit().await?;
        Ok(head)
    }

    /// The changes after a number, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`ChangesError::Trimmed`] where some of them are no longer kept.
    pub async fn changes_after(&self, seq: Seq, limit: u32) -> Result<Vec<Change>, ChangesError> {
        let mut tx = self.read().await?;
        let query = Query::select().columns(["trimmed_through"]).from("glint_counter").to_owned();
        let through = Seq(text::count(&tx.one(&query).await?, "trimmed_through")?);
        if seq < through {
            return Err(ChangesError::Trimmed { through });
        }
        let query = Query::select()
            .columns(["seq", "image_id", "restricting"])
            .from("glint_changes")
            .and_where(Expr::col("seq").gt(text::counted(seq.0)))
            .order_by("seq", Order::Asc)
            .limit(u64::from(limit))
            .to_owned();
        let mut changes = Vec::new();
        for row in tx.rows(&query).await? {
            changes.push(Change {
                seq: Seq(text::count(&row, "seq")?),
                image: text::image_id(&row, "image_id")?,
                restricting: text::flag(&row, "restricting")?,
            });
        }
        tx.commit().await.map_err(ChangesError::from)?;
        Ok(changes)
    }

    /// An image and the newest number, read in one snapshot: what a push to a data plane carries.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn record(&self, image: ImageId) -> Result<Record, DatabaseError> {
        let mut tx = self.read().await?;
        let as_of = head(&mut tx).await?;
        let image = images::get::load(&mut tx, image).await?;
        tx.commit().await?;
        Ok(Record { as_of, image })
    }

    /// Forgets the changes made before a time, but never the newest one; how many were forgotten.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn trim(&self, before: PrimitiveDateTime) -> Result<u64, DatabaseError> {
        retried!(self.try_trim(before))
    }

    async fn try_trim(&self, before: PrimitiveDateTime) -> Result<u64, DatabaseError> {
        let mut tx = self.write().await?;
        // Clocks of several control planes need not agree: kept is everything from the lowest
        // number that is young enough.
        let query = Query::select()
            .expr_as(Func::min(Expr::col("seq")), "kept")
            .from("glint_changes")
            .and_where(Expr::col("created_at").gte(text::stamp(before)))
            .to_owned();
        let kept = text::int_or_null(&tx.one(&query).await?, "kept")?;
        let kept = match kept {
            Some(kept) => kept,
            None => text::counted(head(&mut tx).await?.0),
        };
        let delete = Query::delete()
            .from_table("glint_changes")
            .and_where(Expr::col("seq").lt(kept))
            .to_owned();
        let forgotten = tx.run(&delete).await?;
        if forgotten > 0 {
            let mark = Query::update()
                .table("glint_counter")
                .value("trimmed_through", kept - 1)
                .and_where(Expr::col("trimmed_through").lt(kept - 1))
                .to_owned();
            tx.run(&mark).await?;
        }
        tx.commit().await?;
        Ok(forgotten)
    }
}

/// Writes the row of a change and takes its number. The transaction commits what changed together
/// with it.
pub(crate) async fn record_change(
    tx: &mut Tx<'_>,
    image: ImageId,
    restricting: bool,
    now: PrimitiveDateTime,
) -> Result<Changed, DatabaseError> {
    let seq = Seq(next(tx, "seq").await?);
    insert_change(tx, Change { seq, image, restricting }, now).await?;
    Ok(Changed { seq, restricting })
}

/// The row of a change, with how the image's own row stands now: that tells changes made here from
/// those of others (`foreign`).
async fn insert_change(
    tx: &mut Tx<'_>,
    change: Change,
    now: PrimitiveDateTime,
) -> Result<(), DatabaseError> {
    const COLUMNS: [&str; 7] = [
        "seq",
        "image_id",
        "restricting",
        "created_at",
        "row_updated_at",
        "row_status",
        "row_visibility",
    ];
    let own: [Value; 4] = [
        text::counted(change.seq.0).into(),
        change.image.as_str().into(),
        change.restricting.into(),
        text::stamp(now),
    ];
    let mut row = Query::select();
    row.exprs(own.clone().map(Expr::val));
    row.columns(["updated_at", "status"])
        .expr(visibility("images"))
        .from("images")
        .and_where(Expr::col("id").eq(change.image.as_str()));
    let mut insert = Query::insert().into_table("glint_changes").columns(COLUMNS).to_owned();
    insert.select_from(row).expect("as many values as columns");
    if tx.run(&insert).await? == 0 {
        // Its row was purged: the image is gone for good.
        let insert = Query::insert()
            .into_table("glint_changes")
            .columns(COLUMNS.into_iter().take(own.len()))
            .values_panic(own.map(Expr::val))
            .to_owned();
        tx.run(&insert).await?;
    }
    Ok(())
}

/// The visibility of a row as text: it is an enumeration on some databases.
pub(crate) fn visibility(table: &'static str) -> Expr {
    Expr::col((table, "visibility")).cast_as("CHAR(16)")
}

/// Notes that a change is that of a member's row with this stamp.
pub(crate) async fn stamp_member(
    tx: &mut Tx<'_>,
    seq: Seq,
    stamp: PrimitiveDateTime,
) -> Result<(), DatabaseError> {
    let update = Query::update()
        .table("glint_changes")
        .value("row_updated_at", text::stamp(stamp))
        .and_where(Expr::col("seq").eq(text::counted(seq.0)))
        .to_owned();
    tx.run(&update).await?;
    Ok(())
}

/// Takes the next number of one of the counters. The row stays locked until the transaction ends:
/// that is what keeps numbers in the order of commits.
pub(crate) async fn next(tx: &mut Tx<'_>, counter: &'static str) -> Result<u64, DatabaseError> {
    let update = Query::update()
        .table("glint_counter")
        .value(counter, Expr::col(counter).add(1))
        .and_where(Expr::col("only").eq(1))
        .to_owned();
    let touched = tx.run(&update).await?;
    assert_eq!(touched, 1, "the counter's row is made with its table");
    let query = Query::select().column(counter).from("glint_counter").to_owned();
    text::count(&tx.one(&query).await?, counter)
}

/// The newest number in this snapshot.
pub(crate) async fn head(tx: &mut Tx<'_>) -> Result<Seq, DatabaseError> {
    let query = Query::select().column("seq").from("glint_counter").to_owned();
    Ok(Seq(text::count(&tx.one(&query).await?, "seq")?))
}
