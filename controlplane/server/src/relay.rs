//! Requests and responses of the API in the typed form in which they cross the link.
//!
//! Pure conversions, both ways. Leaves streams, deadlines and the router to its caller. Invariant:
//! nothing that the data plane accepted is given another meaning here; what cannot be said to the
//! router is refused, never repaired by guessing.

use axum::body::Body;
use bytes::Bytes;
use controlplane_api::edge::Peer;
use glint_image::{Fault, FaultShape, RequestId};
use glint_link::wire::{Header, RequestHead};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt;
use std::net::SocketAddr;

/// A request that cannot be put to the router; the text is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    /// The method is not a token.
    #[error("the method is not a token")]
    Method,
    /// The target is not a path.
    #[error("the target is not a path")]
    Target,
    /// A header's name or value cannot be carried.
    #[error("a header's name or value is not valid")]
    Header,
}

/// A complete response, ready to cross the link.
#[derive(Debug)]
pub(crate) struct Reply {
    /// HTTP status code.
    pub(crate) status: u16,
    /// Headers without framing ones.
    pub(crate) headers: Vec<Header>,
    /// The whole body.
    pub(crate) body: Bytes,
}

/// The head of a request without a body yet.
pub(crate) fn request_of(head: &RequestHead) -> Result<Request<()>, HeadError> {
    let mut request = Request::new(());
    *request.method_mut() =
        Method::from_bytes(head.method.as_bytes()).map_err(|_| HeadError::Method)?;
    *request.uri_mut() = target_of(&head.path, head.query.as_deref())?;
    *request.headers_mut() = headers_of(&head.headers)?;
    Ok(request)
}

/// The id under which the data plane logs the request; a new one where that is none.
pub(crate) fn request_id_of(head: &RequestHead) -> RequestId {
    RequestId::adopt(head.request_id.as_bytes()).unwrap_or_else(RequestId::random)
}

/// The client's address, where the data plane says it in a form that is one.
pub(crate) fn peer_of(head: &RequestHead) -> Option<Peer> {
    head.peer.parse::<SocketAddr>().ok().map(|peer| Peer(peer.ip().to_canonical()))
}

/// Headers as the router wants them.
pub(crate) fn headers_of(headers: &[Header]) -> Result<HeaderMap, HeadError> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for Header { name, value } in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeadError::Header)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| HeadError::Header)?;
        map.try_append(name, value).map_err(|_| HeadError::Header)?;
    }
    Ok(map)
}

/// Takes a response of the router apart. A body that fails half-way becomes a 500: nothing of it
/// has left yet.
pub(crate) async fn reply_of(response: http::Response<Body>, shape: FaultShape) -> Reply {
    let (head, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => Reply {
            status: head.status.as_u16(),
            headers: wire_headers(&head.headers),
            body: body.to_bytes(),
        },
        Err(error) => {
            tracing::error!(%error, "the body of a response failed");
            fault(500, shape)
        }
    }
}

/// A fault with the generic text of its code as a response.
pub(crate) fn fault(status: u16, shape: FaultShape) -> Reply {
    let (content_type, body) = Fault::bare(status).render(shape);
    let content_type =
        Header { name: "content-type".to_owned(), value: content_type.as_bytes().to_vec() };
    Reply { status, headers: vec![content_type], body: body.into() }
}

/// The body shape a request asks for.
pub(crate) fn shape_of(head: &RequestHead) -> FaultShape {
    let accept = head.headers.iter().find(|header| header.name == "accept");
    FaultShape::from_accept(accept.map(|header| header.value.as_slice()))
}

/// Framing belongs to the data plane, which knows the client's connection.
fn wire_headers(headers: &HeaderMap) -> Vec<Header> {
    headers
        .iter()
        .filter(|(name, _)| ![CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION].contains(name))
        .map(|(name, value)| Header {
            name: name.as_str().to_owned(),
            value: value.as_bytes().to_vec(),
        })
        .collect()
}

fn target_of(path: &str, query: Option<&str>) -> Result<Uri, HeadError> {
    let mut target = escaped(path);
    if let Some(query) = query {
        target.push('?');
        target.push_str(&escaped(query));
    }
    let target = PathAndQuery::try_from(target).map_err(|_| HeadError::Target)?;
    Ok(Uri::from(target))
}

/// Percent-encodes what `http::Uri` does not take but clients send and Glance decodes alike (`<`,
/// `"`, bytes over 127).
fn escaped(text: &str) -> String {
    use std::fmt::Write;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%?".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("a String takes everything");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, path: &str, query: Option<&str>, header: (&str, &[u8])) -> RequestHead {
        RequestHead {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers: vec![Header { name: header.0.to_owned(), value: header.1.to_vec() }],
            request_id: "req-1".to_owned(),
            peer: String::new(),
        }
    }

    #[test]
    fn targets_keep_their_meaning() {
        let check = |path: &str, query: Option<&str>, expected: &str| {
            let request = request_of(&head("GET", path, query, ("accept", b"*/*"))).unwrap();
            assert_eq!(request.uri(), expected);
        };
        check("/v2/images", None, "/v2/images");
        check("/v2/images", Some("name=a%20b&x"), "/v2/images?name=a%20b&x");
        check("/v2/images", Some(""), "/v2/images?");
        check("/v2/\"<{é", Some("a=<|"), "/v2/%22%3C%7B%C3%A9?a=%3C%7C");
        check("//v2//images", None, "//v2//images");
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        let check = |method: &str, path: &str, header: (&str, &[u8]), expected: HeadError| {
            let refused = request_of(&head(method, path, None, header)).unwrap_err();
            assert_eq!(refused, expected);
        };
        check("G T", "/", ("accept", b"x"), HeadError::Method);
        check("GET", "/", ("acc ept", b"x"), HeadError::Header);
        check("GET", "/", ("accept", b"x\ny"), HeadError::Header);
    }

    #[test]
    fn headers_keep_bytes_and_repetitions_and_lose_framing() {
        let mut map = headers_of(&[
            Header { name: "x-image-meta".to_owned(), value: vec![0xff, 0x80] },
            Header { name: "x-image-meta".to_owned(), value: b"two".to_vec() },
        ])
        .unwrap();
        map.insert(CONTENT_LENGTH, HeaderValue::from_static("9"));
        let values: Vec<Vec<u8>> = wire_headers(&map).into_iter().map(|h| h.value).collect();
        assert_eq!(values, [vec![0xff, 0x80], b"two".to_vec()]);
    }
}
