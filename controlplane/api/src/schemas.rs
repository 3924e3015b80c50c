//! `/v2/schemas/…`: the documents bodies are checked against and clients build forms from.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header;

use crate::app::App;
use crate::error::Refusal;
use crate::keep::Keep;
use crate::request::expect_no_body;

/// `GET /v2/schemas/image`
pub(crate) async fn image(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    document(&request, &app.schemas.image_bytes)
}

/// `GET /v2/schemas/images`
pub(crate) async fn images(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    document(&request, &app.schemas.images_bytes)
}

/// The documents of members and tasks, as their paths end, in the order in which they are kept.
pub(crate) const RESOURCES: [&str; 4] = ["member", "members", "task", "tasks"];

/// `GET /v2/schemas/…` of the one with this place among [`RESOURCES`]
pub(crate) async fn resource(
    State(app): State<Arc<App>>,
    request: Request,
    place: usize,
) -> Result<Response, Refusal> {
    document(&request, &app.schemas.resources[place])
}

fn document(request: &Request, bytes: &Bytes) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let response = ([(header::CONTENT_TYPE, "application/json")], bytes.clone());
    Ok(Keep::LET_IN.mark(response))
}
