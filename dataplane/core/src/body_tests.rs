//! Bodies, at once and cut into pieces at every place.

use super::*;

/// Decodes a stream that arrives in pieces of this size into a sink that takes this much at a time;
/// gives the data, the bytes behind the body, and whether the body ended.
fn decoded(
    framing: Framing,
    stream: &[u8],
    piece: usize,
    room: usize,
) -> Result<(Vec<u8>, usize, bool), BodyError> {
    let mut body = Body::new(framing);
    let (mut data, mut at) = (Vec::new(), 0);
    let mut end = 0;
    while end < stream.len() && !body.is_done() {
        end = (end + piece).min(stream.len());
        loop {
            let found = body.decode(&stream[at..end], room)?;
            assert!(found.data.len() <= room && found.data.end == found.consumed);
            data.extend_from_slice(&stream[at..end][found.data.clone()]);
            at += found.consumed;
            if found.consumed == 0 || body.is_done() {
                break;
            }
        }
        assert!(at == end || body.is_done(), "everything is consumed until the end");
    }
    assert_eq!(body.total(), data.len() as u64);
    Ok((data, stream.len() - at, body.is_done()))
}

fn check(framing: Framing, stream: &[u8], expected: Result<(&[u8], usize, bool), BodyError>) {
    for piece in 1..=stream.len().max(1) {
        for room in [1, 3, 1000] {
            let got = decoded(framing, stream, piece, room);
            let got =
                got.as_ref().map(|(data, left, done)| (&data[..], *left, *done)).map_err(|e| *e);
            assert_eq!(got, expected, "{:?} by {piece}, {room}", String::from_utf8_lossy(stream));
        }
    }
}

#[test]
fn a_length_is_kept_to_the_byte() {
    check(Framing::None, b"next", Ok((b"", 4, true)));
    check(Framing::Length(0), b"next", Ok((b"", 4, true)));
    check(Framing::Length(5), b"bytesnext", Ok((b"bytes", 4, true)));
    check(Framing::Length(5), b"byte", Ok((b"byte", 0, false)));
}

#[test]
fn chunks() {
    let ok = |stream: &[u8], data: &[u8]| {
        let mut followed = stream.to_vec();
        followed.extend_from_slice(b"GET / HTTP/1.1");
        check(Framing::Chunked, &followed, Ok((data, 14, true)));
        check(Framing::Chunked, &stream[..stream.len() - 1], Ok((data, 0, false)));
    };
    ok(b"0\r\n\r\n", b"");
    ok(b"5\r\nbytes\r\n0\r\n\r\n", b"bytes");
    ok(b"5\r\nbytes\r\n00006\r\n\r\nmore\r\n0\r\n\r\n", b"bytes\r\nmore");
    ok(b"a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", b"01234567890123456789a");
    ok(b"0000000000000001\r\nx\r\n0\r\n\r\n", b"x");
    ok(b"1;a=b;c=\"d\"\r\nx\r\n0;e\r\n\r\n", b"x");
    ok(b"1 ;a\r\nx\r\n0\t;\r\n\r\n", b"x");
    ok(b"1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n", b"x");
}

#[test]
fn broken_chunks() {
    for (stream, error) in [
        (&b"zz\r\n"[..], BodyError::ChunkSize),
        (b"\r\n", BodyError::ChunkSize),
        (b";a\r\n", BodyError::ChunkSize),
        (b" 5\r\n", BodyError::ChunkSize),
        (b"+5\r\n", BodyError::ChunkSize),
        (b"-1\r\n", BodyError::ChunkSize),
        (b"0x5\r\n", BodyError::ChunkSize),
        (b"5_0\r\n", BodyError::ChunkSize),
        (b"5,\r\n", BodyError::ChunkSize),
        (b"10000000000000000\r\n", BodyError::ChunkSize),
        (b"ffffffffffffffff0\r\n", BodyError::ChunkSize),
        (b"00000000000000001\r\n", BodyError::ChunkSize),
        (b"1\r\nx\r\nffffffffffffffff\r\n", BodyError::TooLong),
        (b"5\nbytes", BodyError::ChunkSize),
        (b"5\r\rbytes", BodyError::Lines),
        (b"5 \r\n", BodyError::Lines),
        (b"5 5\r\n", BodyError::Lines),
        (b"5;a\nbytes", BodyError::Lines),
        (b"5;a\0\r\n", BodyError::Lines),
        (b"5;a\rb\r\n", BodyError::Lines),
        (b"2\r\nabc\r\n", BodyError::ChunkEnd),
        (b"2\r\nab\n0\r\n\r\n", BodyError::ChunkEnd),
        (b"2\r\nab\r0\r\n\r\n", BodyError::ChunkEnd),
        (b"2\r\nab0\r\n\r\n", BodyError::ChunkEnd),
        (b"0\r\n\n", BodyError::Lines),
        (b"0\r\n\rX", BodyError::Lines),
        (b"0\r\nGET / HTTP/1.1\r\n", BodyError::Lines),
        (b"0\r\nA\r\n\r\n", BodyError::Lines),
        (b"0\r\n: b\r\n\r\n", BodyError::Lines),
        (b"0\r\nA: b\r\n c\r\n\r\n", BodyError::Lines),
        (b"0\r\nA: b\n\r\n", BodyError::Lines),
        (b"0\r\nA: b\0\r\n\r\n", BodyError::Lines),
    ] {
        check(Framing::Chunked, stream, Err(error));
    }
}

#[test]
fn what_is_not_data_is_bounded() {
    let line = |bytes: usize| [&b"1;"[..], &vec![b'a'; bytes - 4], b"\r\n"].concat();
    let fits = [&line(CHUNK_LINE_BYTES_MAX)[..], b"x"].concat();
    assert_eq!(decoded(Framing::Chunked, &fits, 1000, 9), Ok((b"x".to_vec(), 0, false)));
    let long = line(CHUNK_LINE_BYTES_MAX + 1);
    assert_eq!(decoded(Framing::Chunked, &long, 1000, 9), Err(BodyError::Lines));
    let trailers = |bytes: usize| {
        let name = [&b"0\r\nA:"[..], &vec![b'b'; bytes - 6], b"\r\n\r\n"].concat();
        decoded(Framing::Chunked, &name, 1000, 9)
    };
    assert_eq!(trailers(TRAILER_BYTES_MAX), Ok((Vec::new(), 0, true)));
    assert_eq!(trailers(TRAILER_BYTES_MAX + 1), Err(BodyError::Lines));
}

#[test]
fn data_may_be_received_past_the_decoder() {
    let mut body = Body::new(Framing::Chunked);
    assert_eq!(body.remaining(), 0);
    let found = body.decode(b"5\r\n", 9).expect("a size line");
    assert_eq!((found.consumed, found.data.len(), body.remaining()), (3, 0, 5));
    body.received(2);
    body.received(0);
    assert_eq!(body.remaining(), 3);
    body.received(3);
    assert_eq!((body.remaining(), body.total(), body.is_done()), (0, 5, false));
    body.decode(b"\r\n0\r\n\r\n", 9).expect("the end");
    assert!(body.is_done());
    let mut body = Body::new(Framing::Length(3));
    body.received(3);
    assert!(body.is_done());
}
