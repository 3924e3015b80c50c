//! Tasks: the rows of `tasks` and `task_info`.
//!
//! Who may see one is left to `controlplane/domain`. Invariants: a page of a list costs a fixed
//! number of statements and reads no inputs or results; following the markers through tasks that
//! nobody changes shows every task once; what has expired is stamped before its owner is shown a
//! list (Glance: `glance/db/sqlalchemy/api.py`, `_task_soft_delete`).

use controlplane_domain::Context;
use controlplane_domain::tasks::{Task, TaskId, TaskStatus, TaskType};
use glint_image::{ImageId, limits};
use sea_query::{Cond, Expr, ExprTrait as _, Func, Order, Query, SelectStatement, Value};
use time::PrimitiveDateTime;
use time::macros::datetime;

use crate::error::{DatabaseError, failure, retried};
use crate::images::list::Direction;
use crate::images::rows::living;
use crate::pool::{Database, Row, Tx};
use crate::text;

/// Which tasks, in which order, how many.
#[derive(Clone, Debug)]
pub struct TaskQuery {
    /// Who asks: administrators see all tasks, others those of their project.
    pub context: Context,
    /// Conditions; all must hold.
    pub filters: Vec<(TaskColumn, String)>,
    /// What to sort by; the time of making and the id are appended.
    pub sort: TaskColumn,
    /// In which direction, for all of them.
    pub direction: Direction,
    /// The task after which the page begins.
    pub marker: Option<TaskId>,
    /// Most tasks on the page; cut to [`limits::DB_LIST_IMAGES_MAX`].
    pub limit: u32,
}

/// Columns to filter and to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskColumn {
    /// `id`.
    Id,
    /// `type`.
    Type,
    /// `status`.
    Status,
    /// `owner`.
    Owner,
    /// `image_id`.
    ImageId,
    /// `request_id`.
    RequestId,
    /// `user_id`.
    UserId,
    /// `created_at`; sorted by only.
    CreatedAt,
    /// `updated_at`; sorted by only.
    UpdatedAt,
    /// `expires_at`; sorted by only.
    ExpiresAt,
}

/// Why there is no page of tasks.
#[derive(Debug, thiserror::Error)]
pub enum TaskListError {
    /// There is no task of the marker's id.
    #[error("there is no task of the marker's id")]
    MarkerUnknown,
    /// The marker's task is not the caller's.
    #[error("the marker's task is not visible to the caller")]
    MarkerNotVisible,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
failure!(TaskListError);

impl Database {
    /// Keeps a new task.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn task_create(&self, task: &Task) -> Result<(), DatabaseError> {
        retried!(self.try_task_create(task))
    }

    async fn try_task_create(&self, task: &Task) -> Result<(), DatabaseError> {
        let mut tx = self.write().await?;
        tx.run(&insertion(task)).await?;
        let written = |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string);
        let info = Query::insert()
            .into_table("task_info")
            .columns(["task_id", "input", "result", "message"])
            .values_panic([
                task.id.as_str().into(),
                written(&task.input).into(),
                written(&task.result).into(),
                task.message.as_deref().into(),
            ])
            .to_owned();
        tx.run(&info).await?;
        tx.commit().await
    }

    /// A task with all that is known of it, also one that was forgotten.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn task(&self, id: &TaskId) -> Result<Option<Task>, DatabaseError> {
        let mut tx = self.read().await?;
        let query =
            with_info(select()).and_where(Expr::col(("tasks", "id")).eq(id.as_str())).to_owned();
        let found = tx.row(&query).await?;
        let task = found.as_ref().map(whole).transpose();
        tx.commit().await?;
        task
    }

    /// The tasks of an image that have not expired, oldest first, at most
    /// [`limits::IMAGE_TASKS_MAX`] of the newest.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn image_tasks(
        &self,
        image: ImageId,
        now: PrimitiveDateTime,
    ) -> Result<Vec<Task>, DatabaseError> {
        let mut tx = self.read().await?;
        let expires = Expr::col(("tasks", "expires_at"));
        let query = with_info(select())
            .and_where(Expr::col(("tasks", "image_id")).eq(image.as_str()))
            .cond_where(
                Cond::any().add(expires.clone().is_null()).add(expires.gte(text::stamp(now))),
            )
            .order_by(("tasks", "created_at"), Order::Desc)
            .order_by(("tasks", "id"), Order::Desc)
            .limit(u64::from(limits::IMAGE_TASKS_MAX))
            .to_owned();
        let rows = tx.rows(&query).await?;
        let tasks = rows.iter().rev().map(whole).collect();
        tx.commit().await?;
        tasks
    }

    /// One page of a list, without inputs, results and messages; before that, forgets the tasks of
    /// the caller's project that have expired.
    ///
    /// # Errors
    /// [`TaskListError`].
    pub async fn task_list(
        &self,
        query: &TaskQuery,
        now: PrimitiveDateTime,
    ) -> Result<Vec<Task>, TaskListError> {
        if let Some(owner) = &query.context.project {
            self.tasks_forget(owner, now).await?;
        }
        let mut tx = self.read().await?;
        let marker = match &query.marker {
            None => None,
            Some(id) => Some(marker(&mut tx, query, id).await?),
        };
        let rows = tx.rows(&query.statement(marker.as_ref())).await?;
        tx.commit().await.map_err(TaskListError::from)?;
        let mut tasks = Vec::with_capacity(rows.len());
        for row in &rows {
            match stub(row) {
                Ok(task) => tasks.push(task),
                // As with images: one damaged row must not hide the others.
                Err(error) => tracing::error!(%error, "left a damaged task out of a list"),
            }
        }
        Ok(tasks)
    }

    /// Stamps the tasks of a project that have expired; writes only where there are some.
    async fn tasks_forget(&self, owner: &str, now: PrimitiveDateTime) -> Result<(), DatabaseError> {
        let mut tx = self.read().await?;
        let query = Query::select()
            .column("id")
            .from("tasks")
            .cond_where(expired(owner, now))
            .limit(1)
            .to_owned();
        let some = tx.row(&query).await?.is_some();
        tx.commit().await?;
        if some { retried!(self.try_tasks_forget(owner, now)) } else { Ok(()) }
    }

    async fn try_tasks_forget(
        &self,
        owner: &str,
        now: PrimitiveDateTime,
    ) -> Result<(), DatabaseError> {
        let mut tx = self.write().await?;
        let update = Query::update()
            .table("tasks")
            .value("deleted", true)
            .value("deleted_at", text::stamp(now))
            .value("updated_at", text::stamp(now))
            .cond_where(expired(owner, now))
            .to_owned();
        tx.run(&update).await?;
        tx.commit().await
    }
}

fn expired(owner: &str, now: PrimitiveDateTime) -> Cond {
    Cond::all()
        .add(Expr::col("owner").eq(owner))
        .add(Expr::col("deleted").eq(false))
        .add(Expr::col("expires_at").lte(text::stamp(now)))
}

/// The task of a marker.
async fn marker(tx: &mut Tx<'_>, query: &TaskQuery, id: &TaskId) -> Result<Task, TaskListError> {
    let select = select()
        .and_where(Expr::col(("tasks", "id")).eq(id.as_str()))
        .and_where(living("tasks"))
        .to_owned();
    let row = tx.row(&select).await?.ok_or(TaskListError::MarkerUnknown)?;
    let marker = stub(&row)?;
    if !controlplane_domain::tasks::is_visible(&query.context, &marker) {
        return Err(TaskListError::MarkerNotVisible);
    }
    Ok(marker)
}

// === impl TaskQuery ===

impl TaskQuery {
    fn statement(&self, marker: Option<&Task>) -> SelectStatement {
        let mut select = select();
        select.and_where(living("tasks"));
        if !self.context.is_admin {
            // Without a project there is nothing that could be the caller's.
            let own = self.context.project.as_deref();
            select.and_where(match own {
                Some(project) => col("owner").eq(project),
                None => Expr::val(1).eq(0),
            });
        }
        for (column, value) in &self.filters {
            select.and_where(column.expression().eq(value.as_str()));
        }
        let mut keys = vec![self.sort];
        for key in [TaskColumn::CreatedAt, TaskColumn::Id] {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        if let Some(marker) = marker {
            select.cond_where(self.after(&keys, marker));
        }
        for key in keys {
            let order = match self.direction {
                Direction::Ascending => Order::Asc,
                Direction::Descending => Order::Desc,
            };
            select.order_by_expr(key.expression(), order);
        }
        select.limit(u64::from(Ord::min(self.limit, limits::DB_LIST_IMAGES_MAX)));
        select
    }

    /// The rows behind a marker: in the first key that differs, they are on the far side.
    fn after(&self, keys: &[TaskColumn], marker: &Task) -> Cond {
        let mut any = Cond::any();
        for (place, key) in keys.iter().enumerate() {
            let mut all = Cond::all();
            for equal in &keys[..place] {
                all = all.add(equal.expression().eq(equal.value(marker)));
            }
            let beyond = match self.direction {
                Direction::Ascending => key.expression().gt(key.value(marker)),
                Direction::Descending => key.expression().lt(key.value(marker)),
            };
            any = any.add(all.add(beyond));
        }
        any
    }
}

// === impl TaskColumn ===

/// What a missing time is sorted as: before any that a task can have.
const NO_TIME: PrimitiveDateTime = datetime!(1970-01-01 00:00:00);

impl TaskColumn {
    /// Reads the name of a column; `None` for one there is not.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "id" => Self::Id,
            "type" => Self::Type,
            "status" => Self::Status,
            "owner" => Self::Owner,
            "image_id" => Self::ImageId,
            "request_id" => Self::RequestId,
            "user_id" => Self::UserId,
            "created_at" => Self::CreatedAt,
            "updated_at" => Self::UpdatedAt,
            "expires_at" => Self::ExpiresAt,
            _ => return None,
        })
    }

    /// Whether it holds a time.
    #[must_use]
    pub fn is_time(self) -> bool {
        matches!(self, Self::CreatedAt | Self::UpdatedAt | Self::ExpiresAt)
    }

    /// What is compared. Nothing counts as an empty text or as long ago.
    fn expression(self) -> Expr {
        let or_empty = |name| Expr::from(Func::coalesce([col(name), Expr::val("")]));
        match self {
            Self::Id => col("id"),
            Self::Type => col("type"),
            Self::Status => col("status"),
            Self::Owner => col("owner"),
            Self::ImageId => or_empty("image_id"),
            Self::RequestId => or_empty("request_id"),
            Self::UserId => or_empty("user_id"),
            Self::CreatedAt => col("created_at"),
            Self::UpdatedAt => col("updated_at"),
            Self::ExpiresAt => {
                Func::coalesce([col("expires_at"), Expr::val(text::stamp(NO_TIME))]).into()
            }
        }
    }

    /// The marker's value of it.
    fn value(self, task: &Task) -> Value {
        let or_empty = |text: &Option<String>| Value::from(text.clone().unwrap_or_default());
        match self {
            Self::Id => task.id.as_str().into(),
            Self::Type => task.kind.as_str().into(),
            Self::Status => task.status.as_str().into(),
            Self::Owner => task.owner.as_str().into(),
            Self::ImageId => or_empty(&task.image_id),
            Self::RequestId => or_empty(&task.request_id),
            Self::UserId => or_empty(&task.user_id),
            Self::CreatedAt => text::stamp(task.created_at),
            Self::UpdatedAt => text::stamp(task.updated_at),
            Self::ExpiresAt => text::stamp(task.expires_at.unwrap_or(NO_TIME)),
        }
    }
}

// === rows ===

fn col(name: &'static str) -> Expr {
    Expr::col(("tasks", name))
}

const COLUMNS: [&str; 12] = [
    "id",
    "type",
    "status",
    "owner",
    "expires_at",
    "created_at",
    "updated_at",
    "deleted_at",
    "deleted",
    "image_id",
    "request_id",
    "user_id",
];

fn select() -> SelectStatement {
    Query::select().columns(COLUMNS.map(|column| ("tasks", column))).from("tasks").to_owned()
}

fn with_info(mut select: SelectStatement) -> SelectStatement {
    let same = Expr::col(("task_info", "task_id")).equals(("tasks", "id"));
    select
        .columns(["input", "result", "message"].map(|column| ("task_info", column)))
        .left_join("task_info", same);
    select
}

fn insertion(task: &Task) -> sea_query::InsertStatement {
    let stamp_or_null = |at: Option<PrimitiveDateTime>| match at {
        Some(at) => text::stamp(at),
        None => Value::String(None),
    };
    Query::insert()
        .into_table("tasks")
        .columns(COLUMNS)
        .values_panic([
            task.id.as_str().into(),
            task.kind.as_str().into(),
            task.status.as_str().into(),
            task.owner.as_str().into(),
            stamp_or_null(task.expires_at).into(),
            text::stamp(task.created_at).into(),
            text::stamp(task.updated_at).into(),
            stamp_or_null(task.deleted_at).into(),
            task.deleted.into(),
            task.image_id.as_deref().into(),
            task.request_id.as_deref().into(),
            task.user_id.as_deref().into(),
        ])
        .to_owned()
}

/// A task without its input, result and message.
fn stub(row: &Row) -> Result<Task, DatabaseError> {
    let kind = text::text(row, "type")?;
    let status = text::text(row, "status")?;
    let created_at = text::time(row, "created_at")?;
    Ok(Task {
        id: TaskId::new(text::text(row, "id")?),
        kind: TaskType::parse(&kind).ok_or_else(|| text::damaged("type", &kind))?,
        status: TaskStatus::parse(&status).ok_or_else(|| text::damaged("status", &status))?,
        owner: text::text(row, "owner")?,
        expires_at: text::time_or_null(row, "expires_at")?,
        created_at,
        updated_at: text::time_or_null(row, "updated_at")?.unwrap_or(created_at),
        deleted_at: text::time_or_null(row, "deleted_at")?,
        deleted: text::flag(row, "deleted")?,
        image_id: text::text_or_null(row, "image_id")?,
        request_id: text::text_or_null(row, "request_id")?,
        user_id: text::text_or_null(row, "user_id")?,
        input: None,
        result: None,
        message: None,
    })
}

fn whole(row: &Row) -> Result<Task, DatabaseError> {
    let json = |column| match text::text_or_null(row, column)? {
        None => Ok(None),
        Some(written) => {
            serde_json::from_str(&written).map(Some).map_err(|_| text::damaged(column, &written))
        }
    };
    Ok(Task {
        input: json("input")?,
        result: json("result")?,
        message: text::text_or_null(row, "message")?,
        ..stub(row)?
    })
}
