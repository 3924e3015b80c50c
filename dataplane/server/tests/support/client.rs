//! One HTTP/1.1 connection, with every byte under the test's control.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One connection, kept open between calls.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::with_capacity(256 * 1024, stream) }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes);
    }

    pub(crate) fn finish_sending(&mut self) {
        let _ = self.stream.get_ref().shutdown(Shutdown::Write);
    }

    /// Sends a request with a Content-Length body and reads the response.
    pub(crate) fn call(&mut self, method: &str, path: &str, extra: &str, body: &[u8]) -> Response {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{extra}Content-Length: {}\r\n\r\n",
            body.len()
        );
        self.send(head.as_bytes());
        self.send(body);
        self.response(method).expect("a response")
    }

    /// Sends a GET without a body and reads the response.
    pub(crate) fn get(&mut self, path: &str, extra: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n").as_bytes());
        self.response("GET").expect("a response")
    }

    /// Sends a chunked body in chunks of the given size and reads the response.
    pub(crate) fn put_chunked(&mut self, path: &str, body: &[u8], chunk: usize) -> Response {
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        );
        self.send(head.as_bytes());
        let mut framed = Vec::with_capacity(body.len() + body.len() / chunk * 12 + 16);
        for piece in body.chunks(chunk) {
            framed.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            framed.extend_from_slice(piece);
            framed.extend_from_slice(b"\r\n");
        }
        framed.extend_from_slice(b"0\r\n\r\n");
        self.send(&framed);
        self.response("PUT").expect("a response")
    }

    /// The next response that is not an interim one; `None` where the server closed instead.
    pub(crate) fn response(&mut self, method: &str) -> Option<Response> {
        loop {
            let response = self.any_response(method)?;
            if response.status >= 200 {
                return Some(response);
            }
        }
    }

    /// The next response, interim ones included.
    pub(crate) fn any_response(&mut self, method: &str) -> Option<Response> {
        let status_line = self.line()?;
        let status: u16 = status_line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Response { status, headers, body: Vec::new() };
        if method == "HEAD" || status == 204 || status == 304 || status < 200 {
            return Some(response);
        }
        let length: u64 = response.header("content-length").expect("a length").parse().unwrap();
        let read = (&mut self.stream).take(length).read_to_end(&mut response.body).ok()?;
        (read as u64 == length).then_some(response)
    }

    /// Whether the server has closed the connection, after everything it sent.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.stream.fill_buf(), Ok([]) | Err(_))
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).ok()?;
        let text = String::from_utf8(line).unwrap();
        text.ends_with("\r\n").then(|| text.trim_end().to_owned())
    }
}
