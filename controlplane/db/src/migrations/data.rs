//! Data that moves between `expand` and `contract`.
//!
//! Of the chain's data migrations one is left to do here: Train's, which renamed the key `backend`
//! in the metadata of locations to `store` (`train_migrate01_backend_to_store.py`). Glance 33 looks
//! for those of its own release only, of which there are none, and leaves the old key. Invariant:
//! what was migrated is not pending.

use sea_query::{Expr, ExprTrait as _, Func, Query, SimpleExpr};

use super::{Stage, TRAIN};
use crate::error::DatabaseError;
use crate::pool::Tx;

/// Whether rows are to be changed before contraction goes on.
pub(crate) async fn is_pending(tx: &mut Tx<'_>, stage: Stage) -> Result<bool, DatabaseError> {
    if stage.contracted > TRAIN {
        return Ok(false);
    }
    let query = Query::select()
        .column("id")
        .from("image_locations")
        .and_where(Expr::col("meta_data").ne(renamed()))
        .limit(1)
        .to_owned();
    Ok(tx.row(&query).await?.is_some())
}

/// Changes them; how many.
pub(crate) async fn migrate(tx: &mut Tx<'_>) -> Result<u64, DatabaseError> {
    let update = Query::update()
        .table("image_locations")
        .value("meta_data", renamed())
        .and_where(Expr::col("meta_data").ne(renamed()))
        .to_owned();
    tx.run(&update).await
}

/// The metadata with the new key.
fn renamed() -> SimpleExpr {
    Func::cust("REPLACE").arg(Expr::col("meta_data")).arg("\"backend\":").arg("\"store\":").into()
}
