//! Members, tags, actions and tasks by who asks: the owner, a member, a stranger, an administrator.

use controlplane_db::{ImageUpdate, utc_now};
use controlplane_domain::ImageLocation;
use glint_image::{ImageId, Status};

use crate::harness::Api;

const OWNER: &str = "alice:proj-a:member";
const READER: &str = "rita:proj-a:reader";
const MEMBER: &str = "bob:proj-b:member";
const OTHER: &str = "carl:proj-c:member";
const STRANGER: &str = "eve:proj-e:member";
const ADMIN: &str = "adm:admin:admin";

/// A shared image of `proj-a` with the members `proj-b` and `proj-c`.
async fn shared(api: &Api) -> String {
    let made = api.by(OWNER, "POST", "/v2/images", "{}").await;
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    for member in ["proj-b", "proj-c"] {
        let body = format!("{{\"member\": \"{member}\"}}");
        let added = api.by(OWNER, "POST", &format!("/v2/images/{id}/members"), &body).await;
        assert_eq!(added.status, 200);
    }
    id
}

/// What a caller is told: status and explanation.
async fn told(api: &Api, token: &str, method: &str, target: &str, body: &str) -> String {
    let answer = api.by(token, method, target, body).await;
    if answer.status < 300 {
        return answer.status.to_string();
    }
    let text = answer.body.split("\n\n").nth(1).unwrap_or_default();
    format!("{} {text}", answer.status)
}

#[tokio::test]
async fn members_are_shown_to_whom_they_concern() {
    let api = Api::tokens().await;
    let id = shared(&api).await;
    let path = format!("/v2/images/{id}/members");
    let seen = async |token: &str| -> Vec<String> {
        let answer = api.by(token, "GET", &path, "").await;
        assert_eq!(answer.status, 200, "{token}");
        let members = answer.json()["members"].as_array().expect("a list").clone();
        let names = members.iter().map(|each| each["member_id"].as_str().expect("a text"));
        names.map(str::to_owned).collect()
    };
    let both: Vec<String> = vec!["proj-b".into(), "proj-c".into()];
    assert_eq!(seen(OWNER).await, both);
    assert_eq!(seen(READER).await, both);
    assert_eq!(seen(ADMIN).await, both);
    assert_eq!(seen(MEMBER).await, both[..1]);
    let hidden = format!("404 Image {id} not found.");
    assert_eq!(told(&api, STRANGER, "GET", &path, "").await, hidden);
    let one = format!("{path}/proj-b");
    assert_eq!(told(&api, MEMBER, "GET", &one, "").await, "200");
    let foreign = format!("404 proj-b not found in the member list of the image {id}.");
    assert_eq!(told(&api, OTHER, "GET", &one, "").await, foreign);
    assert_eq!(told(&api, STRANGER, "GET", &one, "").await, hidden);
}

#[tokio::test]
async fn owners_share_and_members_answer() {
    let api = Api::tokens().await;
    let id = shared(&api).await;
    let path = format!("/v2/images/{id}/members");
    let one = format!("{path}/proj-b");
    let hidden = format!("404 Image {id} not found.");
    let refused = |policy: &str| format!("403 You are not authorized to complete {policy} action.");
    let new = r#"{"member": "proj-n"}"#;
    for token in [MEMBER, READER] {
        assert_eq!(told(&api, token, "POST", &path, new).await, refused("add_member"));
        assert_eq!(told(&api, token, "DELETE", &one, "").await, refused("delete_member"));
    }
    assert_eq!(told(&api, STRANGER, "POST", &path, new).await, hidden);
    assert_eq!(told(&api, STRANGER, "DELETE", &one, "").await, hidden);
    let accept = r#"{"status": "accepted"}"#;
    assert_eq!(told(&api, OWNER, "PUT", &one, accept).await, refused("modify_member"));
    assert_eq!(told(&api, STRANGER, "PUT", &one, accept).await, hidden);
    let foreign = format!("404 proj-c not found in the member list of the image {id}.");
    assert_eq!(told(&api, MEMBER, "PUT", &format!("{path}/proj-c"), accept).await, foreign);

    // Only what is accepted is listed by default.
    let listed = async |query: &str| {
        let page = api.by(MEMBER, "GET", &format!("/v2/images{query}"), "").await.json();
        page["images"].as_array().expect("a list").len()
    };
    assert_eq!((listed("").await, listed("?member_status=pending").await), (0, 1));
    assert_eq!(told(&api, MEMBER, "PUT", &one, accept).await, "200");
    assert_eq!((listed("").await, listed("?member_status=pending").await), (1, 0));
    assert_eq!(told(&api, OWNER, "DELETE", &one, "").await, "204");
    assert_eq!(listed("?member_status=all").await, 0);
    let gone = format!("404 No image found with ID {id}");
    assert_eq!(told(&api, MEMBER, "GET", &format!("/v2/images/{id}"), "").await, gone);
    assert_eq!(told(&api, ADMIN, "POST", &path, new).await, "200");
}

#[tokio::test]
async fn tags_are_the_owners_matter() {
    let api = Api::tokens().await;
    let id = shared(&api).await;
    let tag = format!("/v2/images/{id}/tags/t");
    let refused = "403 You are not authorized to complete modify_image action.";
    for token in [MEMBER, READER] {
        assert_eq!(told(&api, token, "PUT", &tag, "").await, refused);
        assert_eq!(told(&api, token, "DELETE", &tag, "").await, refused);
    }
    let hidden = format!("404 Image {id} not found.");
    assert_eq!(told(&api, STRANGER, "PUT", &tag, "").await, hidden);
    assert_eq!(told(&api, OWNER, "PUT", &tag, "").await, "204");
    assert_eq!(told(&api, ADMIN, "DELETE", &tag, "").await, "204");
}

#[tokio::test]
async fn downloads_are_stopped_by_owners_and_admins() {
    let api = Api::tokens().await;
    let id = shared(&api).await;
    let db = api.app.database();
    let parsed = ImageId::parse(&id).expect("a UUID");
    let mut image = db.image_get(parsed).await.expect("an answer").expect("it was made");
    image.status = Status::Active;
    image.locations.push(ImageLocation { url: "file:///x".into(), metadata: "{}".into() });
    let from_status = Some(Status::Queued);
    let update = ImageUpdate { image: &image, from_status, unchanged_since: None };
    db.image_update(update, utc_now()).await.expect("nobody else changes it");
    for action in ["deactivate", "reactivate"] {
        let target = format!("/v2/images/{id}/actions/{action}");
        let refused = format!("403 You are not authorized to complete {action} action.");
        for token in [MEMBER, READER] {
            assert_eq!(told(&api, token, "POST", &target, "").await, refused);
        }
        let hidden = format!("404 No image found with ID {id}");
        assert_eq!(told(&api, STRANGER, "POST", &target, "").await, hidden);
        assert_eq!(told(&api, OWNER, "POST", &target, "").await, "204");
        assert_eq!(told(&api, ADMIN, "POST", &target, "").await, "204");
    }
}

#[tokio::test]
async fn tasks_are_the_administrators_matter_and_an_images_are_its_owners() {
    let api = Api::tokens().await;
    let id = shared(&api).await;
    let refused = "403 You are not authorized to complete tasks_api_access action.";
    for token in [OWNER, STRANGER] {
        // Policy comes before the body and the query are looked at.
        assert_eq!(told(&api, token, "POST", "/v2/tasks", "{").await, refused);
        assert_eq!(told(&api, token, "GET", "/v2/tasks?limit=x", "").await, refused);
        assert_eq!(told(&api, token, "GET", "/v2/tasks/x", "").await, refused);
        assert_eq!(told(&api, token, "DELETE", "/v2/tasks/x", "").await, refused);
    }
    let body = format!("{{\"type\": \"api_image_import\", \"input\": {{\"image_id\": \"{id}\"}}}}");
    let made = api.by(ADMIN, "POST", "/v2/tasks", &body).await.json();
    assert_eq!((&made["owner"], &made["user_id"]), (&"admin".into(), &"adm".into()));
    let tasks = format!("/v2/images/{id}/tasks");
    let count = async |token: &str| {
        let answer = api.by(token, "GET", &tasks, "").await.json();
        answer["tasks"].as_array().expect("a list").len()
    };
    assert_eq!((count(ADMIN).await, count(OWNER).await), (1, 0));
    let hidden = "404 The resource could not be found.";
    assert_eq!(told(&api, STRANGER, "GET", &tasks, "").await, hidden);
    assert_eq!(told(&api, OWNER, "GET", "/v2/cache", "").await[..3], *"403");
}
