//! How many bytes the images of a project take (`glance/db/sqlalchemy/api.py`,
//! `user_get_storage_usage`).
//!
//! How many they may is decided by `controlplane/domain`. Invariant: within a transaction that has
//! recorded its change the sum cannot be outrun, since every change waits for the one counter
//! before it.

use controlplane_domain::quota::{StorageFull, StorageQuota};
use glint_image::ImageId;
use sea_query::{Expr, ExprTrait as _, Func, Query, SelectStatement};

use crate::error::{DatabaseError, failure};
use crate::pool::{Database, Tx};
use crate::text;

/// Why bytes are not admitted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdmitError {
    /// There is no room for them.
    #[error(transparent)]
    Full(#[from] StorageFull),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
failure!(AdmitError);

impl Database {
    /// How many bytes the images of a project take, each counted once per location; `except` does
    /// not count.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn storage_used(
        &self,
        owner: Option<&str>,
        except: Option<ImageId>,
    ) -> Result<u64, DatabaseError> {
        let mut tx = self.read().await?;
        let used = stored(&mut tx, owner, except).await?;
        tx.commit().await?;
        Ok(used)
    }
}

/// Checks bytes for an image against what its project has, and what other open uploads will bring
/// it. Returns how many there is room for; `None`: no limit. Comes after `record_change`.
pub(crate) async fn admit(
    tx: &mut Tx<'_>,
    image: ImageId,
    quota: StorageQuota,
    wanted: Option<u64>,
) -> Result<Option<u64>, AdmitError> {
    if !quota.is_limited() {
        return Ok(None);
    }
    let query = Query::select()
        .column("owner")
        .from("images")
        .and_where(Expr::col("id").eq(image.as_str()))
        .to_owned();
    let owner = text::text_or_null(&tx.one(&query).await?, "owner")?;
    let owner = owner.as_deref();
    let stored = stored(tx, owner, Some(image)).await?;
    let announced = announced(tx, owner, image).await?;
    Ok(quota.admit(stored.saturating_add(announced), wanted)?)
}

/// The sum over the locations of a project's images. Added up here, a row for each size: the type
/// of SQL's sum depends on the database.
async fn stored(
    tx: &mut Tx<'_>,
    owner: Option<&str>,
    except: Option<ImageId>,
) -> Result<u64, DatabaseError> {
    let mut query = Query::select()
        .column(("images", "size"))
        .expr_as(Func::count(Expr::col(("image_locations", "id"))), "places")
        .from("images")
        .inner_join(
            "image_locations",
            Expr::col(("image_locations", "image_id")).equals(("images", "id")),
        )
        .and_where(owned_by(owner))
        .and_where(Expr::col(("images", "size")).gt(0))
        .and_where(Expr::col(("images", "status")).is_not_in([
            "killed",
            "deleted",
            "pending_delete",
        ]))
        .and_where(Expr::col(("image_locations", "status")).ne("deleted"))
        .group_by_col(("images", "size"))
        .to_owned();
    if let Some(image) = except {
        query.and_where(Expr::col(("images", "id")).ne(image.as_str()));
    }
    let mut sum = 0_u64;
    for row in tx.rows(&query).await? {
        let bytes = text::count(&row, "size")?.saturating_mul(text::count(&row, "places")?);
        sum = sum.saturating_add(bytes);
    }
    Ok(sum)
}

/// What the other open uploads to a project's images said they will bring.
async fn announced(
    tx: &mut Tx<'_>,
    owner: Option<&str>,
    except: ImageId,
) -> Result<u64, DatabaseError> {
    let query: SelectStatement = Query::select()
        .column(("glint_uploads", "size_expected"))
        .from("glint_uploads")
        .inner_join("images", Expr::col(("images", "id")).equals(("glint_uploads", "image_id")))
        .and_where(owned_by(owner))
        .and_where(Expr::col(("glint_uploads", "state")).eq("open"))
        .and_where(Expr::col(("glint_uploads", "image_id")).ne(except.as_str()))
        .and_where(Expr::col(("glint_uploads", "size_expected")).is_not_null())
        .to_owned();
    let mut sum = 0_u64;
    for row in tx.rows(&query).await? {
        sum = sum.saturating_add(text::count(&row, "size_expected")?);
    }
    Ok(sum)
}

fn owned_by(owner: Option<&str>) -> Expr {
    let column = Expr::col(("images", "owner"));
    match owner {
        Some(owner) => column.eq(owner),
        None => column.is_null(),
    }
}
