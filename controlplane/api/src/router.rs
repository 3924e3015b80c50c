//! The way of a request through the API: health check, CORS pre-flight, versions, request id,
//! route.
//!
//! Leaves HTTP itself to the data plane. Invariants: every response that passed version negotiation
//! carries `x-openstack-request-id`; every refusal gets its body here, in the shape its caller
//! accepts.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post, put};
use glint_image::{Fault, RequestId};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use tower::ServiceExt as _;

use crate::app::App;
use crate::error::{Refusal, shape_for};
use crate::request::{self, REQUEST_ID_HEADER};
use crate::versions::{self, Negotiated};
use crate::{healthcheck, images, metadefs, schemas, upload};

/// The API as a service: the data planes' relayed requests in, responses out.
///
/// A request may carry a [`RequestId`] among its extensions, taken where its headers bring none.
/// A response carries a [`crate::Changed`] among its extensions if the catalogue changed.
pub fn router(app: Arc<App>) -> Router {
    let routes = routes(Arc::clone(&app));
    Router::new().fallback(front).with_state(Front { app, routes })
}

#[derive(Clone)]
struct Front {
    app: Arc<App>,
    routes: Router,
}

/// The resources of version 2. Each knows the methods it names in `Allow`, in Glance's order
/// (`glance/api/v2/router.py`).
fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route(
            "/v2/images",
            only("GET, POST", get(images::list::list).post(images::create::create)),
        )
        .route(
            "/v2/images/{image_id}",
            only(
                "GET, PATCH, DELETE",
                get(images::show::show)
                    .patch(images::update::update)
                    .delete(images::delete::delete),
            ),
        )
        .route(
            "/v2/images/{image_id}/file",
            only("GET, PUT", get(upload::relayed_download).put(upload::relayed_upload)),
        )
        .route(
            "/v2/images/{image_id}/actions/deactivate",
            only("POST", post(images::actions::deactivate)),
        )
        .route(
            "/v2/images/{image_id}/actions/reactivate",
            only("POST", post(images::actions::reactivate)),
        )
        .route(
            "/v2/images/{image_id}/tags/{tag_value}",
            only("PUT, DELETE", put(images::tags::add).delete(images::tags::remove)),
        )
        .route(
            "/v2/images/{image_id}/members",
            only("GET, POST", get(images::members::list).post(images::members::create)),
        )
        .route(
            "/v2/images/{image_id}/members/{member_id}",
            only(
                "GET, PUT, DELETE",
                get(images::members::show)
                    .put(images::members::update)
                    .delete(images::members::delete),
            ),
        )
        .route("/v2/schemas/image", only("GET", get(schemas::image)))
        .route("/v2/schemas/images", only("GET", get(schemas::images)))
        .merge(metadefs::routes())
        .fallback(no_such_path)
        .with_state(app)
}

/// A route that refuses all other methods; HEAD too, which axum would answer as GET.
pub(crate) fn only(allow: &'static str, methods: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    let refuse = move |method: Method| async move { Refusal::method_not_allowed(&method, allow) };
    methods.head(refuse).fallback(refuse)
}

/// Where no route leads: 404 for the methods of HTTP, 501 for others (Glance: the rejected verbs of
/// `glance/api/v2/router.py` and Routes' `HTTPNotImplemented`).
async fn no_such_path(method: Method) -> Refusal {
    match method.as_str() {
        "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "PATCH" => Refusal::no_such_path(),
        other => Refusal::new(Fault::not_implemented(other)),
    }
}

async fn front(State(front): State<Front>, request: Request) -> Response {
    let method = request.method().clone();
    let path = request::normal_path(request.uri().path());
    if healthcheck::is_below(&path) {
        return healthcheck::answer(&method, request.headers());
    }
    // The CORS filter answers pre-flights before anything looks at them.
    if method == Method::OPTIONS {
        return StatusCode::OK.into_response();
    }
    let options = &front.app.options;
    let headers = request.headers();
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let path = match versions::negotiate(&path, accept, options) {
        Negotiated::V2(path) => path,
        Negotiated::Document => {
            return versions::document(&method, headers, options, StatusCode::OK);
        }
        Negotiated::Choices => {
            return versions::document(&method, headers, options, StatusCode::MULTIPLE_CHOICES);
        }
    };
    let shape = shape_for(headers);
    let extension = request.extensions().get::<RequestId>();
    let request_id = request::request_id(headers, extension);
    let mut response = if path == "/v2" {
        root(&request::host_url(headers))
    } else {
        let response = route(front.routes, request, &path).await;
        match response.extensions().get::<Refusal>() {
            Some(refusal) => refusal.render(&method, shape),
            None => response,
        }
    };
    let value = HeaderValue::from_str(request_id.as_str())
        .expect("a request id was let in as visible ASCII");
    response.headers_mut().insert(REQUEST_ID_HEADER, value);
    response
}

/// Calls the route of a path that version negotiation made.
async fn route(routes: Router, mut request: Request, path: &str) -> Response {
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let Ok(target) = target.parse::<Uri>() else {
        // Too long once it is encoded again.
        return Refusal::no_such_path().into_response();
    };
    *request.uri_mut() = target;
    match routes.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// `/v2` itself leads to `/v2/` (paste's `urlmap`, with its spelling of the content type).
fn root(host: &str) -> Response {
    let location = HeaderValue::from_str(&format!("{host}/v2/"))
        .unwrap_or_else(|_| HeaderValue::from_static("/v2/"));
    let content_type = HeaderValue::from_static("text/plain; charset=utf8");
    (StatusCode::FOUND, [(header::CONTENT_TYPE, content_type), (header::LOCATION, location)])
        .into_response()
}
