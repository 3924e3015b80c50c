//! `GET /v2/images`

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use controlplane_domain::Image;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::query::{self, Parameters};
use super::view::{respond, view};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{self, Refusal};

/// Lists a page of the images the caller may see.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    let parameters = Parameters::parse(request.uri().query().unwrap_or_default())?;
    let caller = Caller::of(request.extensions())?;
    let (query, marker) =
        query::read(parameters.clone(), caller.context.as_ref().clone(), &app.options)?;
    caller.policy.get_images(&caller.context)?;
    let page = app.db.image_list(&query).await.map_err(|error| error::from_list(error, &marker))?;
    let links = parameters.for_links();
    let mut body = Map::new();
    // What policy hides is left out; the page is not filled up for it.
    let seen: Vec<&Image> = page.images.iter().filter(|image| caller.image(image).sees()).collect();
    let images: Vec<Value> = seen.iter().map(|image| view(image, &app.options, &caller)).collect();
    body.insert("images".to_owned(), Value::Array(images));
    body.insert("first".to_owned(), json!(link(&links, None)));
    body.insert("schema".to_owned(), json!("/v2/schemas/images"));
    // A page that is full by chance has a successor too, an empty one: as in Glance.
    if let Some(last) = seen.last().filter(|_| page.full) {
        body.insert("next".to_owned(), json!(link(&links, Some(last.id.as_str()))));
    }
    Ok(respond(StatusCode::OK, &Value::Object(body)))
}

fn link(parameters: &[(String, String)], marker: Option<&str>) -> String {
    let marker = marker.map(|marker| ("marker", marker));
    let pairs = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let query = query::urlencode(pairs.chain(marker));
    if query.is_empty() { "/v2/images".to_owned() } else { format!("/v2/images?{query}") }
}
