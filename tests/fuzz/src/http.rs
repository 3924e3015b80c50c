//! The readers of request heads and bodies.
//!
//! Both must take bytes as they come: however a request is cut into pieces, it means the same. And
//! whatever is accepted must mean the same when it is written out plainly and read again, or two
//! readers could disagree about it.

use dataplane_core::body::{Body, BodyError, Framing};
use dataplane_core::head::{Head, Parsed, Parser, parse};

/// Request heads.
///
/// # Panics
/// If pieces change the meaning, or an accepted head means something else when written again.
pub fn head(bytes: &[u8]) {
    let whole = parse(bytes);
    let mut parser = Parser::new();
    let mut piecewise = Parsed::Incomplete;
    for end in 0..=bytes.len() {
        piecewise = parser.parse(&bytes[..end]);
        if piecewise != Parsed::Incomplete {
            break;
        }
    }
    match (&whole, &piecewise) {
        (Parsed::Bad(_), Parsed::Bad(_)) => {}
        (whole, piecewise) => assert_eq!(whole, piecewise, "at once, and byte by byte"),
    }
    if let Parsed::Head(head, length) = whole {
        assert!(length <= bytes.len(), "a head is no longer than what was given");
        let again = written(&head);
        let Parsed::Head(second, length) = parse(&again) else {
            panic!("{:?} is refused when written again: {:?}", head, parse(&again));
        };
        assert_eq!(length, again.len());
        let meaning = |head: &Head| {
            let Head { method, path, query, headers, framing, .. } = head.clone();
            (method, path, query, headers, framing)
        };
        assert_eq!(meaning(&head), meaning(&second), "written and read again");
    }
}

fn written(head: &Head) -> Vec<u8> {
    let mut bytes = format!("{} {}", head.method, head.path).into_bytes();
    if let Some(query) = &head.query {
        bytes.push(b'?');
        bytes.extend_from_slice(query.as_bytes());
    }
    // Only HTTP/1.0 may go without Host.
    let version =
        if head.headers.iter().any(|header| header.name == "host") { "1.1" } else { "1.0" };
    bytes.extend_from_slice(format!(" HTTP/{version}\r\n").as_bytes());
    for header in &head.headers {
        bytes.extend_from_slice(header.name.as_bytes());
        bytes.push(b':');
        bytes.extend_from_slice(&header.value);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Request bodies. The first byte picks the framing (and a length), the second how much is read at
/// once.
///
/// # Panics
/// If pieces change the data, or accepted data differs when it is chunked again.
pub fn body(bytes: &[u8]) {
    let [kind, data_max, wire @ ..] = bytes else { return };
    let framing = match kind {
        0..128 => Framing::Chunked,
        length => Framing::Length(u64::from(*length - 128)),
    };
    let whole = read(framing, wire, wire.len().max(1), usize::MAX);
    let small = read(framing, wire, wire.len().max(1), usize::from(*data_max).max(1));
    let bytewise = read(framing, wire, 1, usize::MAX);
    assert_eq!(whole, small, "whatever is taken at once");
    assert_eq!(whole, bytewise, "however it is cut");
    assert!(whole.consumed <= wire.len(), "nothing is made up");
    if whole.done && framing == Framing::Chunked {
        let mut again = Vec::new();
        for chunk in whole.data.chunks(7) {
            again.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            again.extend_from_slice(chunk);
            again.extend_from_slice(b"\r\n");
        }
        again.extend_from_slice(b"0\r\n\r\nGET");
        let second = read(framing, &again, again.len(), usize::MAX);
        assert_eq!((second.data, second.consumed), (whole.data, again.len() - 3), "chunked again");
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    data: Vec<u8>,
    consumed: usize,
    done: bool,
    error: Option<BodyError>,
}

/// Feeds a body in steps of so many bytes; what is not consumed is given again with the next step.
fn read(framing: Framing, wire: &[u8], step: usize, data_max: usize) -> Outcome {
    let mut body = Body::new(framing);
    let mut outcome = Outcome { data: Vec::new(), consumed: 0, done: body.is_done(), error: None };
    let mut given = 0;
    while given < wire.len() && !outcome.done {
        given = (given + step).min(wire.len());
        loop {
            let buffer = &wire[outcome.consumed..given];
            let remaining = body.remaining();
            match body.decode(buffer, data_max) {
                Ok(found) => {
                    let data = &buffer[found.data.clone()];
                    assert!(data.len() <= data_max && found.consumed <= buffer.len());
                    assert!(remaining == 0 || data.len() as u64 <= remaining, "more than may come");
                    outcome.data.extend_from_slice(data);
                    outcome.consumed += found.consumed;
                    outcome.done = body.is_done();
                    if found.consumed == 0 || outcome.done {
                        break;
                    }
                }
                Err(error) => {
                    // Where the framing broke is not promised, only that it did and what came
                    // before.
                    outcome.consumed = 0;
                    outcome.error = Some(error);
                    return outcome;
                }
            }
        }
    }
    assert_eq!(body.total(), outcome.data.len() as u64, "every byte is counted");
    outcome
}

pub(crate) fn head_examples() -> Vec<Vec<u8>> {
    let examples: [&[u8]; 12] = [
        b"GET /v2/images/71c675ab-d94f-49cd-a114-e12490b328d9/file HTTP/1.1\r\n\
          Host: glance:9292\r\n\
          X-Auth-Token: abc\r\nRange: bytes=0-99\r\n\r\n",
        b"PUT /v2/images/71c675ab-d94f-49cd-a114-e12490b328d9/file HTTP/1.1\r\nHost: a\r\n\
          Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PUT /v2/images/x/file HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
          Expect: 100-continue\r\n\r\nhello",
        b"GET http://glance:9292/v2/images?limit=2&marker=x HTTP/1.1\r\nHost: glance:9292\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /versions HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\nHost: a\r\nX-Roles: admin\r\nX_Roles: admin\r\n\r\n",
        b"POST /v2/images HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v2/images HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"PATCH /v2/images/x HTTP/1.1\r\nHost: [::1]:80\r\n\
          Accept: */*;q=0.5\r\nAccept: a/b\r\n\r\n",
        b"GET /v2/images HTTP/1.1\r\nHost: a\r\nX-Folded: a\r\n b\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    examples.iter().map(|example| example.to_vec()).collect()
}

pub(crate) fn body_examples() -> Vec<Vec<u8>> {
    let examples: [&[u8]; 8] = [
        b"\x00\x035\r\nhello\r\n0\r\n\r\n",
        b"\x00\x01a;name=value\r\n0123456789\r\n00\r\nTrailer: x\r\n\r\nGET / HTTP/1.1",
        b"\x00\xff1 ; a=\"b\"\r\nx\r\n1\r\ny\r\n0\r\n\r\n",
        b"\x00\x40fffffffffffffff0\r\nxxxx",
        b"\x00\x40FFFFFFFFFFFFFFFF\r\nxxxx",
        b"\x00\x020\r\n\r\n",
        b"\x85\x02helloGET",
        b"\x80\x01rest",
    ];
    examples.iter().map(|example| example.to_vec()).collect()
}
