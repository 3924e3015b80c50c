//! An image as JSON (Glance: `glance/api/v2/images.py`, `ResponseSerializer._format_image`).
//!
//! Invariant: keys stand in Glance's order: custom properties first, and an attribute of the same
//! name takes the place of the property it masks.

use axum::response::{IntoResponse, Response};
use controlplane_domain::property_protection::Action;
use controlplane_domain::{Image, ImageLocation, access};
use http::{StatusCode, header};
use serde_json::{Map, Value, json};
use time::PrimitiveDateTime;

use crate::caller::Caller;
use crate::json;
use crate::options::ApiOptions;

/// Properties that only the service reads.
const HIDDEN: [&str; 2] = ["os_glance_stage_host", "os_glance_hash_op_host"];

/// The JSON of an image, with the properties that the caller may see.
pub(super) fn view(image: &Image, options: &ApiOptions, caller: &Caller) -> Value {
    let guard = caller.guard(options);
    let id = image.id.as_str();
    let mut view = Map::new();
    for (name, value) in &image.properties {
        if !HIDDEN.contains(&name.as_str()) && guard.allows(name, Action::Read) {
            view.insert(name.clone(), json!(value));
        }
    }
    let mut set = |name: &str, value: Value| {
        view.insert(name.to_owned(), value);
    };
    set("name", json!(image.name));
    set("disk_format", json!(image.disk_format));
    set("container_format", json!(image.container_format));
    set("visibility", json!(image.visibility.as_str()));
    set("size", json!(image.size));
    set("virtual_size", json!(image.virtual_size));
    set("status", json!(image.status.as_str()));
    set("checksum", json!(image.checksum));
    set("protected", json!(image.protected));
    set("min_ram", json!(image.min_ram));
    set("min_disk", json!(image.min_disk));
    set("owner", json!(image.owner));
    set("os_hidden", json!(image.os_hidden));
    set("os_hash_algo", json!(image.os_hash_algo));
    set("os_hash_value", json!(image.os_hash_value));
    set("id", json!(id));
    set("created_at", json!(iso(image.created_at)));
    set("updated_at", json!(iso(image.updated_at)));
    let places = access::shown_locations(&caller.context, image);
    if options.show_multiple_locations {
        let locations: Vec<Value> = places.iter().map(location_view).collect();
        set("locations", Value::Array(locations));
    }
    if let Some(first) = places.first().filter(|_| options.show_image_direct_url) {
        set("direct_url", json!(first.url));
    }
    set("tags", json!(image.tags));
    set("self", json!(format!("/v2/images/{id}")));
    set("file", json!(format!("/v2/images/{id}/file")));
    set("schema", json!("/v2/schemas/image"));
    Value::Object(view)
}

/// A response with a JSON body.
pub(crate) fn respond(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], json::write(body)).into_response()
}

/// A time as Glance shows it: `YYYY-MM-DDTHH:MM:SSZ`, its fraction cut off.
pub(crate) fn iso(at: PrimitiveDateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// The JSON of a location.
pub(super) fn location_view(location: &ImageLocation) -> Value {
    json!({"url": location.url, "metadata": metadata(&location.metadata)})
}

/// The metadata of a location; what is no JSON in the row is shown as nothing.
fn metadata(text: &str) -> Value {
    json::read(text.as_bytes()).unwrap_or_else(|| json!({}))
}
