//! Request heads: HTTP/1.0 and HTTP/1.1, read once and strictly.
//!
//! Splitting lines into names and values is left to `httparse`; reading bytes, timing out and
//! answering to the driver. The body that follows is read by [`body`](crate::body) as the
//! [`Framing`] says. Invariant: a head is accepted only if every reader of the RFCs would agree
//! where it ends and where its body ends. Whatever could be read in two ways is refused with 400
//! and the connection is closed, so no byte of it is ever taken for another request (RFC 9112
//! §11.2).

use crate::body::Framing;
use glint_image::limits::{HEAD_BYTES_MAX, HEAD_HEADERS_MAX, REQUEST_ID_BYTES_MAX};
use glint_image::{Fault, RequestId};
use glint_link::wire::{Header, RequestHead};
use std::borrow::Cow;

/// Longest line of digits taken as a Content-Length: any number of 19 digits fits 64 bits.
const LENGTH_DIGITS_MAX: usize = 19;

/// Headers between two neighbours only. They are not passed on: this process is the neighbour.
/// Names listed in `Connection` are passed on nevertheless, since dropping what a client names
/// there is how identity headers get lost on the way.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request's head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// Method, as sent.
    pub method: String,
    /// Path of the request target as sent, without the query.
    pub path: String,
    /// Query as sent, without the question mark.
    pub query: Option<String>,
    /// All headers in order, names in lower case.
    pub headers: Vec<Header>,
    /// How the body is delimited.
    pub framing: Framing,
    /// What becomes of the connection after the answer.
    pub persistence: Persistence,
    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Persistence {
    /// It stays open, as HTTP/1.1 does unasked.
    Keep,
    /// It stays open, and the answer says so: an HTTP/1.0 client asked for it.
    KeepSaid,
    /// It closes, and the answer says so.
    Close,
}

/// What a buffer begins with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// Nothing wrong so far, and no end.
    Incomplete,
    /// A head, which takes up so many bytes; what follows is body, or the next request.
    Head(Box<Head>, usize),
    /// No acceptable head. Answer and close; nothing behind it can be trusted.
    Bad(Fault),
}

/// Reads heads from the front of a growing buffer. Remembers what it has seen, so that a head which
/// comes byte by byte costs no more than one that comes at once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parser {
    scanned: usize,
}

// === impl Parser ===

impl Parser {
    /// A parser for the next request.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the buffer, which holds all bytes since the last request and has only grown since
    /// the last call. After a head the caller takes its bytes out, and the parser is ready for the
    /// next.
    pub fn parse(&mut self, buffer: &[u8]) -> Parsed {
        // An empty line before a request is a habit of old clients (RFC 9112 §2.2): one is passed
        // over.
        let start = if buffer.starts_with(b"\r\n") { 2 } else { 0 };
        if buffer == b"\r" {
            return Parsed::Incomplete;
        }
        self.scanned = self.scanned.max(start);
        match scan(buffer, start, &mut self.scanned) {
            Scan::Control => bad("The request head holds a byte that HTTP does not allow."),
            Scan::End(end) if end - start > HEAD_BYTES_MAX => too_large(),
            Scan::End(end) => {
                self.scanned = 0;
                match read(&buffer[start..end]) {
                    Ok(head) => Parsed::Head(Box::new(head), end),
                    Err(fault) => Parsed::Bad(fault),
                }
            }
            Scan::Open if buffer.len() - start >= HEAD_BYTES_MAX => too_large(),
            Scan::Open => Parsed::Incomplete,
        }
    }
}

/// Reads a head from a buffer that holds what has come so far. For one-off use; a connection keeps
/// a [`Parser`].
#[must_use]
pub fn parse(buffer: &[u8]) -> Parsed {
    Parser::new().parse(buffer)
}

// === impl Head ===

impl Head {
    /// The value of a header; several lines of one name are joined by commas (RFC 9110 §5.3).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let mut values = self.headers.iter().filter(|h| h.name == name).map(|h| &h.value[..]);
        let first = values.next()?;
        let Some(second) = values.next() else { return Some(Cow::Borrowed(first)) };
        let mut joined = first.to_vec();
        for value in std::iter::once(second).chain(values) {
            joined.push(b',');
            joined.extend_from_slice(value);
        }
        Some(Cow::Owned(joined))
    }

    /// The request id the caller asks for, if it may be used; `None` means: make one.
    #[must_use]
    pub fn request_id(&self) -> Option<RequestId> {
        let given = self.header("x-openstack-request-id")?;
        if given.len() > REQUEST_ID_BYTES_MAX { None } else { RequestId::adopt(&given) }
    }

    /// The head as it crosses the link: without the headers that concern this connection only.
    #[must_use]
    pub fn into_request(self, request_id: &RequestId, peer: String) -> RequestHead {
        let mut headers = self.headers;
        headers.retain(|header| !HOP_BY_HOP.contains(&header.name.as_str()));
        RequestHead {
            method: self.method,
            path: self.path,
            query: self.query,
            headers,
            request_id: request_id.as_str().to_owned(),
            peer,
        }
    }
}

enum Scan {
    Open,
    End(usize),
    Control,
}

/// Looks for the empty line. Line ends are CRLF and nothing else (RFC 9112 §2.2 lets a recipient
/// take a bare LF; two readers that differ in this disagree about where a head ends). Control bytes
/// are refused as soon as they are seen.
fn scan(buffer: &[u8], start: usize, scanned: &mut usize) -> Scan {
    // The byte before the first unseen one may be the CR of a pair.
    let mut at = *scanned;
    while at < buffer.len() {
        match buffer[at] {
            b'\r' => match buffer.get(at + 1) {
                None => break,
                Some(b'\n') if at == start => return Scan::Control,
                Some(b'\n') => {
                    let line_empty = at >= start + 2 && buffer[at - 2..at] == *b"\r\n";
                    at += 2;
                    if line_empty {
                        *scanned = at;
                        return Scan::End(at);
                    }
                }
                Some(_) => return Scan::Control,
            },
            b'\t' | b' '..=b'~' | 0x80.. => at += 1,
            _ => return Scan::Control,
        }
        if at - start > HEAD_BYTES_MAX {
            break;
        }
    }
    *scanned = at;
    Scan::Open
}

fn bad(why: &str) -> Parsed {
    Parsed::Bad(Fault::new(400, why))
}

fn too_large() -> Parsed {
    Parsed::Bad(Fault::bare(431))
}

/// Reads one whole head.
fn read(bytes: &[u8]) -> Result<Head, Fault> {
    let refuse = |why: &str| Fault::new(400, why);
    let mut space = [httparse::EMPTY_HEADER; HEAD_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut space);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(refuse("The request head has no clear end.")),
        Err(httparse::Error::TooManyHeaders) => return Err(Fault::bare(431)),
        Err(httparse::Error::Version) => {
            return Err(refuse("This server speaks HTTP/1.1 and HTTP/1.0."));
        }
        Err(_) => return Err(refuse("The request head is not valid HTTP/1.1.")),
    }
    let complete = "a complete parse has a request line";
    let method = request.method.expect(complete).to_owned();
    let (path, query) = target(&method, request.path.expect(complete))?;
    let one_one = request.version.expect(complete) == 1;
    let headers: Vec<Header> = request
        .headers
        .iter()
        .map(|h| Header { name: h.name.to_ascii_lowercase(), value: trimmed(h.value).to_vec() })
        .collect();
    host(&headers, one_one)?;
    let framing = framing(&headers, one_one)?;
    let persistence = persistence(&headers, one_one);
    let expects_continue =
        one_one && values(&headers, "expect").any(|v| v.eq_ignore_ascii_case(b"100-continue"));
    Ok(Head { method, path, query, headers, framing, persistence, expects_continue })
}

fn trimmed(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

fn values<'a>(headers: &'a [Header], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |header| header.name == name).map(|header| &header.value[..])
}

/// Path and query of a request target (RFC 9112 §3.2). Of the absolute form the authority is passed
/// over: which image is served never depends on a host name.
fn target(method: &str, target: &str) -> Result<(String, Option<String>), Fault> {
    let refuse = || Fault::new(400, "The request target is not valid.");
    // Beyond ASCII nothing is allowed in a target (RFC 3986 §2), and a fragment never is.
    if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(refuse());
    }
    if target == "*" && method == "OPTIONS" {
        return Ok(("*".to_owned(), None));
    }
    let local = if target.starts_with('/') {
        target
    } else {
        behind_authority(target).ok_or_else(refuse)?
    };
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (local, None),
    };
    let path = if path.is_empty() { "/" } else { path };
    Ok((path.to_owned(), query))
}

/// What follows scheme and authority in the absolute form; may be empty or begin with the query.
fn behind_authority(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    (end > 0).then(|| &rest[end..])
}

/// RFC 9112 §3.2: a request of HTTP/1.1 without Host, with two, or with an invalid one is refused.
fn host(headers: &[Header], one_one: bool) -> Result<(), Fault> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=%:[]".contains(byte);
    let mut hosts = values(headers, "host");
    let valid = match (hosts.next(), hosts.next()) {
        (None, _) => !one_one,
        (Some(host), None) => host.iter().all(allowed),
        (Some(_), Some(_)) => false,
    };
    if valid { Ok(()) } else { Err(Fault::new(400, "The request needs one valid Host header.")) }
}

/// How the body is delimited (RFC 9112 §6.3), with every leniency of the RFC taken back where
/// readers are known to differ.
fn framing(headers: &[Header], one_one: bool) -> Result<Framing, Fault> {
    let ambiguous = || Fault::new(400, "The length of the request body is ambiguous.");
    let mut lengths = values(headers, "content-length");
    let mut codings = values(headers, "transfer-encoding");
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(Framing::None),
        (Some(length), None) => {
            // Two lines are refused even where they agree, and so is `5, 5`.
            let digits = (1..=LENGTH_DIGITS_MAX).contains(&length.len())
                && length.iter().all(u8::is_ascii_digit)
                && lengths.next().is_none();
            let text = std::str::from_utf8(length).ok().filter(|_| digits);
            text.and_then(|text| text.parse().ok()).map(Framing::Length).ok_or_else(ambiguous)
        }
        (None, Some(coding)) if one_one && codings.next().is_none() => transfer_coding(coding),
        // Both lines, several codings lines, or a coding in HTTP/1.0 (RFC 9112 §6.1: treat as
        // faulty).
        _ => Err(ambiguous()),
    }
}

/// Only `chunked`, once, is understood. A well-formed list with an unknown coding is 501 (RFC 9112
/// §6.1).
fn transfer_coding(value: &[u8]) -> Result<Framing, Fault> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(Framing::Chunked);
    }
    let token = |part: &[u8]| {
        !part.is_empty()
            && part.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
    };
    let parts: Vec<&[u8]> = value.split(|byte| *byte == b',').map(trimmed).collect();
    let chunked = parts.iter().filter(|part| part.eq_ignore_ascii_case(b"chunked")).count();
    let last = parts.last().is_some_and(|part| part.eq_ignore_ascii_case(b"chunked"));
    let misplaced = chunked > 1 || (chunked == 1 && !last);
    if misplaced || !parts.iter().all(|part| token(part)) {
        return Err(Fault::new(400, "The transfer coding of the request body is malformed."));
    }
    Err(Fault::new(501, "The transfer coding of the request body is not supported."))
}

/// RFC 9112 §9.3.
fn persistence(headers: &[Header], one_one: bool) -> Persistence {
    let says = |option: &[u8]| {
        values(headers, "connection")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|part| trimmed(part).eq_ignore_ascii_case(option))
    };
    match (says(b"close"), one_one) {
        (true, _) => Persistence::Close,
        (false, true) => Persistence::Keep,
        (false, false) if says(b"keep-alive") => Persistence::KeepSaid,
        (false, false) => Persistence::Close,
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
