//! Orders to remove bytes that no row of the catalogue refers to any more.
//!
//! An order is written by the transaction that removed the last row referring to the bytes, and
//! forgotten when a data plane has removed them durably. Who is asked to, and when, is left to
//! `controlplane/server`. Invariant: an order's number is never used twice, so a late confirmation
//! cannot cancel another order.

use controlplane_domain::ImageLocation;
use controlplane_domain::locations::is_removable;
use glint_image::ImageId;
use sea_query::{Expr, ExprTrait as _, Order, Query};
use time::PrimitiveDateTime;

use crate::error::{DatabaseError, retried};
use crate::outbox;
use crate::pool::{Database, Tx};
use crate::text;

/// An order to remove bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reclaim {
    /// Its number.
    pub order: u64,
    /// The image whose bytes they were.
    pub image: ImageId,
    /// The store they lie in; empty without `enabled_backends`.
    pub store: String,
    /// Where they lie.
    pub url: String,
}

impl Database {
    /// The orders not yet carried out, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn reclaims(&self, limit: u32) -> Result<Vec<Reclaim>, DatabaseError> {
        let mut tx = self.read().await?;
        let query = Query::select()
            .columns(["seq", "image_id", "store", "url"])
            .from("glint_reclaims")
            .order_by("seq", Order::Asc)
            .limit(u64::from(limit))
            .to_owned();
        let rows = tx.rows(&query).await?;
        tx.commit().await?;
        let mut orders = Vec::with_capacity(rows.len());
        for row in rows {
            orders.push(Reclaim {
                order: text::count(&row, "seq")?,
                image: text::image_id(&row, "image_id")?,
                store: text::text(&row, "store")?,
                url: text::text(&row, "url")?,
            });
        }
        Ok(orders)
    }

    /// Forgets an order that was carried out. `false`: it was forgotten before.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn reclaim_done(&self, order: u64) -> Result<bool, DatabaseError> {
        retried!(self.try_reclaim_done(order))
    }

    async fn try_reclaim_done(&self, order: u64) -> Result<bool, DatabaseError> {
        // A number from the wire may be any; one that was never given out matches no row.
        let Ok(order) = i64::try_from(order) else { return Ok(false) };
        let mut tx = self.write().await?;
        let delete = Query::delete()
            .from_table("glint_reclaims")
            .and_where(Expr::col("seq").eq(order))
            .to_owned();
        let touched = tx.run(&delete).await?;
        tx.commit().await?;
        Ok(touched == 1)
    }
}

/// Writes orders for locations whose rows this transaction removes, as far as the bytes are a
/// store's to remove.
pub(crate) async fn order(
    tx: &mut Tx<'_>,
    image: ImageId,
    locations: &[ImageLocation],
    now: PrimitiveDateTime,
) -> Result<Vec<Reclaim>, DatabaseError> {
    let mut orders = Vec::with_capacity(locations.len());
    for location in locations.iter().filter(|location| is_removable(&location.url)) {
        let order = outbox::next(tx, "reclaims").await?;
        let reclaim = Reclaim {
            order,
            image,
            store: store_of(&location.metadata),
            url: location.url.clone(),
        };
        let insert = Query::insert()
            .into_table("glint_reclaims")
            .columns(["seq", "image_id", "store", "url", "created_at"])
            .values_panic([
                text::counted(order).into(),
                image.as_str().into(),
                reclaim.store.as_str().into(),
                reclaim.url.as_str().into(),
                text::stamp(now).into(),
            ])
            .to_owned();
        tx.run(&insert).await?;
        orders.push(reclaim);
    }
    Ok(orders)
}

/// The store id in a location's metadata; empty where there is none (then the URL alone says where
/// the bytes lie).
fn store_of(metadata: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(metadata).ok();
    let store =
        parsed.as_ref().and_then(|value| value.get("store")).and_then(|value| value.as_str());
    store.unwrap_or_default().to_owned()
}
