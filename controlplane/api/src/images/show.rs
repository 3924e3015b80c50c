//! `GET /v2/images/{image_id}`

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use controlplane_domain::{Context, Image, access};
use glint_image::ImageId;
use http::StatusCode;

use super::view::{respond, view};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Refusal;
use crate::keep::Keep;
use crate::request::expect_no_body;

/// Shows one image.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(shown): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let caller = Caller::of(request.extensions())?;
    let image = find(&app, &caller.context, &shown).await?;
    let image = image.ok_or_else(|| Refusal::no_such_image(&shown))?;
    caller.image(&image).get_image()?;
    Ok(Keep::image(image.id).mark(respond(StatusCode::OK, &view(&image, &app.options, &caller))))
}

/// The image of an id as it stands in a path, if there is one and the caller may see it.
pub(crate) async fn find(
    app: &App,
    caller: &Context,
    shown: &str,
) -> Result<Option<Image>, Refusal> {
    let Ok(id) = ImageId::parse(shown) else { return Ok(None) };
    let image = app.db.image_get(id).await?;
    Ok(image.filter(|image| access::is_visible(caller, image)))
}

/// The same, refused as by Glance's controllers of members and tags.
pub(crate) async fn lookup(app: &App, caller: &Context, shown: &str) -> Result<Image, Refusal> {
    find(app, caller, shown).await?.ok_or_else(|| Refusal::image_not_found(shown))
}
