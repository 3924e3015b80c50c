//! `/v2/tasks`: work behind requests, for administrators (`glance/api/v2/tasks.py`), and
//! `/v2/images/{image_id}/tasks`.
//!
//! No type of task can be run yet: a task that is made here has failed, and says so, as soon as its
//! maker looks at it. Invariant: nothing here concerns a data plane, so no response carries a
//! [`crate::Changed`].

mod query;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::get;
use controlplane_db::utc_now;
use controlplane_domain::Context;
use controlplane_domain::tasks::{self, TaskId};
use glint_image::{ImageId, RequestId};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::caller::Caller;
use crate::edge::Origin;
use crate::error::{self, Refusal};
use crate::images::query::{Parameters, urlencode};
use crate::images::show;
use crate::images::view::respond;
use crate::request::{expect_no_body, read_json, read_no_body, request_id};
use crate::router::{no_such_path, only};

/// The routes of tasks, with the methods they name in `Allow` (`glance/api/v2/router.py`).
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v2/tasks", only("GET, POST", get(list).post(create)))
        .route("/v2/tasks/{task_id}", only("GET, DELETE", get(show_one).delete(delete)))
        .route(
            "/v2/images/{image_id}/tasks",
            // Other methods are not refused here: there is nothing for them.
            get(of_image).head(no_such_path).fallback(no_such_path),
        )
}

/// Lists a page of tasks.
async fn list(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let caller = Caller::of(request.extensions())?;
    caller.policy.tasks_api_access(&caller.context)?;
    let parameters = Parameters::parse(request.uri().query().unwrap_or_default())?;
    let context = Context::clone(&caller.context);
    let (query, marker) = query::read(parameters.clone(), context, &app.options)?;
    let found = app
        .db
        .task_list(&query, utc_now())
        .await
        .map_err(|error| error::from_task_list(error, &marker))?;
    let links = parameters.for_links();
    let mut body = Map::new();
    body.insert("tasks".to_owned(), found.iter().map(view::stub).collect());
    body.insert("first".to_owned(), json!(link(&links, None)));
    body.insert("schema".to_owned(), json!("/v2/schemas/tasks"));
    if let Some(last) = found.last().filter(|_| u32::try_from(found.len()) == Ok(query.limit)) {
        body.insert("next".to_owned(), json!(link(&links, Some(last.id.as_str()))));
    }
    Ok(respond(StatusCode::OK, &Value::Object(body)))
}

fn link(parameters: &[(String, String)], marker: Option<&str>) -> String {
    let marker = marker.map(|marker| ("marker", marker));
    let pairs = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let query = urlencode(pairs.chain(marker));
    if query.is_empty() { "/v2/tasks".to_owned() } else { format!("/v2/tasks?{query}") }
}

/// Makes a task. The answer shows it as it was made; then it fails.
async fn create(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let caller = Caller::of(&head.extensions)?;
    // Before the body is read.
    caller.policy.tasks_api_access(&caller.context)?;
    let body = read_json(&head.method, &head.headers, body).await?;
    tasks::check_required(&body)?;
    app.schemas.check_task(&body).map_err(Refusal::bad_request)?;
    let id = TaskId::new(ImageId::random().to_string());
    let maker = request_id(&head.headers, head.extensions.get::<RequestId>());
    let now = utc_now();
    let task = tasks::new_task(&body, &caller.context, id, maker.as_str(), now)?;
    let mut ended = task.clone();
    let why = format!("Tasks of type '{}' cannot be run by this service.", task.kind.as_str());
    tracing::warn!(task = task.id.as_str(), kind = task.kind.as_str(), "cannot run a task");
    ended
        .fail(why, now, app.options.task_time_to_live_hours)
        .expect("a task that was just made is pending");
    app.db.task_create(&ended).await?;
    let mut response = respond(StatusCode::CREATED, &view::task(&task));
    let location = format!("{}/v2/tasks/{}", Origin::of(&head).host_url(), task.id.as_str());
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Shows a task.
async fn show_one(
    State(app): State<Arc<App>>,
    Path(shown): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let head = read_no_body(request).await?;
    let caller = Caller::of(&head.extensions)?;
    caller.policy.tasks_api_access(&caller.context)?;
    let found = app.db.task(&TaskId::new(shown.as_str())).await?;
    let task = found
        .filter(|task| tasks::is_visible(&caller.context, task))
        .ok_or_else(|| Refusal::no_such_task(&shown))?;
    Ok(respond(StatusCode::OK, &view::task(&task)))
}

/// Refuses to delete a task, whether there is one or not: they go by themselves.
async fn delete(request: Request) -> Result<Response, Refusal> {
    let head = read_no_body(request).await?;
    let caller = Caller::of(&head.extensions)?;
    caller.policy.tasks_api_access(&caller.context)?;
    Err(Refusal::tasks_stay())
}

/// Lists the tasks of an image that the caller may see (`glance/api/v2/images.py`,
/// `get_task_info`).
async fn of_image(
    State(app): State<Arc<App>>,
    Path(shown): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let caller = Caller::of(request.extensions())?;
    let found = show::find(&app, &caller.context, &shown).await?;
    let image = found.ok_or_else(Refusal::no_such_path)?;
    caller.image(&image).get_image()?;
    let found = app.db.image_tasks(image.id, utc_now()).await?;
    let seen = found.iter().filter(|task| tasks::is_visible(&caller.context, task));
    let body = json!({"tasks": seen.map(view::raw).collect::<Vec<_>>()});
    Ok(respond(StatusCode::OK, &body))
}
