//! Refusals of tasks, imports, stores and the cache.

use controlplane_db::TaskListError;
use controlplane_domain::tasks::TaskRefused;
use glint_image::Fault;
use http::header::{self, HeaderValue};

use super::Refusal;

impl Refusal {
    /// 404 of a task.
    pub(crate) fn no_such_task(shown: &str) -> Self {
        Self::new(Fault::new(404, format!("Could not find task {shown}")))
    }

    /// 405: tasks are not deleted.
    pub(crate) fn tasks_stay() -> Self {
        let text = "This operation is currently not permitted on Glance Tasks. They are auto \
                    deleted after reaching the time based on their expires_at property.";
        let headers = vec![(header::ALLOW, HeaderValue::from_static("GET"))];
        Self { fault: Fault::verbatim(405, text), headers }
    }

    /// 404 of the list of stores where there is one without a name.
    pub(crate) fn one_store_only() -> Self {
        Self::new(Fault::new(404, "Multi backend is not supported at this site."))
    }

    /// 404 of the cache where there is none.
    pub(crate) fn no_cache() -> Self {
        Self::new(Fault::new(404, "Caching via API is not supported at this site."))
    }

    /// 404 of staging where nothing is imported from there.
    pub(crate) fn no_staging() -> Self {
        Self::new(Fault::new(404, "'glance-direct' method is not available at this site."))
    }
}

impl From<TaskRefused> for Refusal {
    fn from(refused: TaskRefused) -> Self {
        Self::bad_request(refused.to_string())
    }
}

/// Why there is no page; `marker` is its id as the caller spelt it.
pub(crate) fn from_task_list(error: TaskListError, marker: &str) -> Refusal {
    match error {
        TaskListError::MarkerUnknown => {
            Refusal::bad_request(format!("Task with the given id {marker} was not found"))
        }
        TaskListError::MarkerNotVisible => {
            let text = format!("Forbidding request, task {marker} is not visible");
            Refusal::new(Fault::new(403, text))
        }
        TaskListError::Database(error) => error.into(),
    }
}
