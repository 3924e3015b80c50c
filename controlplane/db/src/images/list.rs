//! Lists of images: who sees what, filters, sorting, pages.
//!
//! Reading the query string is left to `controlplane/api`; so is policy, which may still take
//! images off a page. The rules are those of `glance/db/sqlalchemy/api.py`, `_image_get_all`.
//! Invariants: a page costs a fixed number of statements; following the markers through a catalogue
//! that nobody changes shows every image once.

use controlplane_domain::{Context, Image, access};
use glint_image::{ImageId, Visibility, limits};
use sea_query::{Cond, Expr, ExprTrait as _, Func, Order, Query, SelectStatement, Value};
use time::PrimitiveDateTime;

use super::{get, rows};
use crate::error::{DatabaseError, failure};
use crate::pool::Database;
use crate::text;

/// Which images, in which order, how many.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// Who asks.
    pub context: Context,
    /// Which visibilities.
    pub visibility: VisibilityFilter,
    /// Which of the images shared with the caller.
    pub member_status: MemberStatus,
    /// Hidden ones only, or the others only.
    pub os_hidden: bool,
    /// Further conditions; all must hold.
    pub filters: Vec<Filter>,
    /// The keys to sort by, first one first. Creation time and id are appended where missing.
    pub sort: Vec<(SortKey, Direction)>,
    /// The direction of what is appended: the one direction given, or descending.
    pub tie_direction: Direction,
    /// The image after which the page begins.
    pub marker: Option<ImageId>,
    /// Most images on the page; cut to [`limits::DB_LIST_IMAGES_MAX`].
    pub limit: u32,
}

/// The `visibility` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisibilityFilter {
    /// Absent: all but other people's community images.
    Default,
    /// `all`.
    All,
    /// One of them.
    Only(Visibility),
}

/// The `member_status` parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberStatus {
    /// `all`.
    All,
    /// `accepted` (the default), `pending` or `rejected`.
    Is(String),
}

/// A condition on images.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// The text of a column is one of these.
    OneOf(TextColumn, Vec<String>),
    /// A number compares so.
    Number(IntColumn, Comparison, i64),
    /// A time compares so.
    Time(TimeColumn, Comparison, PrimitiveDateTime),
    /// Protected, or not.
    Protected(bool),
    /// The image has a custom property of this name with this value.
    Property {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// The image has this tag.
    Tag(String),
    /// No image at all: a value that the column can never hold.
    Nothing,
}

/// Columns of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextColumn {
    /// `id`.
    Id,
    /// `name`.
    Name,
    /// `status`.
    Status,
    /// `owner`.
    Owner,
    /// `disk_format`.
    DiskFormat,
    /// `container_format`.
    ContainerFormat,
    /// `checksum`.
    Checksum,
    /// `os_hash_algo`.
    OsHashAlgo,
    /// `os_hash_value`.
    OsHashValue,
}

/// Columns of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntColumn {
    /// `size`.
    Size,
    /// `virtual_size`.
    VirtualSize,
    /// `min_disk`.
    MinDisk,
    /// `min_ram`.
    MinRam,
}

/// Columns of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeColumn {
    /// `created_at`.
    CreatedAt,
    /// `updated_at`.
    UpdatedAt,
}

/// How a column compares to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `eq`.
    Equal,
    /// `neq`: a column that holds nothing does not differ.
    NotEqual,
    /// `lt`.
    Less,
    /// `lte`.
    LessOrEqual,
    /// `gt`.
    Greater,
    /// `gte`.
    GreaterOrEqual,
}

/// What a list can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// `name`.
    Name,
    /// `status`.
    Status,
    /// `container_format`.
    ContainerFormat,
    /// `disk_format`.
    DiskFormat,
    /// `size`.
    Size,
    /// `id`.
    Id,
    /// `created_at`.
    CreatedAt,
    /// `updated_at`.
    UpdatedAt,
}

/// In which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The images, in order.
    pub images: Vec<Image>,
    /// Whether the page was filled up to its limit: then there may be more.
    pub full: bool,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// There is no image of the marker's id, or not any more.
    #[error("there is no image of the marker's id")]
    MarkerUnknown,
    /// The caller may not see the marker's image.
    #[error("the marker's image is not visible to the caller")]
    MarkerNotVisible,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
failure!(ListError);

// === impl Database ===

impl Database {
    /// One page of a list.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn image_list(&self, query: &ListQuery) -> Result<Page, ListError> {
        let mut tx = self.read().await?;
        let marker = match query.marker {
            None => None,
            Some(id) => {
                let marker = get::load(&mut tx, id).await?.ok_or(ListError::MarkerUnknown)?;
                if !access::is_visible(&query.context, &marker) {
                    return Err(ListError::MarkerNotVisible);
                }
                Some(marker)
            }
        };
        let limit = Ord::min(query.limit, limits::DB_LIST_IMAGES_MAX);
        let found = tx.rows(&query.statement(marker.as_ref(), limit)).await?;
        let full = limit > 0 && u64::try_from(found.len()) == Ok(u64::from(limit));
        let mut images = Vec::with_capacity(found.len());
        for row in &found {
            match rows::image(row) {
                Ok(image) => images.push(image),
                // One damaged row must not hide the whole catalogue; it fails closed and is not
                // shown.
                Err(error) => tracing::error!(%error, "left a damaged image out of a list"),
            }
        }
        rows::fill(&mut tx, &mut images).await?;
        tx.commit().await?;
        Ok(Page { images, full })
    }
}

// === impl ListQuery ===

impl ListQuery {
    /// The newest images that a caller sees by default, one page of them.
    #[must_use]
    pub fn newest(context: Context, limit: u32) -> Self {
        Self {
            context,
            visibility: VisibilityFilter::Default,
            member_status: MemberStatus::Is("accepted".to_owned()),
            os_hidden: false,
            filters: Vec::new(),
            sort: Vec::new(),
            tie_direction: Direction::Descending,
            marker: None,
            limit,
        }
    }

    /// The keys to sort by with the tie breakers.
    fn keys(&self) -> Vec<(SortKey, Direction)> {
        let mut keys = self.sort.clone();
        for key in [SortKey::CreatedAt, SortKey::Id] {
            if !keys.iter().any(|(given, _)| *given == key) {
                keys.push((key, self.tie_direction));
            }
        }
        keys
    }

    fn statement(&self, marker: Option<&Image>, limit: u32) -> SelectStatement {
        let mut select = rows::select();
        select
            // `killed` images are never listed (`_make_conditions_from_filters`).
            .and_where(col("status").ne("killed"))
            // Inequalities here and below keep SQLite from the indexes on columns of two or four
            // values: the pages are to be read in their order and reading stops at the limit.
            .and_where(col("os_hidden").ne(!self.os_hidden));
        if !self.context.is_admin {
            select.cond_where(self.seen());
        }
        if let Some(condition) = self.of_visibility() {
            select.cond_where(condition);
        }
        for filter in &self.filters {
            select.and_where(filter.condition());
        }
        let keys = self.keys();
        if let Some(marker) = marker {
            let (first, direction) = keys[0];
            // Follows from the condition below and lets an index begin at the marker.
            select.and_where(match direction {
                Direction::Ascending => first.expression().gte(first.value(marker)),
                Direction::Descending => first.expression().lte(first.value(marker)),
            });
            select.cond_where(after(&keys, marker));
        }
        for (key, direction) in &keys {
            let order = match direction {
                Direction::Ascending => Order::Asc,
                Direction::Descending => Order::Desc,
            };
            select.order_by_expr(key.expression(), order);
        }
        select.limit(u64::from(limit));
        select
    }

    /// What a caller who is no admin may be shown: public, community, its own, and what is shared
    /// with it (`_select_images_query`). Where it has no project, nothing is shared with it:
    /// Glance's query then joins the members of everybody, and only the policy check behind it
    /// hides the result.
    fn seen(&self) -> Cond {
        let mut seen = Cond::any().add(col("visibility").is_not_in(["private", "shared"]));
        if let Some(project) = &self.context.project {
            let mut member = Query::select()
                .expr(Expr::val(1))
                .from("image_members")
                .and_where(Expr::col(("image_members", "image_id")).equals(("images", "id")))
                .and_where(Expr::col(("image_members", "member")).eq(project.as_str()))
                .and_where(rows::living("image_members"))
                .to_owned();
            if let MemberStatus::Is(status) = &self.member_status {
                member.and_where(Expr::col(("image_members", "status")).eq(status.as_str()));
            }
            seen = seen
                .add(col("owner").eq(project.as_str()))
                .add(Cond::all().add(col("visibility").eq("shared")).add(Expr::exists(member)));
        }
        seen
    }

    /// The `visibility` parameter; without it other people's community images stay out, also for
    /// admins.
    fn of_visibility(&self) -> Option<Cond> {
        match (self.visibility, &self.context.project) {
            (VisibilityFilter::All, _) => None,
            (VisibilityFilter::Only(visibility), _) => {
                Some(Cond::all().add(col("visibility").eq(visibility.as_str())))
            }
            (VisibilityFilter::Default, project) => {
                let mut condition = Cond::any().add(col("visibility").ne("community"));
                if let Some(project) = project {
                    condition = condition.add(col("owner").eq(project.as_str()));
                }
                Some(condition)
            }
        }
    }
}

fn col(name: &'static str) -> Expr {
    Expr::col(("images", name))
}

/// The rows behind a marker: in the first key that differs, they are on the far side.
fn after(keys: &[(SortKey, Direction)], marker: &Image) -> Cond {
    let mut any = Cond::any();
    for (place, (key, direction)) in keys.iter().enumerate() {
        let mut all = Cond::all();
        for (equal, _) in &keys[..place] {
            all = all.add(equal.expression().eq(equal.value(marker)));
        }
        let beyond = match direction {
            Direction::Ascending => key.expression().gt(key.value(marker)),
            Direction::Descending => key.expression().lt(key.value(marker)),
        };
        any = any.add(all.add(beyond));
    }
    any
}

// === impl SortKey ===

impl SortKey {
    /// What is sorted by and compared with the marker. Nothing counts as an empty text or zero.
    /// Glance does so for the marker only (`_paginate_query`) and can skip images between nothing
    /// and the empty text; here both sides agree.
    fn expression(self) -> Expr {
        let or_empty = |name| Expr::from(Func::coalesce([col(name), Expr::val("")]));
        match self {
            Self::Name => or_empty("name"),
            Self::ContainerFormat => or_empty("container_format"),
            Self::DiskFormat => or_empty("disk_format"),
            Self::Size => Func::coalesce([col("size"), Expr::val(0)]).into(),
            Self::Status => col("status"),
            Self::Id => col("id"),
            Self::CreatedAt => col("created_at"),
            Self::UpdatedAt => col("updated_at"),
        }
    }

    /// The marker's value of it.
    fn value(self, image: &Image) -> Value {
        let or_empty = |text: &Option<String>| Value::from(text.clone().unwrap_or_default());
        match self {
            Self::Name => or_empty(&image.name),
            Self::ContainerFormat => or_empty(&image.container_format),
            Self::DiskFormat => or_empty(&image.disk_format),
            Self::Size => image.size.unwrap_or(0).into(),
            Self::Status => image.status.as_str().into(),
            Self::Id => image.id.as_str().into(),
            Self::CreatedAt => text::stamp(image.created_at),
            Self::UpdatedAt => text::stamp(image.updated_at),
        }
    }
}

// === impl Filter ===

impl Filter {
    fn condition(&self) -> Expr {
        match self {
            Self::OneOf(column, values) => match values.as_slice() {
                [only] => column.expression().eq(only.as_str()),
                several => column.expression().is_in(several.iter().map(String::as_str)),
            },
            Self::Number(column, comparison, value) => {
                comparison.apply(column.expression(), Value::from(*value))
            }
            Self::Time(column, comparison, at) => {
                comparison.apply(column.expression(), text::stamp(*at))
            }
            Self::Protected(protected) => col("protected").eq(*protected),
            Self::Property { name, value } => Expr::exists(
                child("image_properties")
                    .and_where(Expr::col(("image_properties", "name")).eq(name.as_str()))
                    .and_where(Expr::col(("image_properties", "value")).eq(value.as_str()))
                    .to_owned(),
            ),
            Self::Tag(tag) => Expr::exists(
                child("image_tags")
                    .and_where(Expr::col(("image_tags", "value")).eq(tag.as_str()))
                    .to_owned(),
            ),
            Self::Nothing => Expr::val(1).eq(0),
        }
    }
}

/// The living rows of a child table that hang on the image of the outer query.
fn child(table: &'static str) -> SelectStatement {
    Query::select()
        .expr(Expr::val(1))
        .from(table)
        .and_where(Expr::col((table, "image_id")).equals(("images", "id")))
        .and_where(rows::living(table))
        .to_owned()
}

impl TextColumn {
    fn expression(self) -> Expr {
        col(match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Status => "status",
            Self::Owner => "owner",
            Self::DiskFormat => "disk_format",
            Self::ContainerFormat => "container_format",
            Self::Checksum => "checksum",
            Self::OsHashAlgo => "os_hash_algo",
            Self::OsHashValue => "os_hash_value",
        })
    }
}

impl IntColumn {
    fn expression(self) -> Expr {
        col(match self {
            Self::Size => "size",
            Self::VirtualSize => "virtual_size",
            Self::MinDisk => "min_disk",
            Self::MinRam => "min_ram",
        })
    }
}

impl TimeColumn {
    fn expression(self) -> Expr {
        col(match self {
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
        })
    }
}

impl Comparison {
    fn apply(self, column: Expr, value: Value) -> Expr {
        match self {
            Self::Equal => column.eq(value),
            Self::NotEqual => column.ne(value),
            Self::Less => column.lt(value),
            Self::LessOrEqual => column.lte(value),
            Self::Greater => column.gt(value),
            Self::GreaterOrEqual => column.gte(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How SQLite would go about a list. It has no statistics of the tables, as in production.
    async fn plan(db: &Database, query: &ListQuery) -> String {
        let mut tx = db.read().await.expect("a connection");
        let rows = tx.explain(&query.statement(None, 25)).await;
        let steps: Vec<String> =
            rows.iter().map(|row| text::text(row, "detail").expect("a step")).collect();
        steps.join("; ")
    }

    #[tokio::test]
    async fn pages_are_read_in_their_order_and_no_further() {
        let dir = std::env::temp_dir().join(format!("glint-db-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&dir).expect("a fresh name");
        let url = format!("sqlite:///{}/glance.sqlite", dir.display());
        let db = Database::connect(&url).await.expect("a writable directory");
        let check = async |query: &ListQuery, expected: &str| {
            let plan = plan(&db, query).await;
            assert!(plan.starts_with(expected), "{plan}");
        };
        let by_creation = "SCAN images USING INDEX created_at_image_idx";
        let admin = ListQuery::newest(Context::unauthenticated(), 25);
        check(&admin, by_creation).await;
        let project = Some("p".to_owned());
        let user = ListQuery::newest(Context { project, ..Context::default() }, 25);
        check(&user, by_creation).await;
        let named = ListQuery {
            filters: vec![Filter::OneOf(TextColumn::Owner, vec!["p".to_owned()])],
            ..user
        };
        check(&named, "SEARCH images USING INDEX owner_image_idx (owner=?)").await;
        db.close().await;
        std::fs::remove_dir_all(&dir).expect("nobody else has it");
    }
}
