//! `/v2/images/{image_id}/members`: with whom an image is shared
//! (`glance/api/v2/image_members.py`).
//!
//! Leaves the rules to `controlplane/domain`. Invariant: whoever may not see an image learns
//! nothing of its members, not even that there are none.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use controlplane_db::utc_now;
use controlplane_domain::Image;
use controlplane_domain::members::{self, Membership};
use http::StatusCode;
use serde_json::{Value, json};

use super::show::lookup;
use super::view::{iso, respond};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{self, Refusal};
use crate::request::{expect_no_body, read_json};

/// Lists the members that the caller may see.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Path(shown): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let caller = Caller::of(request.extensions())?;
    let image = lookup(&app, &caller.context, &shown).await?;
    members::check_shared(&image).map_err(|refused| Refusal::members_hidden(&shown, refused))?;
    caller.members(&image).get_members()?;
    let readable = caller.members(&image).get_member().is_ok();
    let found = app.db.members(image.id).await?;
    let seen: Vec<Value> = found
        .iter()
        .filter(|each| readable && members::is_shown(&caller.context, &image, &each.member))
        .map(|each| view(&image, each))
        .collect();
    let body = json!({"members": seen, "schema": "/v2/schemas/members"});
    Ok(respond(StatusCode::OK, &body))
}

/// Shares the image with a project.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Path(shown): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let body = read_json(&head.method, &head.headers, body).await?;
    let member = members::read_member(&body)?;
    let caller = Caller::changing(&head.extensions)?;
    let image = lookup(&app, &caller.context, &shown).await?;
    let owners = caller.members(&image).owner_check_add();
    if members::check_shared(&image).is_err() || owners.is_err() {
        return Err(Refusal::members_closed("create", &shown));
    }
    caller.members(&image).add_member()?;
    members::check_member(&member)?;
    let maximum = app.options.image_member_quota;
    let (added, changed) = app
        .db
        .member_add(image.id, &member, maximum, utc_now())
        .await
        .map_err(|error| error::from_member_add(error, &shown, &member))?;
    let mut response = respond(StatusCode::OK, &view(&image, &added));
    response.extensions_mut().insert(changed);
    Ok(response)
}

/// Shows one member. What is forbidden here is not there.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path((shown, member)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let caller = Caller::of(request.extensions())?;
    let image = lookup(&app, &caller.context, &shown).await?;
    members::check_shared(&image).map_err(Refusal::no_members)?;
    let allowed = caller.members(&image).get_member();
    allowed.map_err(|refused| Refusal::member_hidden(&refused))?;
    let found = find(&app, &caller, &image, &member).await?;
    Ok(respond(StatusCode::OK, &view(&image, &found)))
}

/// Notes what a member thinks of the image.
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path((shown, member)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let body = read_json(&head.method, &head.headers, body).await?;
    let status = members::read_status(&body)?;
    let caller = Caller::changing(&head.extensions)?;
    let image = lookup(&app, &caller.context, &shown).await?;
    let owners = caller.members(&image).owner_check_modify();
    if members::check_shared(&image).is_err() || owners.is_err() {
        return Err(Refusal::members_closed("update", &shown));
    }
    find(&app, &caller, &image, &member).await?;
    caller.members(&image).modify_member()?;
    let status = members::parse_status(status)?;
    let (updated, changed) = app
        .db
        .member_update(image.id, &member, status, utc_now())
        .await
        .map_err(|error| error::from_member_change(error, &shown, &member))?;
    let mut response = respond(StatusCode::OK, &view(&image, &updated));
    response.extensions_mut().insert(changed);
    Ok(response)
}

/// Stops sharing the image with a project.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path((shown, member)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let caller = Caller::changing(request.extensions())?;
    let image = lookup(&app, &caller.context, &shown).await?;
    let owners = caller.members(&image).owner_check_delete();
    if members::check_shared(&image).is_err() || owners.is_err() {
        return Err(Refusal::members_closed("delete", &shown));
    }
    find(&app, &caller, &image, &member).await?;
    caller.members(&image).delete_member()?;
    let changed = app
        .db
        .member_remove(image.id, &member, utc_now())
        .await
        .map_err(|error| error::from_member_change(error, &shown, &member))?;
    // The one 204 of Glance without a content type.
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.extensions_mut().insert(changed);
    Ok(response)
}

/// A membership, if there is one and the caller is shown it.
async fn find(
    app: &App,
    caller: &Caller,
    image: &Image,
    member: &str,
) -> Result<Membership, Refusal> {
    caller.members(image).get_member()?;
    let absent = || Refusal::no_such_member(image.id.as_str(), member);
    if !members::is_shown(&caller.context, image, member) {
        return Err(absent());
    }
    app.db.member(image.id, member).await?.ok_or_else(absent)
}

fn view(image: &Image, membership: &Membership) -> Value {
    json!({
        "member_id": membership.member,
        "image_id": image.id.as_str(),
        "status": membership.status.as_str(),
        "created_at": iso(membership.created_at),
        "updated_at": iso(membership.updated_at),
        "schema": "/v2/schemas/member",
    })
}
