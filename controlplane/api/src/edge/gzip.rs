//! `gzip`: compressed bodies for who accepts them (`glance/api/middleware/gzip.py`).
//!
//! Image data is the data plane's and goes out as it is. Invariant: a body is either replaced
//! whole, with its `Content-Encoding`, or left alone.

use std::io::Write as _;

use axum::body::Body;
use axum::response::Response;
use flate2::{Compression, GzBuilder};
use http::header::CONTENT_ENCODING;
use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt as _;

/// Whether the header holds `gzip` as a word; qualities are not looked at.
pub(super) fn is_accepted(accept_encoding: Option<&HeaderValue>) -> bool {
    let text = accept_encoding.map(HeaderValue::as_bytes).unwrap_or_default();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
    text.split(|byte| !is_word(byte)).any(|word| word == b"gzip")
}

/// The response with its body compressed. One that has no body is left alone; Glance says of it
/// that it were compressed.
pub(super) async fn compress(response: Response) -> Response {
    let bodiless = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if bodiless || response.headers().contains_key(CONTENT_ENCODING) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(body) = body.collect().await else {
        tracing::error!("the body of a response failed");
        return super::failed();
    };
    let bytes = body.to_bytes();
    if bytes.is_empty() {
        return Response::from_parts(head, Body::empty());
    }
    // A large listing takes tens of milliseconds: not on a thread that others wait for.
    let compressed = tokio::task::spawn_blocking(move || compressed(&bytes));
    match compressed.await {
        Ok(Ok(bytes)) => {
            head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Response::from_parts(head, Body::from(bytes))
        }
        failed => {
            tracing::error!(?failed, "a response was not compressed");
            super::failed()
        }
    }
}

fn compressed(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_accepted_as_a_word() {
        let check = |header: Option<&str>, expected: bool| {
            let header = header.map(|text| text.parse().expect("a header"));
            assert_eq!(is_accepted(header.as_ref()), expected, "{header:?}");
        };
        check(Some("gzip"), true);
        check(Some("deflate, gzip;q=1.0"), true);
        check(Some("x-gzip"), true);
        check(Some("gzip;q=0"), true);
        check(Some("gzipped"), false);
        check(Some("_gzip"), false);
        check(Some("GZIP"), false);
        check(Some("deflate"), false);
        check(Some(""), false);
        check(None, false);
    }
}
