//! The properties of a namespace (`glance/api/v2/metadef_properties.py`).

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use controlplane_db::metadefs::Part;
use controlplane_db::metadefs::associations::FoundAssociation;
use controlplane_db::utc_now;
use controlplane_domain::metadefs::{Action, Kind, Namespace, Property};
use http::StatusCode;
use serde_json::Value;

use super::{enter, no_content, query, read, view};
use crate::app::App;
use crate::error::{self, Refusal};
use crate::images::view::respond;
use crate::request::{expect_no_body, read_no_body};

/// Lists all properties.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let absent = Refusal::namespace_not_found;
    let (_, namespace) =
        enter(&app, request.extensions(), &name, Action::GetProperties, absent).await?;
    let properties = app.db.metadef_properties(namespace.id).await?;
    Ok(respond(StatusCode::OK, &view::properties(&properties)))
}

/// Makes a property.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = read(&app, Kind::Property, request).await?;
    let absent = Refusal::namespace_not_found;
    let (_, namespace) = enter(&app, &head.extensions, &name, Action::AddProperty, absent).await?;
    let property = Property::of(body);
    property
        .check_characters()
        .map_err(|refused| Refusal::unfit("create", "property", &refused))?;
    let created = app.db.metadef_property_create(namespace.id, &property, utc_now()).await;
    created.map_err(|error| error::from_add(error, &name))?;
    Ok(respond(StatusCode::CREATED, &Value::Object(property.shown())))
}

/// Shows a property. Its name may be the one it has on resources of a type: with the prefix.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path((name, property)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let parameters = query::parameters(request.uri())?;
    let absent = Refusal::namespace_not_found;
    let (caller, namespace) =
        enter(&app, request.extensions(), &name, Action::GetProperty, absent).await?;
    let mut wanted = property.as_str();
    let prefix;
    if let Some(resource_type) = parameters.last("resource_type").filter(|name| !name.is_empty()) {
        caller.metadefs(Some(&namespace)).enforce(Action::GetResourceType)?;
        prefix = prefix_of(&app, &namespace, resource_type).await?;
        let stripped = prefix
            .as_deref()
            .filter(|prefix| !prefix.is_empty())
            .and_then(|prefix| property.strip_prefix(prefix));
        wanted = stripped.ok_or_else(|| Refusal::not_prefixed(&property, prefix.as_deref()))?;
    }
    let found = app.db.metadef_property(namespace.id, wanted).await?;
    let found = found.ok_or_else(|| Refusal::no_such_part(Part::Property, wanted))?;
    Ok(respond(StatusCode::OK, &Value::Object(found.shown())))
}

/// What names of properties begin with on resources of a type.
async fn prefix_of(
    app: &App,
    namespace: &Namespace,
    resource_type: &str,
) -> Result<Option<String>, Refusal> {
    match app.db.metadef_association(namespace.id, resource_type).await? {
        FoundAssociation::NoType => Err(Refusal::no_such_resource_type(resource_type)),
        FoundAssociation::NotAssociated => {
            Err(Refusal::not_associated(resource_type, &namespace.fields.name))
        }
        FoundAssociation::Associated(association) => Ok(association.fields.prefix),
    }
}

/// Changes a property.
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Path((name, old)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = read(&app, Kind::Property, request).await?;
    let absent = Refusal::namespace_not_found;
    let (_, namespace) =
        enter(&app, &head.extensions, &name, Action::ModifyProperty, absent).await?;
    let property = Property::of(body);
    // Glance finds the property first and the characters second.
    if app.db.metadef_property(namespace.id, &old).await?.is_none() {
        return Err(Refusal::no_such_part(Part::Property, &old));
    }
    property
        .check_characters()
        .map_err(|refused| Refusal::unfit("update", "property", &refused))?;
    let updated = app.db.metadef_property_update(namespace.id, &old, &property, utc_now()).await;
    updated
        .map_err(|error| error::from_change(error, Part::Property, &name, &old, &property.name))?;
    Ok(respond(StatusCode::OK, &Value::Object(property.shown())))
}

/// Deletes a property.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path((name, property)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let head = read_no_body(request).await?;
    let absent = Refusal::namespace_not_found;
    let (_, namespace) =
        enter(&app, &head.extensions, &name, Action::RemoveProperty, absent).await?;
    let deleted = app.db.metadef_property_delete(namespace.id, &property).await;
    deleted.map_err(|error| error::from_remove(error, Part::Property, &property))?;
    Ok(no_content())
}
