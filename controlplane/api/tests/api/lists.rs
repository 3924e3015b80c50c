//! Lists of images: pages, links, filters.

use crate::harness::Api;

fn names(page: &serde_json::Value) -> Vec<&str> {
    let images = page["images"].as_array().expect("a list");
    images.iter().map(|image| image["name"].as_str().expect("a name")).collect()
}

async fn an_empty_page_still_has_its_links() {
    let api = Api::start().await;
    let check = async |query: &str, first: &str| {
        let answer = api.get(&format!("/v2/images{query}")).await;
        let expected = format!(
            "{{\"images\": [], \"first\": \"{first}\", \"schema\": \"/v2/schemas/images\"}}"
        );
        assert_eq!((answer.status, answer.body), (200, expected));
    };
    check("", "/v2/images").await;
    check("?limit=1", "/v2/images?limit=1").await;
    check("?wibble=a%20b", "/v2/images?wibble=a+b").await;
    check("?tag=green&tag=x", "/v2/images?tag=x").await;
}

async fn following_next_shows_every_image_once() {
    let api = Api::start().await;
    for name in ["a", "b", "c", "d", "e"] {
        api.create(&format!("{{\"name\": \"{name}\"}}")).await;
    }
    let mut target = "/v2/images?limit=2&sort=name:asc".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = api.get(&target).await.json();
        seen.extend(names(&page).into_iter().map(str::to_owned));
        assert_eq!(page["first"], "/v2/images?limit=2&sort=name%3Aasc");
        match page["next"].as_str() {
            Some(next) => target = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
}

async fn keys_stand_in_glances_order_and_full_pages_have_a_next() {
    let api = Api::start().await;
    let id = api.create(r#"{"name": "w"}"#).await;
    let answer = api.get("/v2/images?limit=1").await;
    let tail = format!(
        "\"schema\": \"/v2/schemas/image\"}}], \"first\": \"/v2/images?limit=1\", \"schema\": \
         \"/v2/schemas/images\", \"next\": \"/v2/images?limit=1&marker={id}\"}}"
    );
    assert!(answer.body.ends_with(&tail), "{}", answer.body);
    assert_eq!(api.get("/v2/images?limit=0").await.json()["next"], serde_json::Value::Null);
}

async fn filters_choose() {
    let api = Api::start().await;
    api.create(r#"{"name": "a", "my": "x", "tags": ["t", "u"], "min_ram": 5}"#).await;
    api.create(r#"{"name": "b", "os_hidden": true}"#).await;
    api.create(r#"{"name": "c", "protected": true, "visibility": "public"}"#).await;
    let check = async |query: &str, expected: &[&str]| {
        let answer = api.get(&format!("/v2/images?sort=name:asc&{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        assert_eq!(names(&answer.json()), expected, "{query}");
    };
    check("", &["a", "c"]).await;
    check("my=x", &["a"]).await;
    check("my=y", &[]).await;
    check("tag=t&tag=u", &["a"]).await;
    check("os_hidden=true", &["b"]).await;
    check("protected=true", &["c"]).await;
    check("visibility=public", &["c"]).await;
    check("name=in:a,%22c%22", &["a", "c"]).await;
    check("min_ram_min=5", &["a"]).await;
    check("size=abc", &[]).await;
    check("created_at=lt:2020-01-01", &[]).await;
    check("created_at=gt:2020-01-01T00:00:00Z&limit=1", &["a"]).await;
}

async fn what_cannot_be_listed_is_refused() {
    let api = Api::start().await;
    let check = async |query: &str, text: &str| {
        let answer = api.get(&format!("/v2/images?{query}")).await;
        answer.check_refused("400 Bad Request", &format!("{text}\n\n   "));
    };
    check("limit=x", "limit param must be an integer").await;
    check("marker=x", "No image found with ID x").await;
    check(
        "marker=31ff84fa-afbb-494e-906f-451b69686642",
        "No image found with ID 31ff84fa-afbb-494e-906f-451b69686642",
    )
    .await;
    check("sort=name&sort_key=id", "Old and new sorting syntax cannot be combined").await;
    check("name=a:b", "Unable to filter by unknown operator 'a'.").await;
}

controlplane_testing::on_every_database!(
    an_empty_page_still_has_its_links,
    following_next_shows_every_image_once,
    keys_stand_in_glances_order_and_full_pages_have_a_next,
    filters_choose,
    what_cannot_be_listed_is_refused,
);
