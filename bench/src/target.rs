//! One server under measurement: how to ask it, and the images made on it.
//!
//! Invariant: every image made is deleted again, when its guard is dropped if not before.

use crate::cli::Common;
use crate::http::{Connection, Head, HttpError, request};
use crate::pattern::Pattern;
use crate::url::Url;
use serde_json::Value;
use std::fs::File;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const NEW_IMAGE: &str =
    r#"{"name": "glint-bench", "disk_format": "raw", "container_format": "bare"}"#;

/// A server, or one file of a server.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: Url,
    pub(crate) address: SocketAddr,
    headers: Vec<String>,
}

/// An image that is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    target: &'a Target,
    pub(crate) id: String,
}

// === impl Target ===

impl Target {
    pub(crate) fn new(url: &Url, common: &Common) -> Result<Self, HttpError> {
        let address = url.resolve()?;
        Ok(Self { url: url.clone(), address, headers: common.header.clone() })
    }

    /// A request head for a path of this server.
    pub(crate) fn request(&self, method: &str, path: &str, body: Option<(&str, u64)>) -> Vec<u8> {
        request(method, self.url.authority(), path, &self.headers, body)
    }

    /// One request on a connection of its own, answered with `expected`.
    fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &str)>,
        expected: u16,
    ) -> Result<Vec<u8>, HttpError> {
        let mut connection = Connection::open(self.address)?;
        let length = body.map(|(content_type, text)| (content_type, text.len() as u64));
        let mut bytes = self.request(method, path, length);
        bytes.extend_from_slice(body.map_or("", |(_, text)| text).as_bytes());
        connection.send(&bytes)?;
        let head = connection.head(method)?;
        let answer = connection.body(head.length)?;
        expect(method, path, head, expected)?;
        Ok(answer)
    }

    /// Makes an image without bytes.
    pub(crate) fn create(&self) -> Result<Image<'_>, HttpError> {
        let body = Some(("application/json", NEW_IMAGE));
        let answer = self.call("POST", "/v2/images", body, 201)?;
        let answer: Value =
            serde_json::from_slice(&answer).map_err(|_| HttpError::Bad("not JSON"))?;
        let id = answer["id"].as_str().ok_or(HttpError::Bad("an image without id"))?;
        let plain = id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if !plain {
            return Err(HttpError::Bad("an image id that is no UUID"));
        }
        Ok(Image { target: self, id: id.to_owned() })
    }

    /// Reads a whole file and gives its length, and its first and last bytes; compares it with the
    /// pattern if given.
    pub(crate) fn inspect(
        &self,
        path: &str,
        pattern: Option<&Pattern>,
    ) -> Result<Inspected, HttpError> {
        const SAMPLE_BYTES: usize = 64 * 1024;
        let mut connection = Connection::open(self.address)?;
        connection.send(&self.request("GET", path, None))?;
        let head = connection.head("GET")?;
        expect("GET", path, head, 200)?;
        let mut found = Inspected { length: 0, first: Vec::new(), last: Vec::new() };
        let (mut offset, mut matches) = (0, true);
        found.length = connection.each_piece(head.length, |piece| {
            matches &= pattern.is_none_or(|pattern| pattern.matches(offset, piece));
            offset += piece.len() as u64;
            let wanted = SAMPLE_BYTES - found.first.len();
            found.first.extend_from_slice(&piece[..piece.len().min(wanted)]);
            found.last.extend_from_slice(&piece[piece.len().saturating_sub(SAMPLE_BYTES)..]);
            let surplus = found.last.len().saturating_sub(SAMPLE_BYTES);
            found.last.drain(..surplus);
        })?;
        let length_is_right = pattern.is_none_or(|pattern| pattern.length == found.length);
        if matches && length_is_right {
            Ok(found)
        } else {
            Err(HttpError::Bad("not the bytes that were uploaded"))
        }
    }
}

/// What a file looks like from outside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Inspected {
    pub(crate) length: u64,
    first: Vec<u8>,
    last: Vec<u8>,
}

// === impl Image ===

impl Image<'_> {
    pub(crate) fn file_path(&self) -> String {
        format!("/v2/images/{}/file", self.id)
    }

    /// Uploads the bytes on a connection; whether the connection can be used again.
    pub(crate) fn upload(
        &self,
        connection: &mut Connection,
        file: &File,
        length: u64,
    ) -> Result<bool, HttpError> {
        let path = self.file_path();
        let body = Some(("application/octet-stream", length));
        connection.send(&self.target.request("PUT", &path, body))?;
        let sent = connection.send_file(file, length);
        // A server that refuses answers before it closes: its answer says more than the broken
        // pipe.
        let head = connection.head("PUT").map_err(|error| match sent {
            Err(broken) => HttpError::Io(broken),
            Ok(()) => error,
        })?;
        connection.discard(head.length, Instant::now() + Duration::from_secs(60))?;
        expect("PUT", &path, head, 204)?;
        Ok(head.keep_alive)
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        // Without an answer there is nothing more to be done about it; the server is broken or
        // gone.
        let _ = self.target.call("DELETE", &format!("/v2/images/{}", self.id), None, 204);
    }
}

/// Turns any other status into an error.
pub(crate) fn expect(method: &str, path: &str, head: Head, expected: u16) -> Result<(), HttpError> {
    if head.status == expected {
        return Ok(());
    }
    Err(HttpError::Status { request: format!("{method} {path}"), status: head.status })
}
