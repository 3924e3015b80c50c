//! What stands around the API: the filters of the paste pipeline in their order, and the health
//! check beside them (Glance: `etc/glance-api-paste.ini`).
//!
//! Leaves reading the paste file and the options to `src/`, and versions and routes to `router`.
//! Invariants: a filter that is not in the pipeline does nothing; a filter that answers by itself
//! has no say about its own answer, those before it have (`glance/common/wsgi.py`,
//! `Middleware.__call__`).

mod cors;
mod gzip;
pub mod healthcheck;
mod origin;
mod source;

use axum::extract::Request;
use axum::response::Response;
use glint_image::FaultShape;
use http::{HeaderMap, HeaderValue, Method, header};

use crate::error::Refusal;

pub use cors::Cors;
pub use healthcheck::Healthcheck;
pub(crate) use origin::Origin;
pub use origin::Peer;
pub use source::{SourceRange, SourceRangeError};

/// The filters around the API, first to last, and the health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// In the order in which requests meet them; responses meet them in the opposite order.
    pub filters: Vec<Filter>,
    /// `/healthcheck`; without it the path is like any other.
    pub healthcheck: Option<Healthcheck>,
}

/// A filter of the pipeline that acts here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// `cors`: what pages of other origins may do.
    Cors(Cors),
    /// `http_proxy_to_wsgi`, told to believe the headers of a proxy.
    ProxyHeaders,
    /// `gzip`: bodies are compressed for who accepts that.
    Gzip,
    /// `versionnegotiation`: which version a request is for.
    VersionNegotiation,
    /// `context` and its like: who the caller is. Gives responses their request id.
    Context,
}

/// What of a request its response depends on.
#[derive(Debug)]
pub(crate) struct Seen {
    method: Method,
    origin: Option<HeaderValue>,
    request_method: Option<HeaderValue>,
    request_headers: Option<HeaderValue>,
    accept_encoding: Option<HeaderValue>,
}

// === impl Edge ===

impl Default for Edge {
    /// The pipeline of the paste file that Glance ships, without options: no origin is allowed and
    /// no proxy believed.
    fn default() -> Self {
        Self {
            filters: vec![
                Filter::Cors(Cors::default()),
                Filter::VersionNegotiation,
                Filter::Context,
            ],
            healthcheck: Some(Healthcheck::default()),
        }
    }
}

impl Edge {
    /// The filter that lets pages of other origins read answers, if it lets any.
    #[must_use]
    pub fn cross_origin(&self) -> Option<&Cors> {
        self.filters.iter().find_map(|filter| match filter {
            Filter::Cors(cors) if !cors.allowed_origin.is_empty() => Some(cors),
            _ => None,
        })
    }
}

// === impl Filter ===

impl Filter {
    /// What becomes of the response of a request that went past this filter.
    pub(crate) async fn leave(&self, seen: &Seen, response: Response) -> Response {
        match self {
            Self::Cors(cors) => cors.decorate(seen, response),
            Self::Gzip if gzip::is_accepted(seen.accept_encoding.as_ref()) => {
                gzip::compress(response).await
            }
            Self::ProxyHeaders | Self::Gzip | Self::VersionNegotiation | Self::Context => response,
        }
    }
}

// === impl Seen ===

impl Seen {
    pub(crate) fn of(request: &Request) -> Self {
        let header = |name| request.headers().get(name).cloned();
        Self {
            method: request.method().clone(),
            origin: header(header::ORIGIN),
            request_method: header(header::ACCESS_CONTROL_REQUEST_METHOD),
            request_headers: header(header::ACCESS_CONTROL_REQUEST_HEADERS),
            accept_encoding: header(header::ACCEPT_ENCODING),
        }
    }
}

/// 500, for a body that broke on its way.
fn failed() -> Response {
    Refusal::internal().render(&Method::GET, FaultShape::Plain)
}

/// The text of a header, empty where it is missing or no text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
