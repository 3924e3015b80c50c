//! `/v2/cache`: the image cache of a node (`glance/api/v2/cached_images.py`).
//!
//! No cache can be configured yet, so these are the answers of a Glance without `image_cache_dir`:
//! an image that is not there is told first, then what policy refuses, then that there is no cache.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post, put};

use crate::app::App;
use crate::caller::Caller;
use crate::error::Refusal;
use crate::images::show;
use crate::request::{expect_no_body, read_no_body};
use crate::router::only;

/// The routes, with the methods they name in `Allow` (`glance/api/v2/router.py`).
pub(crate) fn routes() -> Router<Arc<App>> {
    let clear = |request| no_cache(request, "cache_delete");
    Router::new()
        .route(
            "/v2/cache",
            only("GET, DELETE", get(|request| not_shown(request, "cache_list")).delete(clear)),
        )
        .route(
            "/v2/cache/{image_id}",
            only(
                "DELETE, PUT",
                put(|app, path, request| no_copy(app, path, request, "cache_image"))
                    .delete(|app, path, request| no_copy(app, path, request, "cache_delete")),
            ),
        )
        .route(
            "/v2/cache/nodes/{image_id}",
            only("GET", get(|request| not_shown(request, "list_cached_nodes"))),
        )
        .route("/v2/cache/clean", only("POST", post(|request| no_cache(request, "cache_clean"))))
        .route("/v2/cache/prune", only("POST", post(|request| no_cache(request, "cache_prune"))))
}

/// Refuses to show the cache, or who has one.
async fn not_shown(request: Request, policy: &'static str) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let caller = Caller::of(request.extensions())?;
    caller.policy.cache(&caller.context, policy, None)?;
    Err(Refusal::no_cache())
}

/// Refuses what concerns the cache as a whole.
async fn no_cache(request: Request, policy: &'static str) -> Result<Response, Refusal> {
    let head = read_no_body(request).await?;
    let caller = Caller::of(&head.extensions)?;
    caller.policy.cache(&caller.context, policy, None)?;
    Err(Refusal::no_cache())
}

/// Refuses what concerns the copy of one image.
async fn no_copy(
    State(app): State<Arc<App>>,
    Path(shown): Path<String>,
    request: Request,
    policy: &'static str,
) -> Result<Response, Refusal> {
    let head = read_no_body(request).await?;
    let caller = Caller::of(&head.extensions)?;
    let image = show::lookup(&app, &caller.context, &shown).await?;
    caller.policy.cache(&caller.context, policy, Some(&image))?;
    Err(Refusal::no_cache())
}
