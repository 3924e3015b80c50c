//! What stands around the resources: filters in their order, and the health check.

use controlplane_api::edge::healthcheck::Backend;
use controlplane_api::edge::{Cors, Edge, Filter, Healthcheck, Peer};

use crate::harness::Api;

const PAGE: &str = "https://horizon.example";

fn behind(filters: impl IntoIterator<Item = Filter>) -> Edge {
    Edge { filters: filters.into_iter().collect(), ..Edge::default() }
}

fn cors() -> Filter {
    Filter::Cors(Cors { allowed_origin: vec![PAGE.to_owned()], ..Cors::default() })
}

fn usual(first: Filter) -> Edge {
    behind([first, Filter::VersionNegotiation, Filter::Context])
}

#[tokio::test]
async fn every_answer_tells_an_allowed_page_that_it_may_read_it() {
    let api = Api::behind(usual(cors())).await;
    for (method, target, status) in [
        ("GET", "/v2/images", 200),
        ("GET", "/v2/nothing", 404),
        ("DELETE", "/v2/images/nope", 404),
        ("GET", "/versions", 200),
        ("GET", "/v9", 300),
    ] {
        let answer = api.send(method, target, &[("origin", PAGE)], "").await;
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE), "{target}");
        assert_eq!(answer.header("vary"), Some("Origin"), "{target}");
        let answer = api.send(method, target, &[("origin", "http://evil")], "").await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{target}");
    }
}

#[tokio::test]
async fn pre_flights_are_answered_for_every_path() {
    let api = Api::behind(usual(cors())).await;
    let asks = [
        ("origin", PAGE),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "x-auth-token"),
    ];
    for (target, body) in [("/v2/images", ""), ("/v9/x", ""), ("/versions", "{\"versions\"")] {
        let answer = api.send("OPTIONS", target, &asks, "").await;
        assert_eq!(answer.status, 200, "{target}");
        assert!(answer.body.starts_with(body) && answer.body.is_empty() == body.is_empty());
        assert_eq!(answer.header("access-control-allow-methods"), Some("PATCH"), "{target}");
        assert_eq!(answer.header("access-control-allow-headers"), Some("x-auth-token"));
    }
}

#[tokio::test]
async fn a_filter_outside_the_pipeline_does_nothing() {
    let api = Api::behind(behind([Filter::VersionNegotiation, Filter::Context])).await;
    let options = api.send("OPTIONS", "/v2/images", &[("origin", PAGE)], "").await;
    assert_eq!((options.status, options.header("allow")), (405, Some("GET, POST")));
    let proxied = [("x-forwarded-host", "elsewhere"), ("accept-encoding", "gzip")];
    let versions = api.send("GET", "/versions", &proxied, "").await;
    assert!(versions.body.contains("http://127.0.0.1:9292/v2/"), "{versions:?}");
}

#[tokio::test]
async fn links_begin_with_what_the_proxy_says() {
    let api = Api::behind(usual(Filter::ProxyHeaders)).await;
    let proxied = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "img.example"),
        ("x-forwarded-prefix", "/image"),
    ];
    let versions = api.send("GET", "/versions", &proxied, "").await;
    assert!(versions.body.contains("\"https://img.example/image/v2/\""), "{versions:?}");
    let root = api.send("GET", "/v2", &proxied, "").await;
    assert_eq!(root.header("location"), Some("https://img.example/image/v2/"));
    let image = api.send("POST", "/v2/images", &proxied, "{\"name\": \"x\"}").await;
    let location = image.header("location").expect("a new image has a location");
    assert!(location.starts_with("https://img.example/v2/images/"), "{location}");
}

#[tokio::test]
async fn who_accepts_gzip_gets_it_where_the_filter_stands() {
    let gzip = [("accept-encoding", "gzip")];
    let api = Api::behind(usual(Filter::Gzip)).await;
    for target in ["/versions", "/v2/images", "/v2/nothing"] {
        let (plain, packed) = (api.get(target).await, api.raw("GET", target, &gzip).await);
        assert_eq!(packed.headers.get("content-encoding").expect("a coding"), "gzip", "{target}");
        let mut unpacked = String::new();
        std::io::Read::read_to_string(
            &mut flate2::read::GzDecoder::new(&packed.body[..]),
            &mut unpacked,
        )
        .expect("gzip");
        assert_eq!(unpacked, plain.body, "{target}");
    }
    let without = api.send("HEAD", "/v2/images", &gzip, "").await;
    assert_eq!(without.header("content-encoding"), None);
    let inside = behind([Filter::VersionNegotiation, Filter::Gzip, Filter::Context]);
    let api = Api::behind(inside).await;
    assert_eq!(api.send("GET", "/versions", &gzip, "").await.header("content-encoding"), None);
}

#[tokio::test]
async fn a_file_takes_the_service_out_of_rotation() {
    let path = std::env::temp_dir().join(format!("glint-disabled-{}", std::process::id()));
    let check = Healthcheck::new(vec![Backend::DisableByFile(Some(path.clone()))]);
    let api = Api::behind(Edge { healthcheck: Some(check), ..Edge::default() }).await;
    assert_eq!(api.get("/healthcheck").await.body, "OK");
    std::fs::write(&path, "").expect("the temporary directory is writable");
    let answer = api.get("/healthcheck/x").await;
    let head = api.send("HEAD", "/healthcheck", &[], "").await;
    std::fs::remove_file(&path).expect("it was made above");
    assert_eq!((answer.status, answer.body.as_str()), (503, "DISABLED BY FILE"));
    assert_eq!(
        (head.status, head.header("content-type")),
        (503, Some("text/plain; charset=UTF-8"))
    );
}

#[tokio::test]
async fn files_put_the_service_into_rotation() {
    let check = async |backends: Vec<Backend>, status: u16, body: &str| {
        let check = Healthcheck::new(backends);
        let api = Api::behind(Edge { healthcheck: Some(check), ..Edge::default() }).await;
        let answer = api.get("/healthcheck").await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body));
    };
    let there = || std::env::temp_dir();
    let missing = || there().join("glint-no-such-file");
    check(vec![Backend::EnableByFiles(vec![there()])], 200, "OK").await;
    check(vec![Backend::EnableByFiles(vec![there(), missing()])], 503, "FILE PATH MISSING").await;
    let ports = |port| Backend::DisableByFilesPorts { paths: [(9292, there())].into(), port };
    check(vec![ports(9292)], 503, "DISABLED BY FILE").await;
    check(vec![ports(9293)], 200, "OK").await;
    check(vec![], 200, "").await;
}

#[tokio::test]
async fn the_health_check_may_be_kept_from_strangers() {
    let mut check = Healthcheck::default();
    check.allowed_source_ranges = vec!["127.0.0.0/8".parse().expect("a range")];
    check.ignore_proxied_requests = true;
    let api = Api::behind(Edge { healthcheck: Some(check), ..Edge::default() }).await;
    let ask = async |peer: Option<&str>, headers: &[(&str, &str)]| {
        let peer = peer.map(|peer| Peer(peer.parse().expect("an address")));
        api.from(peer, "/healthcheck", headers).await.status
    };
    assert_eq!(ask(Some("127.0.0.9"), &[]).await, 200);
    assert_eq!(ask(Some("192.0.2.1"), &[]).await, 404);
    assert_eq!(ask(None, &[]).await, 404);
    assert_eq!(ask(Some("127.0.0.9"), &[("x-forwarded-for", "10.0.0.1")]).await, 404);
}
