//! Bad input, byte by byte: a clear error with the right code, a closed connection where the
//! framing is in doubt, and a server that goes on.

use crate::harness::{Body, Connection, Glint, Response, Runtime, pattern};

/// Sends raw bytes and the end of the stream; gives every response until the server closes.
fn raw(glint: &Glint, bytes: &[u8]) -> Vec<Response> {
    let mut connection = Connection::open(glint.address);
    connection.send(bytes);
    connection.finish_sending();
    std::iter::from_fn(|| connection.any_response("GET")).collect()
}

fn check(glint: &Glint, bytes: &[u8], expected: &[u16]) {
    let codes: Vec<u16> = raw(glint, bytes).iter().map(|response| response.status).collect();
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
    assert_eq!(codes, expected, "{shown:?}");
}

#[test]
fn ambiguous_framing_is_400_and_the_end_of_the_connection() {
    for runtime in Runtime::BOTH {
        let glint = Glint::start(runtime);
        let bad_heads: &[&str] = &[
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Content-Length: +5",
            "Content-Length: 0x5",
            "Content-Length: -1",
            "Content-Length: 5 5",
            "Content-Length: 5, 5",
            "Content-Length:",
            "Content-Length: 99999999999999999999",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: \x0bchunked",
            "Content-Length : 5",
            "X-Folded: a\r\n b",
            "X-Bare: a\rb",
            "X-Nul: a\0b",
        ];
        for head in bad_heads {
            let request = format!(
                "POST /v2/images HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n{{}}abcGET /v2/images HTTP/1.1\r\nHost: x\r\n\r\n"
            );
            check(&glint, request.as_bytes(), &[400]);
        }
        check(&glint, b"GET /v2/images HTTP/1.1\r\n\r\n", &[400]);
        check(&glint, b"GET /v2/images HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &[400]);
        check(&glint, b"GET  /v2/images HTTP/1.1\r\nHost: a\r\n\r\n", &[400]);
        check(&glint, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[400]);
        check(&glint, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400]);
        let te_10 = b"POST /v2/images HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        check(&glint, te_10, &[400]);
        let unknown = b"POST /v2/images HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n";
        check(&glint, unknown, &[501]);
        assert_eq!(glint.get("/v2/images").status, 200, "the server goes on");
    }
}

#[test]
fn bodies_that_break_their_own_framing_store_nothing() {
    let glint = Glint::start(Runtime::Uring);
    let id = glint.create();
    let put = |framing: &str, body: &str| {
        format!(
            "PUT /v2/images/{id}/file HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n\
             {framing}\r\n\r\n{body}"
        )
    };
    for body in [
        "zz\r\nab\r\n0\r\n\r\n",
        "5\r\nab",
        "2\r\nabc\r\n0\r\n\r\n",
        "10000000000000000\r\na",
        "-1\r\n\r\n",
        "2;\nab\r\n0\r\n\r\n",
    ] {
        let answers = raw(&glint, put("Transfer-Encoding: chunked", body).as_bytes());
        assert!(answers.iter().all(|answer| answer.status == 400), "{body:?} {answers:?}");
        crate::harness::eventually("queued again", || {
            (glint.status(&id) == "queued").then_some(())
        });
    }
    let answers = raw(&glint, put("Content-Length: 50", "short").as_bytes());
    assert!(answers.iter().all(|answer| answer.status == 400), "{answers:?}");
    crate::harness::eventually("queued again", || (glint.status(&id) == "queued").then_some(()));
    crate::harness::eventually("no byte is left", || glint.stored().is_empty().then_some(()));
    // Bytes behind the body are the next request, never part of the image.
    let longer = put("Content-Length: 5", "bytes++++ rest\r\n\r\n");
    let codes: Vec<u16> =
        raw(&glint, longer.as_bytes()).iter().map(|answer| answer.status).collect();
    assert_eq!(codes, [204, 400]);
    assert_eq!(glint.get(&format!("/v2/images/{id}/file")).body, b"bytes");
}

#[test]
fn heads_have_a_bound() {
    let glint = Glint::start(Runtime::Uring);
    let long =
        format!("GET /v2/images HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(70_000));
    check(&glint, long.as_bytes(), &[431]);
    let many = format!("GET /v2/images HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-M: 1\r\n".repeat(300));
    check(&glint, many.as_bytes(), &[431]);
    let fits =
        format!("GET /v2/images HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(30_000));
    check(&glint, fits.as_bytes(), &[200]);
}

#[test]
fn a_head_that_does_not_end_is_408_and_a_body_that_stops_gives_the_image_back() {
    let glint = Glint::start(Runtime::Epoll);
    let id = glint.create();
    let mut head = Connection::open(glint.address);
    head.send(b"GET /v2/images HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    let mut body = Connection::open(glint.address);
    let request = format!(
        "PUT /v2/images/{id}/file HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\
         Content-Type: application/octet-stream\r\n\r\nbegun"
    );
    body.send(request.as_bytes());
    // The server's own deadlines end both; these connections stay open and silent.
    assert_eq!(head.any_response("GET").map(|answer| answer.status), Some(408));
    assert!(head.any_response("GET").is_none(), "and the connection is closed");
    assert!(body.any_response("PUT").is_none_or(|answer| answer.status == 408));
    crate::harness::eventually("queued again", || (glint.status(&id) == "queued").then_some(()));
    crate::harness::eventually("no byte is left", || glint.stored().is_empty().then_some(()));
}

#[test]
fn a_body_on_a_download_is_never_the_next_request() {
    let glint = Glint::start(Runtime::Uring);
    let id = glint.create();
    assert_eq!(glint.upload(&id, b"bytes").status, 204);
    let smuggled = "GET /v2/images/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let request = format!(
        "GET /v2/images/{id}/file HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{smuggled}",
        smuggled.len()
    );
    let answers = raw(&glint, request.as_bytes());
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].status, 400, "{answers:?}");
    assert!(answers[0].text().contains("A body is not expected with this request."));
}

#[test]
fn a_relayed_request_with_bad_content_gets_glances_answer() {
    let glint = Glint::start(Runtime::Epoll);
    let id = glint.create();
    let image = format!("/v2/images/{id}");
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = format!("{{\"name\": {deep}}}");
    let huge = vec![b' '; 17 << 20];
    let check = |method: &str, path: &str, body: Body<'_>, code: u16, text: &str| {
        let answer = glint.call(method, path, body);
        assert_eq!(answer.status, code, "{method} {path} {answer:?}");
        assert!(answer.text().contains(text), "{method} {path} {answer:?}");
    };
    check("GET", "/v2/nothing", Body::None, 404, "");
    check("GET", "/v2/images/nope", Body::None, 404, "No image found with ID nope");
    check("PUT", "/v2/images", Body::Json(b"{}"), 405, "");
    check("BREW", "/v2/images", Body::None, 405, "");
    check("BREW", "/v2/nothing", Body::None, 501, "");
    check("POST", "/v2/images", Body::Json(b"{"), 400, "");
    check("POST", "/v2/images", Body::Json(b"\xff\xfe"), 400, "");
    check("POST", "/v2/images", Body::Json(deep.as_bytes()), 400, "");
    check("POST", "/v2/images", Body::Json(&huge), 413, "");
    check("POST", "/v2/images", Body::Json(br#"{"id": "nope"}"#), 400, "");
    check("POST", "/v2/images", Body::Json(br#"{"size": 5}"#), 403, "");
    check("PATCH", &image, Body::Json(b"[]"), 415, "");
    check("PATCH", &image, Body::Patch(b"{}"), 400, "");
    check(
        "PATCH",
        &image,
        Body::Patch(br#"[{"op": "replace", "path": "/status", "value": "active"}]"#),
        403,
        "",
    );
    check("GET", "/v2/images?limit=-1", Body::None, 400, "");
    check("GET", "/v2/images?marker=71c675ab-d94f-49cd-a114-e12490b328d9", Body::None, 400, "");
    check("GET", "/v2/images/..%2f..%2fetc/file", Body::None, 404, "");
    assert_eq!(glint.status(&id), "queued");
}

#[test]
fn random_bytes_never_stop_the_server() {
    let glint = Glint::start(Runtime::Uring);
    for seed in 0..300 {
        let mut bytes = pattern(seed, 200);
        if seed % 2 == 0 {
            let mut request = b"GET /v2/images HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
            let place = bytes[0] as usize % request.len();
            request[place] = bytes[1];
            bytes = request;
        }
        let _ = raw(&glint, &bytes);
    }
    assert_eq!(glint.get("/v2/images").status, 200);
}
