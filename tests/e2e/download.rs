//! Downloads: whole and in ranges, on connections that live on, and never after a DELETE was
//! answered.

use crate::harness::{Body, Connection, Glint, Runtime, eventually, pattern};
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn whole_and_partial_downloads_carry_glances_headers() {
    for runtime in Runtime::BOTH {
        let glint = Glint::start(runtime);
        let bytes = pattern(5, 10_240);
        let id = glint.create();
        assert_eq!(glint.upload(&id, &bytes).status, 204);
        let path = format!("/v2/images/{id}/file");
        let checksum = glint.get(&format!("/v2/images/{id}")).json()["checksum"].clone();
        let mut connection = Connection::open(glint.address);
        let mut check =
            |range: Option<&str>, code: u16, content_range: Option<&str>, part: &[u8]| {
                let headers: Vec<_> = range.map(|range| ("Range", range)).into_iter().collect();
                let got = connection.call("GET", &path, &headers, Body::None);
                assert_eq!(got.status, code, "{range:?} {got:?}");
                if code < 300 {
                    assert_eq!(got.header("content-range"), content_range, "{range:?}");
                    assert_eq!(got.header("content-type"), Some("application/octet-stream"));
                    assert_eq!(got.header("content-md5"), checksum.as_str(), "{range:?}");
                    assert!(got.body == part, "{range:?}: other bytes");
                }
                assert!(got.header("x-openstack-request-id").unwrap().starts_with("req-"));
            };
        check(None, 200, None, &bytes);
        check(Some("bytes=0-9"), 206, Some("bytes 0-9/10240"), &bytes[..10]);
        check(Some("bytes=-10"), 206, Some("bytes 10230-10239/10240"), &bytes[10_230..]);
        check(Some("bytes=10000-"), 206, Some("bytes 10000-10239/10240"), &bytes[10_000..]);
        check(Some("bytes=10200-99999"), 206, Some("bytes 10200-10239/10240"), &bytes[10_200..]);
        check(Some("bytes=-99999"), 206, Some("bytes 0-10239/10240"), &bytes);
        check(Some("bytes=10240-"), 416, None, b"");
        check(Some("bytes=5-2"), 416, None, b"");
        check(Some("lines=0-1"), 416, None, b"");
        check(Some("bytes=0-1,5-6"), 400, None, b"");
        check(None, 200, None, &bytes);
    }
}

#[test]
fn no_data_yet_is_204_and_no_image_is_404() {
    let glint = Glint::start(Runtime::Uring);
    let id = glint.create();
    assert_eq!(glint.get(&format!("/v2/images/{id}/file")).status, 204);
    let missing = glint.get("/v2/images/71c675ab-d94f-49cd-a114-e12490b328d9/file");
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("No image found with ID 71c675ab-d94f-49cd-a114-e12490b328d9"));
    assert_eq!(glint.call("HEAD", &format!("/v2/images/{id}/file"), Body::None).status, 405);
}

#[test]
fn after_the_answer_to_delete_no_download_begins() {
    for runtime in Runtime::BOTH {
        let glint = Glint::start(runtime);
        for _ in 0..15 {
            let id = glint.create();
            assert_eq!(glint.upload(&id, &[9; 4096]).status, 204);
            let path = format!("/v2/images/{id}/file");
            let deleted = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let mut connection = Connection::open(glint.address);
                        loop {
                            // Read before asking: if it was set, the answer to DELETE had been
                            // received.
                            let after = deleted.load(Ordering::SeqCst);
                            let got = connection.call("GET", &path, &[], Body::None);
                            assert!([200, 404].contains(&got.status), "{got:?}");
                            if after {
                                assert_eq!(got.status, 404, "a download began after the delete");
                                break;
                            }
                        }
                    });
                }
                let answer = glint.call("DELETE", &format!("/v2/images/{id}"), Body::None);
                deleted.store(true, Ordering::SeqCst);
                assert_eq!(answer.status, 204);
            });
        }
        eventually("no byte is left", || glint.stored().is_empty().then_some(()));
    }
}

#[test]
fn a_download_under_way_survives_the_delete() {
    let glint = Glint::start(Runtime::Uring);
    let bytes = pattern(11, 64 << 20);
    let id = glint.create();
    assert_eq!(glint.upload(&id, &bytes).status, 204);
    let mut slow = Connection::open(glint.address);
    slow.send(format!("GET /v2/images/{id}/file HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    // The socket buffers are far smaller than the image: after the head it is under way and not
    // done.
    assert_eq!(slow.head(), 200);
    assert_eq!(glint.call("DELETE", &format!("/v2/images/{id}"), Body::None).status, 204);
    let got = slow.rest(bytes.len());
    assert!(got == bytes, "the bytes of a download under way changed");
}

#[test]
fn a_file_that_lost_its_end_cuts_the_connection_instead_of_lying() {
    let glint = Glint::start(Runtime::Uring);
    let id = glint.create();
    assert_eq!(glint.upload(&id, &pattern(3, 100_000)).status, 204);
    let file = std::fs::OpenOptions::new().write(true).open(glint.datadir().join(&id)).unwrap();
    file.set_len(50_000).unwrap();
    let mut connection = Connection::open(glint.address);
    connection
        .send(format!("GET /v2/images/{id}/file HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    let got = connection.any_response("GET");
    let whole = got.is_some_and(|got| got.status == 200 && got.body.len() == 100_000);
    assert!(!whole, "half an image was padded");
}
