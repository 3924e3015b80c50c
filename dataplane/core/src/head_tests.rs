//! Each rule of the head as a table row: RFC 9112, and the classes of request smuggling it grew
//! from.

use super::*;

const KEEP: Persistence = Persistence::Keep;

/// Parses at once and byte by byte; both must agree.
fn parsed(bytes: &[u8]) -> Parsed {
    let whole = parse(bytes);
    let mut parser = Parser::new();
    let mut stepwise = Parsed::Incomplete;
    for end in 1..=bytes.len() {
        stepwise = parser.parse(&bytes[..end]);
        if stepwise != Parsed::Incomplete {
            break;
        }
    }
    assert_eq!(whole, stepwise, "{:?}", String::from_utf8_lossy(bytes));
    whole
}

fn good(text: &str) -> Head {
    match parsed(text.as_bytes()) {
        Parsed::Head(head, consumed) => {
            assert_eq!(consumed, text.len(), "{text:?}");
            *head
        }
        other => panic!("{text:?} is a head: {other:?}"),
    }
}

fn check_bad(text: &[u8], status: u16) {
    match parsed(text) {
        Parsed::Bad(fault) => {
            assert_eq!(fault.status, status, "{:?}", String::from_utf8_lossy(text))
        }
        other => panic!("{:?} is refused, not {other:?}", String::from_utf8_lossy(text)),
    }
}

fn check_framing(headers: &str, expected: Result<Framing, u16>) {
    let text = format!("PUT /x HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\nGET /next HTTP/1.1\r\n");
    let got = match parse(text.as_bytes()) {
        Parsed::Head(head, _) => Ok(head.framing),
        Parsed::Bad(fault) => Err(fault.status),
        Parsed::Incomplete => panic!("{text:?} is complete"),
    };
    assert_eq!(got, expected, "{headers:?}");
}

#[test]
fn a_plain_request() {
    let head = good(
        "GET /v2/images?limit=1&x=a?b HTTP/1.1\r\nHost: 127.0.0.1:9292\r\nX-Auth-Token:  a b\t\r\n\
         x_auth_token: other\r\nX-Empty:\r\nAccept: a\r\nAccept: b\r\n\r\n",
    );
    assert_eq!((head.method.as_str(), head.path.as_str()), ("GET", "/v2/images"));
    assert_eq!(head.query.as_deref(), Some("limit=1&x=a?b"));
    assert_eq!(head.header("x-auth-token").as_deref(), Some(&b"a b"[..]));
    assert_eq!(head.header("x_auth_token").as_deref(), Some(&b"other"[..]));
    assert_eq!(head.header("x-empty").as_deref(), Some(&b""[..]));
    assert_eq!(head.header("accept").as_deref(), Some(&b"a,b"[..]));
    assert_eq!(head.header("absent"), None);
    assert_eq!(
        (head.framing, head.persistence, head.expects_continue),
        (Framing::None, KEEP, false)
    );
}

#[test]
fn what_follows_a_head_is_left_alone() {
    let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET \x00 whatever";
    let Parsed::Head(_, consumed) = parse(text) else { panic!("a head") };
    assert_eq!(&text[consumed..], b"GET \x00 whatever");
    let Parsed::Head(head, consumed) = parse(b"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\nX") else {
        panic!("one empty line before a request is passed over")
    };
    assert_eq!((head.path.as_str(), consumed), ("/a", 30));
    // The parser is ready for the next request at once.
    let mut parser = Parser::new();
    for _ in 0..2 {
        assert!(matches!(parser.parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Parsed::Head(..)));
    }
}

#[test]
fn lengths() {
    check_framing("X: y", Ok(Framing::None));
    check_framing("Content-Length: 0", Ok(Framing::Length(0)));
    check_framing("Content-Length: 5", Ok(Framing::Length(5)));
    check_framing("content-length:\t5 ", Ok(Framing::Length(5)));
    check_framing("Content-Length: 0005", Ok(Framing::Length(5)));
    check_framing(
        "Content-Length: 9999999999999999999",
        Ok(Framing::Length(9_999_999_999_999_999_999)),
    );
    for bad in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\ncontent-length: 5",
        "Content-Length:",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 5, 5",
        "Content-Length: 5,",
        "Content-Length: 5;a",
        "Content-Length: 5.0",
        "Content-Length: 1e3",
        "Content-Length: 1_000",
        "Content-Length: five",
        "Content-Length: \u{665}",
        "Content-Length: 18446744073709551616",
        "Content-Length: 00000000000000000005",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: identity\r\nContent-Length: 5",
        "Content-Length : 5",
        "Content-Length\t: 5",
    ] {
        check_framing(bad, Err(400));
    }
}

#[test]
fn transfer_codings() {
    check_framing("Transfer-Encoding: chunked", Ok(Framing::Chunked));
    check_framing("transfer-encoding:\tCHUNKED ", Ok(Framing::Chunked));
    for bad in [
        "Transfer-Encoding:",
        "Transfer-Encoding: ,",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: chunked foo",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding: chunked\u{0}",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\r\n chunked",
    ] {
        check_framing(bad, Err(400));
    }
    for unknown in ["gzip", "xchunked", "gzip, chunked", "identity", "chunked1", "compress,deflate"]
    {
        check_framing(&format!("Transfer-Encoding: {unknown}"), Err(501));
    }
    check_bad(b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    check_bad(b"PUT / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n", 400);
}

#[test]
fn lines_end_with_crlf_and_hold_no_control_bytes() {
    for bad in [
        &b"GET / HTTP/1.1\nHost: a\n\n"[..],
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        b"GET / HTTP/1.1\rHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x0cb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX X: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX\xc3\xa9: a\r\n\r\n",
        b"\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        check_bad(bad, 400);
    }
    // Latin-1 in a value is old but allowed (RFC 9110 §5.5).
    let head = parsed(b"GET / HTTP/1.1\r\nHost: a\r\nX: caf\xe9\r\n\r\n");
    assert!(matches!(head, Parsed::Head(..)), "{head:?}");
}

#[test]
fn request_lines() {
    for bad in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /",
        "GET / ",
        "GET HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / HTTP/0.9",
        "GET / HTTP/11",
        "GET / HTTP/1.1x",
        "PRI * HTTP/2.0",
        "GET * HTTP/1.1",
        "GET x HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
        "GET /a b HTTP/1.1",
        "G{T / HTTP/1.1",
        "CONNECT a:443 HTTP/1.1",
        "GET ftp://a/b HTTP/1.1",
        "GET http:///b HTTP/1.1",
        "GET http:b HTTP/1.1",
    ] {
        check_bad(format!("{bad}\r\nHost: a\r\n\r\n").as_bytes(), 400);
    }
    let check = |line: &str, path: &str, query: Option<&str>| {
        let head = good(&format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!((head.path.as_str(), head.query.as_deref()), (path, query), "{line}");
    };
    check("OPTIONS *", "*", None);
    check("BREW /a", "/a", None);
    check("GET /?", "/", Some(""));
    check("GET http://other:80/a?b", "/a", Some("b"));
    check("GET HTTPS://other", "/", None);
    check("GET http://other?b", "/", Some("b"));
    check("GET //other/a", "//other/a", None);
}

#[test]
fn hosts() {
    for bad in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: a@b\r\n",
        "Host: a, b\r\n",
        "Host: a?\r\n",
    ] {
        check_bad(format!("GET / HTTP/1.1\r\n{bad}\r\n").as_bytes(), 400);
    }
    for host in ["a", "", "[::1]:9292", "a.b-c_d:1"] {
        good(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
    good("GET / HTTP/1.0\r\n\r\n");
    check_bad(b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400);
}

#[test]
fn heads_are_bounded() {
    let with = |header: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{header}\r\n");
    let padded = |bytes: usize| {
        let rest = with("X: \r\n").len();
        with(&format!("X: {}\r\n", "a".repeat(bytes - rest)))
    };
    assert_eq!(padded(HEAD_BYTES_MAX).len(), HEAD_BYTES_MAX);
    assert!(matches!(parse(padded(HEAD_BYTES_MAX).as_bytes()), Parsed::Head(..)));
    let over = padded(HEAD_BYTES_MAX + 1);
    assert_eq!(parse(over.as_bytes()), Parsed::Bad(Fault::bare(431)));
    // Without an end in sight it is refused as soon as the bound is reached.
    assert_eq!(parse(&over.as_bytes()[..HEAD_BYTES_MAX - 1]), Parsed::Incomplete);
    assert_eq!(parse(&over.as_bytes()[..HEAD_BYTES_MAX]), Parsed::Bad(Fault::bare(431)));
    good(&with(&"M: 1\r\n".repeat(HEAD_HEADERS_MAX - 1)));
    check_bad(with(&"M: 1\r\n".repeat(HEAD_HEADERS_MAX)).as_bytes(), 431);
}

#[test]
fn persistence_and_expectation() {
    let check = |version: &str, headers: &str, expected: Persistence| {
        let head = good(&format!("GET / HTTP/{version}\r\nHost: a\r\n{headers}\r\n"));
        assert_eq!(head.persistence, expected, "{version} {headers:?}");
    };
    check("1.1", "", KEEP);
    check("1.1", "Connection: keep-alive\r\n", KEEP);
    check("1.1", "Connection: Close\r\n", Persistence::Close);
    check("1.1", "Connection: x,close ,y\r\n", Persistence::Close);
    check("1.1", "Connection: x\r\nConnection: close\r\n", Persistence::Close);
    check("1.1", "Connection: closed\r\n", KEEP);
    check("1.0", "", Persistence::Close);
    check("1.0", "Connection: Keep-Alive\r\n", Persistence::KeepSaid);
    check("1.0", "Connection: keep-alive, close\r\n", Persistence::Close);
    let expects = |version: &str, value: &str| {
        let text = format!("PUT / HTTP/{version}\r\nHost: a\r\nExpect: {value}\r\n\r\n");
        good(&text).expects_continue
    };
    assert!(expects("1.1", "100-Continue"));
    assert!(!expects("1.1", "200-ok"));
    assert!(!expects("1.0", "100-continue"));
}

#[test]
fn what_crosses_the_link() {
    let head = good(
        "PUT /a%20b?c HTTP/1.1\r\nHost: a\r\nConnection: close, X-Auth-Token\r\nX-Auth-Token: t\r\n\
         Keep-Alive: 5\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\
         Trailer: x\r\nUpgrade: h2c\r\nProxy-Connection: x\r\nX-Openstack-Request-Id: abc\r\n\r\n",
    );
    let id = head.request_id().expect("a usable id");
    assert_eq!(id.as_str(), "req-abc");
    let request = head.into_request(&id, "192.0.2.1:5".to_owned());
    let names: Vec<&str> = request.headers.iter().map(|header| header.name.as_str()).collect();
    assert_eq!(names, ["host", "x-auth-token", "x-openstack-request-id"]);
    assert_eq!((request.path.as_str(), request.query.as_deref()), ("/a%20b", Some("c")));
    let long =
        format!("GET / HTTP/1.1\r\nHost: a\r\nX-Openstack-Request-Id: {}\r\n\r\n", "a".repeat(80));
    assert_eq!(good(&long).request_id(), None);
}
