//! Protected properties: who sees and changes them, in every answer that shows an image.

use std::sync::Arc;

use controlplane_api::{ApiOptions, PropertyRules, RuleFormat};

use crate::harness::Api;

const RULES: &str = "\
[^open]\ncreate = @\nread = @\nupdate = @\ndelete = @\n\
[^drop]\ncreate = admin\nread = somebody else\nupdate = @\ndelete = @\n\
[^seen]\ncreate = admin\nread = admin\nupdate = !\ndelete = !\n";

#[tokio::test]
async fn properties_are_shown_and_changed_as_the_rules_say() {
    let rules = PropertyRules::parse(RULES, RuleFormat::Roles).expect("a good file");
    let property_protection = Some(Arc::new(rules));
    let api = Api::with(ApiOptions { property_protection, ..ApiOptions::default() }).await;
    api.post(r#"{"open": "1", "unmatched": "2"}"#)
        .await
        .check_refused("403 Forbidden", "Attribute 'unmatched' is reserved.\n\n   ");

    let body = r#"{"open": "1", "drop": "2", "seen": "3", "name": "n"}"#;
    let created = api.post(body).await.json();
    let id = created["id"].as_str().expect("an id").to_owned();
    let path = format!("/v2/images/{id}");
    let shown = api.get(&path).await.json();
    let listed = api.get("/v2/images").await.json()["images"][0].clone();
    let rename = r#"[{"op": "replace", "path": "/name", "value": "m"}]"#;
    let changed = api.patch(&id, rename).await.json();
    for view in [created, shown, listed, changed] {
        assert_eq!((&view["open"], &view["seen"]), (&"1".into(), &"3".into()), "{view}");
        assert!(view.get("drop").is_none(), "{view}");
    }
    api.patch(&id, r#"[{"op": "remove", "path": "/seen"}]"#)
        .await
        .check_refused("403 Forbidden", "Attribute 'seen' is reserved.\n\n   ");
    api.patch(&id, r#"[{"op": "remove", "path": "/drop"}]"#).await.check_refused(
        "409 Conflict",
        "There was a conflict when trying to complete your request.\n\n \
         Property drop does not exist.  ",
    );
    let image = stored(&api, &id).await;
    assert!(image.contains(&("drop".to_owned(), "2".to_owned())), "the rename left it alone");
}

/// The properties as they are stored.
async fn stored(api: &Api, id: &str) -> Vec<(String, String)> {
    let id = glint_image::ImageId::parse(id).expect("a UUID");
    let image = api.app.database().image_get(id).await.expect("an answer").expect("an image");
    image.properties
}
