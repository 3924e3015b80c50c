//! A small HTTP/1.1 client on a blocking socket: requests, response heads read strictly, bodies of
//! known length, and bodies that end with the connection, which is how Glance sends images. A cut
//! of the latter shows only where bytes are compared.
//!
//! Bodies can be read, or thrown away without copying them (`MSG_TRUNC`), so that the client's own
//! cost stays small beside the server's on a shared machine. A connection that failed is not used
//! again; that is its caller's business.

use rustix::net::RecvFlags;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A server that says nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Larger bodies are only ever thrown away.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How much one call throws away at most; the kernel does not touch the buffer.
const SINK_BYTES: usize = 1024 * 1024;
/// How much one `sendfile` call is asked for, so that the send timeout watches progress.
const SEND_BYTES: u64 = 4 * 1024 * 1024;

/// What can go wrong with a request.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The socket failed or went silent.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer closed before the response was complete.
    #[error("the server closed the connection early")]
    Closed,
    /// The response is not HTTP/1.1 as servers must send it.
    #[error("bad response: {0}")]
    Bad(&'static str),
    /// The response is not the one that was needed.
    #[error("{request}: unexpected status {status}")]
    Status {
        /// Method and path.
        request: String,
        /// What came.
        status: u16,
    },
}

/// The head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Length of the body that follows, zero where none may follow; `None`: until the server
    /// closes.
    pub(crate) length: Option<u64>,
    pub(crate) keep_alive: bool,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Received beyond the head, the beginning of the body.
    ahead: Vec<u8>,
    sink: Vec<u8>,
}

// === impl Connection ===

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, SILENCE_MAX)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        Ok(Self { stream, ahead: Vec::new(), sink: Vec::new() })
    }

    /// Sends a complete request.
    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request)
    }

    /// Sends the first `length` bytes of a file. A server that refuses early is heard out by
    /// [`Connection::head`].
    pub(crate) fn send_file(&mut self, file: &File, length: u64) -> io::Result<()> {
        let mut offset = 0;
        while offset < length {
            let count = usize::try_from((length - offset).min(SEND_BYTES))
                .expect("at most a few MiB are asked for");
            match rustix::fs::sendfile(&self.stream, file, Some(&mut offset), count) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads the head of the response to a request of that method, interim ones passed over.
    pub(crate) fn head(&mut self, method: &str) -> Result<Head, HttpError> {
        assert!(self.ahead.is_empty(), "the body before this response was taken to its end");
        loop {
            let end = loop {
                if let Some(at) = find(&self.ahead, b"\r\n\r\n") {
                    break at + 4;
                }
                if self.ahead.len() > HEAD_BYTES_MAX {
                    return Err(HttpError::Bad("head too long"));
                }
                let mut piece = [0; 16 * 1024];
                match self.stream.read(&mut piece)? {
                    0 => return Err(HttpError::Closed),
                    count => self.ahead.extend_from_slice(&piece[..count]),
                }
            };
            let head = parse_head(&self.ahead[..end], method)?;
            self.ahead.drain(..end);
            if head.status >= 200 {
                return Ok(head);
            }
        }
    }

    /// Reads a body into memory.
    pub(crate) fn body(&mut self, length: Option<u64>) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        self.each_piece(length, |piece| {
            // One piece over the bound is enough to tell.
            if body.len() as u64 <= BODY_BYTES_MAX {
                body.extend_from_slice(piece);
            }
        })?;
        if body.len() as u64 > BODY_BYTES_MAX {
            return Err(HttpError::Bad("body too long to keep"));
        }
        Ok(body)
    }

    /// Hands a body over piece by piece; gives its length.
    pub(crate) fn each_piece(
        &mut self,
        length: Option<u64>,
        mut take: impl FnMut(&[u8]),
    ) -> Result<u64, HttpError> {
        let mut come = self.take_ahead(length, &mut take);
        self.sink.resize(SINK_BYTES, 0);
        while length.is_none_or(|length| come < length) {
            let count = next_count(length, come);
            match self.stream.read(&mut self.sink[..count])? {
                0 if length.is_none() => break,
                0 => return Err(HttpError::Closed),
                count => {
                    take(&self.sink[..count]);
                    come += count as u64;
                }
            }
        }
        Ok(come)
    }

    /// Throws a body away, until its end or the deadline; gives how much came.
    pub(crate) fn discard(
        &mut self,
        length: Option<u64>,
        deadline: Instant,
    ) -> Result<u64, HttpError> {
        let mut come = self.take_ahead(length, &mut |_| ());
        self.sink.resize(SINK_BYTES, 0);
        while length.is_none_or(|length| come < length) && Instant::now() < deadline {
            let count = next_count(length, come);
            match rustix::net::recv(&self.stream, &mut self.sink[..count], RecvFlags::TRUNC) {
                Ok((_, 0)) if length.is_none() => break,
                Ok((_, 0)) => return Err(HttpError::Closed),
                Ok((_, count)) => come += count as u64,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(HttpError::Io(error.into())),
            }
        }
        Ok(come)
    }

    fn take_ahead(&mut self, length: Option<u64>, take: &mut impl FnMut(&[u8])) -> u64 {
        let most = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
        let count = most.min(self.ahead.len());
        take(&self.ahead[..count]);
        self.ahead.drain(..count);
        count as u64
    }
}

/// The bytes of a request head.
pub(crate) fn request(
    method: &str,
    authority: &str,
    path: &str,
    headers: &[String],
    body: Option<(&str, u64)>,
) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\n");
    for header in headers {
        head += header;
        head += "\r\n";
    }
    if let Some((content_type, length)) = body {
        head += &format!("Content-Type: {content_type}\r\nContent-Length: {length}\r\n");
    }
    head += "\r\n";
    head.into_bytes()
}

/// How much to ask for when so much of a body has come.
fn next_count(length: Option<u64>, come: u64) -> usize {
    let left = length.map_or(u64::MAX, |length| length - come);
    usize::try_from(left).unwrap_or(SINK_BYTES).min(SINK_BYTES)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Reads a head that ends in an empty line. Refuses what has two meanings: folded lines, lengths
/// that disagree.
fn parse_head(bytes: &[u8], method: &str) -> Result<Head, HttpError> {
    let text = std::str::from_utf8(bytes).map_err(|_| HttpError::Bad("head is not text"))?;
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let (version, rest) = status_line.split_once(' ').ok_or(HttpError::Bad("no status line"))?;
    if version != "HTTP/1.1" && version != "HTTP/1.0" {
        return Err(HttpError::Bad("not HTTP/1"));
    }
    let digits = rest.split(' ').next().unwrap_or_default();
    let status = digits.parse().ok().filter(|status| (100..600).contains(status));
    let status: u16 =
        status.filter(|_| digits.len() == 3).ok_or(HttpError::Bad("no status code"))?;
    let (mut length, mut keep_alive) = (None, version == "HTTP/1.1");
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(HttpError::Bad("header without colon"))?;
        if name.is_empty() || name.contains([' ', '\t']) {
            return Err(HttpError::Bad("space in a header name"));
        }
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                let number = value.parse::<u64>().ok().filter(|_| plain);
                let number = number.ok_or(HttpError::Bad("content-length is not a number"))?;
                if length.replace(number).is_some_and(|before| before != number) {
                    return Err(HttpError::Bad("two lengths"));
                }
            }
            "transfer-encoding" => return Err(HttpError::Bad("a body of unknown length")),
            "connection" if value.eq_ignore_ascii_case("close") => keep_alive = false,
            "connection" if value.eq_ignore_ascii_case("keep-alive") => keep_alive = true,
            _ => {}
        }
    }
    let bodiless = method == "HEAD" || status < 200 || status == 204 || status == 304;
    let length = if bodiless { Some(0) } else { length };
    if length.is_none() && keep_alive {
        return Err(HttpError::Bad("a body of unknown length"));
    }
    Ok(Head { status, length, keep_alive })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expected: Result<(u16, u64, bool), &str>) {
        check_length(head, expected.map(|(status, length, keep)| (status, Some(length), keep)));
    }

    fn check_length(head: &str, expected: Result<(u16, Option<u64>, bool), &str>) {
        let found = parse_head(head.as_bytes(), "GET")
            .map(|head| (head.status, head.length, head.keep_alive))
            .map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(|why| format!("bad response: {why}")), "{head:?}");
    }

    #[test]
    fn reads_heads() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Ok((200, 5, true)));
        check("HTTP/1.1 200\r\ncontent-length:5\r\nConnection: close\r\n\r\n", Ok((200, 5, false)));
        check("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", Ok((200, 5, false)));
        check("HTTP/1.1 204 No Content\r\n\r\n", Ok((204, 0, true)));
        check("HTTP/1.1 100 Continue\r\n\r\n", Ok((100, 0, true)));
        let twice = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n";
        check(twice, Ok((200, 5, true)));
        check_length("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", Ok((200, None, false)));
        check_length("HTTP/1.0 200 OK\r\n\r\n", Ok((200, None, false)));
    }

    #[test]
    fn refuses_what_has_no_or_two_meanings() {
        check("HTTP/2 200 OK\r\n\r\n", Err("not HTTP/1"));
        check("HTTP/1.1 20 OK\r\n\r\n", Err("no status code"));
        check("HTTP/1.1 0200 OK\r\n\r\n", Err("no status code"));
        check("nonsense\r\n\r\n", Err("no status line"));
        check("HTTP/1.1 200 OK\r\n\r\n", Err("a body of unknown length"));
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", {
            Err("a body of unknown length")
        });
        let twice = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n";
        check(twice, Err("two lengths"));
        check("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", {
            Err("content-length is not a number")
        });
        check("HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 5\r\n\r\n", {
            Err("header without colon")
        });
        check("HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n", Err("space in a header name"));
    }
}
