//! Deleting an image.
//!
//! Who may is left to the caller, and removing the bytes to the orders returned. Everything happens
//! in one transaction: the row and its children are stamped, an open upload is fenced, the bytes
//! are ordered away and the change is recorded. Invariant: the bytes of an image that is not
//! deleted are never ordered away by its deletion, nor those of a deleted one left.

use controlplane_domain::Image;
use glint_image::{ImageId, Status};
use sea_query::{Expr, ExprTrait as _, Query};
use time::PrimitiveDateTime;

use super::get;
use crate::error::{DatabaseError, failure, retried};
use crate::outbox::{Changed, record_change};
use crate::pool::{Database, Tx};
use crate::reclaims::{self, Reclaim};
use crate::{text, uploads};

/// An image was deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct Deleted {
    /// The change; always restricting.
    pub changed: Changed,
    /// What it was before.
    pub image: Image,
    /// The orders to remove its bytes.
    pub reclaims: Vec<Reclaim>,
}

/// Why an image is not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// There is no such image, or not any more.
    #[error("there is no such image")]
    Gone,
    /// It is protected.
    #[error("the image is protected")]
    Protected,
    /// Its status does not allow it.
    #[error("an image that is {0} cannot be deleted")]
    Transition(Status),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
failure!(DeleteError);

impl Database {
    /// Deletes an image.
    ///
    /// # Errors
    /// [`DeleteError`].
    pub async fn image_delete(
        &self,
        id: ImageId,
        now: PrimitiveDateTime,
    ) -> Result<Deleted, DeleteError> {
        retried!(self.try_image_delete(id, now))
    }

    async fn try_image_delete(
        &self,
        id: ImageId,
        now: PrimitiveDateTime,
    ) -> Result<Deleted, DeleteError> {
        let mut tx = self.write().await?;
        let image = get::load(&mut tx, id).await?.ok_or(DeleteError::Gone)?;
        if image.protected {
            return Err(DeleteError::Protected);
        }
        if !image.status.may_become(Status::Deleted) {
            return Err(DeleteError::Transition(image.status));
        }
        let update = Query::update()
            .table("images")
            .value("status", Status::Deleted.as_str())
            .value("deleted", true)
            .value("deleted_at", text::stamp(now))
            .value("updated_at", text::stamp(now))
            .and_where(Expr::col("id").eq(id.as_str()))
            .and_where(Expr::col("deleted").eq(false))
            .to_owned();
        let touched = tx.run(&update).await?;
        assert_eq!(touched, 1, "the row was read under the write lock");
        stamp_children(&mut tx, id, now).await?;
        uploads::close_open(&mut tx, id, now).await?;
        let reclaims = reclaims::order(&mut tx, id, &image.locations, now).await?;
        let changed = record_change(&mut tx, id, true, now).await?;
        tx.commit().await?;
        Ok(Deleted { changed, image, reclaims })
    }
}

/// Stamps all living children with the time of the deletion (`glance/db/sqlalchemy/api.py`,
/// `image_destroy`).
async fn stamp_children(
    tx: &mut Tx<'_>,
    id: ImageId,
    now: PrimitiveDateTime,
) -> Result<(), DatabaseError> {
    for table in ["image_properties", "image_members", "image_tags", "image_locations"] {
        let mut update = Query::update()
            .table(table)
            .value("deleted", true)
            .value("deleted_at", text::stamp(now))
            .value("updated_at", text::stamp(now))
            .and_where(Expr::col("image_id").eq(id.as_str()))
            .and_where(Expr::col("deleted").eq(false))
            .to_owned();
        if table == "image_locations" {
            update.value("status", "deleted");
        }
        tx.run(&update).await?;
    }
    Ok(())
}
