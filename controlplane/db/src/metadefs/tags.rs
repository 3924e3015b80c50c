//! Tags of namespaces.
//!
//! Invariant: replacing all tags is one transaction: a name that is in the list twice changes
//! nothing.

use std::collections::BTreeSet;

use controlplane_domain::metadefs::{NamespaceId, Tag};
use glint_image::limits;
use sea_query::{Expr, ExprTrait as _, Order, Query};
use time::PrimitiveDateTime;

use super::list::{self, Order as ListOrder};
use super::{AddError, ChangeError, Part, RemoveError, admit, clear, remove, renamable, rows};
use crate::error::{DatabaseError, failure, retried};
use crate::images::list::Direction;
use crate::pool::{Database, Tx};
use crate::text;

/// Which tags, in which order, how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagQuery {
    /// What to sort by; creation time and row are appended.
    pub sort: TagSortKey,
    /// In which direction, all keys.
    pub direction: Direction,
    /// Name of the tag after which the page begins.
    pub marker: Option<String>,
    /// Most tags; `None`: all there are.
    pub limit: Option<u32>,
}

/// Columns to sort tags by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagSortKey {
    /// The row, or the namespace, which is the same for all: both leave the order to the time.
    Row,
    /// The name.
    Name,
    /// When it was made.
    CreatedAt,
    /// When it was changed.
    UpdatedAt,
}

/// Why there is no list of tags.
#[derive(Debug, thiserror::Error)]
pub enum TagListError {
    /// There is no tag of the marker's name.
    #[error("there is no such marker")]
    MarkerUnknown,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
failure!(TagListError);

impl Database {
    /// Tags of a namespace.
    ///
    /// # Errors
    /// [`TagListError`].
    pub async fn metadef_tags(
        &self,
        namespace: NamespaceId,
        query: &TagQuery,
    ) -> Result<Vec<Tag>, TagListError> {
        let key = match query.sort {
            TagSortKey::Row | TagSortKey::CreatedAt => None,
            TagSortKey::Name => Some("name"),
            TagSortKey::UpdatedAt => Some("updated_at"),
        };
        let order = ListOrder { key, direction: query.direction };
        let mut tx = self.read().await?;
        let mut select = Query::select()
            .columns(["name", "created_at", "updated_at"])
            .from(Part::Tag.table())
            .and_where(Expr::col("namespace_id").eq(namespace.0))
            .to_owned();
        if let Some(marker) = &query.marker {
            let find = Query::select()
                .columns(["id", "name", "created_at", "updated_at"])
                .from(Part::Tag.table())
                .and_where(Expr::col("namespace_id").eq(namespace.0))
                .and_where(Expr::col("name").eq(marker.as_str()))
                .to_owned();
            let row = tx.row(&find).await?.ok_or(TagListError::MarkerUnknown)?;
            select.cond_where(order.after(&list::place(&row, order)?, tx.dialect()));
        }
        order.apply(&mut select);
        if let Some(limit) = query.limit {
            select.limit(u64::from(limit));
        }
        let tags = tx.rows(&select).await?.iter().map(rows::tag).collect::<Result<_, _>>()?;
        tx.commit().await?;
        Ok(tags)
    }

    /// One tag.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn metadef_tag(
        &self,
        namespace: NamespaceId,
        name: &str,
    ) -> Result<Option<Tag>, DatabaseError> {
        let mut tx = self.read().await?;
        let tag = load(&mut tx, namespace, name).await?;
        tx.commit().await?;
        Ok(tag)
    }

    /// Makes tags beside those there are.
    ///
    /// # Errors
    /// [`AddError`].
    pub async fn metadef_tags_append(
        &self,
        namespace: NamespaceId,
        names: &[String],
        now: PrimitiveDateTime,
    ) -> Result<(), AddError> {
        retried!(self.try_tags(namespace, names, false, now))
    }

    /// Makes tags in place of those there are.
    ///
    /// # Errors
    /// [`AddError`].
    pub async fn metadef_tags_replace(
        &self,
        namespace: NamespaceId,
        names: &[String],
        now: PrimitiveDateTime,
    ) -> Result<(), AddError> {
        retried!(self.try_tags(namespace, names, true, now))
    }

    async fn try_tags(
        &self,
        namespace: NamespaceId,
        names: &[String],
        replace: bool,
        now: PrimitiveDateTime,
    ) -> Result<(), AddError> {
        let mut tx = self.write().await?;
        if replace {
            clear(&mut tx, namespace, Part::Tag).await?;
        }
        add(&mut tx, namespace, names, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Renames a tag.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn metadef_tag_update(
        &self,
        namespace: NamespaceId,
        old: &str,
        new: &str,
        now: PrimitiveDateTime,
    ) -> Result<Tag, ChangeError> {
        retried!(self.try_tag_update(namespace, old, new, now))
    }

    async fn try_tag_update(
        &self,
        namespace: NamespaceId,
        old: &str,
        new: &str,
        now: PrimitiveDateTime,
    ) -> Result<Tag, ChangeError> {
        let mut tx = self.write().await?;
        let before = load(&mut tx, namespace, old).await?.ok_or(ChangeError::Gone)?;
        let id = renamable(&mut tx, namespace, Part::Tag, old, new).await?;
        let update = Query::update()
            .table(Part::Tag.table())
            .value("name", new)
            .value("updated_at", text::stamp(now))
            .and_where(Expr::col("id").eq(id))
            .to_owned();
        tx.run(&update).await?;
        tx.commit().await?;
        Ok(Tag { name: new.to_owned(), updated_at: Some(now), ..before })
    }

    /// Deletes a tag.
    ///
    /// # Errors
    /// [`RemoveError`].
    pub async fn metadef_tag_delete(
        &self,
        namespace: NamespaceId,
        name: &str,
    ) -> Result<(), RemoveError> {
        retried!(self.try_tag_delete(namespace, name))
    }

    async fn try_tag_delete(&self, namespace: NamespaceId, name: &str) -> Result<(), RemoveError> {
        let mut tx = self.write().await?;
        remove(&mut tx, namespace, Part::Tag, name).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// All tags of a namespace, newest first.
pub(super) async fn all(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
) -> Result<Vec<Tag>, DatabaseError> {
    let query = Query::select()
        .columns(["name", "created_at", "updated_at"])
        .from(Part::Tag.table())
        .and_where(Expr::col("namespace_id").eq(namespace.0))
        .order_by("created_at", Order::Desc)
        .order_by("id", Order::Desc)
        .to_owned();
    tx.rows(&query).await?.iter().map(rows::tag).collect()
}

/// Adds tags in order.
pub(super) async fn add(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
    names: &[String],
    now: PrimitiveDateTime,
) -> Result<(), AddError> {
    admit(tx, namespace, Part::Tag, names.len()).await?;
    let mut seen = BTreeSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(AddError::Duplicate(Part::Tag, twice.clone()));
    }
    for (at, part) in names.chunks(limits::DB_ROWS_PER_STATEMENT_MAX).enumerate() {
        let mut insert = Query::insert()
            .into_table(Part::Tag.table())
            .columns(["namespace_id", "name", "created_at", "updated_at"])
            .to_owned();
        for (offset, name) in part.iter().enumerate() {
            let stamp =
                text::stamp(rows::nth(now, at * limits::DB_ROWS_PER_STATEMENT_MAX + offset));
            insert.values_panic([
                namespace.0.into(),
                name.as_str().into(),
                stamp.clone().into(),
                stamp.into(),
            ]);
        }
        let older = older(tx, namespace, part).await?;
        if let Some(taken) = part.iter().find(|name| older.contains(*name)) {
            return Err(AddError::Duplicate(Part::Tag, taken.clone()));
        }
        if tx.insert_new(&insert).await? < part.len() as u64 {
            // Two that only this database holds for the same.
            let name = part.first().cloned().unwrap_or_default();
            return Err(AddError::Duplicate(Part::Tag, name));
        }
    }
    Ok(())
}

/// Those of the names that are taken.
async fn older(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
    names: &[String],
) -> Result<BTreeSet<String>, DatabaseError> {
    let query = Query::select()
        .column("name")
        .from(Part::Tag.table())
        .and_where(Expr::col("namespace_id").eq(namespace.0))
        .and_where(Expr::col("name").is_in(names.iter().map(String::as_str)))
        .to_owned();
    tx.rows(&query).await?.iter().map(|row| text::text(row, "name")).collect()
}

async fn load(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
    name: &str,
) -> Result<Option<Tag>, DatabaseError> {
    let query = Query::select()
        .columns(["name", "created_at", "updated_at"])
        .from(Part::Tag.table())
        .and_where(Expr::col("namespace_id").eq(namespace.0))
        .and_where(Expr::col("name").eq(name))
        .to_owned();
    tx.row(&query).await?.as_ref().map(rows::tag).transpose()
}
