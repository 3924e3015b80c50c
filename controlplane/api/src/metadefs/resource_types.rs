//! `/v2/metadefs/resource_types` and the resource types of a namespace
//! (`glance/api/v2/metadef_resource_types.py`).

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use controlplane_db::metadefs::Part;
use controlplane_db::utc_now;
use controlplane_domain::metadefs::{Action, Association, AssociationFields, Kind};
use http::StatusCode;
use serde_json::{Value, json};

use super::{enter, no_content, read, view};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{self, Refusal};
use crate::images::view::respond;
use crate::request::expect_no_body;

/// Lists all resource types there are.
pub(super) async fn list_all(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let caller = Caller::of(request.extensions())?;
    caller.metadefs(None).enforce(Action::ListResourceTypes)?;
    let types = app.db.metadef_resource_types().await?;
    let shown: Vec<Value> = types.iter().map(view::resource_type).collect();
    Ok(respond(StatusCode::OK, &json!({"resource_types": shown})))
}

/// Lists the resource types of a namespace.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let absent = Refusal::namespace_not_found;
    let (caller, namespace) =
        enter(&app, request.extensions(), &name, Action::ListResourceTypes, absent).await?;
    let mut shown = Vec::new();
    if caller.metadefs(Some(&namespace)).enforce(Action::GetResourceType).is_ok() {
        shown = view::associations(&app.db.metadef_associations(namespace.id).await?);
    }
    Ok(respond(StatusCode::OK, &json!({"resource_type_associations": shown})))
}

/// Associates a namespace with a resource type.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = read(&app, Kind::Association, request).await?;
    let absent = Refusal::namespace_not_found;
    let (_, namespace) =
        enter(&app, &head.extensions, &name, Action::AddAssociation, absent).await?;
    let fields = AssociationFields::of(&body);
    let now = utc_now();
    let created = app.db.metadef_association_create(namespace.id, &fields, now).await;
    created.map_err(|error| error::from_add(error, &name))?;
    let association = Association { fields, created_at: now, updated_at: Some(now) };
    Ok(respond(StatusCode::CREATED, &view::association(&association)))
}

/// Ends the association of a namespace with a resource type.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path((name, resource_type)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let absent = Refusal::namespace_not_found;
    let (_, namespace) =
        enter(&app, request.extensions(), &name, Action::RemoveAssociation, absent).await?;
    let deleted = app.db.metadef_association_delete(namespace.id, &resource_type).await;
    deleted.map_err(|error| error::from_remove(error, Part::Association, &resource_type))?;
    Ok(no_content())
}
