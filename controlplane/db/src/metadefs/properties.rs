//! Properties of namespaces.
//!
//! Invariant: the column of JSON holds what `controlplane/domain` made of a body.

use controlplane_domain::metadefs::{NamespaceId, Property};
use sea_query::{Expr, ExprTrait as _, Order, Query};
use time::PrimitiveDateTime;

use super::{AddError, ChangeError, Part, RemoveError, admit, remove, renamable, rows};
use crate::error::{DatabaseError, retried};
use crate::pool::{Database, Tx};
use crate::text;

impl Database {
    /// The properties of a namespace, by name.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn metadef_properties(
        &self,
        namespace: NamespaceId,
    ) -> Result<Vec<Property>, DatabaseError> {
        let mut tx = self.read().await?;
        let properties = all(&mut tx, namespace).await?;
        tx.commit().await?;
        Ok(properties)
    }

    /// One property.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn metadef_property(
        &self,
        namespace: NamespaceId,
        name: &str,
    ) -> Result<Option<Property>, DatabaseError> {
        let mut tx = self.read().await?;
        let query = Query::select()
            .columns(["name", "json_schema"])
            .from(Part::Property.table())
            .and_where(Expr::col("namespace_id").eq(namespace.0))
            .and_where(Expr::col("name").eq(name))
            .to_owned();
        let property = tx.row(&query).await?.as_ref().map(rows::property).transpose()?;
        tx.commit().await?;
        Ok(property)
    }

    /// Makes a property.
    ///
    /// # Errors
    /// [`AddError`].
    pub async fn metadef_property_create(
        &self,
        namespace: NamespaceId,
        property: &Property,
        now: PrimitiveDateTime,
    ) -> Result<(), AddError> {
        retried!(self.try_property_create(namespace, property, now))
    }

    async fn try_property_create(
        &self,
        namespace: NamespaceId,
        property: &Property,
        now: PrimitiveDateTime,
    ) -> Result<(), AddError> {
        let mut tx = self.write().await?;
        add(&mut tx, namespace, std::slice::from_ref(property), now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Changes a property, its name included.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn metadef_property_update(
        &self,
        namespace: NamespaceId,
        name: &str,
        property: &Property,
        now: PrimitiveDateTime,
    ) -> Result<(), ChangeError> {
        retried!(self.try_property_update(namespace, name, property, now))
    }

    async fn try_property_update(
        &self,
        namespace: NamespaceId,
        name: &str,
        property: &Property,
        now: PrimitiveDateTime,
    ) -> Result<(), ChangeError> {
        let mut tx = self.write().await?;
        let id = renamable(&mut tx, namespace, Part::Property, name, &property.name).await?;
        let update = Query::update()
            .table(Part::Property.table())
            .value("name", property.name.as_str())
            .value("json_schema", rows::json_text(&property.schema))
            .value("updated_at", text::stamp(now))
            .and_where(Expr::col("id").eq(id))
            .to_owned();
        tx.run(&update).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Deletes a property.
    ///
    /// # Errors
    /// [`RemoveError`].
    pub async fn metadef_property_delete(
        &self,
        namespace: NamespaceId,
        name: &str,
    ) -> Result<(), RemoveError> {
        retried!(self.try_property_delete(namespace, name))
    }

    async fn try_property_delete(
        &self,
        namespace: NamespaceId,
        name: &str,
    ) -> Result<(), RemoveError> {
        let mut tx = self.write().await?;
        remove(&mut tx, namespace, Part::Property, name).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// All properties of a namespace, by name: so SQLite hands them to Glance, which asks for no order.
pub(super) async fn all(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
) -> Result<Vec<Property>, DatabaseError> {
    let query = Query::select()
        .columns(["name", "json_schema"])
        .from(Part::Property.table())
        .and_where(Expr::col("namespace_id").eq(namespace.0))
        .order_by("name", Order::Asc)
        .to_owned();
    tx.rows(&query).await?.iter().map(rows::property).collect()
}

/// Adds properties.
pub(super) async fn add(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
    properties: &[Property],
    now: PrimitiveDateTime,
) -> Result<(), AddError> {
    admit(tx, namespace, Part::Property, properties.len()).await?;
    for (at, property) in properties.iter().enumerate() {
        let stamp = text::stamp(rows::nth(now, at));
        let insert = Query::insert()
            .into_table(Part::Property.table())
            .columns(["namespace_id", "name", "json_schema", "created_at", "updated_at"])
            .values_panic([
                namespace.0.into(),
                property.name.as_str().into(),
                rows::json_text(&property.schema).into(),
                stamp.clone().into(),
                stamp.into(),
            ])
            .to_owned();
        if tx.insert_new(&insert).await? == 0 {
            return Err(AddError::Duplicate(Part::Property, property.name.clone()));
        }
    }
    Ok(())
}
