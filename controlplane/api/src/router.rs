//! The way of a request through the API: health check, the filters of the pipeline, route, and
//! back.
//!
//! Leaves HTTP itself to the data plane. Invariants: every response that passed the filters
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
use crate::caller::Caller;
use crate::edge::{Filter, Healthcheck, Origin, Peer, Seen};
use crate::error::{Refusal, shape_for};
use crate::options::ApiOptions;
use crate::request::{self, REQUEST_ID_HEADER};
use crate::versions::{self, Negotiated};
use crate::{cache, images, info, metadefs, schemas, tasks, upload};

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
        .route("/v2/images/{image_id}/import", only("POST", post(images::import::import)))
        .route("/v2/images/{image_id}/stage", only("PUT", put(images::import::stage)))
        .route(
            "/v2/images/{image_id}/locations",
            // GET is missing in the header, as in Glance.
            only("POST", get(images::locations::list).post(images::locations::add)),
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
        .merge(resource_schemas())
        .merge(tasks::routes())
        .merge(info::routes())
        .merge(cache::routes())
        .merge(metadefs::routes())
        .fallback(no_such_path)
        .with_state(app)
}

/// The schemas of members and tasks.
fn resource_schemas() -> Router<Arc<App>> {
    let mut router = Router::new();
    for (place, name) in schemas::RESOURCES.iter().enumerate() {
        let show = get(move |app, request| schemas::resource(app, request, place));
        router = router.route(&format!("/v2/schemas/{name}"), only("GET", show));
    }
    router
}

/// A route that refuses all other methods; HEAD too, which axum would answer as GET.
///
/// What is no JSON in the body is told first (`glance/common/wsgi.py`, `RejectMethodController`
/// behind `JSONRequestDeserializer.default`).
pub(crate) fn only(allow: &'static str, methods: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    let refuse = move |request: Request| async move {
        let (head, body) = request.into_parts();
        if request::has_body(&head.method, &head.headers, &body)
            && let Err(refusal) = request::read_json(&head.method, &head.headers, body).await
        {
            return refusal;
        }
        Refusal::method_not_allowed(&head.method, allow)
    };
    methods.head(refuse).fallback(refuse)
}

/// Where no route leads: 404 for the methods of HTTP, 501 for others (Glance: the rejected verbs of
/// `glance/api/v2/router.py` and Routes' `HTTPNotImplemented`).
pub(crate) async fn no_such_path(method: Method) -> Refusal {
    match method.as_str() {
        "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "PATCH" => Refusal::no_such_path(),
        other => Refusal::new(Fault::not_implemented(other)),
    }
}

async fn front(State(front): State<Front>, request: Request) -> Response {
    let path = request::normal_path(request.uri().path());
    if let Some(check) =
        front.app.edge.healthcheck.as_ref().filter(|_| Healthcheck::is_below(&path))
    {
        let peer = request.extensions().get::<Peer>().copied();
        let answered = check.answer(request.method(), request.headers(), peer).await;
        return answered.unwrap_or_else(|| {
            Refusal::no_such_path().render(request.method(), shape_for(request.headers()))
        });
    }
    let seen = Seen::of(&request);
    let app = Arc::clone(&front.app);
    let mut passage = Passage { request, path };
    let mut passed = 0;
    let answered = app.edge.filters.iter().find_map(|filter| {
        let answer = passage.enter(filter, &app);
        passed += usize::from(answer.is_none());
        answer
    });
    let mut response = match answered {
        Some(response) => response,
        None => passage.finish(&app, front.routes).await,
    };
    for filter in app.edge.filters[..passed].iter().rev() {
        response = filter.leave(&seen, response).await;
    }
    response
}

/// A request on its way through the filters.
struct Passage {
    request: Request,
    /// Normal; behind version negotiation it begins with `/v2`.
    path: String,
}

// === impl Passage ===

impl Passage {
    /// Goes past a filter, unless that one answers by itself.
    fn enter(&mut self, filter: &Filter, app: &App) -> Option<Response> {
        let options = &app.options;
        match filter {
            Filter::ProxyHeaders => {
                let origin = self.origin().proxied(self.request.headers());
                self.request.extensions_mut().insert(origin);
            }
            Filter::VersionNegotiation => {
                let accept = self.request.headers().get(header::ACCEPT);
                let accept = accept.and_then(|accept| accept.to_str().ok());
                match versions::negotiate(&self.path, accept, options) {
                    Negotiated::V2(path) => self.path = path,
                    Negotiated::Document => return Some(self.versions(options, StatusCode::OK)),
                    Negotiated::Choices => {
                        return Some(self.versions(options, StatusCode::MULTIPLE_CHOICES));
                    }
                }
            }
            Filter::Context => return self.identify(app),
            Filter::Cors(_) | Filter::Gzip => {}
        }
        None
    }

    /// Establishes who the caller is; whom nobody knows is answered here, before any route is
    /// looked for and without a request id.
    fn identify(&mut self, app: &App) -> Option<Response> {
        let headers = self.request.headers();
        match Caller::identify(app, headers) {
            Ok(caller) => {
                self.request.extensions_mut().insert(caller);
                None
            }
            Err(refusal) => Some(refusal.render(self.request.method(), shape_for(headers))),
        }
    }

    /// What the resources answer, with the request's id.
    async fn finish(mut self, app: &App, routes: Router) -> Response {
        // A pipeline without a context filter.
        if self.request.extensions().get::<Caller>().is_none()
            && let Some(refused) = self.identify(app)
        {
            return refused;
        }
        let headers = self.request.headers();
        let shape = shape_for(headers);
        let extension = self.request.extensions().get::<RequestId>();
        let request_id = request::request_id(headers, extension);
        let method = self.request.method().clone();
        let mut response = if self.path == "/v2" {
            root(&self.origin().application_url())
        } else {
            self.request.extensions_mut().insert(request_id.clone());
            let response = route(routes, self.request, &self.path).await;
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

    fn versions(&self, options: &ApiOptions, status: StatusCode) -> Response {
        versions::document(self.request.method(), &self.origin(), options, status)
    }

    fn origin(&self) -> Origin {
        Origin::of_extensions(self.request.extensions(), self.request.headers())
    }
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
fn root(base: &str) -> Response {
    let location = HeaderValue::from_str(&format!("{base}/v2/"))
        .unwrap_or_else(|_| HeaderValue::from_static("/v2/"));
    let content_type = HeaderValue::from_static("text/plain; charset=utf8");
    (StatusCode::FOUND, [(header::CONTENT_TYPE, content_type), (header::LOCATION, location)])
        .into_response()
}
