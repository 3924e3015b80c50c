//! One image by its id.
//!
//! Who may see it is left to the caller (`controlplane/domain`). Invariant: deleted images are not
//! there for anybody (`glance/db/sqlalchemy/api.py`, `_image_get`; no caller of the API can see
//! deleted ones).

use controlplane_domain::Image;
use glint_image::ImageId;
use sea_query::{Expr, ExprTrait as _};

use super::rows;
use crate::error::DatabaseError;
use crate::pool::{Database, Tx};

impl Database {
    /// An image with everything that hangs on it, read in one snapshot; `None` if there is none or
    /// it is deleted.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn image_get(&self, id: ImageId) -> Result<Option<Image>, DatabaseError> {
        let mut tx = self.read().await?;
        let image = load(&mut tx, id).await?;
        tx.commit().await?;
        Ok(image)
    }
}

/// The same within a transaction; one that writes keeps the row from everybody else.
pub(crate) async fn load(tx: &mut Tx<'_>, id: ImageId) -> Result<Option<Image>, DatabaseError> {
    let query = rows::select().and_where(Expr::col(("images", "id")).eq(id.as_str())).to_owned();
    let Some(row) = tx.row_to_change(&query).await? else { return Ok(None) };
    let mut images = [rows::image(&row)?];
    rows::fill(tx, &mut images).await?;
    let [image] = images;
    Ok(Some(image))
}
