//! `/v2/images/{image_id}/locations`: where an image's bytes lie, for services
//! (`glance/api/v2/images.py`, `add_location`, `get_locations`; versions 2.17 and up).
//!
//! Leaves changes by patch to `update`. Adding answers before it is done, as in Glance: the place is
//! looked at afterwards. Invariant: an image becomes active by it only from `queued`, whatever
//! happened meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use controlplane_db::{ImageUpdate, utc_now};
use controlplane_domain::locations::{self, LocationRefused, Terms};
use controlplane_domain::uri;
use controlplane_domain::{Image, access};
use glint_image::{ImageId, Status};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::show;
use super::view::{location_view, respond};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Refusal;
use crate::remote;
use crate::request::read_json;

/// Lists the locations, whether images show them or not.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Path(shown): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let caller = Caller::of(request.extensions())?;
    let image = show::find(&app, &caller.context, &shown).await?;
    let image = image.ok_or_else(|| Refusal::no_such_image(&shown))?;
    caller.image(&image).fetch_image_location()?;
    let places = access::shown_locations(&caller.context, &image);
    let locations: Vec<Value> = places.iter().map(location_view).collect();
    Ok(respond(StatusCode::OK, &Value::Array(locations)))
}

/// Adds a location to a queued image, which becomes active by it.
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    Path(shown): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let body = read_json(&head.method, &head.headers, body).await?;
    app.schemas.check_location(&json!({"add_location": body})).map_err(Refusal::bad_request)?;
    let caller = Caller::of(&head.extensions)?;
    let image = show::find(&app, &caller.context, &shown).await?;
    let image = image.ok_or_else(|| Refusal::no_such_image(&shown))?;
    if image.status != Status::Queued {
        return Err(LocationRefused::Status("add", image.status).into());
    }
    caller.image(&image).add_image_location()?;
    let wanted = Wanted::of(&body);
    let roles = [&caller.context.roles, &caller.context.service.roles];
    let is_service = roles.iter().any(|roles| roles.iter().any(|role| role == "service"));
    let is_http = wanted.url.starts_with("http") && app.options.http_store;
    if !(is_service || is_http) {
        return Err(Refusal::no_http_store());
    }
    let (algorithm, value) = (wanted.algorithm.as_deref(), wanted.value.as_deref());
    locations::check_announced(algorithm, value, &app.options.hashing_algorithm)
        .map_err(|refused| Refusal::bad_request(refused.to_string()))?;
    let asks = uri::scheme(&wanted.url).is_some_and(|scheme| scheme == "http" || scheme == "https");
    if asks && !remote::passes(&wanted.url, &app.options.import_filter).await {
        return Err(Refusal::filtered_uri(&wanted.url));
    }
    if image.properties.iter().any(|(name, _)| name == "os_glance_import_task") {
        return Err(Refusal::busy_image());
    }
    // Nobody waits for the end: what comes of it is seen in the image.
    tokio::spawn(async move {
        if let Err(reason) = import(&app, image.id, &wanted).await {
            tracing::warn!(image = %image.id, reason, "a location is not added");
        }
    });
    let content_type = [(header::CONTENT_TYPE, "text/html; charset=UTF-8")];
    Ok((StatusCode::ACCEPTED, content_type).into_response())
}

/// What the body asks for; it fits the schema of locations.
#[derive(Debug)]
struct Wanted {
    url: String,
    algorithm: Option<String>,
    value: Option<String>,
}

impl Wanted {
    fn of(body: &Value) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let data = body.get("validation_data");
        let part = |name: &str| text(data.and_then(|data| data.get(name)));
        Self {
            url: text(body.get("url")).unwrap_or_default(),
            algorithm: part("os_hash_algo"),
            value: part("os_hash_value"),
        }
    }
}

/// Looks at the place and adds it (Glance: `glance/async_/flows/location_import.py`).
async fn import(app: &App, id: ImageId, wanted: &Wanted) -> Result<(), String> {
    let options = &app.options;
    if options.do_secure_hash && wanted.value.is_some() {
        // Glance's words where it cannot read the bytes.
        return Err(format!("Hash calculation failed for image {id} data"));
    }
    let place = remote::look(&wanted.url, options.remote_schemes(), &options.import_filter).await;
    let found = BTreeMap::from([(wanted.url.clone(), place)]);
    let before = app.db.image_get(id).await.map_err(|error| error.to_string())?;
    let before = before.ok_or("the image is gone")?;
    let owner = before.owner.as_deref();
    let used_by_others = app.db.storage_used(owner, Some(id)).await;
    let terms = Terms {
        visible: true,
        hashing_algorithm: &options.hashing_algorithm,
        storage: options.user_storage_quota,
        used_by_others: used_by_others.map_err(|error| error.to_string())?,
        found: &found,
    };
    let (seq, status) = (before.seq, before.status);
    let image = added(before, wanted, app, terms).map_err(|refused| refused.to_string())?;
    let update =
        ImageUpdate { image: &image, from_status: Some(status), unchanged_since: Some(seq) };
    let saved = app.db.image_update(update, utc_now()).await;
    saved.map(|_| ()).map_err(|error| error.to_string())
}

/// The image with its first location, and the digests that were given and are not compared.
fn added(
    mut image: Image,
    wanted: &Wanted,
    app: &App,
    terms: Terms<'_>,
) -> Result<Image, LocationRefused> {
    if image.status != Status::Queued {
        return Err(LocationRefused::Status("add", image.status));
    }
    let location = json!({"url": wanted.url, "metadata": {}});
    locations::add(&mut image, "-", &location, app.options.quotas(), terms)?;
    if wanted.value.is_some() {
        image.os_hash_algo.clone_from(&wanted.algorithm);
        image.os_hash_value.clone_from(&wanted.value);
    }
    Ok(image)
}
