//! `DELETE /v2/images/{image_id}`

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use controlplane_db::utc_now;
use http::{StatusCode, header};

use super::show;
use crate::app::App;
use crate::caller::Caller;
use crate::error::{self, Refusal};
use crate::request::expect_no_body;

/// Deletes an image. Removing its bytes is ordered in the same transaction and done by a data
/// plane.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(shown): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let caller = Caller::changing(request.extensions())?;
    let image = show::find(&app, &caller.context, &shown)
        .await?
        .ok_or_else(|| Refusal::nothing_to_delete(&shown))?;
    caller.image(&image).delete_image()?;
    if !image.protected && caller.may_save(&image).is_err() {
        return Err(Refusal::nothing_to_delete(&shown));
    }
    let deleted = app
        .db
        .image_delete(image.id, utc_now())
        .await
        .map_err(|error| error::from_delete(error, &shown))?;
    let content_type = [(header::CONTENT_TYPE, "text/html; charset=UTF-8")];
    let mut response = (StatusCode::NO_CONTENT, content_type).into_response();
    response.extensions_mut().insert(deleted.changed);
    Ok(response)
}
