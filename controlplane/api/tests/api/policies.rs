//! Who is let in, and what policy lets him do.
//!
//! The whole table of callers and routes is compared with Glance by `tests/compat/matrix.py`; here
//! is one of each kind.

use controlplane_domain::Policy;
use glint_policy::glance::Sources;

use crate::harness::{Answer, Api};

const OWNER: &str = "olga:proj-a:member";
const READER: &str = "rita:proj-a:reader";
const STRANGER: &str = "bob:proj-b:member";
const ADMIN: &str = "adm:admin:admin";
const PATCH: &str = "application/openstack-images-v2.1-json-patch";

async fn ask(api: &Api, token: &str, method: &str, target: &str, body: &str) -> Answer {
    let media = if method == "PATCH" { PATCH } else { "application/json" };
    api.send(method, target, &[("x-auth-token", token), ("content-type", media)], body).await
}

async fn create(api: &Api, token: &str, body: &str) -> String {
    let answer = ask(api, token, "POST", "/v2/images", body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().expect("an image has an id").to_owned()
}

fn obey(api: &Api, file: &str) {
    let sources = Sources { files: vec![file.to_owned()], ..Sources::default() };
    api.app.set_policy(Policy::new(sources, 1).expect("a policy file").0);
}

fn not_authorized(policy: &str) -> String {
    format!("You are not authorized to complete {policy} action.\n\n   ")
}

#[tokio::test]
async fn whom_nobody_knows_is_told_so_before_anything_is_routed() {
    let api = Api::tokens().await;
    for target in ["/v2/images", "/v2/nowhere", "/v2", "/v2/schemas/image"] {
        let answer = ask(&api, "garbage", "GET", target, "").await;
        assert_eq!(answer.status, 401, "{target}");
        assert!(
            answer.body.starts_with("401 Unauthorized\n\nThis server could not verify that you")
        );
        assert_eq!(answer.header("x-openstack-request-id"), None);
        assert_eq!(answer.header("www-authenticate"), None);
    }
    assert_eq!(ask(&api, "garbage", "GET", "/v9/images", "").await.status, 300);
    assert_eq!(ask(&api, "garbage", "GET", "/healthcheck", "").await.status, 200);
    assert_eq!(ask(&api, "garbage", "POST", "/v2/images", "no JSON").await.status, 401);
    assert_eq!(ask(&api, READER, "GET", "/v2/nowhere", "").await.status, 404);
}

#[tokio::test]
async fn refusals_hide_what_the_caller_may_not_see() {
    let api = Api::tokens().await;
    let id = create(&api, OWNER, r#"{"visibility": "private"}"#).await;
    let target = format!("/v2/images/{id}");
    let rename = r#"[{"op": "replace", "path": "/name", "value": "x"}]"#;
    let forbidden = ask(&api, READER, "DELETE", &target, "").await;
    forbidden.check_refused("403 Forbidden", &not_authorized("delete_image"));
    let forbidden = ask(&api, READER, "PATCH", &target, rename).await;
    forbidden.check_refused("403 Forbidden", &not_authorized("modify_image"));
    let absent = ask(&api, STRANGER, "PATCH", &target, rename).await;
    absent.check_refused("404 Not Found", &format!("No image found with ID {id}\n\n   "));
    let hidden = ask(&api, "nora:proj-a:", "GET", &target, "").await;
    hidden.check_refused("404 Not Found", "The resource could not be found.\n\n   ");
    assert_eq!(ask(&api, ADMIN, "GET", &target, "").await.status, 200);
    assert_eq!(ask(&api, OWNER, "DELETE", &target, "").await.status, 204);
}

#[tokio::test]
async fn creating_and_listing_ask_first() {
    let api = Api::tokens().await;
    let refused = ask(&api, READER, "POST", "/v2/images", "{}").await;
    refused.check_refused("403 Forbidden", &not_authorized("add_image"));
    let public = r#"{"visibility": "public"}"#;
    let refused = ask(&api, OWNER, "POST", "/v2/images", public).await;
    refused.check_refused("403 Forbidden", &not_authorized("publicize_image"));
    create(&api, ADMIN, public).await;
    create(&api, OWNER, "{}").await;
    let refused = ask(&api, "nora:proj-a:", "GET", "/v2/images", "").await;
    refused.check_refused("403 Forbidden", &not_authorized("get_images"));
    let seen = async |token: &str| {
        let answer = ask(&api, token, "GET", "/v2/images", "").await;
        answer.json()["images"].as_array().expect("a list").len()
    };
    assert_eq!((seen(READER).await, seen(STRANGER).await, seen(ADMIN).await), (2, 1, 2));
    // A policy leaves rows out.
    obey(&api, "get_image: \"'shared':%(visibility)s\"");
    assert_eq!((seen(READER).await, seen(STRANGER).await), (1, 0));
}

#[tokio::test]
async fn an_opened_policy_does_not_open_what_is_anothers() {
    let api = Api::tokens().await;
    let id = create(&api, OWNER, r#"{"visibility": "community"}"#).await;
    let target = format!("/v2/images/{id}");
    obey(&api, "modify_image: '@'\ndelete_image: '@'\ndeactivate: '@'");
    let rename = r#"[{"op": "replace", "path": "/name", "value": "x"}]"#;
    let refused = ask(&api, STRANGER, "PATCH", &target, rename).await;
    refused.check_refused("403 Forbidden", "You do not own this image\n\n   ");
    let refused = ask(&api, STRANGER, "PUT", &format!("{target}/tags/t"), "").await;
    let text = format!("Not allowed to update tags for image {id}.\n\n   ");
    refused.check_refused("403 Forbidden", &text);
    let refused = ask(&api, STRANGER, "DELETE", &target, "").await;
    let text = format!("Failed to find image {id} to delete\n\n   ");
    refused.check_refused("404 Not Found", &text);
    assert_eq!(ask(&api, OWNER, "PATCH", &target, rename).await.status, 200);
}

#[tokio::test]
async fn rules_that_change_are_in_force_for_the_next_request() {
    let api = Api::tokens().await;
    let public = r#"{"visibility": "public"}"#;
    assert_eq!(ask(&api, OWNER, "POST", "/v2/images", public).await.status, 403);
    obey(&api, "publicize_image: 'role:member'");
    assert_eq!(ask(&api, OWNER, "POST", "/v2/images", public).await.status, 201);
    obey(&api, "context_is_admin: 'user_id:olga'");
    assert_eq!(ask(&api, OWNER, "POST", "/v2/images", public).await.status, 201);
    assert_eq!(ask(&api, ADMIN, "POST", "/v2/images", public).await.status, 403);
}
