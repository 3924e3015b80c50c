//! `/v2/metadefs`: one file per resource, and their routes.
//!
//! Every handler reads its body first, then looks for the namespace, then asks the policy, as
//! Glance does. Leaves status codes to `error`. Invariant: nothing here concerns images, so no
//! response carries a [`crate::Changed`].

pub(crate) mod documents;
mod namespaces;
mod objects;
mod properties;
mod query;
mod resource_types;
mod tags;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use controlplane_domain::metadefs::{Action, Kind, Namespace, access, body};
use http::request::Parts;
use http::{Extensions, StatusCode, header};
use serde_json::{Map, Value};

use crate::app::App;
use crate::caller::Caller;
use crate::error::Refusal;
use crate::request::read_json;
use crate::router::only;

/// One namespace.
const NAMESPACE: &str = "/v2/metadefs/namespaces/{namespace}";

/// The routes of metadata definitions and of their schemas, with the methods they name in `Allow`
/// (`glance/api/v2/router.py`).
pub(crate) fn routes() -> Router<Arc<App>> {
    let mut router = Router::new();
    for name in documents::NAMES {
        let show = get(move |app, request| documents::show(app, request, name));
        router = router.route(&format!("/v2/schemas/metadefs/{name}"), only("GET", show));
    }
    router
        .route("/v2/metadefs/resource_types", only("GET", get(resource_types::list_all)))
        .route(
            "/v2/metadefs/namespaces",
            only("GET, POST", get(namespaces::list).post(namespaces::create)),
        )
        .route(
            NAMESPACE,
            only(
                "GET, PUT, DELETE",
                get(namespaces::show).put(namespaces::update).delete(namespaces::delete),
            ),
        )
        .merge(routes_below())
}

/// The routes of what namespaces contain.
fn routes_below() -> Router<Arc<App>> {
    let below = |rest: &str| format!("{NAMESPACE}{rest}");
    Router::new()
        .route(
            &below("/resource_types"),
            only("GET, POST", get(resource_types::list).post(resource_types::create)),
        )
        .route(
            &below("/resource_types/{resource_type}"),
            only("DELETE", delete(resource_types::delete)),
        )
        .route(
            &below("/properties"),
            only(
                "GET, POST, DELETE",
                get(properties::list)
                    .post(properties::create)
                    .delete(namespaces::delete_properties),
            ),
        )
        .route(
            &below("/properties/{property}"),
            only(
                "GET, PUT, DELETE",
                get(properties::show).put(properties::update).delete(properties::delete),
            ),
        )
        .route(
            &below("/objects"),
            only(
                "GET, POST, DELETE",
                get(objects::list).post(objects::create).delete(namespaces::delete_objects),
            ),
        )
        .route(
            &below("/objects/{object}"),
            only(
                "GET, PUT, DELETE",
                get(objects::show).put(objects::update).delete(objects::delete),
            ),
        )
        .route(
            &below("/tags"),
            only(
                "GET, POST, DELETE",
                get(tags::list).post(tags::create_all).delete(namespaces::delete_tags),
            ),
        )
        .route(
            &below("/tags/{tag}"),
            only(
                "GET, POST, PUT, DELETE",
                get(tags::show).post(tags::create).put(tags::update).delete(tags::delete),
            ),
        )
}

/// The body of a request, read up to the point where Glance begins to act on it.
async fn read(
    app: &App,
    kind: Kind,
    request: Request,
) -> Result<(Parts, Map<String, Value>), Refusal> {
    let (head, body) = request.into_parts();
    let value = read_json(&head.method, &head.headers, body).await?;
    body::check_allowed(kind, &value)?;
    app.schemas.metadefs.check(kind, &value).map_err(Refusal::bad_request)?;
    Ok((head, body::read(kind, &value)?))
}

/// The caller, and the namespace of a name if the caller sees it and may do this; `absent` refuses
/// what is not there.
async fn enter(
    app: &App,
    extensions: &Extensions,
    name: &str,
    action: Action,
    absent: fn(&str) -> Refusal,
) -> Result<(Caller, Namespace), Refusal> {
    let caller = Caller::of(extensions)?;
    let found = app.db.metadef_namespace(name).await?;
    let namespace = found
        .filter(|namespace| access::is_visible(&caller.context, namespace))
        .ok_or_else(|| absent(name))?;
    caller.metadefs(Some(&namespace)).enforce(action)?;
    Ok((caller, namespace))
}

/// 204, with WebOb's content type.
fn no_content() -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/html; charset=UTF-8")];
    (StatusCode::NO_CONTENT, content_type, Body::empty()).into_response()
}
