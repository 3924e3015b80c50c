//! Pages of namespaces, and the order that lists of metadata definitions have.
//!
//! Who sees what is a condition of the query, so that pages are full. Invariant: going from page to
//! page through a list that nobody changes shows every namespace once, whatever it is sorted by.
//! (Glance passes over namespaces whose sort key is null: oslo.db's `paginate_query` without
//! directions for nulls.)

use crate::pool::Row;
use controlplane_domain::Context;
use controlplane_domain::metadefs::{Association, Namespace, access};
use glint_image::limits;
use sea_query::{Cond, Condition, Expr, ExprTrait as _, Order as SqlOrder, Query, SelectStatement};

use super::{associations, namespaces, rows};
use crate::error::{DatabaseError, failure};
use crate::images::list::Direction;
use crate::pool::Database;
use crate::statement::Dialect;
use crate::text;

/// Which namespaces, in which order, how many.
#[derive(Clone, Debug)]
pub struct NamespaceQuery {
    /// Who asks.
    pub context: Context,
    /// Only those whose visibility is this text.
    pub visibility: Option<String>,
    /// Only those associated with one of these resource types.
    pub resource_types: Option<Vec<String>>,
    /// What to sort by; creation time and row are appended.
    pub sort: NamespaceSortKey,
    /// In which direction, all keys.
    pub direction: Direction,
    /// Name of the namespace after which the page begins.
    pub marker: Option<String>,
    /// Most namespaces on the page; cut to [`limits::DB_LIST_IMAGES_MAX`].
    pub limit: u32,
}

/// Columns to sort namespaces by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are the columns' names")]
pub enum NamespaceSortKey {
    Id,
    Namespace,
    DisplayName,
    Description,
    Visibility,
    Protected,
    Owner,
    CreatedAt,
    UpdatedAt,
}

/// A namespace on a page.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedNamespace {
    /// The namespace.
    pub namespace: Namespace,
    /// The resource types it applies to.
    pub associations: Vec<Association>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceListError {
    /// There is no namespace of the marker's name.
    #[error("there is no such marker")]
    MarkerUnknown,
    /// The marker is none of the caller's.
    #[error("the marker is not visible")]
    MarkerNotVisible,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
failure!(NamespaceListError);

/// An order: by a key if there is one, then by creation time, then by row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// A column beside `created_at` and `id`.
    pub(super) key: Option<&'static str>,
    /// Of all columns.
    pub(super) direction: Direction,
}

/// Where a row stands in an order.
#[derive(Clone, Debug)]
pub(super) struct Place {
    key: Option<sea_query::Value>,
    created_at: sea_query::Value,
    id: i64,
}

impl Database {
    /// A page of namespaces with their resource types: two statements, and one for a marker.
    ///
    /// # Errors
    /// [`NamespaceListError`].
    pub async fn metadef_namespaces(
        &self,
        query: &NamespaceQuery,
    ) -> Result<Vec<ListedNamespace>, NamespaceListError> {
        let mut tx = self.read().await?;
        let order = Order { key: query.sort.column(), direction: query.direction };
        let mut select =
            Query::select().columns(rows::NAMESPACE).from("metadef_namespaces").to_owned();
        conditions(query, &mut select);
        if let Some(name) = &query.marker {
            let marker = namespaces::by_name(&mut tx, name).await?;
            let marker = marker.ok_or(NamespaceListError::MarkerUnknown)?;
            if !access::is_visible(&query.context, &marker) {
                return Err(NamespaceListError::MarkerNotVisible);
            }
            select.cond_where(order.after(&query.sort.place(&marker), tx.dialect()));
        }
        order.apply(&mut select);
        select.limit(u64::from(Ord::min(query.limit, limits::DB_LIST_IMAGES_MAX)));
        let found: Vec<Namespace> =
            tx.rows(&select).await?.iter().map(rows::namespace).collect::<Result<_, _>>()?;
        let ids: Vec<_> = found.iter().map(|namespace| namespace.id).collect();
        let mut associations = associations::of(&mut tx, &ids).await?;
        tx.commit().await?;
        let listed = found.into_iter().map(|namespace| {
            let associations = associations.remove(&namespace.id).unwrap_or_default();
            ListedNamespace { namespace, associations }
        });
        Ok(listed.collect())
    }
}

fn conditions(query: &NamespaceQuery, select: &mut SelectStatement) {
    if !query.context.is_admin {
        let mut visible = Cond::any().add(Expr::col("visibility").eq("public"));
        if let Some(project) = &query.context.project {
            visible = visible.add(Expr::col("owner").eq(project.as_str()));
        }
        select.cond_where(visible);
    }
    if let Some(visibility) = &query.visibility {
        select.and_where(Expr::col("visibility").eq(visibility.as_str()));
    }
    if let Some(types) = &query.resource_types {
        select.and_where(Expr::col("id").in_subquery(associations::namespaces_of(types)));
    }
}

/// Where a row with the columns of an order stands in it.
pub(super) fn place(row: &Row, order: Order) -> Result<Place, DatabaseError> {
    let key = match order.key {
        None => None,
        Some("updated_at") => text::time_or_null(row, "updated_at")?.map(text::stamp),
        Some(column) => text::text_or_null(row, column)?.map(Into::into),
    };
    Ok(Place {
        key,
        created_at: text::stamp(text::time(row, "created_at")?),
        id: text::int(row, "id")?,
    })
}

// === impl NamespaceSortKey ===

impl NamespaceSortKey {
    /// The column, unless it is among those that every order ends with.
    fn column(self) -> Option<&'static str> {
        match self {
            Self::Id | Self::CreatedAt => None,
            Self::Namespace => Some("namespace"),
            Self::DisplayName => Some("display_name"),
            Self::Description => Some("description"),
            Self::Visibility => Some("visibility"),
            Self::Protected => Some("protected"),
            Self::Owner => Some("owner"),
            Self::UpdatedAt => Some("updated_at"),
        }
    }

    fn place(self, namespace: &Namespace) -> Place {
        let fields = &namespace.fields;
        let key = match self {
            Self::Id | Self::CreatedAt => None,
            Self::Namespace => Some(fields.name.as_str().into()),
            Self::DisplayName => fields.display_name.as_deref().map(Into::into),
            Self::Description => fields.description.as_deref().map(Into::into),
            Self::Visibility => Some(fields.visibility.as_str().into()),
            Self::Protected => Some(fields.protected.into()),
            Self::Owner => Some(fields.owner.as_str().into()),
            Self::UpdatedAt => namespace.updated_at.map(text::stamp),
        };
        Place { key, created_at: text::stamp(namespace.created_at), id: namespace.id.0 }
    }
}

// === impl Order ===

impl Order {
    /// Sorts the rows.
    pub(super) fn apply(self, select: &mut SelectStatement) {
        let order = match self.direction {
            Direction::Ascending => SqlOrder::Asc,
            Direction::Descending => SqlOrder::Desc,
        };
        for column in self.key.into_iter().chain(["created_at", "id"]) {
            select.order_by(column, order.clone());
        }
    }

    /// The condition of rows that come after a place. Null is less than all else, except on
    /// PostgreSQL, where it is more: so they sort.
    pub(super) fn after(self, place: &Place, dialect: Dialect) -> Condition {
        let nulls_last = (dialect == Dialect::Postgres) == (self.direction == Direction::Ascending);
        let later = |column: &'static str, value: sea_query::Value| match self.direction {
            Direction::Ascending => Expr::col(column).gt(value),
            Direction::Descending => Expr::col(column).lt(value),
        };
        let by_id = Cond::any().add(later("created_at", place.created_at.clone())).add(
            Cond::all()
                .add(Expr::col("created_at").eq(place.created_at.clone()))
                .add(later("id", place.id.into())),
        );
        let Some(column) = self.key else { return by_id };
        let is_null = || Expr::col(column).is_null();
        let (beyond, level) = match &place.key {
            Some(value) => {
                let beyond = later(column, value.clone());
                let beyond = if nulls_last { beyond.or(is_null()) } else { beyond };
                (Some(beyond), Expr::col(column).eq(value.clone()))
            }
            None if nulls_last => (None, is_null()),
            None => (Some(Expr::col(column).is_not_null()), is_null()),
        };
        let level = Cond::all().add(level).add(by_id);
        match beyond {
            Some(beyond) => Cond::any().add(beyond).add(level),
            None => level,
        }
    }
}
