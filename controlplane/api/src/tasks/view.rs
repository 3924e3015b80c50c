//! A task as JSON, in the three ways in which Glance shows it.

use controlplane_domain::tasks::Task;
use serde_json::{Map, Value, json};
use time::PrimitiveDateTime;

use crate::images::view::iso;

/// A task by itself (`glance/api/v2/tasks.py`, `ResponseSerializer._format_task`).
pub(super) fn task(task: &Task) -> Value {
    let mut view = Map::new();
    let mut set = |name: &str, value: Value| {
        view.insert(name.to_owned(), value);
    };
    set("id", json!(task.id.as_str()));
    set("input", json!(task.input));
    set("type", json!(task.kind.as_str()));
    set("status", json!(task.status.as_str()));
    set("owner", json!(task.owner));
    set("message", json!(task.message.as_deref().unwrap_or_default()));
    set("result", json!(task.result));
    set("created_at", json!(iso(task.created_at)));
    set("updated_at", json!(iso(task.updated_at)));
    set("self", json!(href(task)));
    set("schema", json!("/v2/schemas/task"));
    let further = [
        ("image_id", &task.image_id),
        ("request_id", &task.request_id),
        ("user_id", &task.user_id),
    ];
    for (name, text) in further {
        if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
            set(name, json!(text));
        }
    }
    if let Some(at) = task.expires_at {
        set("expires_at", json!(iso(at)));
    }
    Value::Object(view)
}

/// A task among others (`ResponseSerializer._format_task_stub`).
pub(super) fn stub(task: &Task) -> Value {
    let mut view = json!({
        "id": task.id.as_str(),
        "type": task.kind.as_str(),
        "status": task.status.as_str(),
        "owner": task.owner,
        "created_at": iso(task.created_at),
        "updated_at": iso(task.updated_at),
        "self": href(task),
        "schema": "/v2/schemas/task",
    });
    if let Some(at) = task.expires_at {
        view["expires_at"] = json!(iso(at));
    }
    view
}

/// A task as its row has it: among those of an image (`glance/db/sqlalchemy/api.py`,
/// `_task_format`).
pub(super) fn raw(task: &Task) -> Value {
    json!({
        "id": task.id.as_str(),
        "type": task.kind.as_str(),
        "status": task.status.as_str(),
        "owner": task.owner,
        "expires_at": task.expires_at.map(precise),
        "created_at": precise(task.created_at),
        "updated_at": precise(task.updated_at),
        "deleted_at": task.deleted_at.map(precise),
        "deleted": task.deleted,
        "image_id": task.image_id,
        "request_id": task.request_id,
        "user_id": task.user_id,
        "input": task.input,
        "result": task.result,
        "message": task.message,
    })
}

fn href(task: &Task) -> String {
    format!("/v2/tasks/{}", task.id.as_str())
}

/// A time with its microseconds and without a zone (`oslo_utils/timeutils.py`,
/// `PERFECT_TIME_FORMAT`).
fn precise(at: PrimitiveDateTime) -> String {
    let whole = iso(at);
    format!("{}.{:06}", whole.trim_end_matches('Z'), at.microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn precise_times_have_six_digits_and_no_zone() {
        let check = |at: PrimitiveDateTime, expected: &str| assert_eq!(precise(at), expected);
        check(datetime!(2026-11-21 05:45:38.199944), "2026-11-21T05:45:38.199944");
        check(datetime!(2026-11-21 05:45:38), "2026-11-21T05:45:38.000000");
        check(datetime!(2026-11-21 05:45:38.000001), "2026-11-21T05:45:38.000001");
    }
}
