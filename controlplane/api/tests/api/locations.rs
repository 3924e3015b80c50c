//! Locations: by patch, and the calls for services. Places lie on an HTTP server of the test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use controlplane_api::{ApiOptions, StorageQuota, UriFilter};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{Answer, Api};

const READY: &str = r#"{"disk_format": "raw", "container_format": "bare"}"#;

/// An API that may ask one host: a server that has as many bytes as the path says.
struct Bench {
    api: Arc<Api>,
    base: String,
}

impl Bench {
    async fn new(options: ApiOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let count = loop {
                    stream.readable().await.expect("a request");
                    if let Ok(count) = stream.try_read(&mut request) {
                        break count;
                    }
                };
                let request = String::from_utf8_lossy(&request[..count]).into_owned();
                let size = request.split(['/', ' ', '?']).nth(2).unwrap_or_default();
                let answer = match size.parse::<u64>() {
                    Ok(size) => format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"),
                    Err(_) => "HTTP/1.1 404 Not Found\r\n\r\n".to_owned(),
                };
                stream.try_write(answer.as_bytes()).expect("room for a line");
            }
        });
        let import_filter = UriFilter {
            allowed_hosts: vec!["127.0.0.1".to_owned()],
            allowed_ports: vec![port],
            ..UriFilter::default()
        };
        let options = ApiOptions { show_multiple_locations: true, import_filter, ..options };
        let base = format!("http://127.0.0.1:{port}/");
        Self { api: Arc::new(Api::with(options).await), base }
    }

    fn add(&self, place: &str) -> Value {
        json!({"op": "add", "path": "/locations/-", "value": {
            "url": format!("{}{place}", self.base), "metadata": {}}})
    }

    async fn patch(&self, id: &str, operations: Value) -> Answer {
        self.api.patch(id, &operations.to_string()).await
    }

    async fn active(&self, places: &[&str]) -> String {
        let id = self.api.create(READY).await;
        let operations: Vec<Value> = places.iter().map(|place| self.add(place)).collect();
        let answer = self.patch(&id, Value::Array(operations)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        id
    }

    fn paths(&self, answer: &Answer) -> Vec<String> {
        let body = answer.json();
        let locations = body["locations"].as_array().or(body.as_array()).expect("a list").clone();
        let url = |location: &Value| location["url"].as_str().expect("a URL").to_owned();
        locations.iter().map(|found| url(found).replace(&self.base, "")).collect()
    }
}

async fn an_image_becomes_active_by_a_location_and_loses_all_but_the_last() {
    let bench =
        Bench::new(ApiOptions { show_image_direct_url: true, ..ApiOptions::default() }).await;
    let id = bench.api.create(READY).await;
    let answer = bench.patch(&id, json!([bench.add("50"), bench.add("60")])).await;
    let shown = answer.json();
    assert_eq!((&shown["status"], &shown["size"]), (&json!("active"), &json!(50)));
    assert_eq!(shown["direct_url"], json!(format!("{}50", bench.base)));
    assert!(!answer.changed.expect("a change").restricting);
    let got = bench.api.get(&format!("/v2/images/{id}")).await;
    assert_eq!(bench.paths(&got), ["50", "60"]);

    let remove = |place: &str| json!([{"op": "remove", "path": format!("/locations/{place}")}]);
    let answer = bench.patch(&id, remove("0")).await;
    assert_eq!(bench.paths(&answer), ["60"]);
    assert!(answer.changed.expect("a change").restricting, "bytes were taken away");
    bench.patch(&id, remove("0")).await.check_refused(
        "403 Forbidden",
        "Access was denied to this resource.\n\n Cannot remove last location in the image.  ",
    );
    bench.patch(&id, remove("7")).await.check_refused(
        "403 Forbidden",
        "Access was denied to this resource.\n\n Cannot remove last location in the image.  ",
    );
    assert!(bench.api.app.database().reclaims(10).await.expect("an answer").is_empty());
    let answer = bench.api.send("DELETE", &format!("/v2/images/{id}"), &[], "").await;
    assert_eq!(answer.status, 204);
    let left = bench.api.app.database().reclaims(10).await.expect("an answer");
    assert_eq!(left, [], "nobody else's bytes are removed");
}

async fn refused_locations_leave_the_image_as_it_was() {
    let quota = StorageQuota::of_bytes(1000);
    let options =
        ApiOptions { user_storage_quota: quota, image_location_quota: 3, ..ApiOptions::default() };
    let bench = Bench::new(options).await;
    let id = bench.api.create(READY).await;
    let before = bench.api.get(&format!("/v2/images/{id}")).await.body;
    let check = async |operations: Value, title: &str, text: &str| {
        bench.patch(&id, operations).await.check_refused(title, &format!("{text}\n\n   "));
        assert_eq!(bench.api.get(&format!("/v2/images/{id}")).await.body, before);
    };
    let at = |url: &str| json!([{"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": {}}}]);
    let (bad, large) = ("400 Bad Request", "413 Request Entity Too Large");
    for url in ["file:///etc/passwd", "swift+config://a/b/c", "rbd://a/b/c/d", "x", ""] {
        check(at(url), bad, "Invalid location").await;
    }
    check(json!([bench.add("none")]), bad, "Invalid location").await;
    check(json!([bench.add("0")]), bad, "Invalid location").await;
    check(at("http:///x"), bad, "The Store URI was malformed.").await;
    check(
        json!([bench.add("1001")]),
        large,
        "Denying attempt to upload image because it exceeds the quota: The size of the data 1001 \
         will exceed the limit. 1000 bytes remaining.",
    )
    .await;
    check(
        json!([bench.add("1"), bench.add("2"), bench.add("3"), bench.add("4")]),
        large,
        "The limit has been exceeded on the number of allowed image locations. Attempted: 4, \
         Maximum: 3",
    )
    .await;
    let url = format!("{}1", bench.base);
    let twice = format!("The location {url} already exists");
    check(json!([bench.add("1"), bench.add("1")]), bad, &twice).await;
    check(
        json!([{"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": {},
            "validation_data": {"os_hash_algo": "md5", "os_hash_value": "aa"}}}]),
        "409 Conflict",
        "os_hash_algo must be sha512, not md5",
    )
    .await;
    let many: Vec<Value> = (1..=20)
        .flat_map(|place| {
            let remove = json!({"op": "remove", "path": "/locations/0"});
            [Some(bench.add(&place.to_string())), (place > 1).then_some(remove)]
        })
        .flatten()
        .collect();
    let answer = bench.patch(&id, Value::Array(many)).await;
    assert_eq!(answer.status, 413, "places beyond the bound are not looked at");
}

async fn without_sight_of_locations_nobody_changes_them_by_patch() {
    let api = Api::start().await;
    let id = api.create(READY).await;
    let add = r#"[{"op": "add", "path": "/locations/-", "value": {"url": "x", "metadata": {}}}]"#;
    api.patch(&id, add).await.check_refused(
        "403 Forbidden",
        "It's not allowed to add locations if locations are invisible.\n\n   ",
    );
}

async fn services_add_and_list_locations() {
    let bench = Bench::new(ApiOptions::default()).await;
    let path = |id: &str| format!("/v2/images/{id}/locations");
    let id = bench.api.create(READY).await;
    let list = bench.api.get(&path(&id)).await;
    assert_eq!((list.status, list.body.as_str()), (200, "[]"));
    let body = json!({"url": format!("{}70", bench.base)}).to_string();
    let added = bench.api.send("POST", &path(&id), &[], body.as_str()).await;
    assert_eq!((added.status, added.body.as_str()), (202, ""));
    let deadline = Instant::now() + Duration::from_secs(30);
    let shown = loop {
        let shown = bench.api.get(&format!("/v2/images/{id}")).await.json();
        if shown["status"] != "queued" || Instant::now() > deadline {
            break shown;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&shown["status"], &shown["size"]), (&json!("active"), &json!(70)));
    assert_eq!(bench.paths(&bench.api.get(&path(&id)).await), ["70"]);
    bench.api.send("POST", &path(&id), &[], body).await.check_refused(
        "409 Conflict",
        "It's not allowed to add locations if image status is active.\n\n   ",
    );
}

async fn what_services_may_not_add_is_refused_at_once() {
    let bench = Bench::new(ApiOptions::default()).await;
    let id = bench.api.create(READY).await;
    let check = async |body: Value, title: &str, text: &str| {
        let path = format!("/v2/images/{id}/locations");
        let answer = bench.api.send("POST", &path, &[], body.to_string()).await;
        answer.check_refused(title, &format!("{text}\n\n   "));
    };
    let no_store = "http store must be enabled to use location API by normal user.";
    check(json!({"url": "rbd://a/b/c/d"}), "403 Forbidden", no_store).await;
    let url = "http://127.0.0.66/x";
    let text = format!("URI for add location does not pass filtering: {url}");
    check(json!({"url": url}), "400 Bad Request", &text).await;
    let digest = json!({"os_hash_algo": "sha512", "os_hash_value": "ab"});
    check(
        json!({"url": url, "validation_data": digest}),
        "400 Bad Request",
        "os_hash_value: (ab) is not the correct size for (sha512) (should be (64) bytes)",
    )
    .await;
    let half = json!({"url": url, "validation_data": {"os_hash_value": "ab"}});
    let path = format!("/v2/images/{id}/locations");
    let answer = bench.api.send("POST", &path, &[], half.to_string()).await;
    assert_eq!(answer.status, 400);
    let start = "400 Bad Request\n\nProvided object does not match schema 'location': \
                 'os_hash_algo' is a dependency of 'os_hash_value'";
    assert!(answer.body.starts_with(start), "{answer:?}");
    let answer = bench.api.send("PUT", &path, &[], "{}").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
}

async fn a_list_is_replaced_only_by_one_of_the_same_places() {
    let bench = Bench::new(ApiOptions::default()).await;
    let id = bench.active(&["5"]).await;
    let other = bench
        .patch(
            &id,
            json!([{"op": "replace", "path": "/locations",
        "value": [{"url": format!("{}6", bench.base), "metadata": {}}]}]),
        )
        .await;
    let text = format!("Original locations is not empty: [\"{}5\"]\n\n   ", bench.base);
    other.check_refused("400 Bad Request", &text);
    let same = bench
        .patch(
            &id,
            json!([{"op": "replace", "path": "/locations",
        "value": [{"url": format!("{}5", bench.base), "metadata": {"n": "1"}}]}]),
        )
        .await;
    assert_eq!(same.json()["locations"][0]["metadata"], json!({"n": "1"}));
}

controlplane_testing::on_every_database!(
    an_image_becomes_active_by_a_location_and_loses_all_but_the_last,
    refused_locations_leave_the_image_as_it_was,
    without_sight_of_locations_nobody_changes_them_by_patch,
    services_add_and_list_locations,
    what_services_may_not_add_is_refused_at_once,
    a_list_is_replaced_only_by_one_of_the_same_places,
);
