//! Whether an upload may begin.

use controlplane_api::upload::{Reservation, UploadHead, Writer, reserve};
use controlplane_api::{ApiOptions, StorageQuota};
use glint_image::{Epoch, ImageId, NodeId, RequestId};
use http::HeaderMap;

use crate::harness::{Answer, Api, read};

const READY: &str = r#"{"disk_format": "raw", "container_format": "bare"}"#;
const BYTES: (&str, &str) = ("content-type", "application/octet-stream");

async fn ask(
    api: &Api,
    id: &str,
    headers: &[(&str, &str)],
    size_bytes: Option<u64>,
) -> Result<Reservation, Answer> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        map.insert(name, value.parse().expect("a header value"));
    }
    let request_id = RequestId::adopt(b"req-upload").expect("a short visible text");
    let head = UploadHead { headers: &map, request_id: &request_id };
    let image = ImageId::parse(id).expect("a UUID");
    let writer = Writer { node: NodeId([7; 16]), incarnation: 3 };
    match reserve(&api.app, head, image, size_bytes, writer).await {
        Ok(reservation) => Ok(reservation),
        Err(response) => Err(read(response).await),
    }
}

async fn a_queued_image_with_formats_takes_one_upload() {
    let api = Api::start().await;
    let id = api.create(READY).await;
    let first = ask(&api, &id, &[BYTES], Some(5)).await.expect("the image is ready");
    assert_eq!(first.epoch, Epoch(first.changed.seq.0));
    assert_eq!((first.size_bytes, first.size_bytes_max), (Some(5), 1 << 40));
    assert_eq!((first.store.as_str(), first.changed.restricting), ("", false));
    let shown = api.get(&format!("/v2/images/{id}")).await.json();
    assert_eq!(shown["status"], "saving");
    let second = ask(&api, &id, &[BYTES], Some(5)).await.expect_err("one writer at a time");
    second.check_refused(
        "409 Conflict",
        "Image status transition from saving to saving is not allowed\n\n   ",
    );
    assert_eq!(second.header("x-openstack-request-id"), Some("req-upload"));
}

async fn refusals_come_in_glances_order() {
    let options = ApiOptions { image_size_cap: 100, ..ApiOptions::default() };
    let api = Api::with(options).await;
    let ready = api.create(READY).await;
    let bare = api.create("{}").await;
    let missing = "a4ebf63d-358f-460e-a52c-b4c280358498";
    let check = async |id: &str, headers: &[(&str, &str)], size, title: &str, text: &str| {
        let refused = ask(&api, id, headers, size).await.expect_err("to be refused");
        refused.check_refused(title, text);
    };
    check(
        missing,
        &[("content-type", "text/plain; charset=x"), ("x-openstack-image-size", "abc")],
        None,
        "415 Unsupported Media Type",
        "The request media type text/plain; charset=x is not supported by this server. \n\n \
         Invalid content type text/plain",
    )
    .await;
    check(
        missing,
        &[],
        None,
        "415 Unsupported Media Type",
        "The request media type ${CONTENT_TYPE} is not supported by this server. \n\n \
         Invalid content type None",
    )
    .await;
    check(
        missing,
        &[BYTES, ("x-openstack-image-size", "abc")],
        None,
        "400 Bad Request",
        "Invalid or missing image size in request headers.\n\n   ",
    )
    .await;
    let text = format!("No image found with ID {missing}\n\n   ");
    check(missing, &[BYTES], Some(101), "404 Not Found", &text).await;
    check(
        &bare,
        &[BYTES],
        Some(101),
        "400 Bad Request",
        "Properties disk_format, container_format must be set prior to saving data.\n\n   ",
    )
    .await;
    let large = "The incoming image is too large: The provided image is too large.\n\n   ";
    check(&ready, &[BYTES], Some(101), "413 Request Entity Too Large", large).await;
    let header = [BYTES, ("x-openstack-image-size", "101")];
    check(&ready, &header, None, "413 Request Entity Too Large", large).await;
    // Nothing above took the image out of its queue.
    let reservation = ask(&api, &ready, &[BYTES], Some(100)).await.expect("the image is ready");
    assert_eq!(reservation.size_bytes_max, 100);
}

async fn the_header_announces_the_size_before_the_body_does() {
    let api = Api::start().await;
    let check = async |header: &str, body: Option<u64>, expected: Option<u64>| {
        let id = api.create(READY).await;
        let headers = [BYTES, ("x-openstack-image-size", header)];
        let reservation = ask(&api, &id, &headers, body).await.expect("the image is ready");
        assert_eq!(reservation.size_bytes, expected, "{header}");
    };
    check("99", Some(5), Some(99)).await;
    check("1_0", None, Some(10)).await;
    check("-1", Some(5), Some(5)).await;
}

async fn bytes_of_what_is_no_image_are_not_found() {
    let api = Api::start().await;
    let answer = api.send("PUT", "/v2/images/xyz/file", &[BYTES], "x").await;
    answer.check_refused("404 Not Found", "No image found with ID xyz\n\n   ");
    let answer = api.send("PUT", "/v2/images/xyz/file", &[], "x").await;
    assert_eq!(answer.status, 415);
    let answer = api.get("/v2/images/xyz/file").await;
    answer.check_refused("404 Not Found", "No image found with ID xyz\n\n   ");
}

async fn what_does_not_fit_into_the_projects_room_is_refused() {
    let quota = StorageQuota::of_bytes(100);
    let api = Api::with(ApiOptions { user_storage_quota: quota, ..ApiOptions::default() }).await;
    let (first, second) = (api.create(READY).await, api.create(READY).await);
    let granted = ask(&api, &first, &[BYTES], None).await.expect("there is room");
    assert_eq!(granted.size_bytes_max, 100);
    let refused = ask(&api, &second, &[BYTES], Some(101)).await.expect_err("too much");
    refused.check_refused(
        "413 Request Entity Too Large",
        "Image exceeds the storage quota: The size of the data 101 will exceed the limit. \
         100 bytes remaining.\n\n   ",
    );
    let shown = api.get(&format!("/v2/images/{second}")).await.json();
    assert_eq!(shown["status"], "queued");
    ask(&api, &second, &[BYTES], Some(100)).await.expect("there is room");
}

controlplane_testing::on_every_database!(
    a_queued_image_with_formats_takes_one_upload,
    refusals_come_in_glances_order,
    the_header_announces_the_size_before_the_body_does,
    bytes_of_what_is_no_image_are_not_found,
    what_does_not_fit_into_the_projects_room_is_refused,
);
