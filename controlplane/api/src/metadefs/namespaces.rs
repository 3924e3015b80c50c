//! `/v2/metadefs/namespaces` and `/v2/metadefs/namespaces/{namespace}`
//! (`glance/api/v2/metadef_namespaces.py`), and deleting all of a kind in a namespace.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use controlplane_db::metadefs::Part;
use controlplane_db::utc_now;
use controlplane_domain::metadefs::{Action, Contents, Kind, NamespaceFields, NewNamespace};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::{CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{enter, no_content, query, read, view};
use crate::app::App;
use crate::caller::Caller;
use crate::edge::Origin;
use crate::error::{self, Refusal};
use crate::images::query::urlencode;
use crate::images::view::respond;
use crate::request::{expect_no_body, read_no_body};

/// Lists a page of the namespaces the caller may see.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    let parameters = query::parameters(request.uri())?;
    let caller = Caller::of(request.extensions())?;
    let query =
        query::namespaces(parameters.clone(), caller.context.as_ref().clone(), &app.options)?;
    caller.metadefs(None).enforce(Action::GetNamespaces)?;
    caller.metadefs(None).enforce(Action::ListResourceTypes)?;
    let marker = query.marker.as_deref().unwrap_or_default();
    if query.marker.as_deref() == Some("") {
        return Err(Refusal::no_such_namespace_row());
    }
    let listed = app
        .db
        .metadef_namespaces(&query)
        .await
        .map_err(|error| error::from_namespace_list(error, marker))?;
    let shown: Vec<_> =
        listed.iter().filter(|each| caller.metadefs(Some(&each.namespace)).sees()).collect();
    let last = shown.last().filter(|_| u32::try_from(shown.len()) == Ok(query.limit));
    let links = parameters.for_links();
    let mut body = Map::new();
    let namespaces: Vec<Value> = shown
        .iter()
        .map(|each| {
            let contents =
                Contents { associations: each.associations.clone(), ..Contents::default() };
            view::namespace(&each.namespace, view::contents(&each.namespace, &contents, ""))
        })
        .collect();
    body.insert("namespaces".to_owned(), Value::Array(namespaces));
    if let Some(last) = last {
        let next = link(&links, Some(&last.namespace.fields.name));
        body.insert("next".to_owned(), json!(next));
    }
    body.insert("schema".to_owned(), json!("/v2/schemas/metadefs/namespaces"));
    body.insert("first".to_owned(), json!(link(&links, None)));
    Ok(respond(StatusCode::OK, &Value::Object(body)))
}

/// Makes a namespace with its contents.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, mut body) = read(&app, Kind::Namespace, request).await?;
    let caller = Caller::changing(&head.extensions)?;
    caller.metadefs(None).enforce(Action::AddNamespace)?;
    let new = NewNamespace::of(&body, &caller.context);
    for (action, is_wanted) in [
        (Action::AddAssociation, !new.associations.is_empty()),
        (Action::AddObject, !new.objects.is_empty()),
        (Action::AddProperty, !new.properties.is_empty()),
        (Action::AddTag, !new.tags.is_empty()),
    ] {
        if is_wanted {
            caller.metadefs(None).enforce(action)?;
        }
    }
    new.check_characters().map_err(|refused| Refusal::unfit("create", "namespace", &refused))?;
    let name = &new.fields.name;
    let namespace = app
        .db
        .metadef_namespace_create(&new, utc_now())
        .await
        .map_err(|error| error::from_namespace_add(error, name))?;
    // The contents are shown as they were sent.
    let mut contents = Map::new();
    for part in ["resource_type_associations", "properties", "objects", "tags"] {
        if let Some(given) = body.remove(part) {
            contents.insert(part.to_owned(), given);
        }
    }
    let mut response = respond(StatusCode::CREATED, &view::namespace(&namespace, contents));
    let location = format!("{}{}", Origin::of(&head).host_url(), view::namespace_href(name));
    // What cannot stand in a header is encoded; Glance breaks the connection over it.
    let location = utf8_percent_encode(&location, CONTROLS).to_string();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Shows a namespace with its contents.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let parameters = query::parameters(request.uri())?;
    query::visibility(&parameters, &["public", "private"])?;
    let absent = Refusal::no_such_namespace;
    let (caller, namespace) =
        enter(&app, request.extensions(), &name, Action::GetNamespace, absent).await?;
    for action in
        [Action::ListResourceTypes, Action::GetObjects, Action::GetProperties, Action::GetTags]
    {
        caller.metadefs(Some(&namespace)).enforce(action)?;
    }
    let contents = app.db.metadef_contents(namespace.id).await?;
    let wanted = parameters.last("resource_type").unwrap_or_default();
    let of_type = contents.associations.iter().find(|each| each.fields.name == wanted);
    let prefix = of_type.and_then(|each| each.fields.prefix.as_deref()).unwrap_or_default();
    let shown = view::contents(&namespace, &contents, prefix);
    Ok(respond(StatusCode::OK, &view::namespace(&namespace, shown)))
}

/// Changes a namespace. What its body says of contents is checked and passed over, as in Glance.
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = read(&app, Kind::Namespace, request).await?;
    let absent = Refusal::namespace_not_found;
    let (caller, namespace) =
        enter(&app, &head.extensions, &name, Action::ModifyNamespace, absent).await?;
    let mut fields = NamespaceFields::of(&body, &caller.context);
    if fields.owner.is_empty() {
        fields.owner = caller.context.project.clone().unwrap_or_default();
    }
    fields.check_characters().map_err(|refused| Refusal::unfit("update", "namespace", &refused))?;
    let updated = app
        .db
        .metadef_namespace_update(namespace.id, &fields, utc_now())
        .await
        .map_err(|error| error::from_namespace_change(error, &name, &fields.name))?;
    Ok(respond(StatusCode::OK, &view::namespace(&updated, Map::new())))
}

/// Deletes a namespace with its contents.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let absent = Refusal::namespace_not_found;
    let (_, namespace) =
        enter(&app, request.extensions(), &name, Action::DeleteNamespace, absent).await?;
    let deleted = app.db.metadef_namespace_delete(namespace.id).await;
    deleted.map_err(|error| error::from_namespace_remove(error, &name))?;
    Ok(no_content())
}

/// `DELETE /v2/metadefs/namespaces/{namespace}/properties`
pub(super) async fn delete_properties(
    app: State<Arc<App>>,
    name: Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    clear(app, name, request, Part::Property).await
}

/// `DELETE /v2/metadefs/namespaces/{namespace}/objects`
pub(super) async fn delete_objects(
    app: State<Arc<App>>,
    name: Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    clear(app, name, request, Part::Object).await
}

/// `DELETE /v2/metadefs/namespaces/{namespace}/tags`
pub(super) async fn delete_tags(
    app: State<Arc<App>>,
    name: Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    clear(app, name, request, Part::Tag).await
}

/// Deletes all of a kind. The policy asked is that of deleting the namespace; for tags one more.
async fn clear(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
    part: Part,
) -> Result<Response, Refusal> {
    let head = read_no_body(request).await?;
    let absent = Refusal::namespace_not_found;
    let (caller, namespace) =
        enter(&app, &head.extensions, &name, Action::DeleteNamespace, absent).await?;
    if part == Part::Tag {
        caller.metadefs(Some(&namespace)).enforce(Action::DeleteTags)?;
    }
    let cleared = app.db.metadef_clear(namespace.id, part).await;
    cleared.map_err(|error| error::from_namespace_remove(error, &name))?;
    Ok(no_content())
}

fn link(parameters: &[(String, String)], marker: Option<&str>) -> String {
    const PATH: &str = "/v2/metadefs/namespaces";
    let marker = marker.map(|marker| ("marker", marker));
    let pairs = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let query = urlencode(pairs.chain(marker));
    if query.is_empty() { PATH.to_owned() } else { format!("{PATH}?{query}") }
}
