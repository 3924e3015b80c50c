//! Metadata definitions. Whole bodies are those Glance 33 gave, times aside.

use serde_json::{Value, json};

use crate::harness::{Answer, Api};

const BASE: &str = "/v2/metadefs/namespaces";

impl Api {
    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(method, &format!("/v2/metadefs{path}"), &[], body).await
    }

    /// A namespace `N` with one of everything.
    async fn with_namespace() -> Self {
        let api = Self::start().await;
        let body = json!({
            "namespace": "N", "owner": "admin",
            "resource_type_associations": [{"name": "OS::A", "prefix": "a_"}],
            "properties": {"p": {"title": "P", "type": "string"}},
            "objects": [{"name": "o", "required": ["q"],
                "properties": {"q": {"title": "Q", "type": "string"}}}],
            "tags": [{"name": "s"}, {"name": "t"}],
        });
        let answer = api.ask("POST", "/namespaces", &body.to_string()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        api
    }
}

/// A body with its times replaced, so that it compares.
fn untimed(body: &str) -> String {
    let mut rest = body;
    let mut plain = String::new();
    while let Some(at) = rest.find("_at\": \"20") {
        plain.push_str(&rest[..at + 7]);
        plain.push_str("TIME");
        rest = &rest[at + 7 + "2026-11-21T05:54:56Z".len()..];
    }
    plain + rest
}

async fn a_namespace_shows_what_was_sent_and_then_all_it_contains() {
    let api = Api::start().await;
    let sent = r#"{"tags": [{"name": "t"}], "properties": {"p": {"type": "string", "title": "P"}},
        "namespace": "N", "owner": "admin", "objects": [{"name": "o"}],
        "resource_type_associations": [{"prefix": "a_", "name": "OS::A"}]}"#;
    let answer = api.ask("POST", "/namespaces", sent).await;
    assert_eq!(answer.status, 201);
    let location = "http://127.0.0.1:9292/v2/metadefs/namespaces/N";
    assert_eq!(answer.header("location"), Some(location));
    assert_eq!(answer.changed, None, "no image changed");
    let head = concat!(
        r#"{"namespace": "N", "visibility": "private", "protected": false, "owner": "#,
        r#""admin", "created_at": "TIME", "updated_at": "TIME", "#,
    );
    let tail =
        r#""self": "/v2/metadefs/namespaces/N", "schema": "/v2/schemas/metadefs/namespace"}"#;
    let sent = concat!(
        r#""resource_type_associations": [{"name": "OS::A", "prefix": "a_"}], "#,
        r#""properties": {"p": {"type": "string", "title": "P"}}, "objects": [{"name": "#,
        r#""o"}], "tags": [{"name": "t"}], "#,
    );
    assert_eq!(untimed(&answer.body), format!("{head}{sent}{tail}"));
    let shown = concat!(
        r#""resource_type_associations": [{"name": "OS::A", "prefix": "a_", "#,
        r#""created_at": "TIME", "updated_at": "TIME"}], "properties": {"p": {"type": "#,
        r#""string", "title": "P"}}, "objects": [{"name": "o", "required": [], "#,
        r#""properties": {}, "created_at": "TIME", "updated_at": "TIME", "self": "#,
        r#""/v2/metadefs/namespaces/N/objects/o", "schema": "#,
        r#""/v2/schemas/metadefs/object"}], "tags": [{"name": "t"}], "#,
    );
    let answer = api.get(&format!("{BASE}/N")).await;
    assert_eq!(untimed(&answer.body), format!("{head}{shown}{tail}"));
    let answer = api.get(BASE).await;
    let listed = concat!(
        r#""resource_type_associations": [{"name": "OS::A", "prefix": "a_", "#,
        r#""created_at": "TIME", "updated_at": "TIME"}], "#,
    );
    assert_eq!(
        untimed(&answer.body),
        format!(
            "{{\"namespaces\": [{head}{listed}{tail}], \"schema\": \
             \"/v2/schemas/metadefs/namespaces\", \"first\": \"/v2/metadefs/namespaces\"}}"
        )
    );
}

async fn names_of_properties_get_the_prefix_of_a_resource_type() {
    let api = Api::with_namespace().await;
    let check = async |query: &str, property: &str, inner: &str| {
        let shown = api.get(&format!("{BASE}/N{query}")).await.json();
        assert_eq!(shown["properties"][property]["title"], "P", "{shown}");
        assert_eq!(shown["objects"][0]["properties"][inner]["title"], "Q", "{shown}");
        assert_eq!(shown["objects"][0]["required"], json!([inner]), "{shown}");
    };
    check("", "p", "q").await;
    check("?resource_type=OS::A", "a_p", "a_q").await;
    check("?resource_type=OS::B", "p", "q").await;
    check("?zebra=1", "p", "q").await;
    let one = format!("{BASE}/N/properties");
    let answer = api.get(&format!("{one}/a_p?resource_type=OS::A")).await;
    assert_eq!(answer.body, r#"{"name": "p", "type": "string", "title": "P"}"#);
    api.get(&format!("{one}/p?resource_type=OS::A")).await.check_refused(
        "404 Not Found",
        "Property p does not start with the expected resource type association prefix of \
         'a_'.\n\n   ",
    );
    api.get(&format!("{one}/p?resource_type=OS::B")).await.check_refused(
        "404 Not Found",
        "The metadata definition resource-type with name=OS::B, was not found.\n\n   ",
    );
}

async fn tags_are_listed_newest_first() {
    let api = Api::with_namespace().await;
    let check = async |append: &str, sent: &str, status: u16, expected: &str| {
        let target = format!("{BASE}/N/tags");
        let headers = [("x-openstack-append", append)];
        let answer = api.send("POST", &target, &headers, sent).await;
        assert_eq!(answer.status, status, "{answer:?}");
        let shown = api.get(&target).await.json();
        let names: Vec<&str> = shown["tags"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|tag| tag["name"].as_str().expect("a name"))
            .collect();
        assert_eq!(names.join(" "), expected);
    };
    check("yes", r#"{"tags": [{"name": "b"}, {"name": "a"}]}"#, 201, "a b t s").await;
    check("", r#"{"tags": []}"#, 201, "a b t s").await;
    check("", r#"{"tags": [{"name": "x"}, {"name": "x"}]}"#, 409, "a b t s").await;
    check("no", r#"{"tags": [{"name": "z"}, {"name": "x"}]}"#, 201, "x z").await;
    api.ask("POST", "/namespaces/N/tags/x", "").await.check_refused(
        "409 Conflict",
        "A metadata tag with name=x already exists in namespace=N. (Please note that metadata \
         tag names are case insensitive).\n\n   ",
    );
}

async fn refusals_read_as_glances() {
    let api = Api::with_namespace().await;
    let check = async |method: &str, path: &str, body: &str, title: &str, text: &str| {
        let answer = api.ask(method, path, body).await;
        answer.check_refused(title, &format!("{text}\n\n   "));
    };
    let (bad, not_found, conflict) = ("400 Bad Request", "404 Not Found", "409 Conflict");
    let n = r#"{"namespace": "N"}"#;
    let text = "The metadata definition namespace=N already exists.";
    check("POST", "/namespaces", n, conflict, text).await;
    check("PUT", "/namespaces/M", n, not_found, "Namespace M not found").await;
    let text = "Metadata definition namespace=M was not found.";
    check("GET", "/namespaces/M", "", not_found, text).await;
    check("GET", "/namespaces/M/objects/o", "", not_found, text).await;
    check("GET", "/namespaces/M/tags/t", "", not_found, "Namespace M not found").await;
    check("GET", "/namespaces/N/tags/x", "", not_found, "Could not find metadata tag x").await;
    let text = "Could not find metadata object x";
    check("PUT", "/namespaces/N/objects/x", r#"{"name": "x"}"#, not_found, text).await;
    let text = "Failed to find resource type x to delete";
    check("DELETE", "/namespaces/N/resource_types/x", "", not_found, text).await;
    let text = "A metadata definition object with name=o already exists in namespace=N.";
    check("POST", "/namespaces/N/objects", r#"{"name": "o"}"#, conflict, text).await;
    let text = "Attribute 'self' is read-only.";
    check("POST", "/namespaces", r#"{"self": 1}"#, "403 Forbidden", text).await;
    let text = "Couldn't create metadata namespace: Display_Name can't contain 4 byte unicode \
                characters.";
    let body = "{\"namespace\": \"M\", \"display_name\": \"\u{1f600}\"}";
    check("POST", "/namespaces", body, bad, text).await;
    check("GET", "/namespaces?limit=x", "", bad, "limit param must be an integer").await;
    check("GET", "/namespaces?limit=-1", "", bad, "limit param must be positive").await;
    check("GET", "/namespaces?sort_dir=up", "", bad, "Invalid sort direction: up").await;
    check("GET", "/namespaces?visibility=x", "", bad, "Invalid visibility value: x").await;
    let text = "Metadata definition namespace=M was not found.";
    check("GET", "/namespaces?marker=M", "", not_found, text).await;
    let text = "A body is not expected with this request.";
    check("DELETE", "/namespaces/N/tags", "{}", bad, text).await;
    let protected = r#"{"namespace": "N", "protected": true}"#;
    assert_eq!(api.ask("PUT", "/namespaces/N", protected).await.status, 200);
    let text = "Metadata definition object o is protected and cannot be deleted.";
    check("DELETE", "/namespaces/N/objects/o", "", "403 Forbidden", text).await;
    let text = "Metadata definition namespace N is protected and cannot be deleted.";
    check("DELETE", "/namespaces/N/properties", "", "403 Forbidden", text).await;
}

async fn pages_are_linked() {
    let api = Api::start().await;
    for name in ["A", "B::b", "C"] {
        let body = json!({"namespace": name, "owner": "admin"}).to_string();
        assert_eq!(api.ask("POST", "/namespaces", &body).await.status, 201);
    }
    let check = async |query: &str, names: &str, first: &str, next: Value| {
        let page = api.get(&format!("{BASE}{query}")).await.json();
        let shown: Vec<&str> = page["namespaces"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|each| each["namespace"].as_str().expect("a name"))
            .collect();
        assert_eq!(shown.join(" "), names, "{query}");
        assert_eq!(page["first"], format!("{BASE}{first}"), "{query}");
        assert_eq!(page["next"], next, "{query}");
    };
    let next = |query: &str| json!(format!("{BASE}{query}"));
    check("", "C B::b A", "", Value::Null).await;
    check("?limit=2", "C B::b", "?limit=2", next("?limit=2&marker=B%3A%3Ab")).await;
    check("?limit=2&marker=B::b", "A", "?limit=2", Value::Null).await;
    check("?limit=0", "", "?limit=0", Value::Null).await;
    let (sorted, links) = ("?sort_dir=asc&limit=1&x=a%20b", "?sort_dir=asc&limit=1&x=a+b");
    check(sorted, "A", links, next(&format!("{links}&marker=A"))).await;
}

async fn routes_name_their_methods() {
    let api = Api::with_namespace().await;
    let check = async |path: &str, allow: &str| {
        for method in ["HEAD", "PATCH", "BREW"] {
            let answer = api.ask(method, path, "").await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{path}");
        }
    };
    check("/resource_types", "GET").await;
    check("/namespaces", "GET, POST").await;
    check("/namespaces/N", "GET, PUT, DELETE").await;
    check("/namespaces/N/resource_types", "GET, POST").await;
    check("/namespaces/N/resource_types/OS::A", "DELETE").await;
    check("/namespaces/N/properties", "GET, POST, DELETE").await;
    check("/namespaces/N/properties/p", "GET, PUT, DELETE").await;
    check("/namespaces/N/objects", "GET, POST, DELETE").await;
    check("/namespaces/N/objects/o", "GET, PUT, DELETE").await;
    check("/namespaces/N/tags", "GET, POST, DELETE").await;
    check("/namespaces/N/tags/t", "GET, POST, PUT, DELETE").await;
}

/// Sizes of the documents that Glance 33 serves; their words are compared by `tests/compat`.
async fn schemas_are_served() {
    let api = Api::start().await;
    let check = async |name: &str, bytes: usize| {
        let answer = api.get(&format!("/v2/schemas/metadefs/{name}")).await;
        assert_eq!((answer.status, answer.body.len()), (200, bytes), "{name}");
    };
    check("namespace", 3100).await;
    check("namespaces", 3396).await;
    check("resource_type", 1260).await;
    check("resource_types", 1588).await;
    check("property", 1397).await;
    check("properties", 1701).await;
    check("object", 2026).await;
}

/// Attributes of all the types, each of a shape of its own.
const NAMES: [&str; 20] = [
    "namespace",
    "display_name",
    "protected",
    "owner",
    "resource_type_associations",
    "properties",
    "objects",
    "tags",
    "name",
    "prefix",
    "required",
    "description",
    "type",
    "enum",
    "minimum",
    "minLength",
    "items",
    "default",
    "operators",
    "uniqueItems",
];

/// Values that fit hardly anywhere.
fn odd_values() -> Vec<String> {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let values = ["null", "true", "-1", "1.5", "1e308", "1e999", "123456789012345678901234567890"];
    let values = values.map(str::to_owned).into_iter().chain([
        "\"\"".to_owned(),
        "\"\\u0000\"".to_owned(),
        "\"\\ud800\"".to_owned(),
        "\"\u{e4}\u{1f600}\"".to_owned(),
        format!("\"{}\"", "x".repeat(100_000)),
        "[]".to_owned(),
        "{}".to_owned(),
        "[null]".to_owned(),
        "[[]]".to_owned(),
        "[{}]".to_owned(),
        "[{\"name\": null}]".to_owned(),
        "{\"p\": null}".to_owned(),
        "{\"p\": {\"type\": \"string\", \"title\": \"T\", \"default\": [{}]}}".to_owned(),
        deep(100),
        deep(100_000),
    ]);
    values.collect()
}

/// Every route with every kind of body: whatever comes, it is the caller's fault or none.
async fn no_body_is_a_fault_of_ours() {
    let api = Api::with_namespace().await;
    let values = odd_values();
    let good = r#""namespace": "N", "name": "n", "type": "string", "title": "T""#;
    for (method, path) in [
        ("POST", "/namespaces"),
        ("PUT", "/namespaces/N"),
        ("POST", "/namespaces/N/resource_types"),
        ("POST", "/namespaces/N/properties"),
        ("PUT", "/namespaces/N/properties/p"),
        ("DELETE", "/namespaces/N/properties/x"),
        ("DELETE", "/namespaces/N/properties"),
        ("POST", "/namespaces/N/objects"),
        ("PUT", "/namespaces/N/objects/o"),
        ("DELETE", "/namespaces/N/objects"),
        ("POST", "/namespaces/N/tags"),
        ("PUT", "/namespaces/N/tags/t"),
        ("DELETE", "/namespaces/N/tags"),
        ("GET", "/namespaces"),
        ("GET", "/namespaces/N/objects"),
    ] {
        let check = async |body: &str| {
            let answer = api.ask(method, path, body).await;
            let start: String = body.chars().take(200).collect();
            assert!(answer.status < 500, "{method} {path} {start}: {}", answer.status);
            assert!(answer.body.len() < 1_000_000, "{method} {path} {start}: quoted at length");
        };
        for value in &values {
            check(value).await;
            for name in NAMES {
                check(&format!("{{\"{name}\": {value}}}")).await;
                check(&format!("{{{good}, \"{name}\": {value}}}")).await;
            }
        }
        for text in ["{", "{\"a\":", "\u{feff}{}", "{}{}", "nul"] {
            check(text).await;
        }
    }
    assert_eq!(api.get(&format!("{BASE}/N")).await.status, 200, "it is still there");
}

controlplane_testing::on_every_database!(
    a_namespace_shows_what_was_sent_and_then_all_it_contains,
    names_of_properties_get_the_prefix_of_a_resource_type,
    tags_are_listed_newest_first,
    refusals_read_as_glances,
    pages_are_linked,
    routes_name_their_methods,
    schemas_are_served,
    no_body_is_a_fault_of_ours,
);
