//! Tasks: work that goes on behind a request (Glance: `glance/domain/__init__.py`, `Task`;
//! `glance/api/v2/tasks.py`).
//!
//! Leaves running them, policies and storing to its callers. Invariants: a task that has ended
//! stays as it ended, and has a time after which it is forgotten; nobody but its owner and
//! administrators sees a task.

use serde_json::{Map, Value};
use time::{Duration, PrimitiveDateTime};

use crate::context::Context;
use crate::value;

/// Most characters of `tasks.image_id`.
const IMAGE_ID_CHARS_MAX: usize = 36;

/// The id of a task, as its column spells it: a UUID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskId(String);

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskType {
    /// Makes an image of what lies at a URL, of old.
    Import,
    /// `POST /v2/images/{image_id}/import`.
    ApiImageImport,
    /// `POST /v2/images/{image_id}/locations`.
    LocationImport,
}

/// How far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// Not begun.
    Pending,
    /// Under way.
    Processing,
    /// Ended well.
    Success,
    /// Ended badly.
    Failure,
}

/// One task. Times are UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What it does.
    pub kind: TaskType,
    /// How far it has come.
    pub status: TaskStatus,
    /// Owning project; empty where nobody authenticates.
    pub owner: String,
    /// When it is forgotten; set when it has ended.
    pub expires_at: Option<PrimitiveDateTime>,
    /// When it was made.
    pub created_at: PrimitiveDateTime,
    /// When it last came further.
    pub updated_at: PrimitiveDateTime,
    /// When it was forgotten. Administrators still see it.
    pub deleted_at: Option<PrimitiveDateTime>,
    /// Whether it was forgotten.
    pub deleted: bool,
    /// The image it works on, as its input spells it.
    pub image_id: Option<String>,
    /// The request that made it.
    pub request_id: Option<String>,
    /// The user who made it.
    pub user_id: Option<String>,
    /// What it was given; lists of tasks do not read it, nor the following two.
    pub input: Option<Value>,
    /// What came of it.
    pub result: Option<Value>,
    /// What there is to say of it, mostly why it failed.
    pub message: Option<String>,
}

/// Why a task is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskRefused {
    /// A key is missing.
    #[error("Task '{0}' is required")]
    Required(&'static str),
    /// The body is an array.
    #[error("Unexpected body type. Expected dict.")]
    NoObject,
    /// It needs an input.
    #[error("Task 'input' can't be empty")]
    NoInput,
    /// What is to be imported is not said.
    #[error("Invalid location: {0}")]
    NoLocation(String),
    /// A file of this host is nobody's to import.
    #[error("File based imports are not allowed. Please use a non-local source of image data.")]
    FileLocation,
    /// A scheme that is not supported, or no URL at all.
    #[error(
        "The given uri is not valid. Please specify a valid uri from the following list of \
         supported uri ['http']"
    )]
    UnknownLocation,
    /// The id of an image is no text that could be one.
    #[error("Task 'input' has an 'image_id' that is no id of an image")]
    ImageId,
}

/// A status that a task in its status cannot have next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Status transition from {from} to {to} is not allowed", from = from.as_str(), to = to.as_str())]
pub struct TransitionRefused {
    /// Where it stands.
    pub from: TaskStatus,
    /// Where it was to go.
    pub to: TaskStatus,
}

// === impl TaskId ===

impl TaskId {
    /// The id with this text; that there is such a task is not said.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl TaskType ===

impl TaskType {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Import, Self::ApiImageImport, Self::LocationImport];

    /// The text of the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::ApiImageImport => "api_image_import",
            Self::LocationImport => "location_import",
        }
    }

    /// Reads the text of the database or the API.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

// === impl TaskStatus ===

impl TaskStatus {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Processing, Self::Success, Self::Failure];

    /// The text of the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }

    /// Reads the text of the database or the API.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether this status may be followed by another.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Pending => matches!(next, Self::Processing | Self::Failure),
            Self::Processing => matches!(next, Self::Success | Self::Failure),
            Self::Success | Self::Failure => false,
        }
    }
}

// === impl Task ===

impl Task {
    /// Ends the task badly. It is forgotten `hours_to_live` later.
    ///
    /// # Errors
    /// [`TransitionRefused`] where it has ended before.
    pub fn fail(
        &mut self,
        message: impl Into<String>,
        now: PrimitiveDateTime,
        hours_to_live: i64,
    ) -> Result<(), TransitionRefused> {
        let to = TaskStatus::Failure;
        if !self.status.may_become(to) {
            return Err(TransitionRefused { from: self.status, to });
        }
        self.status = to;
        self.message = Some(message.into());
        self.updated_at = now;
        self.expires_at = hours_to_live
            .checked_mul(3600)
            .and_then(|seconds| now.checked_add(Duration::seconds(seconds)));
        Ok(())
    }
}

/// Whether a caller sees a task (`glance/db/sqlalchemy/api.py`, `_is_task_visible`, `_task_get`).
#[must_use]
pub fn is_visible(caller: &Context, task: &Task) -> bool {
    caller.is_admin || !task.deleted && caller.project.as_deref() == Some(task.owner.as_str())
}

/// Refuses a body that lacks one of the keys. Comes before the schema.
///
/// # Errors
/// [`TaskRefused::Required`].
pub fn check_required(body: &Value) -> Result<(), TaskRefused> {
    for key in ["type", "input"] {
        let has = match body {
            Value::Object(members) => members.contains_key(key),
            Value::Array(items) => items.iter().any(|item| item == key),
            _ => false,
        };
        if !has {
            return Err(TaskRefused::Required(key));
        }
    }
    Ok(())
}

/// Makes a pending task of a body that fits the schema; `id` is unused so far.
///
/// # Errors
/// The first [`TaskRefused`] in Glance's order of checks.
pub fn new_task(
    body: &Value,
    caller: &Context,
    id: TaskId,
    request_id: &str,
    now: PrimitiveDateTime,
) -> Result<Task, TaskRefused> {
    let body = body.as_object().ok_or(TaskRefused::NoObject)?;
    let kind = body.get("type").and_then(Value::as_str).and_then(TaskType::parse);
    let kind = kind.ok_or(TaskRefused::Required("type"))?;
    let empty = Map::new();
    let input = body.get("input").and_then(Value::as_object);
    if kind == TaskType::Import {
        check_location(input.unwrap_or(&empty).get("import_from"))?;
    }
    let input = input.ok_or(TaskRefused::NoInput)?;
    let image_id = match input.get("image_id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) if id.chars().count() <= IMAGE_ID_CHARS_MAX => Some(id.clone()),
        Some(_) => return Err(TaskRefused::ImageId),
    };
    Ok(Task {
        id,
        kind,
        status: TaskStatus::Pending,
        owner: caller.project.clone().unwrap_or_default(),
        expires_at: None,
        created_at: now,
        updated_at: now,
        deleted_at: None,
        deleted: false,
        image_id,
        request_id: Some(request_id.to_owned()),
        user_id: caller.user.clone(),
        input: Some(Value::Object(input.clone())),
        result: None,
        message: Some(String::new()),
    })
}

/// Checks where an import of old takes its bytes from (`glance/common/scripts/utils.py`,
/// `validate_location_uri`).
fn check_location(location: Option<&Value>) -> Result<(), TaskRefused> {
    let begins = |text: &str, starts: [&str; 2]| starts.iter().any(|start| text.starts_with(start));
    match location {
        None => Err(TaskRefused::NoLocation("None".to_owned())),
        Some(nothing) if value::is_falsy(nothing) => {
            Err(TaskRefused::NoLocation(python_str(nothing)))
        }
        Some(Value::String(uri)) if begins(uri, ["http://", "https://"]) => Ok(()),
        Some(Value::String(uri)) if begins(uri, ["file:///", "filesystem:///"]) => {
            Err(TaskRefused::FileLocation)
        }
        Some(_) => Err(TaskRefused::UnknownLocation),
    }
}

/// Python's `str` of a value that is false.
fn python_str(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(_) => "False".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::datetime;

    const NOW: PrimitiveDateTime = datetime!(2026-11-21 11:40:10.5);

    fn made(body: Value) -> Result<Task, TaskRefused> {
        let caller = Context {
            user: Some("adm".into()),
            project: Some("admin".into()),
            ..Context::default()
        };
        check_required(&body)?;
        new_task(&body, &caller, TaskId::new("one"), "req-1", NOW)
    }

    #[test]
    fn what_is_no_task_is_refused_in_glances_words() {
        let check = |body: Value, text: &str| {
            let refused = made(body.clone()).expect_err("to be refused").to_string();
            assert_eq!(refused, text, "{body}");
        };
        let import = |from: Value| json!({"type": "import", "input": {"import_from": from}});
        check(json!({}), "Task 'type' is required");
        check(json!([]), "Task 'type' is required");
        check(json!(["type", "input"]), "Unexpected body type. Expected dict.");
        check(json!({"type": "import"}), "Task 'input' is required");
        check(json!({"type": "import", "input": null}), "Invalid location: None");
        check(json!({"type": "import", "input": {}}), "Invalid location: None");
        check(import(json!(null)), "Invalid location: None");
        check(import(json!("")), "Invalid location: ");
        check(import(json!(0)), "Invalid location: 0");
        check(import(json!(false)), "Invalid location: False");
        check(import(json!([])), "Invalid location: []");
        let file = "File based imports are not allowed. Please use a non-local source of image \
                    data.";
        check(import(json!("file:///etc/passwd")), file);
        check(import(json!("filesystem:///x")), file);
        let unknown = "The given uri is not valid. Please specify a valid uri from the following \
                       list of supported uri ['http']";
        check(import(json!("ftp://x/y")), unknown);
        check(import(json!(5)), unknown);
        let other = |input: Value| json!({"type": "location_import", "input": input});
        check(other(json!(null)), "Task 'input' can't be empty");
        let no_id = "Task 'input' has an 'image_id' that is no id of an image";
        check(other(json!({"image_id": 5})), no_id);
        check(other(json!({"image_id": "x".repeat(37)})), no_id);
    }

    #[test]
    fn a_new_task_waits_and_is_its_makers() {
        let input = json!({"import_from": "http://x/y", "image_id": "i"});
        let task = made(json!({"type": "import", "input": input})).expect("a task");
        assert_eq!((task.kind, task.status), (TaskType::Import, TaskStatus::Pending));
        assert_eq!((task.owner.as_str(), task.expires_at), ("admin", None));
        assert_eq!(task.user_id.as_deref(), Some("adm"));
        assert_eq!((task.image_id.as_deref(), task.input), (Some("i"), Some(input)));
    }

    #[test]
    fn an_ended_task_stays_as_it_ended() {
        let mut task = made(json!({"type": "location_import", "input": {}})).expect("a task");
        task.fail("why", NOW, 48).expect("it has not ended");
        assert_eq!(task.expires_at, Some(datetime!(2026-11-23 11:40:10.5)));
        assert_eq!((task.status, task.message.as_deref()), (TaskStatus::Failure, Some("why")));
        let refused = task.fail("again", NOW, 48).expect_err("it has ended");
        assert_eq!(refused.from, TaskStatus::Failure);
        assert_eq!(task.message.as_deref(), Some("why"));
        let mut task = made(json!({"type": "location_import", "input": {}})).expect("a task");
        task.fail("why", NOW, i64::MAX).expect("it has not ended");
        assert_eq!(task.expires_at, None, "so far away is never");
    }

    #[test]
    fn tasks_are_seen_by_their_project_and_admins() {
        let mut task = made(json!({"type": "location_import", "input": {}})).expect("a task");
        let of = |project: &str| Context { project: Some(project.into()), ..Context::default() };
        assert!(is_visible(&of("admin"), &task) && !is_visible(&of("b"), &task));
        assert!(!is_visible(&Context::default(), &task));
        task.deleted = true;
        assert!(!is_visible(&of("admin"), &task));
        assert!(is_visible(&Context::unauthenticated(), &task));
    }
}
