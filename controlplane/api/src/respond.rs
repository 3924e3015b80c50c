//! Answers that resources share.

use axum::response::{IntoResponse, Response};
use controlplane_db::Changed;
use http::{StatusCode, header};

/// 204 with WebOb's content type, and the change it tells of.
pub(crate) fn no_content(changed: Option<Changed>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/html; charset=UTF-8")];
    let mut response = (StatusCode::NO_CONTENT, content_type).into_response();
    if let Some(changed) = changed {
        response.extensions_mut().insert(changed);
    }
    response
}
