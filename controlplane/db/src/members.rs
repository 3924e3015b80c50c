//! The members of images: the rows of `image_members`.
//!
//! Who may add, answer or remove is left to the caller, and so is whether the image is shared: rows
//! of another image count for nothing. Invariants: one row stands for an image and a member, a
//! removed one is used again (Glance: `glance/db/__init__.py`, `ImageMemberRepo.add`); whoever
//! changes one writes the image's change in the same transaction; taking sight of an image from
//! somebody is restricting.

use controlplane_domain::access;
use controlplane_domain::members::{Membership, MembershipStatus};
use controlplane_domain::quota::{self, QuotaExceeded};
use glint_image::ImageId;
use sea_query::{Expr, ExprTrait as _, Order, Query, SelectStatement};
use time::PrimitiveDateTime;

use crate::error::{DatabaseError, failure, retried};
use crate::images::get;
use crate::images::rows::living;
use crate::outbox::{self, Changed};
use crate::pool::{Database, Row, Tx};
use crate::text;

/// Why a member is not added.
#[derive(Debug, thiserror::Error)]
pub enum MemberAddError {
    /// There is no such image, or not any more.
    #[error("there is no such image")]
    Gone,
    /// It is a member already.
    #[error("it is a member already")]
    Duplicate,
    /// The image would have too many.
    #[error(transparent)]
    Quota(#[from] QuotaExceeded),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why a membership is not changed.
#[derive(Debug, thiserror::Error)]
pub enum MemberChangeError {
    /// There is no such membership, or not any more.
    #[error("there is no such membership")]
    Gone,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
failure!(MemberAddError, MemberChangeError);

impl Database {
    /// The members of an image, in the order in which they were first added.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn members(&self, image: ImageId) -> Result<Vec<Membership>, DatabaseError> {
        let mut tx = self.read().await?;
        let query = select(image)
            .and_where(living("image_members"))
            .order_by(("image_members", "id"), Order::Asc)
            .to_owned();
        let rows = tx.rows(&query).await?;
        let members = rows.iter().map(membership).collect();
        tx.commit().await?;
        members
    }

    /// One member of an image, if it is one.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn member(
        &self,
        image: ImageId,
        member: &str,
    ) -> Result<Option<Membership>, DatabaseError> {
        let mut tx = self.read().await?;
        let found = find(&mut tx, image, member).await?;
        tx.commit().await?;
        Ok(found)
    }

    /// Adds a member, pending; `maximum` is the number of members an image may have, negative for
    /// any number.
    ///
    /// # Errors
    /// [`MemberAddError`].
    pub async fn member_add(
        &self,
        image: ImageId,
        member: &str,
        maximum: i64,
        now: PrimitiveDateTime,
    ) -> Result<(Membership, Changed), MemberAddError> {
        retried!(self.try_member_add(image, member, maximum, now))
    }

    async fn try_member_add(
        &self,
        image: ImageId,
        member: &str,
        maximum: i64,
        now: PrimitiveDateTime,
    ) -> Result<(Membership, Changed), MemberAddError> {
        let mut tx = self.write().await?;
        let loaded = get::load(&mut tx, image).await?.ok_or(MemberAddError::Gone)?;
        quota::check_members(loaded.members.len() + 1, maximum)?;
        if loaded.members.iter().any(|old| old == member) {
            return Err(MemberAddError::Duplicate);
        }
        put(&mut tx, image, member, now).await?;
        let added = find(&mut tx, image, member).await?.ok_or_else(lost)?;
        let changed = record(&mut tx, image, false, now).await?;
        tx.commit().await?;
        Ok((added, changed))
    }

    /// Notes what a member thinks of an image.
    ///
    /// # Errors
    /// [`MemberChangeError`].
    pub async fn member_update(
        &self,
        image: ImageId,
        member: &str,
        status: MembershipStatus,
        now: PrimitiveDateTime,
    ) -> Result<(Membership, Changed), MemberChangeError> {
        retried!(self.try_member_update(image, member, status, now))
    }

    async fn try_member_update(
        &self,
        image: ImageId,
        member: &str,
        status: MembershipStatus,
        now: PrimitiveDateTime,
    ) -> Result<(Membership, Changed), MemberChangeError> {
        let mut tx = self.write().await?;
        get::load(&mut tx, image).await?.ok_or(MemberChangeError::Gone)?;
        let update = Query::update()
            .table("image_members")
            .value("status", status.as_str())
            .value("updated_at", text::stamp(now))
            .and_where(Expr::col("image_id").eq(image.as_str()))
            .and_where(Expr::col("member").eq(member))
            .and_where(Expr::col("deleted").eq(false))
            .to_owned();
        if tx.run(&update).await? == 0 {
            return Err(MemberChangeError::Gone);
        }
        let updated = find(&mut tx, image, member).await?.ok_or_else(lost)?;
        let changed = record(&mut tx, image, false, now).await?;
        tx.commit().await?;
        Ok((updated, changed))
    }

    /// Removes a member. Restricting, if the image is shared: it loses sight of the image.
    ///
    /// # Errors
    /// [`MemberChangeError`].
    pub async fn member_remove(
        &self,
        image: ImageId,
        member: &str,
        now: PrimitiveDateTime,
    ) -> Result<Changed, MemberChangeError> {
        retried!(self.try_member_remove(image, member, now))
    }

    async fn try_member_remove(
        &self,
        image: ImageId,
        member: &str,
        now: PrimitiveDateTime,
    ) -> Result<Changed, MemberChangeError> {
        let mut tx = self.write().await?;
        let before = get::load(&mut tx, image).await?.ok_or(MemberChangeError::Gone)?;
        let update = Query::update()
            .table("image_members")
            .value("deleted", true)
            .value("deleted_at", text::stamp(now))
            .value("updated_at", text::stamp(now))
            .and_where(Expr::col("image_id").eq(image.as_str()))
            .and_where(Expr::col("member").eq(member))
            .and_where(Expr::col("deleted").eq(false))
            .to_owned();
        if tx.run(&update).await? == 0 {
            return Err(MemberChangeError::Gone);
        }
        let mut after = before.clone();
        after.members.retain(|old| old != member);
        let restricting = access::restricts(&before, &after);
        let changed = record(&mut tx, image, restricting, now).await?;
        tx.commit().await?;
        Ok(changed)
    }
}

/// Makes a membership pending: in the row that is left of a former one, else in a new one.
async fn put(
    tx: &mut Tx<'_>,
    image: ImageId,
    member: &str,
    now: PrimitiveDateTime,
) -> Result<(), DatabaseError> {
    let query = Query::select()
        .column("id")
        .from("image_members")
        .and_where(Expr::col("image_id").eq(image.as_str()))
        .and_where(Expr::col("member").eq(member))
        .order_by("id", Order::Asc)
        .limit(1)
        .to_owned();
    if let Some(row) = tx.row(&query).await? {
        let update = Query::update()
            .table("image_members")
            .value("status", MembershipStatus::Pending.as_str())
            .value("can_share", false)
            .value("deleted", false)
            .value("deleted_at", Option::<String>::None)
            .value("updated_at", text::stamp(now))
            .and_where(Expr::col("id").eq(text::int(&row, "id")?))
            .to_owned();
        tx.run(&update).await?;
        return Ok(());
    }
    let insert = Query::insert()
        .into_table("image_members")
        .columns([
            "image_id",
            "member",
            "can_share",
            "created_at",
            "updated_at",
            "deleted",
            "status",
        ])
        .values_panic([
            image.as_str().into(),
            member.into(),
            false.into(),
            text::stamp(now).into(),
            text::stamp(now).into(),
            false.into(),
            MembershipStatus::Pending.as_str().into(),
        ])
        .to_owned();
    tx.run(&insert).await?;
    Ok(())
}

/// Records the change of an image's members, told apart from those that others make.
async fn record(
    tx: &mut Tx<'_>,
    image: ImageId,
    restricting: bool,
    now: PrimitiveDateTime,
) -> Result<Changed, DatabaseError> {
    let changed = outbox::record_change(tx, image, restricting, now).await?;
    outbox::stamp_member(tx, changed.seq, now).await?;
    Ok(changed)
}

async fn find(
    tx: &mut Tx<'_>,
    image: ImageId,
    member: &str,
) -> Result<Option<Membership>, DatabaseError> {
    let query = select(image)
        .and_where(living("image_members"))
        .and_where(Expr::col(("image_members", "member")).eq(member))
        .to_owned();
    tx.row(&query).await?.as_ref().map(membership).transpose()
}

fn select(image: ImageId) -> SelectStatement {
    Query::select()
        .columns(["member", "status", "created_at", "updated_at"])
        .from("image_members")
        .and_where(Expr::col(("image_members", "image_id")).eq(image.as_str()))
        .to_owned()
}

fn membership(row: &Row) -> Result<Membership, DatabaseError> {
    let status = text::text(row, "status")?;
    let created_at = text::time(row, "created_at")?;
    Ok(Membership {
        member: text::text(row, "member")?,
        status: MembershipStatus::parse(&status).ok_or_else(|| text::damaged("status", &status))?,
        created_at,
        updated_at: text::time_or_null(row, "updated_at")?.unwrap_or(created_at),
    })
}

fn lost() -> DatabaseError {
    DatabaseError::Damaged("a membership written in this transaction is missing".to_owned())
}
