//! What stands around the resources: versions, routes, request ids, shapes of faults, schemas.

use controlplane_api::ApiOptions;

use crate::harness::Api;

#[tokio::test]
async fn versions_are_listed_without_being_asked_for_one() {
    let options = ApiOptions {
        public_endpoint: Some("https://images.example/".into()),
        ..ApiOptions::default()
    };
    let api = Api::with(options).await;
    let check = async |method: &str, target: &str, expected: u16| {
        let answer = api.send(method, target, &[], "").await;
        assert_eq!(answer.status, expected, "{target}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("x-openstack-request-id"), None);
        let start = "{\"versions\": [{\"id\": \"v2.15\", \"status\": \"SUPPORTED\", \"links\": \
                     [{\"rel\": \"self\", \"href\": \"https://images.example/v2/\"}]}, {\"id\": \
                     \"v2.9\", \"status\": \"SUPPORTED\"";
        assert!(answer.body.starts_with(start), "{}", answer.body);
        assert!(answer.body.contains("{\"id\": \"v2.17\", \"status\": \"CURRENT\""));
    };
    check("GET", "/", 300).await;
    check("POST", "/v1/images", 300).await;
    check("GET", "/v9/images", 300).await;
    check("GET", "/versions", 200).await;
    check("GET", "/versions/", 200).await;
}

#[tokio::test]
async fn without_an_endpoint_versions_name_the_callers_host() {
    let api = Api::start().await;
    let answer = api.get("/versions").await;
    assert!(answer.body.contains("\"href\": \"http://127.0.0.1:9292/v2/\""));
}

#[tokio::test]
async fn a_version_is_named_in_the_path_or_the_header() {
    let api = Api::start().await;
    let check = async |target: &str, accept: &str, expected: u16| {
        let answer = api.send("GET", target, &[("accept", accept)], "").await;
        assert_eq!(answer.status, expected, "{target} {accept}");
    };
    check("/v2.5/images", "*/*", 200).await;
    check("//v2//images", "*/*", 200).await;
    check("/images", "application/vnd.openstack.images-v2", 200).await;
    check("/images", "application/vnd.openstack.images-v2.99", 300).await;
    check("/v2/images", "application/vnd.openstack.images-v2", 404).await;
    check("/v2.99/images", "*/*", 300).await;
    check("/v2", "*/*", 302).await;
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let api = Api::start().await;
    let check = async |method: &str, target: &str, title: &str, text: &str, allow: Option<&str>| {
        let answer = api.send(method, target, &[], "").await;
        answer.check_refused(title, text);
        assert_eq!(answer.header("allow"), allow, "{method} {target}");
    };
    let nowhere = "The resource could not be found.\n\n   ";
    for target in ["/v2/", "/v2/nothing", "/v2/images/", "/v2/images/a%2Fb", "/v2/schemas/none"] {
        check("GET", target, "404 Not Found", nowhere, None).await;
    }
    check(
        "PUT",
        "/v2/images",
        "405 Method Not Allowed",
        "The method PUT is not allowed for this resource. \n\n ",
        Some("GET, POST"),
    )
    .await;
    check(
        "BREW",
        "/v2/images/x",
        "405 Method Not Allowed",
        "The method BREW is not allowed for this resource. \n\n ",
        Some("GET, PATCH, DELETE"),
    )
    .await;
    check(
        "DELETE",
        "/v2/images/x/file",
        "405 Method Not Allowed",
        "The method DELETE is not allowed for this resource. \n\n ",
        Some("GET, PUT"),
    )
    .await;
    check(
        "BREW",
        "/v2/nothing",
        "501 Not Implemented",
        " The request method BREW is not implemented for this server. \n\n ",
        None,
    )
    .await;
}

#[tokio::test]
async fn head_has_no_body_and_options_is_always_answered() {
    let api = Api::start().await;
    let head = api.send("HEAD", "/v2/images", &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (405, ""));
    assert_eq!(head.header("content-type"), Some("text/html; charset=UTF-8"));
    assert_eq!(head.header("allow"), Some("GET, POST"));
    let options = api.send("OPTIONS", "/v2/nothing", &[], "").await;
    assert_eq!((options.status, options.body.as_str()), (200, ""));
}

#[tokio::test]
async fn the_health_check_stands_beside() {
    let api = Api::start().await;
    let check = async |method: &str, target: &str, status: u16, body: &str| {
        let answer = api.send(method, target, &[], "").await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body));
        assert_eq!(answer.header("x-openstack-request-id"), None);
    };
    check("GET", "/healthcheck", 200, "OK").await;
    check("OPTIONS", "/healthcheck", 200, "OK").await;
    check("PUT", "/healthcheck/x", 200, "OK").await;
    check("HEAD", "/healthcheck", 204, "").await;
}

#[tokio::test]
async fn request_ids_are_echoed_or_made() {
    let api = Api::start().await;
    let send = async |given: &str| {
        api.send("GET", "/v2/images?limit=1", &[("x-openstack-request-id", given)], "").await
    };
    assert_eq!(send("req-abc").await.header("x-openstack-request-id"), Some("req-abc"));
    assert_eq!(send("abc").await.header("x-openstack-request-id"), Some("req-abc"));
    let made = api.get("/v2/images").await;
    let made = made.header("x-openstack-request-id").expect("an id");
    assert!(made.starts_with("req-") && made.len() == 40);
    // One that is too long is not used.
    let long = send(&"a".repeat(80)).await;
    let made = long.header("x-openstack-request-id").expect("an id");
    assert!(long.status == 200 && made.len() == 40, "{} {made}", long.status);
}

#[tokio::test]
async fn faults_take_the_shape_the_caller_accepts() {
    let api = Api::start().await;
    let check = async |accept: &str, content_type: &str, body: &str| {
        let answer = api.send("GET", "/v2/images/nope", &[("accept", accept)], "").await;
        assert_eq!((answer.status, answer.header("content-type")), (404, Some(content_type)));
        assert_eq!(answer.body, body);
    };
    let html = "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not \
                Found</h1>\n  No image found with ID nope<br /><br />\n\n\n\n </body>\n</html>";
    check("*/*", "text/html; charset=UTF-8", html).await;
    check(
        "application/json",
        "application/json",
        r#"{"message": "No image found with ID nope<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}"#,
    )
    .await;
    check(
        "application/xml",
        "text/plain; charset=UTF-8",
        "404 Not Found\n\nNo image found with ID nope\n\n   ",
    )
    .await;
}

#[tokio::test]
async fn schemas_are_documents_of_fixed_length() {
    let api = Api::start().await;
    // The lengths of Glance's documents; their text is pinned by every error that quotes it.
    let check = async |target: &str, length: usize, start: &str, end: &str| {
        let answer = api.get(target).await;
        assert_eq!((answer.status, answer.body.len()), (200, length), "{target}");
        assert!(answer.body.starts_with(start) && answer.body.ends_with(end));
    };
    let image_start = "{\"name\": \"image\", \"properties\": {\"id\": {\"type\": \"string\", ";
    let image_end = "{\"rel\": \"describedby\", \"href\": \"{schema}\"}]}";
    check("/v2/schemas/image", 4071, image_start, image_end).await;
    let images_start = "{\"name\": \"images\", \"properties\": {\"images\": {\"type\": \"array\", ";
    check("/v2/schemas/images", 4359, images_start, image_end).await;
    let member_start = "{\"name\": \"member\", \"properties\": {\"member_id\": {\"type\": ";
    let item_end = "\"schema\": {\"readOnly\": true, \"type\": \"string\"}}}";
    check("/v2/schemas/member", 678, member_start, item_end).await;
    let list_end = "\"links\": [{\"rel\": \"describedby\", \"href\": \"{schema}\"}]}";
    check("/v2/schemas/members", 839, "{\"name\": \"members\", ", list_end).await;
    check("/v2/schemas/task", 1558, "{\"name\": \"task\", ", item_end).await;
    check("/v2/schemas/tasks", 1383, "{\"name\": \"tasks\", ", list_end).await;
    let with_body = api.send("GET", "/v2/schemas/image", &[], "{\"a\": 1}").await;
    with_body.check_refused("400 Bad Request", "A body is not expected with this request.\n\n   ");
}

#[tokio::test]
async fn a_method_that_is_not_there_is_refused_after_a_body_that_is_no_json() {
    let api = Api::start().await;
    let check = async |body: &str, status: u16| {
        let answer = api.send("PUT", "/v2/images", &[], body).await;
        assert_eq!(answer.status, status, "{body}");
    };
    check("{", 400).await;
    check("5", 400).await;
    check("[5]", 405).await;
    check("", 405).await;
}

#[tokio::test]
async fn odd_input_is_the_callers_fault_and_never_ours() {
    let api = Api::start().await;
    let long = format!("/v2/images?{}", "a=b&".repeat(10_000));
    let targets = [
        "/v2/images/%00",
        "/v2/images/%ff%fe",
        "/v2/images/%",
        "/v2/images/{x}",
        "/v2/images/..",
        "/v2/images?name=in:%22",
        "/v2/images?size_max=-9223372036854775808",
        "/v2/images?limit=1&marker=%F0%9F%98%80",
        "/v2/images?created_at=9999-12-31T23:59:59-23:59",
        "/v2/images?=&==&%3D",
        "/v2/images?tags=%F0%9F%98%80",
        long.as_str(),
    ];
    for target in targets {
        let answer = api.get(target).await;
        assert!((200..500).contains(&answer.status), "{target}: {answer:?}");
    }
}
