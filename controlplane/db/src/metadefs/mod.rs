//! Metadata definitions: Glance's six `metadef_` tables.
//!
//! One module per kind: [`namespaces`], [`list`] (a page of them), [`associations`] with resource
//! types, [`properties`], [`objects`], [`tags`]. Leaves to its caller who may, and which names are
//! fit. Nothing here concerns images, so nothing enters the outbox. Rows are deleted for good, as
//! in Glance. Invariants: a write sees its namespace inside its own transaction, so nothing is left
//! behind in a namespace that is gone and nothing is taken out of one that is protected; a page
//! costs a fixed number of statements.

pub mod associations;
pub mod files;
pub mod list;
pub mod namespaces;
pub mod objects;
pub mod properties;
mod rows;
pub mod tags;

use controlplane_domain::metadefs::{Namespace, NamespaceId};
use glint_image::limits;
use sea_query::{Expr, ExprTrait as _, Func, Query};

use crate::error::{DatabaseError, failure};
use crate::pool::Tx;
use crate::text;

/// A kind of what a namespace contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Associations with resource types.
    Association,
    /// Properties.
    Property,
    /// Objects.
    Object,
    /// Tags.
    Tag,
}

/// Why something is not added to a namespace.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The namespace is gone.
    #[error("the namespace is gone")]
    NamespaceGone,
    /// There is one of this name already.
    #[error("there is {0:?} {1:?} already")]
    Duplicate(Part, String),
    /// The namespace holds as many as it may: [`limits::METADEF_PARTS_MAX`].
    #[error("the namespace holds as many as it may of {0:?}")]
    Full(Part),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why something in a namespace is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It is gone, or its namespace is.
    #[error("it is gone")]
    Gone,
    /// Its new name is taken.
    #[error("the name is taken")]
    Duplicate,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why something is not deleted.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// It is gone, or its namespace is.
    #[error("it is gone")]
    Gone,
    /// The namespace is protected, and with it what it contains.
    #[error("the namespace is protected")]
    Protected,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
failure!(AddError, ChangeError, RemoveError);

// === impl Part ===

impl Part {
    fn table(self) -> &'static str {
        match self {
            Self::Association => "metadef_namespace_resource_types",
            Self::Property => "metadef_properties",
            Self::Object => "metadef_objects",
            Self::Tag => "metadef_tags",
        }
    }
}

/// Checks that the namespace is there and has room for `more`.
async fn admit(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
    part: Part,
    more: usize,
) -> Result<(), AddError> {
    if namespaces::load(tx, namespace).await?.is_none() {
        return Err(AddError::NamespaceGone);
    }
    let query = Query::select()
        .expr_as(Func::count(Expr::col("namespace_id")), "held")
        .from(part.table())
        .and_where(Expr::col("namespace_id").eq(namespace.0))
        .to_owned();
    let held = text::count(&tx.one(&query).await?, "held")?;
    let held = usize::try_from(held).unwrap_or(usize::MAX);
    if held.saturating_add(more) > limits::METADEF_PARTS_MAX {
        return Err(AddError::Full(part));
    }
    Ok(())
}

/// The namespace, if something may be taken out of it.
async fn unprotected(tx: &mut Tx<'_>, namespace: NamespaceId) -> Result<Namespace, RemoveError> {
    let namespace = namespaces::load(tx, namespace).await?.ok_or(RemoveError::Gone)?;
    if namespace.fields.protected {
        return Err(RemoveError::Protected);
    }
    Ok(namespace)
}

/// The row of a property, an object or a tag of this name.
async fn named(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
    part: Part,
    name: &str,
) -> Result<Option<i64>, DatabaseError> {
    let query = Query::select()
        .column("id")
        .from(part.table())
        .and_where(Expr::col("namespace_id").eq(namespace.0))
        .and_where(Expr::col("name").eq(name))
        .to_owned();
    tx.row(&query).await?.map(|row| text::int(&row, "id")).transpose()
}

/// The row to change, provided that its new name is free.
async fn renamable(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
    part: Part,
    old: &str,
    new: &str,
) -> Result<i64, ChangeError> {
    let id = named(tx, namespace, part, old).await?.ok_or(ChangeError::Gone)?;
    // Its own row holds the new name too where the database does not tell cases apart.
    match named(tx, namespace, part, new).await? {
        Some(other) if other != id => Err(ChangeError::Duplicate),
        _ => Ok(id),
    }
}

/// Deletes a property, an object or a tag.
async fn remove(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
    part: Part,
    name: &str,
) -> Result<(), RemoveError> {
    let id = named(tx, namespace, part, name).await?.ok_or(RemoveError::Gone)?;
    unprotected(tx, namespace).await?;
    let delete =
        Query::delete().from_table(part.table()).and_where(Expr::col("id").eq(id)).to_owned();
    tx.run(&delete).await?;
    Ok(())
}

/// Deletes all of a kind.
async fn clear(tx: &mut Tx<'_>, namespace: NamespaceId, part: Part) -> Result<(), DatabaseError> {
    let delete = Query::delete()
        .from_table(part.table())
        .and_where(Expr::col("namespace_id").eq(namespace.0))
        .to_owned();
    tx.run(&delete).await?;
    Ok(())
}
