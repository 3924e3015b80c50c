//! Members, tags and actions of an image.

use controlplane_api::ApiOptions;
use controlplane_db::{ImageUpdate, utc_now};
use controlplane_domain::ImageLocation;
use glint_image::{ImageId, Status};

use crate::harness::{Answer, Api};

const NOBODY: &str = "71c675ab-d94f-49cd-a114-e12490b328d9";

impl Api {
    async fn share(&self, id: &str, member: &str) -> Answer {
        let body = format!("{{\"member\": \"{member}\"}}");
        self.send("POST", &format!("/v2/images/{id}/members"), &[], body).await
    }

    /// An image with bytes somewhere.
    async fn active(&self) -> String {
        let id = self.create(r#"{"disk_format": "raw", "container_format": "bare"}"#).await;
        let db = self.app.database();
        let parsed = ImageId::parse(&id).expect("a UUID");
        let mut image = db.image_get(parsed).await.expect("an answer").expect("it was made");
        image.status = Status::Active;
        image.locations.push(ImageLocation { url: "file:///x".into(), metadata: "{}".into() });
        let from_status = Some(Status::Queued);
        let update = ImageUpdate { image: &image, from_status, unchanged_since: None };
        db.image_update(update, utc_now()).await.expect("nobody else changes it");
        id
    }
}

async fn an_image_is_shared_answered_and_taken_back() {
    let api = Api::start().await;
    let id = api.create("{}").await;
    let members = format!("/v2/images/{id}/members");
    let added = api.share(&id, "proj-b").await;
    assert_eq!((added.status, added.header("content-type")), (200, Some("application/json")));
    let start = format!(
        "{{\"member_id\": \"proj-b\", \"image_id\": \"{id}\", \"status\": \"pending\", \
         \"created_at\": \"20"
    );
    assert!(added.body.starts_with(&start), "{}", added.body);
    assert!(added.body.ends_with("Z\", \"schema\": \"/v2/schemas/member\"}"), "{}", added.body);
    assert!(added.changed.is_some_and(|changed| !changed.restricting));
    let one = format!("{members}/proj-b");
    assert_eq!(api.get(&one).await.body, added.body);
    let listed = format!("{{\"members\": [{}], \"schema\": \"/v2/schemas/members\"}}", added.body);
    assert_eq!(api.get(&members).await.body, listed);
    let updated = api.send("PUT", &one, &[], r#"{"status": "accepted"}"#).await;
    assert_eq!((updated.status, &updated.json()["status"]), (200, &"accepted".into()));
    assert!(updated.changed.is_some_and(|changed| !changed.restricting));

    let deleted = api.send("DELETE", &one, &[], "").await;
    assert_eq!((deleted.status, deleted.header("content-type")), (204, None));
    assert!(deleted.changed.is_some_and(|changed| changed.restricting));
    let gone = format!("proj-b not found in the member list of the image {id}.\n\n   ");
    api.get(&one).await.check_refused("404 Not Found", &gone);
    api.send("DELETE", &one, &[], "").await.check_refused("404 Not Found", &gone);
    let status = r#"{"status": "nonsense"}"#;
    api.send("PUT", &one, &[], status).await.check_refused("404 Not Found", &gone);
}

async fn members_are_refused_as_glance_refuses_them() {
    let options = ApiOptions { image_member_quota: 1, ..ApiOptions::default() };
    let api = Api::with(options).await;
    let id = api.create("{}").await;
    let members = format!("/v2/images/{id}/members");
    let check = async |body: &str, title: &str, text: &str| {
        let answer = api.send("POST", &members, &[], body.to_owned()).await;
        answer.check_refused(title, &format!("{text}\n\n   "));
    };
    let bad = "400 Bad Request";
    check("", bad, "Body expected in request.").await;
    check("{}", bad, "Member to be added not specified").await;
    check(r#"{"member": ""}"#, bad, "Member can't be empty").await;
    check("[]", bad, "Expected a member in the form: {\"member\": \"image_id\"}").await;
    let smile = "{\"member\": \"\u{1f600}\"}";
    check(smile, bad, "Member can't contain 4 byte unicode characters.").await;
    assert_eq!(api.share(&id, "b").await.status, 200);
    let text = format!(
        "Image member limit exceeded for image {id}: The limit has been exceeded on the number of \
         allowed image members for this image. Attempted: 2, Maximum: 1:"
    );
    check(r#"{"member": "c"}"#, "413 Request Entity Too Large", &text).await;
    let status = async |body: &str, text: &str| {
        let answer = api.send("PUT", &format!("{members}/b"), &[], body.to_owned()).await;
        answer.check_refused(bad, &format!("{text}\n\n   "));
    };
    status("{}", "Status not specified").await;
    status("[]", "Expected a status in the form: {\"status\": \"status\"}").await;
    let unknown = "Incorrect request: Status must be \"pending\", \"accepted\" or \"rejected\".";
    status(r#"{"status": "deleted"}"#, unknown).await;
    let no_image = format!("Image {NOBODY} not found.\n\n   ");
    api.share(NOBODY, "b").await.check_refused("404 Not Found", &no_image);
}

async fn the_same_member_is_not_added_twice() {
    let api = Api::start().await;
    let id = api.create("{}").await;
    assert_eq!(api.share(&id, "b").await.status, 200);
    let text = format!("Member b is duplicated for image {id}\n\n   ");
    api.share(&id, "b").await.check_refused("409 Conflict", &text);
}

async fn only_shared_images_have_members() {
    let api = Api::start().await;
    let id = api.create(r#"{"visibility": "private"}"#).await;
    let members = format!("/v2/images/{id}/members");
    let one = format!("{members}/b");
    let check = async |method: &str, target: &str, body: &str, title: &str, text: &str| {
        let answer = api.send(method, target, &[], body.to_owned()).await;
        answer.check_refused(title, &format!("{text}\n\n   "));
    };
    let closed = |action: &str| format!("Not allowed to {action} members for image {id}.");
    let only = "Only shared images have members.";
    let listed = format!("Not allowed to list members for image {id}: {only}");
    check("GET", &members, "", "403 Forbidden", &listed).await;
    check("GET", &one, "", "404 Not Found", only).await;
    let body = r#"{"member": "b", "status": "accepted"}"#;
    check("POST", &members, body, "403 Forbidden", &closed("create")).await;
    check("PUT", &one, body, "403 Forbidden", &closed("update")).await;
    check("DELETE", &one, "", "403 Forbidden", &closed("delete")).await;
}

async fn tags_are_put_on_and_taken_off() {
    let options = ApiOptions { image_tag_quota: 2, ..ApiOptions::default() };
    let api = Api::with(options).await;
    let id = api.create(r#"{"tags": ["a"]}"#).await;
    let send = async |method: &str, tag: &str| {
        api.send(method, &format!("/v2/images/{id}/tags/{tag}"), &[], "").await
    };
    let put = send("PUT", "b%20c").await;
    assert_eq!((put.status, put.body.as_str()), (204, ""));
    assert_eq!(put.header("content-type"), Some("text/html; charset=UTF-8"));
    assert!(put.changed.is_some_and(|changed| !changed.restricting));
    assert_eq!(send("PUT", "a").await.status, 204, "it is there");
    let shown = async || api.get(&format!("/v2/images/{id}")).await.json()["tags"].clone();
    assert_eq!(shown().await, serde_json::json!(["a", "b c"]));
    let text = format!(
        "Image tag limit exceeded for image {id}: The limit has been exceeded on the number of \
         allowed image tags. Attempted: 3, Maximum: 2:\n\n   "
    );
    send("PUT", "d").await.check_refused("413 Request Entity Too Large", &text);
    assert_eq!(send("DELETE", "a").await.status, 204);
    assert_eq!(shown().await, serde_json::json!(["b c"]));
    let absent = send("DELETE", "a").await;
    absent.check_refused("404 Not Found", "The resource could not be found.\n\n   ");
    let long = send("PUT", &"x".repeat(256)).await;
    assert_eq!(long.status, 400);
    assert!(long.body.contains("is too long"), "{}", long.body);
    let missing = api.send("PUT", &format!("/v2/images/{NOBODY}/tags/x"), &[], "").await;
    missing.check_refused("404 Not Found", &format!("Image {NOBODY} not found.\n\n   "));
    let body = api.send("PUT", &format!("/v2/images/{id}/tags/x"), &[], "{}").await;
    body.check_refused("400 Bad Request", "A body is not expected with this request.\n\n   ");
}

async fn only_what_has_bytes_is_deactivated() {
    let api = Api::start().await;
    let id = api.create("{}").await;
    for action in ["deactivate", "reactivate"] {
        let target = format!("/v2/images/{id}/actions/{action}");
        let text = format!("Not allowed to {action} image in status 'queued'\n\n   ");
        api.send("POST", &target, &[], "").await.check_refused("403 Forbidden", &text);
        let nobody = format!("/v2/images/{NOBODY}/actions/{action}");
        let text = format!("No image found with ID {NOBODY}\n\n   ");
        api.send("POST", &nobody, &[], "").await.check_refused("404 Not Found", &text);
    }
}

async fn deactivation_restricts_once_and_is_taken_back() {
    let api = Api::start().await;
    let id = api.active().await;
    let act = async |action: &str| {
        let answer = api.send("POST", &format!("/v2/images/{id}/actions/{action}"), &[], "").await;
        let status = api.get(&format!("/v2/images/{id}")).await.json()["status"].clone();
        (answer.status, answer.changed.map(|changed| changed.restricting), status)
    };
    assert_eq!(act("reactivate").await, (204, None, "active".into()));
    assert_eq!(act("deactivate").await, (204, Some(true), "deactivated".into()));
    assert_eq!(act("deactivate").await, (204, None, "deactivated".into()));
    assert_eq!(act("reactivate").await, (204, Some(false), "active".into()));
}

controlplane_testing::on_every_database!(
    an_image_is_shared_answered_and_taken_back,
    members_are_refused_as_glance_refuses_them,
    the_same_member_is_not_added_twice,
    only_shared_images_have_members,
    tags_are_put_on_and_taken_off,
    only_what_has_bytes_is_deactivated,
    deactivation_restricts_once_and_is_taken_back,
);
