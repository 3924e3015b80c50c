//! Objects of namespaces: named groups of properties.
//!
//! Invariant: the column of JSON holds what `controlplane/domain` made of a body.

use controlplane_domain::metadefs::{NamespaceId, Object, ObjectFields};
use sea_query::{Expr, ExprTrait as _, Order, Query};
use time::PrimitiveDateTime;

use super::{AddError, ChangeError, Part, RemoveError, admit, remove, renamable, rows};
use crate::error::{DatabaseError, retried};
use crate::pool::{Database, Tx};
use crate::text;

impl Database {
    /// The objects of a namespace, by name.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn metadef_objects(
        &self,
        namespace: NamespaceId,
    ) -> Result<Vec<Object>, DatabaseError> {
        let mut tx = self.read().await?;
        let objects = all(&mut tx, namespace).await?;
        tx.commit().await?;
        Ok(objects)
    }

    /// One object.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn metadef_object(
        &self,
        namespace: NamespaceId,
        name: &str,
    ) -> Result<Option<Object>, DatabaseError> {
        let mut tx = self.read().await?;
        let object = load(&mut tx, namespace, name).await?;
        tx.commit().await?;
        Ok(object)
    }

    /// Makes an object.
    ///
    /// # Errors
    /// [`AddError`].
    pub async fn metadef_object_create(
        &self,
        namespace: NamespaceId,
        fields: &ObjectFields,
        now: PrimitiveDateTime,
    ) -> Result<(), AddError> {
        retried!(self.try_object_create(namespace, fields, now))
    }

    async fn try_object_create(
        &self,
        namespace: NamespaceId,
        fields: &ObjectFields,
        now: PrimitiveDateTime,
    ) -> Result<(), AddError> {
        let mut tx = self.write().await?;
        add(&mut tx, namespace, std::slice::from_ref(fields), now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Changes an object, its name included; all fields are set anew. Gives when it was made.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn metadef_object_update(
        &self,
        namespace: NamespaceId,
        name: &str,
        fields: &ObjectFields,
        now: PrimitiveDateTime,
    ) -> Result<PrimitiveDateTime, ChangeError> {
        retried!(self.try_object_update(namespace, name, fields, now))
    }

    async fn try_object_update(
        &self,
        namespace: NamespaceId,
        name: &str,
        fields: &ObjectFields,
        now: PrimitiveDateTime,
    ) -> Result<PrimitiveDateTime, ChangeError> {
        let mut tx = self.write().await?;
        let before = load(&mut tx, namespace, name).await?.ok_or(ChangeError::Gone)?;
        let id = renamable(&mut tx, namespace, Part::Object, name, &fields.name).await?;
        let update = Query::update()
            .table(Part::Object.table())
            .value("name", fields.name.as_str())
            .value("description", fields.description.as_deref())
            .value("required", rows::required_text(&fields.required))
            .value("json_schema", rows::json_text(&fields.properties))
            .value("updated_at", text::stamp(now))
            .and_where(Expr::col("id").eq(id))
            .to_owned();
        tx.run(&update).await?;
        tx.commit().await?;
        Ok(before.created_at)
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// [`RemoveError`].
    pub async fn metadef_object_delete(
        &self,
        namespace: NamespaceId,
        name: &str,
    ) -> Result<(), RemoveError> {
        retried!(self.try_object_delete(namespace, name))
    }

    async fn try_object_delete(
        &self,
        namespace: NamespaceId,
        name: &str,
    ) -> Result<(), RemoveError> {
        let mut tx = self.write().await?;
        remove(&mut tx, namespace, Part::Object, name).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// All objects of a namespace, by name: so SQLite hands them to Glance, which asks for no order.
pub(super) async fn all(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
) -> Result<Vec<Object>, DatabaseError> {
    let query = Query::select()
        .columns(rows::OBJECT)
        .from(Part::Object.table())
        .and_where(Expr::col("namespace_id").eq(namespace.0))
        .order_by("name", Order::Asc)
        .to_owned();
    tx.rows(&query).await?.iter().map(rows::object).collect()
}

/// Adds objects.
pub(super) async fn add(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
    objects: &[ObjectFields],
    now: PrimitiveDateTime,
) -> Result<(), AddError> {
    admit(tx, namespace, Part::Object, objects.len()).await?;
    for (at, fields) in objects.iter().enumerate() {
        let stamp = text::stamp(rows::nth(now, at));
        let insert = Query::insert()
            .into_table(Part::Object.table())
            .columns([
                "namespace_id",
                "name",
                "description",
                "required",
                "json_schema",
                "created_at",
                "updated_at",
            ])
            .values_panic([
                namespace.0.into(),
                fields.name.as_str().into(),
                fields.description.as_deref().into(),
                rows::required_text(&fields.required).into(),
                rows::json_text(&fields.properties).into(),
                stamp.clone().into(),
                stamp.into(),
            ])
            .to_owned();
        if tx.insert_new(&insert).await? == 0 {
            return Err(AddError::Duplicate(Part::Object, fields.name.clone()));
        }
    }
    Ok(())
}

async fn load(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
    name: &str,
) -> Result<Option<Object>, DatabaseError> {
    let query = Query::select()
        .columns(rows::OBJECT)
        .from(Part::Object.table())
        .and_where(Expr::col("namespace_id").eq(namespace.0))
        .and_where(Expr::col("name").eq(name))
        .to_owned();
    tx.row(&query).await?.as_ref().map(rows::object).transpose()
}
