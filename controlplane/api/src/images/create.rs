//! `POST /v2/images`

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use controlplane_db::utc_now;
use controlplane_domain::create::{self, Measures};
use glint_image::ImageId;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

use super::view::{respond, view};
use crate::app::App;
use crate::caller::Caller;
use crate::edge::Origin;
use crate::error::{self, Refusal};
use crate::request::read_json;

/// Creates an image without bytes.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let body = read_json(&head.method, &head.headers, body).await?;
    // Glance fails with 500 on an array; here it is the caller's fault.
    let Value::Object(attributes) = &body else {
        return Err(Refusal::bad_request("Unexpected body type. Expected dict."));
    };
    create::check_allowed(attributes)?;
    app.schemas.check_image(&body).map_err(Refusal::bad_request)?;
    let caller = Caller::changing(&head.extensions)?;
    let protection = app.options.property_protection.as_deref();
    let measures = Measures { quotas: app.options.quotas(), protection };
    let image = create::new_image(
        attributes,
        &caller.context,
        &caller.policy,
        measures,
        ImageId::random(),
        utc_now(),
    )?;
    let changed = app
        .db
        .image_create(&image)
        .await
        .map_err(|error| error::from_create(error, image.id.as_str()))?;
    let mut response = respond(StatusCode::CREATED, &view(&image, &app.options, &caller));
    let headers = response.headers_mut();
    let location = format!("{}/v2/images/{}", Origin::of(&head).host_url(), image.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(header::LOCATION, location);
    }
    let methods = app.options.enabled_import_methods.join(",");
    if let Some(methods) = HeaderValue::from_str(&methods).ok().filter(|_| !methods.is_empty()) {
        headers.insert("openstack-image-import-methods", methods);
    }
    response.extensions_mut().insert(changed);
    Ok(response)
}
