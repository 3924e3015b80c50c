//! Resource types, and the namespaces associated with them.
//!
//! Invariant: a resource type is made with its first association and stays without any.

use std::collections::BTreeMap;

use controlplane_domain::metadefs::{Association, AssociationFields, NamespaceId, ResourceType};
use sea_query::{Expr, ExprTrait as _, JoinType, Order, Query, SelectStatement};
use time::PrimitiveDateTime;

use super::{AddError, Part, RemoveError, admit, rows, unprotected};
use crate::error::{DatabaseError, retried};
use crate::pool::{Database, Tx};
use crate::text;

/// What there is of a resource type in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundAssociation {
    /// There is no such resource type.
    NoType,
    /// The namespace is not associated with it.
    NotAssociated,
    /// The association.
    Associated(Association),
}

impl Database {
    /// All resource types, oldest first.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn metadef_resource_types(&self) -> Result<Vec<ResourceType>, DatabaseError> {
        let mut tx = self.read().await?;
        let query = Query::select()
            .columns(["name", "created_at", "updated_at"])
            .from("metadef_resource_types")
            .order_by("id", Order::Asc)
            .to_owned();
        let types = tx.rows(&query).await?.iter().map(rows::resource_type).collect();
        tx.commit().await?;
        types
    }

    /// The associations of a namespace, oldest first.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn metadef_associations(
        &self,
        namespace: NamespaceId,
    ) -> Result<Vec<Association>, DatabaseError> {
        let mut tx = self.read().await?;
        let associations = all(&mut tx, namespace).await?;
        tx.commit().await?;
        Ok(associations)
    }

    /// The association of a namespace with a resource type.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn metadef_association(
        &self,
        namespace: NamespaceId,
        resource_type: &str,
    ) -> Result<FoundAssociation, DatabaseError> {
        let mut tx = self.read().await?;
        let found = match type_id(&mut tx, resource_type).await? {
            None => FoundAssociation::NoType,
            Some(id) => {
                let query = select()
                    .and_where(Expr::col(("a", "namespace_id")).eq(namespace.0))
                    .and_where(Expr::col(("a", "resource_type_id")).eq(id))
                    .to_owned();
                match tx.row(&query).await? {
                    None => FoundAssociation::NotAssociated,
                    Some(row) => FoundAssociation::Associated(rows::association(&row)?),
                }
            }
        };
        tx.commit().await?;
        Ok(found)
    }

    /// Associates a namespace with a resource type, which is made if it is new.
    ///
    /// # Errors
    /// [`AddError`].
    pub async fn metadef_association_create(
        &self,
        namespace: NamespaceId,
        fields: &AssociationFields,
        now: PrimitiveDateTime,
    ) -> Result<(), AddError> {
        retried!(self.try_association_create(namespace, fields, now))
    }

    async fn try_association_create(
        &self,
        namespace: NamespaceId,
        fields: &AssociationFields,
        now: PrimitiveDateTime,
    ) -> Result<(), AddError> {
        let mut tx = self.write().await?;
        add(&mut tx, namespace, std::slice::from_ref(fields), now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Deletes the association of a namespace with a resource type.
    ///
    /// # Errors
    /// [`RemoveError`].
    pub async fn metadef_association_delete(
        &self,
        namespace: NamespaceId,
        resource_type: &str,
    ) -> Result<(), RemoveError> {
        retried!(self.try_association_delete(namespace, resource_type))
    }

    async fn try_association_delete(
        &self,
        namespace: NamespaceId,
        resource_type: &str,
    ) -> Result<(), RemoveError> {
        let mut tx = self.write().await?;
        let id = type_id(&mut tx, resource_type).await?.ok_or(RemoveError::Gone)?;
        let delete = Query::delete()
            .from_table(Part::Association.table())
            .and_where(Expr::col("namespace_id").eq(namespace.0))
            .and_where(Expr::col("resource_type_id").eq(id))
            .to_owned();
        if tx.run(&delete).await? == 0 {
            return Err(RemoveError::Gone);
        }
        // Refused only after it was found, as in Glance; the transaction then undoes the deletion.
        unprotected(&mut tx, namespace).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// The associations of one namespace, oldest first.
pub(super) async fn all(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
) -> Result<Vec<Association>, DatabaseError> {
    Ok(of(tx, &[namespace]).await?.remove(&namespace).unwrap_or_default())
}

/// The associations of several namespaces, in one statement.
pub(super) async fn of(
    tx: &mut Tx<'_>,
    namespaces: &[NamespaceId],
) -> Result<BTreeMap<NamespaceId, Vec<Association>>, DatabaseError> {
    let ids = namespaces.iter().map(|namespace| namespace.0);
    let query = select()
        .and_where(Expr::col(("a", "namespace_id")).is_in(ids))
        .order_by(("a", "created_at"), Order::Asc)
        .order_by(("a", "resource_type_id"), Order::Asc)
        .to_owned();
    let mut found: BTreeMap<NamespaceId, Vec<Association>> = BTreeMap::new();
    for row in tx.rows(&query).await? {
        let namespace = NamespaceId(text::int(&row, "namespace_id")?);
        found.entry(namespace).or_default().push(rows::association(&row)?);
    }
    Ok(found)
}

/// Adds associations in order.
pub(super) async fn add(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
    associations: &[AssociationFields],
    now: PrimitiveDateTime,
) -> Result<(), AddError> {
    admit(tx, namespace, Part::Association, associations.len()).await?;
    for (at, fields) in associations.iter().enumerate() {
        let stamp = text::stamp(rows::nth(now, at));
        let make_type = Query::insert()
            .into_table("metadef_resource_types")
            .columns(["name", "protected", "created_at", "updated_at"])
            .values_panic([
                fields.name.as_str().into(),
                false.into(),
                stamp.clone().into(),
                stamp.clone().into(),
            ])
            .to_owned();
        tx.insert_new(&make_type).await?;
        let id =
            type_id(tx, &fields.name).await?.ok_or_else(|| text::damaged("name", &fields.name))?;
        let associate = Query::insert()
            .into_table(Part::Association.table())
            .columns([
                "resource_type_id",
                "namespace_id",
                "properties_target",
                "prefix",
                "created_at",
                "updated_at",
            ])
            .values_panic([
                id.into(),
                namespace.0.into(),
                fields.properties_target.as_deref().into(),
                fields.prefix.as_deref().into(),
                stamp.clone().into(),
                stamp.into(),
            ])
            .to_owned();
        if tx.insert_new(&associate).await? == 0 {
            return Err(AddError::Duplicate(Part::Association, fields.name.clone()));
        }
    }
    Ok(())
}

/// The ids of namespaces associated with one of these resource types.
pub(super) fn namespaces_of(resource_types: &[String]) -> SelectStatement {
    Query::select()
        .column(("a", "namespace_id"))
        .from_as(Part::Association.table(), "a")
        .join_as(
            JoinType::InnerJoin,
            "metadef_resource_types",
            "t",
            Expr::col(("t", "id")).equals(("a", "resource_type_id")),
        )
        .and_where(Expr::col(("t", "name")).is_in(resource_types.iter().map(String::as_str)))
        .to_owned()
}

fn select() -> SelectStatement {
    Query::select()
        .column(("a", "namespace_id"))
        .column(("t", "name"))
        .columns([
            ("a", "prefix"),
            ("a", "properties_target"),
            ("a", "created_at"),
            ("a", "updated_at"),
        ])
        .from_as(Part::Association.table(), "a")
        .join_as(
            JoinType::InnerJoin,
            "metadef_resource_types",
            "t",
            Expr::col(("t", "id")).equals(("a", "resource_type_id")),
        )
        .to_owned()
}

async fn type_id(tx: &mut Tx<'_>, name: &str) -> Result<Option<i64>, DatabaseError> {
    let query = Query::select()
        .column("id")
        .from("metadef_resource_types")
        .and_where(Expr::col("name").eq(name))
        .to_owned();
    tx.row(&query).await?.map(|row| text::int(&row, "id")).transpose()
}
