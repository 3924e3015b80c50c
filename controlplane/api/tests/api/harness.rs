//! A router over a database of its own, and what a test asks of an answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use controlplane_api::edge::{Edge, Peer};
use controlplane_api::{ApiOptions, App, Changed, Identity, router};
use controlplane_db::{Database, Upkeep};
use controlplane_identity::Options as IdentityOptions;
use controlplane_testing::Place;
use glint_config::paste::{Filter, FilterKind, Pipeline};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

/// The API under test. Its database vanishes with it.
pub(crate) struct Api {
    pub(crate) app: Arc<App>,
    router: axum::Router,
    place: Place,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) changed: Option<Changed>,
    headers: http::HeaderMap,
}

/// An answer whose body need not be text.
pub(crate) struct Raw {
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: bytes::Bytes,
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::with(ApiOptions::default()).await
    }

    pub(crate) async fn with(options: ApiOptions) -> Self {
        Self::make(options, Edge::default(), Identity::unauthenticated()).await
    }

    /// With other filters around it.
    pub(crate) async fn behind(edge: Edge) -> Self {
        Self::make(ApiOptions::default(), edge, Identity::unauthenticated()).await
    }

    /// Where `X-Auth-Token` says who its bearer is: `USER:PROJECT:ROLE`.
    pub(crate) async fn tokens() -> Self {
        let filter = |name: &str, kind: FilterKind| Filter {
            name: name.to_owned(),
            kind,
            options: BTreeMap::new(),
        };
        let filters = vec![
            filter("authtoken", FilterKind::OracleAuth),
            filter("context", FilterKind::Context),
        ];
        let pipeline = Pipeline { filters, ..Pipeline::default() };
        let identity = Identity::of(&pipeline, IdentityOptions::default()).expect("a pipeline");
        Self::make(ApiOptions::default(), Edge::default(), identity).await
    }

    /// Sends a request with a token.
    pub(crate) async fn by(&self, token: &str, method: &str, target: &str, body: &str) -> Answer {
        self.send(method, target, &[("x-auth-token", token)], body).await
    }

    async fn make(options: ApiOptions, edge: Edge, identity: Identity) -> Self {
        Self::over(Place::new().await, options, edge, identity).await
    }

    /// On a database at an older revision of Glance's.
    pub(crate) async fn at_revision(revision: &str) -> Self {
        let place = Place::new().await;
        let upkeep = Upkeep::connect(&place.url()).await.expect("a fresh database");
        upkeep.upgrade(revision).await.expect("a revision");
        upkeep.close().await;
        let identity = Identity::unauthenticated();
        Self::over(place, ApiOptions::default(), Edge::default(), identity).await
    }

    /// The operators' way into its database.
    pub(crate) async fn upkeep(&self) -> Upkeep {
        Upkeep::connect(&self.place.url()).await.expect("its database")
    }

    async fn over(place: Place, options: ApiOptions, edge: Edge, identity: Identity) -> Self {
        let db = Database::connect(&place.url()).await.expect("a usable database");
        let app = Arc::new(App::new(db, options, identity).behind(edge));
        Self { router: router(Arc::clone(&app)), app, place }
    }

    /// Sends a request; a non-empty body announces its length.
    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        read(self.call(request(method, target, headers, body.into())).await).await
    }

    /// Sends a request without a body; the answer's may be any bytes.
    pub(crate) async fn raw(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Raw {
        let (head, body) =
            self.call(request(method, target, headers, Vec::new())).await.into_parts();
        let body = body.collect().await.expect("bodies are in memory").to_bytes();
        Raw { headers: head.headers, body }
    }

    /// Asks from a client's address.
    pub(crate) async fn from(
        &self,
        peer: Option<Peer>,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = request("GET", target, headers, Vec::new());
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        read(self.call(request).await).await
    }

    async fn call(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.expect("the router answers")
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], "").await
    }

    pub(crate) async fn post(&self, body: &str) -> Answer {
        self.send("POST", "/v2/images", &[], body).await
    }

    pub(crate) async fn patch(&self, id: &str, body: &str) -> Answer {
        let media_type = "application/openstack-images-v2.1-json-patch";
        self.send("PATCH", &format!("/v2/images/{id}"), &[("content-type", media_type)], body).await
    }

    /// Creates an image and gives its id.
    pub(crate) async fn create(&self, body: &str) -> String {
        let answer = self.post(body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().expect("an image has an id").to_owned()
    }
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(target);
    request = request.header("host", "127.0.0.1:9292");
    if !body.is_empty() {
        request = request.header("content-length", body.len());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body)).expect("a test's request is well-formed")
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("headers are ASCII"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }

    /// Checks a refusal in plain text: code with title, and the text with its line ends.
    pub(crate) fn check_refused(&self, title: &str, text: &str) {
        assert_eq!(self.body, format!("{title}\n\n{text}"));
        assert_eq!(self.status.to_string(), title[..3]);
        assert_eq!(self.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert!(self.header("x-openstack-request-id").is_some());
        assert_eq!(self.changed, None);
    }
}

pub(crate) async fn read(response: Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("bodies are in memory").to_bytes();
    Answer {
        status: head.status.as_u16(),
        body: String::from_utf8(body.to_vec()).expect("bodies are UTF-8"),
        changed: head.extensions.get().copied(),
        headers: head.headers,
    }
}
