//! What is taken from somebody: after the answer no download of it begins. Callers say who they
//! are in identity headers, as behind a proxy that authenticates.

use crate::harness::{Body, Connection, Glint, Response, Runtime};
use std::sync::atomic::{AtomicBool, Ordering};

const PASTE: &str = "\
[pipeline:glance-api]
pipeline = versionnegotiation context rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/v2: apiv2app
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:versionnegotiation]
paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
";

fn call(glint: &Glint, project: &str, method: &str, path: &str, body: Body<'_>) -> Response {
    Connection::open(glint.address).call(method, path, &identity(project), body)
}

fn identity(project: &str) -> [(&str, &str); 3] {
    [("X-Identity-Status", "Confirmed"), ("X-Project-Id", project), ("X-Roles", "member,reader")]
}

/// An image with bytes of `proj-a` that `proj-b` may download; its path.
fn shared(glint: &Glint) -> String {
    let body = br#"{"disk_format": "raw", "container_format": "bare"}"#;
    let created = call(glint, "proj-a", "POST", "/v2/images", Body::Json(body));
    assert_eq!(created.status, 201, "{created:?}");
    let image = format!("/v2/images/{}", created.json()["id"].as_str().unwrap());
    let uploaded = call(glint, "proj-a", "PUT", &format!("{image}/file"), Body::Bytes(&[9; 4096]));
    assert_eq!(uploaded.status, 204, "{uploaded:?}");
    let member = Body::Json(br#"{"member": "proj-b"}"#);
    let added = call(glint, "proj-a", "POST", &format!("{image}/members"), member);
    assert_eq!(added.status, 200, "{added:?}");
    let got = call(glint, "proj-b", "GET", &format!("{image}/file"), Body::None);
    assert_eq!((got.status, got.body.len()), (200, 4096));
    image
}

/// Has a project download without pause while the owner makes a call, until the first download
/// asked for after its answer, which must end with `refused`.
fn check_taken(glint: &Glint, image: &str, project: &str, taking: (&str, &str), refused: u16) {
    let file = format!("{image}/file");
    let answered = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = Connection::open(glint.address);
                loop {
                    // Read before asking: if it was set, the answer had been received.
                    let after = answered.load(Ordering::SeqCst);
                    let got = connection.call("GET", &file, &identity(project), Body::None);
                    assert!([200, refused].contains(&got.status), "{got:?}");
                    if after {
                        assert_eq!(got.status, refused, "a download began afterwards");
                        break;
                    }
                }
            });
        }
        let (method, path) = taking;
        let answer = call(glint, "proj-a", method, &format!("{image}{path}"), Body::None);
        answered.store(true, Ordering::SeqCst);
        assert_eq!(answer.status, 204, "{answer:?}");
    });
}

#[test]
fn after_a_member_is_removed_it_begins_no_download() {
    for runtime in Runtime::BOTH {
        let glint = Glint::start_behind(runtime, PASTE);
        for _ in 0..5 {
            let image = shared(&glint);
            check_taken(&glint, &image, "proj-b", ("DELETE", "/members/proj-b"), 404);
            let kept = call(&glint, "proj-a", "GET", &format!("{image}/file"), Body::None);
            assert_eq!(kept.status, 200);
        }
    }
}

#[test]
fn after_an_image_is_deactivated_no_download_of_it_begins_until_it_is_reactivated() {
    for runtime in Runtime::BOTH {
        let glint = Glint::start_behind(runtime, PASTE);
        let image = shared(&glint);
        for _ in 0..5 {
            check_taken(&glint, &image, "proj-a", ("POST", "/actions/deactivate"), 403);
            let got = call(&glint, "proj-b", "GET", &format!("{image}/file"), Body::None);
            assert!(got.text().contains("Image data download is forbidden."), "{got:?}");
            let path = format!("{image}/actions/reactivate");
            assert_eq!(call(&glint, "proj-a", "POST", &path, Body::None).status, 204);
            let got = call(&glint, "proj-b", "GET", &format!("{image}/file"), Body::None);
            assert_eq!(got.status, 200);
        }
    }
}
