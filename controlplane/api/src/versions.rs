//! Which version of the API a request is for, and the document that lists them
//! (Glance: `glance/api/middleware/version_negotiation.py`, `glance/api/versions.py`).
//!
//! Runs before anything else but the health check: unknown versions are answered without identity
//! and without a request id.

use axum::response::Response;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::edge::Origin;
use crate::json;
use crate::keep::Keep;
use crate::options::ApiOptions;

/// What a path and an `Accept` header ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Negotiated {
    /// A resource of version 2; the path begins with `/v2`.
    V2(String),
    /// The versions document, by its own path.
    Document,
    /// No version that is served: the document, as a choice.
    Choices,
}

/// Finds the version in the header, else in the first segment of the (normal) path.
pub(crate) fn negotiate(path: &str, accept: Option<&str>, options: &ApiOptions) -> Negotiated {
    const MEDIA_TYPE: &str = "application/vnd.openstack.images-";
    let (first, rest) = match path[1..].find('/') {
        Some(end) => (&path[1..=end], &path[end + 1..]),
        None => (&path[1..], ""),
    };
    if first == "versions" {
        return Negotiated::Document;
    }
    let (version, rest) = match accept.and_then(|accept| accept.strip_prefix(MEDIA_TYPE)) {
        Some(version) => (version, path),
        None => (first, rest),
    };
    if is_served(version, options) {
        Negotiated::V2(format!("/v2{rest}"))
    } else {
        Negotiated::Choices
    }
}

/// The document, with 200 or 300.
pub(crate) fn document(
    method: &Method,
    origin: &Origin,
    options: &ApiOptions,
    status: StatusCode,
) -> Response {
    let own = origin.application_url();
    let base = options.public_endpoint.as_deref().unwrap_or(&own).trim_end_matches('/');
    let versions: Vec<Value> = options
        .minor_versions()
        .iter()
        .map(|minor| {
            json!({
                "id": format!("v2.{minor}"),
                "status": if *minor == current(options) { "CURRENT" } else { "SUPPORTED" },
                "links": [{"rel": "self", "href": format!("{base}/v2/")}],
            })
        })
        .collect();
    let body = if method == Method::HEAD {
        Vec::new()
    } else {
        json::write(&json!({"versions": versions}))
    };
    Keep::ALWAYS.mark((status, [(header::CONTENT_TYPE, "application/json")], body))
}

/// The newest of the minor versions served.
fn current(options: &ApiOptions) -> u16 {
    options.minor_versions().iter().copied().max().expect("there is at least version 2.0")
}

fn is_served(version: &str, options: &ApiOptions) -> bool {
    let minor = version
        .strip_prefix("v2.")
        .and_then(|minor| options.minor_versions().iter().find(|known| known.to_string() == minor));
    version == "v2" || minor.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_the_header_or_the_path() {
        let check = |path: &str, accept: Option<&str>, expected: Option<&str>| {
            let found = negotiate(path, accept, &ApiOptions::default());
            let expected = expected.map_or(Negotiated::Choices, |path| Negotiated::V2(path.into()));
            assert_eq!(found, expected, "{path} {accept:?}");
        };
        check("/v2/images", None, Some("/v2/images"));
        check("/v2.5/images", None, Some("/v2/images"));
        check("/v2", None, Some("/v2"));
        check("/v2/", None, Some("/v2/"));
        check("/v2/images", Some("*/*"), Some("/v2/images"));
        check("/images", Some("application/vnd.openstack.images-v2"), Some("/v2/images"));
        check("/images", Some("application/vnd.openstack.images-v2.3"), Some("/v2/images"));
        check("/v2/images", Some("application/vnd.openstack.images-v2"), Some("/v2/v2/images"));
        check("/images", Some("application/vnd.openstack.images-v2, */*"), None);
        check("/", None, None);
        check("/v1/images", None, None);
        check("/V2/images", None, None);
        check("/v2.05/images", None, None);
        check("/v2.8/images", None, None);
        check("/v2.18/images", None, None);
        check("/v9/images", None, None);
    }

    #[test]
    fn the_document_has_a_path_of_its_own() {
        let options = ApiOptions::default();
        assert_eq!(negotiate("/versions", None, &options), Negotiated::Document);
        assert_eq!(negotiate("/versions/x", None, &options), Negotiated::Document);
        assert_eq!(negotiate("/versionsx", None, &options), Negotiated::Choices);
    }
}
