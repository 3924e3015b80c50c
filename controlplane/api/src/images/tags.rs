//! `/v2/images/{image_id}/tags/{tag_value}`: one tag (`glance/api/v2/image_tags.py`).

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde_json::json;

use super::save::{Outcome, save};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Refusal;
use crate::request::expect_no_body;
use crate::respond::no_content;

/// Adds a tag, unless it is there.
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    Path((shown, tag)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    app.schemas.check_image(&json!({"tags": [tag]})).map_err(Refusal::bad_request)?;
    let caller = Caller::changing(request.extensions())?;
    let quotas = app.options.quotas();
    let changed = save(&app, &caller.context, &shown, Refusal::image_not_found, |mut image| {
        let allowed = caller.image(&image).modify_image();
        allowed.map_err(|refused| Refusal::tags_closed(refused, "update", &shown))?;
        if !image.tags.contains(&tag) {
            image.tags.push(tag.clone());
        }
        let room = quotas.check_tags(image.tags.len());
        room.map_err(|exceeded| Refusal::too_many_tags(&shown, exceeded))?;
        let saved = caller.may_save(&image);
        saved.map_err(|refused| Refusal::tags_closed(refused, "update", &shown))?;
        // Saved even where nothing changed: the time does (`image_repo.save`).
        Ok(Outcome::Changed(image))
    })
    .await?;
    Ok(no_content(changed))
}

/// Takes a tag off.
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Path((shown, tag)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let caller = Caller::changing(request.extensions())?;
    let changed = save(&app, &caller.context, &shown, Refusal::image_not_found, |mut image| {
        let allowed = caller.image(&image).modify_image();
        allowed.map_err(|refused| Refusal::tags_closed(refused, "delete", &shown))?;
        let place = image.tags.iter().position(|found| *found == tag);
        image.tags.remove(place.ok_or_else(Refusal::no_such_path)?);
        let saved = caller.may_save(&image);
        saved.map_err(|refused| Refusal::tags_closed(refused, "delete", &shown))?;
        Ok(Outcome::Changed(image))
    })
    .await?;
    Ok(no_content(changed))
}
