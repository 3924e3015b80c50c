//! The objects of a namespace (`glance/api/v2/metadef_objects.py`).

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use controlplane_db::metadefs::Part;
use controlplane_db::utc_now;
use controlplane_domain::metadefs::{Action, Kind, ObjectFields, body};
use http::StatusCode;
use serde_json::{Value, json};

use super::{enter, no_content, query, read, view};
use crate::app::App;
use crate::error::{self, Refusal};
use crate::images::view::respond;
use crate::request::{expect_no_body, read_json};

/// Lists all objects: the parameters for pages are checked and have no effect.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    query::objects(query::parameters(request.uri())?)?;
    let absent = Refusal::no_such_namespace;
    let (caller, namespace) =
        enter(&app, request.extensions(), &name, Action::GetObjects, absent).await?;
    let mut shown = Vec::new();
    if caller.metadefs(Some(&namespace)).enforce(Action::GetObject).is_ok() {
        let objects = app.db.metadef_objects(namespace.id).await?;
        shown.extend(objects.iter().map(|each| view::object(&name, each, "")));
    }
    // Without its first slash, as in Glance.
    let body = json!({"objects": shown, "schema": "v2/schemas/metadefs/objects"});
    Ok(respond(StatusCode::OK, &body))
}

/// Makes an object. Its properties are checked one by one, more strictly than when it is changed.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let value = read_json(&head.method, &head.headers, body).await?;
    body::check_allowed(Kind::Object, &value)?;
    let schemas = &app.schemas.metadefs;
    schemas.check(Kind::Object, &value).map_err(Refusal::bad_request)?;
    let properties = value.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (_, property) in properties {
        schemas.check_nameless_property(property).map_err(Refusal::bad_request)?;
    }
    let body = body::read(Kind::Object, &value)?;
    let absent = Refusal::no_such_namespace;
    let (_, namespace) = enter(&app, &head.extensions, &name, Action::AddObject, absent).await?;
    let fields = ObjectFields::of(&body);
    fields.check_characters().map_err(|refused| Refusal::unfit("create", "object", &refused))?;
    let now = utc_now();
    let created = app.db.metadef_object_create(namespace.id, &fields, now).await;
    created.map_err(|error| error::from_add(error, &name))?;
    let shown = view::object_echo(&name, &fields.name, body, now, now);
    Ok(respond(StatusCode::CREATED, &shown))
}

/// Shows an object.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path((name, object)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let absent = Refusal::no_such_namespace;
    let (_, namespace) =
        enter(&app, request.extensions(), &name, Action::GetObject, absent).await?;
    let found = app.db.metadef_object(namespace.id, &object).await?;
    let found = found.ok_or_else(|| Refusal::no_such_part(Part::Object, &object))?;
    Ok(respond(StatusCode::OK, &view::object(&name, &found, "")))
}

/// Changes an object.
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Path((name, old)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = read(&app, Kind::Object, request).await?;
    let absent = Refusal::no_such_namespace;
    let (_, namespace) = enter(&app, &head.extensions, &name, Action::ModifyObject, absent).await?;
    let fields = ObjectFields::of(&body);
    // Glance finds the object first and the characters second.
    if app.db.metadef_object(namespace.id, &old).await?.is_none() {
        return Err(Refusal::no_such_part(Part::Object, &old));
    }
    fields.check_characters().map_err(|refused| Refusal::unfit("update", "object", &refused))?;
    let now = utc_now();
    let created_at = app
        .db
        .metadef_object_update(namespace.id, &old, &fields, now)
        .await
        .map_err(|error| error::from_change(error, Part::Object, &name, &old, &fields.name))?;
    let shown = view::object_echo(&name, &fields.name, body, created_at, now);
    Ok(respond(StatusCode::OK, &shown))
}

/// Deletes an object.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path((name, object)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let absent = Refusal::no_such_namespace;
    let (_, namespace) =
        enter(&app, request.extensions(), &name, Action::DeleteObject, absent).await?;
    let deleted = app.db.metadef_object_delete(namespace.id, &object).await;
    deleted.map_err(|error| error::from_remove(error, Part::Object, &object))?;
    Ok(no_content())
}
