//! Creating, showing, changing and deleting one image.

use controlplane_api::ApiOptions;

use crate::harness::Api;

async fn a_created_image_is_shown_in_glances_order() {
    let api = Api::start().await;
    let body = r#"{"name": "n\u00e9", "disk_format": "qcow2", "container_format": "bare",
        "min_disk": 1, "min_ram": 2, "visibility": "private", "tags": ["b", "b"], "my_prop": "x",
        "os_hash_value": "masked", "id": "871adac8-281e-4a6d-844a-5e36c5161f9d"}"#;
    let created = api.post(body).await;
    assert_eq!(created.status, 201);
    assert!(created.changed.is_some_and(|changed| !changed.restricting));
    assert_eq!(
        created.header("location"),
        Some("http://127.0.0.1:9292/v2/images/871adac8-281e-4a6d-844a-5e36c5161f9d")
    );
    assert_eq!(created.header("openstack-image-import-methods"), None);
    let at = created.json()["created_at"].as_str().expect("a time").to_owned();
    let expected = format!(
        "{{\"my_prop\": \"x\", \"os_hash_value\": null, \"name\": \"né\", \"disk_format\": \
         \"qcow2\", \"container_format\": \"bare\", \"visibility\": \"private\", \"size\": null, \
         \"virtual_size\": null, \"status\": \"queued\", \"checksum\": null, \"protected\": false, \
         \"min_ram\": 2, \"min_disk\": 1, \"owner\": null, \"os_hidden\": false, \"os_hash_algo\": \
         null, \"id\": \"871adac8-281e-4a6d-844a-5e36c5161f9d\", \"created_at\": \"{at}\", \
         \"updated_at\": \"{at}\", \"tags\": [\"b\"], \"self\": \
         \"/v2/images/871adac8-281e-4a6d-844a-5e36c5161f9d\", \"file\": \
         \"/v2/images/871adac8-281e-4a6d-844a-5e36c5161f9d/file\", \"schema\": \
         \"/v2/schemas/image\"}}"
    );
    assert_eq!(created.body, expected);
    let shown = api.get("/v2/images/871adac8-281e-4a6d-844a-5e36c5161f9d").await;
    assert_eq!((shown.status, shown.body, shown.changed), (200, expected, None));
    assert_eq!((at.len(), &at[10..11], &at[19..]), (20, "T", "Z"));
}

async fn options_decide_what_is_announced_and_shown() {
    let options = ApiOptions {
        enabled_import_methods: vec!["glance-direct".into(), "web-download".into()],
        show_multiple_locations: true,
        ..ApiOptions::default()
    };
    let api = Api::with(options).await;
    let created = api.post("{}").await;
    let methods = created.header("openstack-image-import-methods");
    assert_eq!(methods, Some("glance-direct,web-download"));
    assert!(created.body.contains("\"locations\": [], \"tags\": []"));
}

async fn bodies_that_are_no_image_are_refused() {
    let api = Api::start().await;
    let check = async |body: &[u8], title: &str, text: &str| {
        let answer = api.send("POST", "/v2/images", &[], body).await;
        answer.check_refused(title, text);
    };
    let (bad, forbidden) = ("400 Bad Request", "403 Forbidden");
    check(b"", bad, "Body expected in request.\n\n   ").await;
    check(b"{nope", bad, "Malformed JSON in request body.\n\n   ").await;
    check(b"{\"name\": \"\xff\"}", bad, "Malformed JSON in request body.\n\n   ").await;
    check("[".repeat(20_000).as_bytes(), bad, "Malformed JSON in request body.\n\n   ").await;
    check(b"\"x\"", bad, "Unexpected body type. Expected list/dict.\n\n   ").await;
    check(b"[]", bad, "Unexpected body type. Expected dict.\n\n   ").await;
    check(
        br#"{"name": 5}"#,
        bad,
        "Provided object does not match schema 'image': 5 is not of type 'null', 'string'  Failed \
         validating 'type' in schema['properties']['name']:     {'type': ['null', 'string'],      \
         'description': 'Descriptive name for the image',      'maxLength': 255}  On \
         instance['name']:     5\n\n   ",
    )
    .await;
    check(br#"{"status": "active"}"#, forbidden, "Attribute 'status' is read-only.\n\n   ").await;
    check(br#"{"direct_url": "x"}"#, forbidden, "Attribute 'direct_url' is read-only.\n\n   ")
        .await;
    check(
        br#"{"location": "x"}"#,
        forbidden,
        "Access was denied to this resource.\n\n Attribute 'location' is reserved.  ",
    )
    .await;
    check(br#"{"locations": []}"#, forbidden, "Attribute 'locations' is reserved.\n\n   ").await;
    let tags: Vec<String> = (0..129).map(|tag| tag.to_string()).collect();
    check(
        serde_json::json!({ "tags": tags }).to_string().as_bytes(),
        "413 Request Entity Too Large",
        "The limit has been exceeded on the number of allowed image tags. Attempted: 129, \
         Maximum: 128\n\n   ",
    )
    .await;
    check(
        br#"{"min_disk": -1}"#,
        bad,
        "Invalid value '-1' for parameter 'min_disk': Cannot be a negative value\n\n   ",
    )
    .await;
}

async fn an_id_is_used_once_even_after_deletion() {
    let api = Api::start().await;
    let body = r#"{"id": "f9c54903-f38e-422b-911b-2955dda06f6e"}"#;
    let taken = "Image ID f9c54903-f38e-422b-911b-2955dda06f6e already exists!\n\n   ";
    let id = api.create(body).await;
    api.post(body).await.check_refused("409 Conflict", taken);
    assert_eq!(api.send("DELETE", &format!("/v2/images/{id}"), &[], "").await.status, 204);
    api.post(body).await.check_refused("409 Conflict", taken);
}

async fn patches_change_and_are_saved() {
    let api = Api::start().await;
    let id = api.create(r#"{"name": "one", "my": "1"}"#).await;
    let answer = api
        .patch(
            &id,
            r#"[{"op": "replace", "path": "/name", "value": "two"},
                {"op": "add", "path": "/new", "value": "3"},
                {"op": "remove", "path": "/my"},
                {"op": "replace", "path": "/tags", "value": ["t"]}]"#,
        )
        .await;
    assert_eq!(answer.status, 200);
    assert!(answer.changed.is_some());
    assert!(answer.body.starts_with("{\"new\": \"3\", \"name\": \"two\", "));
    let shown = api.get(&format!("/v2/images/{id}")).await;
    assert_eq!(shown.body, answer.body);
    let unchanged = api.patch(&id, "[]").await;
    assert_eq!((unchanged.status, unchanged.changed, unchanged.body), (200, None, shown.body));
}

async fn taking_an_image_away_is_a_restricting_change() {
    let api = Api::start().await;
    let id = api.create(r#"{"visibility": "public"}"#).await;
    let check = async |visibility: &str, expected: bool| {
        let body = format!(
            "[{{\"op\": \"replace\", \"path\": \"/visibility\", \"value\": \"{visibility}\"}}]"
        );
        let answer = api.patch(&id, &body).await;
        let changed = answer.changed.expect("the image changed");
        assert_eq!(changed.restricting, expected, "{visibility}");
    };
    check("private", true).await;
    check("public", false).await;
    check("shared", true).await;
}

async fn patches_that_cannot_be_are_refused() {
    let api = Api::start().await;
    let id = api.create("{}").await;
    let check = async |body: &str, title: &str, text: &str| {
        api.patch(&id, body).await.check_refused(title, text);
    };
    check("", "400 Bad Request", "Body expected in request.\n\n   ").await;
    check(
        "{}",
        "400 Bad Request",
        "Request body must be a JSON array of operation objects.\n\n   ",
    )
    .await;
    check(
        r#"[{"op": "remove", "path": "/gone"}]"#,
        "409 Conflict",
        "There was a conflict when trying to complete your request.\n\n \
         Property gone does not exist.  ",
    )
    .await;
    check(
        r#"[{"op": "remove", "path": "/name"}]"#,
        "403 Forbidden",
        "Access was denied to this resource.\n\n Property name may not be removed.  ",
    )
    .await;
    check(
        r#"[{"op": "replace", "path": "/size", "value": 1}]"#,
        "403 Forbidden",
        "Attribute 'size' is read-only.\n\n   ",
    )
    .await;
    check(
        r#"[{"op": "replace", "path": "/protected", "value": "yes"}]"#,
        "400 Bad Request",
        "Provided object does not match schema 'image': 'yes' is not of type 'boolean'  Failed \
         validating 'type' in schema['properties']['protected']:     {'type': 'boolean',      \
         'description': 'If true, image will not be deletable.'}  On instance['protected']:     \
         'yes'\n\n   ",
    )
    .await;
    let answer = api.patch("nope", "[]").await;
    answer.check_refused("404 Not Found", "No image found with ID nope\n\n   ");
}

async fn the_media_type_of_a_patch_comes_first() {
    let api = Api::start().await;
    let accepted = "application/openstack-images-v2.0-json-patch, \
                    application/openstack-images-v2.1-json-patch";
    let check = async |headers: &[(&str, &str)], name: &str| {
        let answer = api.send("PATCH", "/v2/images/nope", headers, "[]").await;
        answer.check_refused(
            "415 Unsupported Media Type",
            &format!(
                "The request media type {name} is not supported by this server. \n\n \
                 Image PATCH expects Content-Type one of: {accepted}"
            ),
        );
        assert_eq!(answer.header("accept-patch"), Some(accepted));
    };
    check(&[("content-type", "application/json")], "application/json").await;
    check(&[], "${CONTENT_TYPE}").await;
}

async fn changes_made_at_once_are_all_kept() {
    let api = Api::start().await;
    let id = api.create("{}").await;
    let bodies: Vec<String> = (0..8)
        .map(|number| format!("[{{\"op\": \"add\", \"path\": \"/p{number}\", \"value\": \"v\"}}]"))
        .collect();
    let (a, b, c, d) = tokio::join!(
        api.patch(&id, &bodies[0]),
        api.patch(&id, &bodies[1]),
        api.patch(&id, &bodies[2]),
        api.patch(&id, &bodies[3]),
    );
    assert_eq!([a.status, b.status, c.status, d.status], [200; 4]);
    let shown = api.get(&format!("/v2/images/{id}")).await.json();
    for name in ["p0", "p1", "p2", "p3"] {
        assert_eq!(shown[name], "v", "{name} was lost");
    }
}

async fn deletion_spares_the_protected_and_is_final() {
    let api = Api::start().await;
    let id = api.create(r#"{"protected": true}"#).await;
    let path = format!("/v2/images/{id}");
    let delete = async || api.send("DELETE", &path, &[], "").await;
    delete().await.check_refused(
        "403 Forbidden",
        &format!("Image {id} is protected and cannot be deleted.\n\n   "),
    );
    let open = r#"[{"op": "replace", "path": "/protected", "value": false}]"#;
    assert_eq!(api.patch(&id, open).await.status, 200);
    let with_body = api.send("DELETE", &path, &[], "x").await;
    with_body.check_refused("400 Bad Request", "A body is not expected with this request.\n\n   ");
    let deleted = delete().await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    assert_eq!(deleted.header("content-type"), Some("text/html; charset=UTF-8"));
    assert!(deleted.changed.is_some_and(|changed| changed.restricting));
    let gone = format!("Failed to find image {id} to delete\n\n   ");
    delete().await.check_refused("404 Not Found", &gone);
    let missing = format!("No image found with ID {id}\n\n   ");
    api.get(&path).await.check_refused("404 Not Found", &missing);
}

controlplane_testing::on_every_database!(
    a_created_image_is_shown_in_glances_order,
    options_decide_what_is_announced_and_shown,
    bodies_that_are_no_image_are_refused,
    an_id_is_used_once_even_after_deletion,
    patches_change_and_are_saved,
    taking_an_image_away_is_a_restricting_change,
    patches_that_cannot_be_are_refused,
    the_media_type_of_a_patch_comes_first,
    changes_made_at_once_are_all_kept,
    deletion_spares_the_protected_and_is_final,
);
