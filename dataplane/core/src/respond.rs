//! Response heads as bytes.
//!
//! Sending them is left to the driver; which status and headers a response has, to its machine or
//! to the control plane. Framing is decided here and nowhere else. Invariants: every response says
//! where it ends; no header value can end a line, so that nothing stored in a catalogue can become
//! a second response.

use crate::head::Persistence;
use glint_image::{Fault, FaultShape, RequestId};
use glint_link::wire::Header;

/// The interim answer to `Expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What follows a response head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    /// `Content-Length` and so many bytes (none of them for HEAD).
    Known(u64),
    /// Nothing, and nothing is said about it: Glance's 204 for an image without data, and 304.
    Unsaid,
}

/// A response whose body is at hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Response {
    /// A fault, in the shape the client accepts.
    Fault(Fault),
    /// 204 without body: `GET …/file` of an image without data.
    NoData,
    /// 204 after an upload.
    Stored,
    /// As the control plane made it.
    Ready {
        /// HTTP status code.
        status: u16,
        /// Response headers.
        headers: Vec<Header>,
        /// Response body.
        body: Vec<u8>,
    },
}

// === impl Response ===

impl Response {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Fault(fault) => fault.status,
            Self::NoData | Self::Stored => 204,
            Self::Ready { status, .. } => *status,
        }
    }

    /// Writes head and body. `request_id` is sent unless the control plane has put one in already.
    /// `also` are headers for whoever asked.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        shape: FaultShape,
        request_id: &RequestId,
        also: &[Header],
        persistence: Persistence,
    ) {
        let mut head = HeadWriter::new(out, self.status());
        match self {
            Self::Fault(fault) => {
                let (content_type, body) = fault.render(shape);
                // The order of Glance's answers: length, type, id.
                head.length(Length::Known(body.len() as u64));
                head.header("Content-Type", content_type.as_bytes());
                head.request_id(request_id);
                head.headers(also);
                head.end(persistence);
                out.extend_from_slice(&body);
            }
            Self::NoData => {
                head.length(Length::Unsaid);
                head.request_id(request_id);
                head.headers(also);
                head.end(persistence);
            }
            Self::Stored => {
                head.header("Content-Type", b"text/html; charset=UTF-8");
                head.length(Length::Known(0));
                head.request_id(request_id);
                head.headers(also);
                head.end(persistence);
            }
            Self::Ready { status, headers, body } => {
                head.headers(headers);
                head.length(match status {
                    304 => Length::Unsaid,
                    _ => Length::Known(body.len() as u64),
                });
                // Glance refuses who is not authenticated before a request has an id
                // (`glance/api/middleware/context.py`).
                let has_id = headers.iter().any(|header| header.name == REQUEST_ID);
                if !has_id && *status != 401 {
                    head.request_id(request_id);
                }
                head.headers(also);
                head.end(persistence);
                out.extend_from_slice(body);
            }
        }
    }
}

const REQUEST_ID: &str = "x-openstack-request-id";

/// Writes one response head, line by line, behind whatever the buffer holds.
#[derive(Debug)]
pub struct HeadWriter<'a> {
    out: &'a mut Vec<u8>,
}

// === impl HeadWriter ===

impl<'a> HeadWriter<'a> {
    /// Writes the status line.
    pub fn new(out: &'a mut Vec<u8>, status: u16) -> Self {
        let line = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        out.extend_from_slice(line.as_bytes());
        Self { out }
    }

    /// Writes a header. One whose name is no token or whose value holds a control byte is left out.
    pub fn header(&mut self, name: &str, value: &[u8]) {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let clean = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
        if !name.is_empty() && name.bytes().all(token) && value.iter().all(clean) {
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b": ");
            self.out.extend_from_slice(value);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// Writes the headers of a relayed response. Framing ones are left out: they are this side's to
    /// say.
    pub fn headers(&mut self, headers: &[Header]) {
        for Header { name, value } in headers {
            let framing = ["content-length", "transfer-encoding", "connection", "keep-alive"];
            if !framing.iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
                self.header(name, value);
            }
        }
    }

    /// Writes the headers of a response that is given again: the request id among them is this
    /// request's.
    pub fn headers_again(&mut self, headers: &[Header], request_id: &RequestId) {
        for header in headers {
            if header.name == REQUEST_ID {
                self.request_id(request_id);
            } else {
                self.headers(std::slice::from_ref(header));
            }
        }
    }

    /// Writes where the response ends.
    pub fn length(&mut self, length: Length) {
        if let Length::Known(bytes) = length {
            self.header("Content-Length", bytes.to_string().as_bytes());
        }
    }

    /// Writes the id under which this request is logged.
    pub fn request_id(&mut self, request_id: &RequestId) {
        self.header(REQUEST_ID, request_id.as_str().as_bytes());
    }

    /// Ends the head.
    pub fn end(mut self, persistence: Persistence) {
        match persistence {
            Persistence::Keep => {}
            Persistence::KeepSaid => self.header("Connection", b"keep-alive"),
            Persistence::Close => self.header("Connection", b"close"),
        }
        self.out.extend_from_slice(b"\r\n");
    }
}

/// The reason phrase of a code; those of faults are WebOb's.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        302 => "Found",
        304 => "Not Modified",
        _ => Fault::bare(status).title(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(response: &Response, persistence: Persistence, expected: &str) {
        let mut out = b"before".to_vec();
        let id = RequestId::adopt(b"req-1").expect("a good id");
        response.write(&mut out, FaultShape::Plain, &id, &[], persistence);
        assert_eq!(String::from_utf8_lossy(&out), format!("before{expected}"));
    }

    #[test]
    fn responses_look_as_glances() {
        check(
            &Response::Fault(Fault::new(404, "No image found with ID x")),
            Persistence::Keep,
            "HTTP/1.1 404 Not Found\r\nContent-Length: 44\r\n\
             Content-Type: text/plain; charset=UTF-8\r\n\
             x-openstack-request-id: req-1\r\n\r\n404 Not Found\n\nNo image found with ID x\n\n   ",
        );
        check(
            &Response::NoData,
            Persistence::Close,
            "HTTP/1.1 204 No Content\r\nx-openstack-request-id: req-1\r\nConnection: close\r\n\r\n",
        );
        check(
            &Response::Stored,
            Persistence::KeepSaid,
            "HTTP/1.1 204 No Content\r\nContent-Type: text/html; charset=UTF-8\r\n\
             Content-Length: 0\r\n\
             x-openstack-request-id: req-1\r\nConnection: keep-alive\r\n\r\n",
        );
    }

    #[test]
    fn headers_for_whoever_asked_stand_in_every_kind() {
        let also = [Header { name: "vary".to_owned(), value: b"Origin".to_vec() }];
        let ready = Response::Ready { status: 409, headers: Vec::new(), body: Vec::new() };
        for response in
            [Response::Fault(Fault::bare(404)), Response::NoData, Response::Stored, ready]
        {
            let mut out = Vec::new();
            let id = RequestId::adopt(b"req-1").expect("a good id");
            response.write(&mut out, FaultShape::Plain, &id, &also, Persistence::Keep);
            let text = String::from_utf8_lossy(&out);
            assert_eq!(text.matches("\r\nvary: Origin\r\n").count(), 1, "{text}");
        }
    }

    #[test]
    fn a_relayed_response_cannot_reframe_itself() {
        let header = |name: &str, value: &[u8]| Header { name: name.into(), value: value.into() };
        let ready = |status, headers: Vec<Header>| Response::Ready {
            status,
            headers,
            body: b"{}".to_vec(),
        };
        check(
            &ready(
                200,
                vec![
                    header("content-type", b"application/json"),
                    header("content-length", b"99"),
                    header("Transfer-Encoding", b"chunked"),
                    header("location", b"x\r\nHTTP/1.1 200 OK"),
                    header("bad name", b"x"),
                    header("", b"x"),
                ],
            ),
            Persistence::Keep,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nContent-Length: 2\r\n\
             x-openstack-request-id: req-1\r\n\r\n{}",
        );
        check(
            &ready(401, Vec::new()),
            Persistence::Keep,
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}",
        );
        check(
            &ready(409, vec![header("x-openstack-request-id", b"req-2")]),
            Persistence::Keep,
            "HTTP/1.1 409 Conflict\r\nx-openstack-request-id: req-2\r\nContent-Length: 2\r\n\r\n{}",
        );
    }
}
