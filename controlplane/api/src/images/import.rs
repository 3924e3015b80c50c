//! `/v2/images/{image_id}/import` and `/v2/images/{image_id}/stage`
//! (`glance/api/v2/images.py`, `glance/api/v2/image_data.py`).
//!
//! No import method is offered, so these are the answers of a Glance with none enabled: every name
//! of a method is unknown, and there is nothing to stage for.

use axum::extract::Request;
use axum::response::Response;
use serde_json::Value;

use crate::error::Refusal;
use crate::request::read_json;
use crate::schema::python::str_of;

/// `POST …/import`
pub(crate) async fn import(request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let body = read_json(&head.method, &head.headers, body).await?;
    Err(Refusal::bad_request(refused(&body)))
}

/// `PUT …/stage`
pub(crate) async fn stage(_request: Request) -> Refusal {
    Refusal::no_staging()
}

/// What is wrong with an import (`RequestDeserializer._validate_import_body`). Where an object is
/// due and something else is there, Glance fails with 500.
fn refused(body: &Value) -> String {
    let Some(method) = body.get("method") else {
        return "Import request requires a 'method' field.".to_owned();
    };
    match method.get("name") {
        None => "Import request requires a 'name' field.".to_owned(),
        Some(name) => format!("Unknown import method name '{}'.", str_of(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn imports_are_refused_in_glances_words() {
        let check = |body: Value, text: &str| assert_eq!(refused(&body), text, "{body}");
        let named = |name: Value| json!({"method": {"name": name}});
        check(json!({}), "Import request requires a 'method' field.");
        check(json!([]), "Import request requires a 'method' field.");
        check(json!({"method": {}}), "Import request requires a 'name' field.");
        check(json!({"method": null}), "Import request requires a 'name' field.");
        check(named(json!("x'y")), "Unknown import method name 'x'y'.");
        check(named(json!(null)), "Unknown import method name 'None'.");
        check(named(json!(["a"])), "Unknown import method name '['a']'.");
        check(named(json!(true)), "Unknown import method name 'True'.");
    }
}
