//! `/v2/info/…`: what this site offers (`glance/api/v2/discovery.py`), and
//! `/v2/stores/{store_id}/{image_id}`.
//!
//! There is one store without a name, as in a Glance without `enabled_backends`, whose answers
//! these are.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{delete, get};
use http::StatusCode;
use serde_json::json;

use crate::app::App;
use crate::caller::Caller;
use crate::error::Refusal;
use crate::images::view::respond;
use crate::request::{expect_no_body, read_no_body};
use crate::router::{no_such_path, only};

/// The routes, with the methods they name in `Allow` (`glance/api/v2/router.py`).
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v2/info/import", only("GET", get(import)))
        .route("/v2/info/stores", only("GET", get(stores)))
        .route("/v2/info/stores/detail", only("GET", get(stores)))
        // Other methods are not refused here: there is nothing for them.
        .route("/v2/info/usage", get(usage).head(no_such_path).fallback(no_such_path))
        .route("/v2/stores/{store_id}/{image_id}", only("DELETE", delete(delete_from_store)))
}

/// The import methods there are.
async fn import(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let methods = json!({
        "description": "Import methods available.",
        "type": "array",
        "value": app.options.enabled_import_methods,
    });
    Ok(respond(StatusCode::OK, &json!({"import-methods": methods})))
}

/// The stores there are: the detailed list refuses before it looks who asks.
async fn stores(request: Request) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    Err(Refusal::one_store_only())
}

/// What the caller's project uses of its limits in Keystone: of none, since `use_keystone_limits`
/// is off.
async fn usage(request: Request) -> Result<Response, Refusal> {
    read_no_body(request).await?;
    Ok(respond(StatusCode::OK, &json!({"usage": {}})))
}

/// Takes an image out of one of several stores.
async fn delete_from_store(request: Request) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    Caller::changing(request.extensions())?;
    Err(Refusal::no_such_path())
}
