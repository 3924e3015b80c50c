//! Tasks, what the site offers, and what it does not.

use controlplane_api::ApiOptions;
use serde_json::Value;

use controlplane_testing::Kind;

use crate::harness::{Answer, Api};

const NOBODY: &str = "71c675ab-d94f-49cd-a114-e12490b328d9";
const IMPORT: &str = r#"{"type": "import", "input": {"import_from": "http://x/y", "a": ["b"]}}"#;

impl Api {
    async fn task(&self, body: &str) -> Answer {
        self.send("POST", "/v2/tasks", &[], body).await
    }
}

async fn a_task_that_cannot_be_run_is_kept_as_failed() {
    let api = Api::start().await;
    let made = api.send("POST", "/v2/tasks", &[("x-openstack-request-id", "req-me")], IMPORT).await;
    assert_eq!((made.status, made.header("content-type")), (201, Some("application/json")));
    let view = made.json();
    let id = view["id"].as_str().expect("an id");
    let location = format!("http://127.0.0.1:9292/v2/tasks/{id}");
    assert_eq!(made.header("location"), Some(location.as_str()));
    let start = format!(
        "{{\"id\": \"{id}\", \"input\": {{\"import_from\": \"http://x/y\", \"a\": [\"b\"]}}, \
         \"type\": \"import\", \"status\": \"pending\", \"owner\": \"\", \"message\": \"\", \
         \"result\": null, \"created_at\": \"20"
    );
    assert!(made.body.starts_with(&start), "{}", made.body);
    let end = format!(
        "Z\", \"self\": \"/v2/tasks/{id}\", \"schema\": \"/v2/schemas/task\", \"request_id\": \
         \"req-me\"}}"
    );
    assert!(made.body.ends_with(&end), "{}", made.body);

    let shown = api.get(&format!("/v2/tasks/{id}")).await.json();
    assert_eq!(shown["status"], "failure");
    assert_eq!(shown["message"], "Tasks of type 'import' cannot be run by this service.");
    assert!(shown["expires_at"].as_str().is_some_and(|at| at.ends_with('Z')));
    let listed = api.get("/v2/tasks").await;
    let stub = listed.json()["tasks"][0].clone();
    let keys: Vec<&str> = stub.as_object().expect("an object").keys().map(String::as_str).collect();
    let expected = [
        "id",
        "type",
        "status",
        "owner",
        "created_at",
        "updated_at",
        "self",
        "schema",
        "expires_at",
    ];
    assert_eq!((keys.as_slice(), &stub["id"]), (expected.as_slice(), &view["id"]));
    let tail = "], \"first\": \"/v2/tasks\", \"schema\": \"/v2/schemas/tasks\"}";
    assert!(listed.body.ends_with(tail), "{}", listed.body);
}

async fn what_is_no_task_is_refused() {
    let api = Api::start().await;
    let check = async |body: &str, text: &str| {
        let refused = api.task(body).await;
        refused.check_refused("400 Bad Request", &format!("{text}\n\n   "));
    };
    check("", "Body expected in request.").await;
    check("[]", "Task 'type' is required").await;
    check(r#"{"type": "import"}"#, "Task 'input' is required").await;
    check(r#"{"type": "import", "input": {}}"#, "Invalid location: None").await;
    check(
        r#"{"type": "export", "input": {}}"#,
        "Provided object does not match schema 'task': 'export' is not one of ['import', \
         'api_image_import', 'location_import']  Failed validating 'enum' in \
         schema['properties']['type']:     {'description': 'The type of task represented by this \
         content',      'enum': ['import', 'api_image_import', 'location_import'],      'type': \
         'string'}  On instance['type']:     'export'",
    )
    .await;
    let extra = api.task(r#"{"type": "import", "input": {}, "extra": 1}"#).await;
    assert_eq!(extra.status, 400);
    assert!(extra.body.contains("Additional properties are not allowed"), "{}", extra.body);
    let none = api.get("/v2/tasks").await.json();
    assert_eq!(none["tasks"], serde_json::json!([]), "nothing is kept of them");
}

async fn following_next_shows_every_task_once() {
    let api = Api::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(api.task(IMPORT).await.json()["id"].clone());
    }
    let mut target = "/v2/tasks?limit=2&sort_dir=asc&status=failure".to_owned();
    let mut seen: Vec<Value> = Vec::new();
    loop {
        let page = api.get(&target).await.json();
        assert_eq!(page["first"], "/v2/tasks?limit=2&sort_dir=asc&status=failure");
        seen.extend(
            page["tasks"].as_array().expect("a list").iter().map(|each| each["id"].clone()),
        );
        match page["next"].as_str() {
            Some(next) => target = next.to_owned(),
            None => break,
        }
    }
    if Kind::current() == Kind::Mariadb {
        // All in one second, as far as it knows: then in the order of their ids.
        made.sort_by_key(Value::to_string);
    }
    assert_eq!(seen, made);
    let unknown = format!("Task with the given id {NOBODY} was not found\n\n   ");
    let answer = api.get(&format!("/v2/tasks?marker={NOBODY}")).await;
    answer.check_refused("400 Bad Request", &unknown);
}

async fn tasks_are_shown_and_not_deleted() {
    let api = Api::start().await;
    let missing = api.get("/v2/tasks/nope").await;
    missing.check_refused("404 Not Found", "Could not find task nope\n\n   ");
    let kept = api.send("DELETE", "/v2/tasks/nope", &[], "").await;
    kept.check_refused(
        "405 Method Not Allowed",
        "This operation is currently not permitted on Glance Tasks. They are auto deleted after \
         reaching the time based on their expires_at property.",
    );
    assert_eq!(kept.header("allow"), Some("GET"));
}

async fn the_tasks_of_an_image_are_told_as_their_rows() {
    let api = Api::start().await;
    let id = api.create("{}").await;
    let body = format!("{{\"type\": \"api_image_import\", \"input\": {{\"image_id\": \"{id}\"}}}}");
    assert_eq!(api.task(&body).await.status, 201);
    let target = format!("/v2/images/{id}/tasks");
    let answer = api.get(&target).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let task = answer.json()["tasks"][0].clone();
    let keys: Vec<&str> = task.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "id",
            "type",
            "status",
            "owner",
            "expires_at",
            "created_at",
            "updated_at",
            "deleted_at",
            "deleted",
            "image_id",
            "request_id",
            "user_id",
            "input",
            "result",
            "message"
        ]
    );
    assert_eq!((task["deleted"].clone(), task["image_id"].as_str()), (false.into(), Some(&*id)));
    assert_eq!(task["created_at"].as_str().map(str::len), Some(26));
    let nothing = "The resource could not be found.\n\n   ";
    api.send("POST", &target, &[], "").await.check_refused("404 Not Found", nothing);
    let nobody = api.get(&format!("/v2/images/{NOBODY}/tasks")).await;
    nobody.check_refused("404 Not Found", nothing);
}

async fn ended_tasks_live_as_long_as_configured() {
    let options = ApiOptions { task_time_to_live_hours: 0, ..ApiOptions::default() };
    let api = Api::with(options).await;
    let id = api.create("{}").await;
    let body = format!("{{\"type\": \"api_image_import\", \"input\": {{\"image_id\": \"{id}\"}}}}");
    assert_eq!(api.task(&body).await.status, 201);
    let answer = api.get(&format!("/v2/images/{id}/tasks")).await;
    assert_eq!(answer.body, "{\"tasks\": []}");
}

async fn the_site_tells_what_it_offers() {
    let methods = vec!["a".to_owned(), "b".to_owned()];
    let options = ApiOptions { enabled_import_methods: methods, ..ApiOptions::default() };
    let api = Api::with(options).await;
    let import = api.get("/v2/info/import").await;
    assert_eq!(
        import.body,
        "{\"import-methods\": {\"description\": \"Import methods available.\", \"type\": \
         \"array\", \"value\": [\"a\", \"b\"]}}"
    );
    assert_eq!(api.get("/v2/info/usage").await.body, "{\"usage\": {}}");
    let one = "Multi backend is not supported at this site.\n\n   ";
    api.get("/v2/info/stores").await.check_refused("404 Not Found", one);
    api.get("/v2/info/stores/detail").await.check_refused("404 Not Found", one);
}

async fn what_is_not_offered_is_refused_as_by_a_glance_without_it() {
    let api = Api::start().await;
    let id = api.create("{}").await;
    let check = async |method: &str, target: &str, body: &str, title: &str, text: &str| {
        let answer = api.send(method, &target.replace("ID", &id), &[], body.to_owned()).await;
        answer.check_refused(title, &format!("{text}\n\n   "));
    };
    let gone = "404 Not Found";
    let nowhere = "The resource could not be found.";
    check("DELETE", "/v2/stores/fast/ID", "", gone, nowhere).await;
    let no_cache = "Caching via API is not supported at this site.";
    check("GET", "/v2/cache", "", gone, no_cache).await;
    check("DELETE", "/v2/cache", "", gone, no_cache).await;
    check("PUT", "/v2/cache/ID", "", gone, no_cache).await;
    check("DELETE", "/v2/cache/nope", "", gone, "Image nope not found.").await;
    check("GET", "/v2/cache/nodes/x", "", gone, no_cache).await;
    check("POST", "/v2/cache/clean", "", gone, no_cache).await;
    check("POST", "/v2/cache/prune", "", gone, no_cache).await;
    let staging = "'glance-direct' method is not available at this site.";
    check("PUT", "/v2/images/ID/stage", "abc", gone, staging).await;
    let bad = "400 Bad Request";
    let unknown = "Unknown import method name 'web-download'.";
    let body = r#"{"method": {"name": "web-download"}}"#;
    check("POST", "/v2/images/ID/import", body, bad, unknown).await;
    let method = "Import request requires a 'method' field.";
    check("POST", "/v2/images/ID/import", "{}", bad, method).await;
}

async fn methods_of_these_routes_are_glances() {
    let api = Api::start().await;
    let check = async |target: &str, allow: &str| {
        let answer = api.send("BREW", target, &[], "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{target}");
    };
    check("/v2/tasks", "GET, POST").await;
    check("/v2/tasks/x", "GET, DELETE").await;
    check("/v2/info/import", "GET").await;
    check("/v2/info/stores", "GET").await;
    check("/v2/info/stores/detail", "GET").await;
    check("/v2/stores/a/b", "DELETE").await;
    check("/v2/cache", "GET, DELETE").await;
    check("/v2/cache/x", "DELETE, PUT").await;
    check("/v2/cache/nodes/x", "GET").await;
    check("/v2/cache/clean", "POST").await;
    check("/v2/cache/prune", "POST").await;
    check("/v2/images/x/members", "GET, POST").await;
    check("/v2/images/x/members/y", "GET, PUT, DELETE").await;
    check("/v2/images/x/tags/y", "PUT, DELETE").await;
    check("/v2/images/x/actions/deactivate", "POST").await;
    check("/v2/images/x/actions/reactivate", "POST").await;
    check("/v2/images/x/import", "POST").await;
    check("/v2/images/x/stage", "PUT").await;
    for target in ["/v2/images/x/tasks", "/v2/info/usage"] {
        assert_eq!(api.send("PUT", target, &[], "").await.status, 404, "{target}");
        assert_eq!(api.send("HEAD", target, &[], "").await.status, 404, "{target}");
        assert_eq!(api.send("BREW", target, &[], "").await.status, 501, "{target}");
    }
}

controlplane_testing::on_every_database!(
    a_task_that_cannot_be_run_is_kept_as_failed,
    what_is_no_task_is_refused,
    following_next_shows_every_task_once,
    tasks_are_shown_and_not_deleted,
    the_tasks_of_an_image_are_told_as_their_rows,
    ended_tasks_live_as_long_as_configured,
    the_site_tells_what_it_offers,
    what_is_not_offered_is_refused_as_by_a_glance_without_it,
    methods_of_these_routes_are_glances,
);
