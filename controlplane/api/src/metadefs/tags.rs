//! The tags of a namespace (`glance/api/v2/metadef_tags.py`).

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use controlplane_db::metadefs::Part;
use controlplane_db::utc_now;
use controlplane_domain::metadefs::{Action, Kind, Tag, access, check_tag, tag_names};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{enter, no_content, query, read, view};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{self, Refusal};
use crate::images::view::respond;
use crate::request::expect_no_body;

/// Lists tags.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let query = query::tags(query::parameters(request.uri())?)?;
    let absent = Refusal::namespace_not_found;
    let (_, namespace) = enter(&app, request.extensions(), &name, Action::GetTags, absent).await?;
    let marker = query.marker.as_deref().unwrap_or_default();
    let tags = app
        .db
        .metadef_tags(namespace.id, &query)
        .await
        .map_err(|error| error::from_tag_list(error, marker))?;
    Ok(respond(StatusCode::OK, &json!({"tags": view::tag_names(&tags)})))
}

/// Makes several tags, in place of those there are or, if the caller says so, beside them.
pub(super) async fn create_all(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = read(&app, Kind::Tags, request).await?;
    let absent = Refusal::namespace_not_found;
    let (_, namespace) = enter(&app, &head.extensions, &name, Action::AddTags, absent).await?;
    let names = tag_names(&body);
    // An empty list takes nothing away.
    if !names.is_empty() {
        let (id, now) = (namespace.id, utc_now());
        let made = if is_append(&head.headers) {
            app.db.metadef_tags_append(id, &names, now).await
        } else {
            app.db.metadef_tags_replace(id, &names, now).await
        };
        made.map_err(|error| error::from_add(error, &name))?;
    }
    Ok(respond(StatusCode::CREATED, &Value::Object(body)))
}

/// Makes one tag; its name is in the path.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Path((name, tag)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let caller = Caller::of(request.extensions())?;
    let found = app.db.metadef_namespace(&name).await?;
    let namespace = found
        .filter(|namespace| access::is_visible(&caller.context, namespace))
        .ok_or_else(|| Refusal::namespace_not_found(&name))?;
    let body = json!({"name": tag});
    app.schemas.metadefs.check(Kind::Tag, &body).map_err(Refusal::bad_request)?;
    caller.metadefs(Some(&namespace)).enforce(Action::AddTag)?;
    check_tag(&tag).map_err(|refused| Refusal::unfit("create", "tag", &refused))?;
    let now = utc_now();
    let made = app.db.metadef_tags_append(namespace.id, std::slice::from_ref(&tag), now).await;
    made.map_err(|error| error::from_add(error, &name))?;
    let tag = Tag { name: tag, created_at: now, updated_at: Some(now) };
    Ok(respond(StatusCode::CREATED, &view::tag(&tag)))
}

/// Shows a tag.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path((name, tag)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let absent = Refusal::namespace_not_found;
    let (_, namespace) = enter(&app, request.extensions(), &name, Action::GetTag, absent).await?;
    let found = app.db.metadef_tag(namespace.id, &tag).await?;
    let found = found.ok_or_else(|| Refusal::no_such_part(Part::Tag, &tag))?;
    Ok(respond(StatusCode::OK, &view::tag(&found)))
}

/// Renames a tag.
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Path((name, old)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = read(&app, Kind::Tag, request).await?;
    let absent = Refusal::namespace_not_found;
    let (_, namespace) = enter(&app, &head.extensions, &name, Action::ModifyTag, absent).await?;
    let new = body.get("name").and_then(Value::as_str).unwrap_or_default();
    // Glance finds the tag first and the characters second.
    if app.db.metadef_tag(namespace.id, &old).await?.is_none() {
        return Err(Refusal::no_such_part(Part::Tag, &old));
    }
    check_tag(new).map_err(|refused| Refusal::unfit("update", "tag", &refused))?;
    let updated = app
        .db
        .metadef_tag_update(namespace.id, &old, new, utc_now())
        .await
        .map_err(|error| error::from_change(error, Part::Tag, &name, &old, new))?;
    Ok(respond(StatusCode::OK, &view::tag(&updated)))
}

/// Deletes a tag.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path((name, tag)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let absent = Refusal::namespace_not_found;
    let (_, namespace) =
        enter(&app, request.extensions(), &name, Action::DeleteTag, absent).await?;
    let deleted = app.db.metadef_tag_delete(namespace.id, &tag).await;
    deleted.map_err(|error| error::from_remove(error, Part::Tag, &tag))?;
    Ok(no_content())
}

/// Whether tags are to be added: what oslo.utils' `bool_from_string` takes for yes.
fn is_append(headers: &HeaderMap) -> bool {
    let given = headers.get("x-openstack-append").and_then(|value| value.to_str().ok());
    given.is_some_and(|text| {
        ["1", "t", "true", "on", "y", "yes"].contains(&text.trim().to_lowercase().as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_read_as_oslo_reads_it() {
        let check = |given: Option<&str>, expected: bool| {
            let mut headers = HeaderMap::new();
            if let Some(given) = given {
                let value = given.parse().expect("a header value");
                headers.insert("x-openstack-append", value);
            }
            assert_eq!(is_append(&headers), expected, "{given:?}");
        };
        check(None, false);
        check(Some(""), false);
        check(Some("True"), true);
        check(Some(" YES "), true);
        check(Some("1"), true);
        check(Some("0"), false);
        check(Some("append"), false);
    }
}
