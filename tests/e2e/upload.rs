//! Uploads: both framings, every way to go wrong that a client can see, and what is left behind:
//! nothing.

use crate::harness::{Body, Connection, Glint, Response, Runtime, eventually, pattern};

/// Sizes around the borders of pages, buffers and windows.
const SIZES: [usize; 9] =
    [0, 1, 4095, 4096, 4097, 512 * 1024 - 1, 512 * 1024, 512 * 1024 + 1, 3 * 1024 * 1024 + 17];

#[test]
fn every_size_and_framing_arrives_whole() {
    for runtime in Runtime::BOTH {
        let glint = Glint::start(runtime);
        for size in SIZES {
            let bytes = pattern(size as u64 + 1, size);
            for chunk in [None, Some(1000), Some(70_000)] {
                let id = glint.create();
                let body = match chunk {
                    None => Body::Bytes(&bytes),
                    Some(chunk) => Body::Chunked(&bytes, chunk),
                };
                let stored = glint.call("PUT", &format!("/v2/images/{id}/file"), body);
                assert_eq!(stored.status, 204, "{size} {chunk:?} {stored:?}");
                assert_eq!(glint.status(&id), "active");
                assert_eq!(glint.get(&format!("/v2/images/{id}")).json()["size"], size);
                let back = glint.get(&format!("/v2/images/{id}/file"));
                assert_eq!((back.status, back.body.len()), (200, size));
                assert!(back.body == bytes, "{size} {chunk:?}: other bytes came back");
                assert_eq!(std::fs::read(glint.datadir().join(&id)).unwrap().len(), size);
            }
        }
    }
}

#[test]
fn a_second_upload_is_refused_and_the_first_goes_on() {
    let glint = Glint::start(Runtime::Uring);
    let id = glint.create();
    let path = format!("/v2/images/{id}/file");
    let mut first = begin(&glint, &path, 100_000);
    first.send(&[1; 50_000]);
    eventually("the first is saving", || (glint.status(&id) == "saving").then_some(()));
    let second = glint.upload(&id, b"other");
    assert_eq!(second.status, 409, "{second:?}");
    assert!(
        second.text().contains("Image status transition from saving to saving is not allowed"),
        "{second:?}"
    );
    first.send(&[1; 50_000]);
    assert_eq!(first.response("PUT").unwrap().status, 204);
    let again = glint.upload(&id, b"other");
    assert_eq!(again.status, 409);
    assert!(
        again.text().contains("Image status transition from active to saving is not allowed"),
        "{again:?}"
    );
    assert_eq!(glint.get(&path).body, vec![1; 100_000]);
}

/// Sends the head of an upload.
fn begin(glint: &Glint, path: &str, length: usize) -> Connection {
    let mut connection = Connection::open(glint.address);
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    connection.send(head.as_bytes());
    connection
}

#[test]
fn delete_during_an_upload_ends_it_with_410_and_leaves_no_byte() {
    for runtime in Runtime::BOTH {
        let glint = Glint::start(runtime);
        for round in 0..20_usize {
            let id = glint.create();
            let path = format!("/v2/images/{id}/file");
            let mut upload = begin(&glint, &path, 2_000_000);
            upload.send(&vec![7; 1 + round * 90_000]);
            eventually("it is saving", || (glint.status(&id) == "saving").then_some(()));
            assert_eq!(glint.call("DELETE", &format!("/v2/images/{id}"), Body::None).status, 204);
            upload.send(&vec![7; 2_000_000 - 1 - round * 90_000]);
            let answer: Response = upload.response("PUT").expect("an answer");
            assert_eq!(answer.status, 410, "{answer:?}");
            assert!(answer.text().contains(&format!("Image {id} could not be found after upload")));
            assert_eq!(glint.status(&id), "absent");
        }
        eventually("no byte is left", || glint.stored().is_empty().then_some(()));
    }
}

#[test]
fn a_client_that_goes_away_gives_the_image_back_queued_without_a_byte() {
    for runtime in Runtime::BOTH {
        let glint = Glint::start(runtime);
        for (sent, chunked) in
            [(0, false), (1, false), (700_000, false), (0, true), (700_000, true)]
        {
            let id = glint.create();
            let path = format!("/v2/images/{id}/file");
            let mut upload = if chunked {
                let mut upload = Connection::open(glint.address);
                let head = format!(
                    "PUT {path} HTTP/1.1\r\nHost: localhost\r\n\
                     Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                );
                upload.send(head.as_bytes());
                upload.send(b"ffffff\r\n");
                upload
            } else {
                begin(&glint, &path, 2_000_000)
            };
            upload.send(&vec![3; sent]);
            eventually("it is saving", || (glint.status(&id) == "saving").then_some(()));
            drop(upload);
            eventually("it is queued again", || (glint.status(&id) == "queued").then_some(()));
            eventually("no byte is left", || glint.stored().is_empty().then_some(()));
            assert!(glint.get(&format!("/v2/images/{id}")).json()["size"].is_null());
            assert_eq!(glint.upload(&id, b"now whole").status, 204);
            assert_eq!(glint.call("DELETE", &format!("/v2/images/{id}"), Body::None).status, 204);
            eventually("no byte is left", || glint.stored().is_empty().then_some(()));
        }
    }
}

#[test]
fn what_glance_refuses_is_refused_in_its_words() {
    let glint = Glint::start(Runtime::Uring);
    let id = glint.create();
    let path = format!("/v2/images/{id}/file");
    let unset = glint.call("POST", "/v2/images", Body::Json(b"{}")).json()["id"].clone();
    let unset = format!("/v2/images/{}/file", unset.as_str().unwrap());
    let unknown = "/v2/images/71c675ab-d94f-49cd-a114-e12490b328d9/file";
    let check = |path: &str, headers: &[(&str, &str)], code: u16, text: &str| {
        let mut connection = Connection::open(glint.address);
        let answer = connection.call("PUT", path, headers, Body::Bytes(b"0123456789"));
        assert_eq!(answer.status, code, "{path} {headers:?} {answer:?}");
        assert!(answer.text().contains(text), "{path} {headers:?} {answer:?}");
    };
    check(&path, &[("Content-Type", "text/plain")], 415, "Unsupported Media Type");
    check(&path, &[("x-openstack-image-size", "many")], 400, "");
    check(unknown, &[], 404, "No image found with ID 71c675ab-d94f-49cd-a114-e12490b328d9");
    check("/v2/images/not-a-uuid/file", &[], 404, "No image found with ID not-a-uuid");
    check(
        &unset,
        &[],
        400,
        "Properties disk_format, container_format must be set prior to saving data.",
    );
    let wrong_size = [("x-openstack-image-size", "99")];
    check(&path, &wrong_size, 400, "expected 99 bytes, got 10 bytes");
    eventually("it is queued again", || (glint.status(&id) == "queued").then_some(()));
    assert_eq!(glint.stored(), Vec::<String>::new());
    check(&path, &[], 204, "");
}

#[test]
fn expect_100_continue_is_answered_before_the_body() {
    let glint = Glint::start(Runtime::Uring);
    let id = glint.create();
    let mut upload = Connection::open(glint.address);
    let head = format!(
        "PUT /v2/images/{id}/file HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
         Content-Type: application/octet-stream\r\nContent-Length: 5\r\n\r\n"
    );
    upload.send(head.as_bytes());
    assert_eq!(upload.any_response("PUT").unwrap().status, 100);
    upload.send(b"bytes");
    assert_eq!(upload.any_response("PUT").unwrap().status, 204);
    let mut refused = Connection::open(glint.address);
    refused.send(head.as_bytes());
    assert_eq!(refused.any_response("PUT").unwrap().status, 409, "without asking for the body");
}

#[test]
fn many_at_once_do_not_mix() {
    let glint = Glint::start(Runtime::Uring);
    let bodies: Vec<Vec<u8>> =
        (0..16_u8).map(|n| pattern(u64::from(n), 1_500_000 + usize::from(n))).collect();
    std::thread::scope(|scope| {
        for bytes in &bodies {
            let glint = &glint;
            scope.spawn(move || {
                let id = glint.create();
                assert_eq!(glint.upload(&id, bytes).status, 204);
                let back = glint.get(&format!("/v2/images/{id}/file"));
                assert!(&back.body == bytes, "other bytes came back");
            });
        }
    });
}
