//! `/healthcheck`: whether this service answers (oslo.middleware's `healthcheck`, beside the
//! stack).
//!
//! Any method and any path below it is answered, without identity and without a request id.

use axum::response::{IntoResponse, Response};
use glint_image::FaultShape;
use http::{HeaderMap, Method, StatusCode, header};

use crate::error::shape_for;

/// Whether a path belongs here.
pub(crate) fn is_below(path: &str) -> bool {
    path == "/healthcheck" || path.starts_with("/healthcheck/")
}

/// The answer: a word, or JSON for who asks for it. (oslo.middleware has a page of HTML too; here
/// who asks for that gets the word.)
pub(crate) fn answer(method: &Method, headers: &HeaderMap) -> Response {
    const JSON: &str = "{\n    \"detailed\": false,\n    \"reasons\": [\n        \"OK\"\n    ]\n}";
    if method == Method::HEAD {
        return StatusCode::NO_CONTENT.into_response();
    }
    if shape_for(headers) == FaultShape::Json {
        return ([(header::CONTENT_TYPE, "application/json")], JSON).into_response();
    }
    ([(header::CONTENT_TYPE, "text/plain; charset=UTF-8")], "OK").into_response()
}
