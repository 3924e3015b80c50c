//! The schema documents of members and tasks (`glance/api/v2/image_members.py`,
//! `glance/api/v2/tasks.py`).
//!
//! They are part of the wire contract, down to the order of their keys and the wording of the
//! descriptions.

use serde_json::{Map, Value, json};

/// The pattern of a UUID, as Glance spells it.
const UUID: &str = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}\
                    -([0-9a-fA-F]){12}$";

/// The schema of a member.
pub(crate) fn member() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "name": "member",
        "properties": {
            "member_id": text("An identifier for the image member (tenantId)"),
            "image_id": {
                "type": "string",
                "description": "An identifier for the image",
                "pattern": UUID,
            },
            "created_at": text("Date and time of image member creation"),
            "updated_at": text("Date and time of last modification of image member"),
            "status": {
                "type": "string",
                "description": "The status of this image member",
                "enum": ["pending", "accepted", "rejected"],
            },
            "schema": {"readOnly": true, "type": "string"},
        },
    })
}

/// The schema of a task.
pub(crate) fn task() -> Value {
    json!({"name": "task", "properties": task_properties()})
}

/// What a new task is checked against: nothing else may be said of it.
pub(crate) fn sent_task() -> Value {
    json!({
        "name": "task",
        "properties": task_properties(),
        "additionalProperties": false,
    })
}

/// The schema of a task among others.
pub(crate) fn listed_task() -> Value {
    let mut task = task();
    if let Some(properties) = task["properties"].as_object_mut() {
        for hidden in ["input", "result", "message"] {
            properties.shift_remove(hidden);
        }
    }
    task
}

/// The schema of a list of these.
pub(crate) fn list(name: &str, item: Value) -> Value {
    let mut properties = Map::new();
    properties.insert(name.to_owned(), json!({"type": "array", "items": item}));
    properties.insert("schema".to_owned(), json!({"type": "string"}));
    json!({
        "name": name,
        "properties": properties,
        "links": [{"rel": "describedby", "href": "{schema}"}],
    })
}

fn task_properties() -> Value {
    let text = |description: &str| json!({"description": description, "type": "string"});
    json!({
        "id": {
            "description": "An identifier for the task",
            "pattern": UUID,
            "type": "string",
        },
        "type": {
            "description": "The type of task represented by this content",
            "enum": ["import", "api_image_import", "location_import"],
            "type": "string",
        },
        "status": {
            "description": "The current status of this task",
            "enum": ["pending", "processing", "success", "failure"],
            "type": "string",
        },
        "input": {
            "description": "The parameters required by task, JSON blob",
            "type": ["null", "object"],
        },
        "result": {
            "description": "The result of current task, JSON blob",
            "type": ["null", "object"],
        },
        "owner": text("An identifier for the owner of this task"),
        "message": text(
            "Human-readable informative message only included when appropriate (usually on failure)",
        ),
        "image_id": text("Image associated with the task"),
        "request_id": text("Human-readable informative request-id"),
        "user_id": text("User associated with the task"),
        "expires_at": {
            "description": "Datetime when this resource would be subject to removal",
            "type": ["null", "string"],
        },
        "created_at": text("Datetime when this resource was created"),
        "updated_at": text("Datetime when this resource was updated"),
        "self": {"readOnly": true, "type": "string"},
        "schema": {"readOnly": true, "type": "string"},
    })
}
