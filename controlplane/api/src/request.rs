//! What handlers take from a request: its id, its path, its body.
//!
//! Invariant: a body is read with a bound, whatever its headers say.

use axum::body::Body;
use axum::extract::Request;
use glint_image::{RequestId, limits};
use http::request::Parts;
use http::{HeaderMap, Method, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use crate::error::Refusal;
use crate::json;

/// The header in which request ids travel.
pub(crate) const REQUEST_ID_HEADER: &str = "x-openstack-request-id";

/// The request's id: the caller's where it may be used, else what the link end made (an extension),
/// else a new one.
///
/// One that is too long, or may not stand in a log, is not used. (Glance means to answer 431 to the
/// former and answers 500 under Keystone, and uses no caller's id at all without:
/// `glance/api/middleware/context.py`.)
pub(crate) fn request_id(headers: &HeaderMap, extension: Option<&RequestId>) -> RequestId {
    let given = headers.get(REQUEST_ID_HEADER).map(http::HeaderValue::as_bytes);
    let adopted = given.and_then(RequestId::adopt);
    adopted.or_else(|| extension.cloned()).unwrap_or_else(RequestId::random)
}

/// A path with repeated slashes folded and every segment percent-encoded in one way.
///
/// WSGI hands Glance the decoded path in Latin-1, so routes match decoded text: an encoded slash
/// separates, and other bytes show up in messages as the characters of Latin-1 (PEP 3333, "Unicode
/// Issues"). A trailing slash stays, since with it no route matches.
pub(crate) fn normal_path(path: &str) -> String {
    const SEGMENT: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');
    let decoded: String = percent_decode_str(path).map(char::from).collect();
    let mut normal = String::with_capacity(decoded.len() + 1);
    for segment in decoded.split('/').filter(|segment| !segment.is_empty()) {
        normal.push('/');
        normal.extend(utf8_percent_encode(segment, SEGMENT));
    }
    if decoded.ends_with('/') || normal.is_empty() {
        normal.push('/');
    }
    normal
}

/// Whether the request brings a body (`glance/common/wsgi.py`, `JSONRequestDeserializer.has_body`):
/// by its framing, which the link may have replaced by the body itself.
pub(crate) fn has_body(method: &Method, headers: &HeaderMap, body: &Body) -> bool {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse::<u64>().ok());
    let coding = headers.get(header::TRANSFER_ENCODING).and_then(|value| value.to_str().ok());
    let coded = coding.is_some_and(|coding| {
        ["chunked", "compress", "deflate", "gzip", "identity"]
            .iter()
            .any(|known| coding.eq_ignore_ascii_case(known))
    });
    let may_have_body = [Method::POST, Method::PUT, Method::PATCH].contains(method);
    length.is_some_and(|length| length > 0)
        || coded && may_have_body
        || http_body::Body::size_hint(body).lower() > 0
}

/// Refuses a request with a body on a route that takes none.
pub(crate) fn expect_no_body(
    method: &Method,
    headers: &HeaderMap,
    body: &Body,
) -> Result<(), Refusal> {
    if has_body(method, headers, body) {
        return Err(Refusal::bad_request("A body is not expected with this request."));
    }
    Ok(())
}

/// Takes the head of a request; refuses a body where Glance reads one and then fails over it with
/// 500, what is no JSON in the words for that.
pub(crate) async fn read_no_body(request: Request) -> Result<Parts, Refusal> {
    let (head, body) = request.into_parts();
    if has_body(&head.method, &head.headers, &body) {
        read_json(&head.method, &head.headers, body).await?;
        return Err(Refusal::bad_request("A body is not expected with this request."));
    }
    Ok(head)
}

/// The body as JSON: an object or an array (`JSONRequestDeserializer.from_json`).
pub(crate) async fn read_json(
    method: &Method,
    headers: &HeaderMap,
    body: Body,
) -> Result<Value, Refusal> {
    if !has_body(method, headers, &body) {
        return Err(Refusal::bad_request("Body expected in request."));
    }
    let bytes = axum::body::to_bytes(body, limits::RELAY_BODY_BYTES_MAX)
        .await
        .map_err(|_| Refusal::body_too_large())?;
    let value = json::read(&bytes)
        .ok_or_else(|| Refusal::bad_request("Malformed JSON in request body."))?;
    if !value.is_object() && !value.is_array() {
        return Err(Refusal::bad_request("Unexpected body type. Expected list/dict."));
    }
    Ok(value)
}

/// Python's `int()` of a text: blanks around it, a sign, single underscores between digits. Numbers
/// beyond 64 bits stop at the end of the range.
pub(crate) fn python_int(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") {
        return None;
    }
    let digits = digits.replace('_', "");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX);
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_as_wsgi_does() {
        let check = |path: &str, expected: &str| assert_eq!(normal_path(path), expected, "{path}");
        check("/v2/images", "/v2/images");
        check("//v2///images", "/v2/images");
        check("/v2/images/", "/v2/images/");
        check("", "/");
        check("/", "/");
        check("/v2/im%61ges/a%2Fb", "/v2/images/a/b");
        check("/v2/images/%C3%A9", "/v2/images/%C3%83%C2%A9");
        check("/v2/images/%ff%zz", "/v2/images/%C3%BF%25zz");
        check("/v2/images/{x}", "/v2/images/%7Bx%7D");
        check("/v2/images/..", "/v2/images/..");
    }

    #[test]
    fn integers_read_as_python_reads_them() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(python_int(text), expected, "{text:?}");
        };
        check("10", Some(10));
        check(" 1", Some(1));
        check("+1_0", Some(10));
        check("-5", Some(-5));
        check("99999999999999999999999", Some(i64::MAX));
        check("", None);
        check("x", None);
        check("1.5", None);
        check("1__0", None);
        check("_1", None);
        check("-", None);
    }

    #[test]
    fn request_ids_come_from_the_caller_the_link_or_nowhere() {
        let link = RequestId::adopt(b"link").expect("a short visible text");
        let check = |given: Option<&str>, expected: &str| {
            let mut headers = HeaderMap::new();
            if let Some(given) = given {
                headers.insert(REQUEST_ID_HEADER, given.parse().expect("a header value"));
            }
            assert_eq!(request_id(&headers, Some(&link)).as_str(), expected);
        };
        check(Some("req-abc"), "req-abc");
        check(Some(""), "req-link");
        check(None, "req-link");
        check(Some(&"a".repeat(80)), "req-link");
    }
}
