//! Which requests the data plane answers itself.
//!
//! Only the two byte routes are known here; everything else, malformed versions and wrong methods
//! included, is left to the control plane, which has Glance's whole table. Invariant: a request is
//! taken for a byte route only if Glance would take it for one (`glint_link` tells which minor
//! versions this deployment answers).

use crate::head::Head;

/// Where a request goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route {
    /// `GET …/images/{id}/file`
    Download {
        /// The id as given, percent-decoded; not necessarily a UUID.
        id_text: String,
    },
    /// `PUT …/images/{id}/file`
    Upload {
        /// The id as given, percent-decoded; not necessarily a UUID.
        id_text: String,
    },
    /// The control plane answers.
    Relay,
}

/// The start of an `Accept` that names a version (`glance/api/middleware/version_negotiation.py`,
/// `process_request`).
const VENDOR_PREFIX: &[u8] = b"application/vnd.openstack.images-";

/// Finds the route of a request. `minor_versions` are the N of the `/v2.N` that this deployment
/// answers.
#[must_use]
pub fn route(head: &Head, minor_versions: &[u16]) -> Route {
    let make: fn(String) -> Route = match head.method.as_str() {
        "GET" => |id_text| Route::Download { id_text },
        "PUT" => |id_text| Route::Upload { id_text },
        _ => return Route::Relay,
    };
    let decoded = percent_decoded(&head.path);
    // Routes tolerates repeated slashes between segments, but no slash at the end.
    let mut segments: Vec<&[u8]> =
        decoded.split(|b| *b == b'/').filter(|s| !s.is_empty()).collect();
    if decoded.last() == Some(&b'/') || decoded.first() != Some(&b'/') {
        return Route::Relay;
    }
    let accept = head.header("accept");
    let accept = accept.as_deref().unwrap_or_default();
    let version = match accept.strip_prefix(VENDOR_PREFIX) {
        Some(version) => version,
        None if segments.is_empty() => return Route::Relay,
        None => segments.remove(0),
    };
    match segments[..] {
        [b"images", id, b"file"] if version_answered(version, minor_versions) => {
            make(as_latin1(id))
        }
        _ => Route::Relay,
    }
}

fn version_answered(version: &[u8], minor_versions: &[u16]) -> bool {
    let Some(minor) = version.strip_prefix(b"v2") else { return false };
    let Some(digits) = minor.strip_prefix(b".") else { return minor.is_empty() };
    // Compared as text, as Glance does: `v2.05` is no version.
    minor_versions.iter().any(|known| known.to_string().as_bytes() == digits)
}

/// Percent-decoding as WSGI servers do it: what is no valid escape stays as it is.
fn percent_decoded(path: &str) -> Vec<u8> {
    let bytes = path.as_bytes();
    let digit = |at: usize| {
        let value = bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16))?;
        u8::try_from(value).ok()
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                at += 3;
            }
            (byte, _, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

/// WSGI hands paths on as Latin-1 text, and Glance shows them so in its answers.
fn as_latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{Parsed, parse};

    const ID: &str = "71c675ab-d94f-49cd-a114-e12490b328d9";

    fn check(request: &str, expected: Route) {
        let (line, accept) = request.split_once(" | ").unwrap_or((request, ""));
        let accept =
            if accept.is_empty() { String::new() } else { format!("Accept: {accept}\r\n") };
        let text = format!("{line} HTTP/1.1\r\nHost: x\r\n{accept}\r\n");
        let Parsed::Head(head, _) = parse(text.as_bytes()) else { panic!("{text:?} is a head") };
        assert_eq!(route(&head, &[0, 5, 17]), expected, "{request}");
    }

    #[test]
    fn byte_routes_are_found_where_glance_finds_them() {
        let down = |id: &str| Route::Download { id_text: id.to_owned() };
        check(&format!("GET /v2/images/{ID}/file"), down(ID));
        check(&format!("PUT /v2/images/{ID}/file"), Route::Upload { id_text: ID.to_owned() });
        check(&format!("GET /v2.5/images/{ID}/file"), down(ID));
        check(&format!("GET /v2.17/images/{ID}/file?x=y"), down(ID));
        check(&format!("GET //v2//images///{ID}//file"), down(ID));
        check(&format!("GET http://elsewhere/v2/images/{ID}/file"), down(ID));
        check(&format!("GET /%76%32/images/{ID}/file"), down(ID));
        check("GET /v2/images/nope/file", down("nope"));
        check("GET /v2/images/a%20b/file", down("a b"));
        check("GET /v2/images/no%C3%A9/file", down("no\u{c3}\u{a9}"));
        check("GET /v2/images/%zz%4/file", down("%zz%4"));
        check("GET /v2/images/../file", down(".."));
        check("GET /images/nope/file | application/vnd.openstack.images-v2", down("nope"));
        check("GET /images/nope/file | application/vnd.openstack.images-v2.5", down("nope"));
    }

    #[test]
    fn all_else_is_the_control_planes() {
        for request in [
            "GET /",
            "GET /v2",
            "GET /v2/images",
            "GET /v2/images/nope",
            "GET /v2/images/nope/file/",
            "GET /v2/images/nope/file/x",
            "GET /v2/images/a%2fb/file",
            "GET /v2/images/nope/File",
            "GET /V2/images/nope/file",
            "GET /v2.6/images/nope/file",
            "GET /v2.05/images/nope/file",
            "GET /v2./images/nope/file",
            "GET /v1/images/nope/file",
            "GET /images/nope/file",
            "GET /v2/images/nope/file | application/vnd.openstack.images-v2",
            "GET /images/nope/file | application/vnd.openstack.images-v9",
            "HEAD /v2/images/nope/file",
            "POST /v2/images/nope/file",
            "get /v2/images/nope/file",
            "OPTIONS *",
        ] {
            check(request, Route::Relay);
        }
    }
}
