//! Answers of Glance 33 to `Range` and `Content-Range`, for an image of ten bytes and an empty one;
//! and the few where we differ.

use super::*;

fn part(
    range: Option<&[u8]>,
    content_range: Option<&[u8]>,
    size: u64,
) -> Result<Option<Part>, Fault> {
    requested(range, content_range)?.within(size)
}

const MULTI: &str = "Requests with multiple ranges are not supported in Glance. \
                     You may make multiple single-range requests instead.";

fn check(header: &str, size: u64, expected: Result<&str, (u16, &str)>) {
    let (name, value) = header.split_once(':').expect("a header");
    let value = value.trim_matches(' ').as_bytes();
    let got = match name {
        "Range" => part(Some(value), Some(b"bytes 5-6/10"), size),
        _ => part(None, Some(value), size),
    };
    let got = got.map(|part| part.expect("a part was asked for").content_range(size));
    let expected = expected.map(str::to_owned).map_err(|(status, text)| match status {
        400 => Fault::new(400, text),
        _ => Fault::detailed(status, text),
    });
    assert_eq!(got, expected, "{header} of {size}");
}

#[test]
fn range_of_ten_bytes() {
    let bad = Err((416, "Invalid Range header."));
    let start = Err((
        416,
        "Invalid start position in Range header. \
         Start position MUST be in the inclusive range [0, 9].",
    ));
    let several = Err((400, MULTI));
    let all = Ok("bytes 0-9/10");
    let two = Ok("bytes 0-1/10");
    for (value, expected) in [
        ("bytes=0-", all),
        ("bytes=-0", all),
        ("bytes = 0-1", two),
        ("bytes= 0-1", two),
        ("bytes=0 - 1", two),
        ("BYTES=0-1", two),
        ("bytes=00-01", two),
        ("bytes=0-1 x", two),
        ("bytes=1-2-3", Ok("bytes 1-2/10")),
        ("bytes=0--1", all),
        ("bytes=-1-2", Ok("bytes 9-9/10")),
        ("bytes=9-9", Ok("bytes 9-9/10")),
        ("bytes=5 -", Ok("bytes 5-9/10")),
        ("bytes=-3", Ok("bytes 7-9/10")),
        ("bytes=-10", all),
        ("bytes=-99999999999999999999999", all),
        ("bytes=0-18446744073709551616", all),
        ("bytes=99999999999999999999999-", start),
        ("bytes=10-", start),
        ("bytes=10-12", start),
        ("bytes=3", bad),
        ("bytes=5-4", bad),
        ("bytes=-", bad),
        ("bytes=+1-2", bad),
        ("bytes=0x1-2", bad),
        ("bytes=1_0-", bad),
        ("bytes==1-2", bad),
        ("bytesx=1-2", bad),
        ("=0-1", bad),
        ("", bad),
        ("lines=0-3", bad),
        ("bytes=0-1,", several),
        (",", several),
        ("bytes=0-1,3-4", several),
    ] {
        check(&format!("Range: {value}"), 10, expected);
    }
}

#[test]
fn content_range_of_ten_bytes() {
    let bad = Err((416, "Invalid Content-Range header."));
    let stop = Err((
        416,
        "Invalid stop position in Content-Range header. \
         The stop position MUST be in the inclusive range [0, 9].",
    ));
    let start = Err((
        416,
        "Invalid start position in Content-Range header. \
         Start position MUST be in the inclusive range [0, 9].",
    ));
    for (value, expected) in [
        ("bytes 0-9/10", Ok("bytes 0-9/10")),
        ("bytes 0-9/*", Ok("bytes 0-9/10")),
        ("bytes 9-9/*", Ok("bytes 9-9/10")),
        ("bytes 0-3/99", Ok("bytes 0-3/10")),
        ("bytes 3-3/10", Ok("bytes 3-3/10")),
        ("bytes 0-1/10x", Ok("bytes 0-1/10")),
        // Glance announces 21 bytes and sends ten.
        ("bytes 0-20/99", Ok("bytes 0-9/10")),
        ("bytes 0-10/10", bad),
        ("bytes 0-99/10", bad),
        ("bytes 0-99/*", stop),
        ("bytes 0-10/*", stop),
        ("bytes 10-12/*", stop),
        ("bytes 10-12/100", start),
        ("bytes 5-3/*", bad),
        ("bytes 3-2/10", bad),
        ("bytes 0-3/2", bad),
        ("bytes 2-3/3", bad),
        ("bytes=0-1/10", bad),
        ("bytes 0-1", bad),
        ("bytes 0-3/", bad),
        ("lines 0-1/10", bad),
        ("bytes  0-1/10", bad),
        ("Bytes 0-1/10", bad),
        ("bytes 0-1,2-3/10", bad),
        ("bytes 0 - 1/10", bad),
        ("bytes 0-1 / 10", bad),
        ("", bad),
        // Glance closes the connection without an answer.
        ("bytes */10", bad),
        ("bytes */*", bad),
    ] {
        check(&format!("Content-Range: {value}"), 10, expected);
    }
}

#[test]
fn parts_of_an_empty_image() {
    let start = Err((
        416,
        "Invalid start position in Range header. \
         Start position MUST be in the inclusive range [0, -1].",
    ));
    check("Range: bytes=0-", 0, start);
    check("Range: bytes=0-0", 0, start);
    check("Range: bytes=-0", 0, start);
    check("Range: bytes=-1", 0, Ok("bytes 0--1/0"));
    check("Range: bytes=0-1,3-4", 0, Err((400, MULTI)));
    let stop = "Invalid stop position in Content-Range header. \
         The stop position MUST be in the inclusive range [0, -1].";
    check("Content-Range: bytes 0-0/*", 0, Err((416, stop)));
    assert_eq!(part(None, None, 0), Ok(None));
}

#[test]
fn no_part_reaches_past_the_image() {
    for size in 0..12_u64 {
        for first in 0..14_u64 {
            for last in 0..14_u64 {
                for text in [
                    format!("bytes={first}-{last}"),
                    format!("bytes={first}-"),
                    format!("bytes=-{last}"),
                ] {
                    if let Ok(Some(part)) = part(Some(text.as_bytes()), None, size) {
                        assert!(part.offset + part.length <= size, "{text} of {size}: {part:?}");
                    }
                }
                let text = format!("bytes {first}-{last}/*");
                if let Ok(Some(part)) = part(None, Some(text.as_bytes()), size) {
                    assert!(part.offset + part.length <= size, "{text} of {size}: {part:?}");
                }
            }
        }
    }
}
