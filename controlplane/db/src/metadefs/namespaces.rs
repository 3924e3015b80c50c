//! Namespaces: one by its name, with its contents, and every way to change them.
//!
//! Invariant: a namespace is made with all of its contents or not at all, and deleted with all of
//! them. (Glance makes them one by one and deletes what it has made when one is a duplicate, unless
//! the namespace is protected or the fault is another: `NamespaceController.create`.)

use controlplane_domain::metadefs::{
    Contents, Namespace, NamespaceFields, NamespaceId, NewNamespace,
};
use sea_query::{Expr, ExprTrait as _, Query};
use time::PrimitiveDateTime;

use super::{
    AddError, ChangeError, Part, RemoveError, associations, clear, objects, properties, rows, tags,
    unprotected,
};
use crate::error::{DatabaseError, failure, retried};
use crate::pool::{Database, Tx};
use crate::text;

/// Why a namespace is not made.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceAddError {
    /// There is one of this name.
    #[error("there is a namespace of this name")]
    Duplicate,
    /// Its contents do not fit together.
    #[error(transparent)]
    Contents(AddError),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
failure!(NamespaceAddError);

impl From<AddError> for NamespaceAddError {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Database(error) => Self::Database(error),
            error => Self::Contents(error),
        }
    }
}

impl Database {
    /// A namespace by its name.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn metadef_namespace(&self, name: &str) -> Result<Option<Namespace>, DatabaseError> {
        let mut tx = self.read().await?;
        let namespace = by_name(&mut tx, name).await?;
        tx.commit().await?;
        Ok(namespace)
    }

    /// All that a namespace contains, read in one snapshot.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn metadef_contents(
        &self,
        namespace: NamespaceId,
    ) -> Result<Contents, DatabaseError> {
        let mut tx = self.read().await?;
        let contents = Contents {
            associations: associations::all(&mut tx, namespace).await?,
            properties: properties::all(&mut tx, namespace).await?,
            objects: objects::all(&mut tx, namespace).await?,
            tags: tags::all(&mut tx, namespace).await?,
        };
        tx.commit().await?;
        Ok(contents)
    }

    /// Makes a namespace with its contents.
    ///
    /// # Errors
    /// [`NamespaceAddError`].
    pub async fn metadef_namespace_create(
        &self,
        new: &NewNamespace,
        now: PrimitiveDateTime,
    ) -> Result<Namespace, NamespaceAddError> {
        retried!(self.try_namespace_create(new, now))
    }

    async fn try_namespace_create(
        &self,
        new: &NewNamespace,
        now: PrimitiveDateTime,
    ) -> Result<Namespace, NamespaceAddError> {
        let mut tx = self.write().await?;
        let fields = &new.fields;
        let insert = Query::insert()
            .into_table("metadef_namespaces")
            .columns(rows::NAMESPACE.into_iter().skip(1))
            .values_panic([
                fields.name.as_str().into(),
                fields.display_name.as_deref().into(),
                fields.description.as_deref().into(),
                fields.visibility.as_str().into(),
                fields.protected.into(),
                fields.owner.as_str().into(),
                text::stamp(now).into(),
                text::stamp(now).into(),
            ])
            .to_owned();
        if tx.insert_new(&insert).await? == 0 {
            return Err(NamespaceAddError::Duplicate);
        }
        let namespace = by_name(&mut tx, &fields.name)
            .await?
            .ok_or_else(|| text::damaged("namespace", &fields.name))?;
        associations::add(&mut tx, namespace.id, &new.associations, now).await?;
        objects::add(&mut tx, namespace.id, &new.objects, now).await?;
        tags::add(&mut tx, namespace.id, &new.tags, now).await?;
        properties::add(&mut tx, namespace.id, &new.properties, now).await?;
        tx.commit().await?;
        Ok(namespace)
    }

    /// Changes a namespace; all fields are set anew.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn metadef_namespace_update(
        &self,
        id: NamespaceId,
        fields: &NamespaceFields,
        now: PrimitiveDateTime,
    ) -> Result<Namespace, ChangeError> {
        retried!(self.try_namespace_update(id, fields, now))
    }

    async fn try_namespace_update(
        &self,
        id: NamespaceId,
        fields: &NamespaceFields,
        now: PrimitiveDateTime,
    ) -> Result<Namespace, ChangeError> {
        let mut tx = self.write().await?;
        let before = load(&mut tx, id).await?.ok_or(ChangeError::Gone)?;
        if by_name(&mut tx, &fields.name).await?.is_some_and(|other| other.id != id) {
            return Err(ChangeError::Duplicate);
        }
        let update = Query::update()
            .table("metadef_namespaces")
            .value("namespace", fields.name.as_str())
            .value("display_name", fields.display_name.as_deref())
            .value("description", fields.description.as_deref())
            .value("visibility", fields.visibility.as_str())
            .value("protected", fields.protected)
            .value("owner", fields.owner.as_str())
            .value("updated_at", text::stamp(now))
            .and_where(Expr::col("id").eq(id.0))
            .to_owned();
        tx.run(&update).await?;
        tx.commit().await?;
        Ok(Namespace { fields: fields.clone(), updated_at: Some(now), ..before })
    }

    /// Deletes a namespace with all that it contains. Resource types stay.
    ///
    /// # Errors
    /// [`RemoveError`].
    pub async fn metadef_namespace_delete(&self, id: NamespaceId) -> Result<(), RemoveError> {
        retried!(self.try_namespace_delete(id))
    }

    async fn try_namespace_delete(&self, id: NamespaceId) -> Result<(), RemoveError> {
        let mut tx = self.write().await?;
        unprotected(&mut tx, id).await?;
        for part in [Part::Tag, Part::Object, Part::Property, Part::Association] {
            clear(&mut tx, id, part).await?;
        }
        let delete = Query::delete()
            .from_table("metadef_namespaces")
            .and_where(Expr::col("id").eq(id.0))
            .to_owned();
        tx.run(&delete).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Deletes all properties, objects or tags of a namespace.
    ///
    /// # Errors
    /// [`RemoveError`].
    pub async fn metadef_clear(&self, id: NamespaceId, part: Part) -> Result<(), RemoveError> {
        retried!(self.try_clear(id, part))
    }

    async fn try_clear(&self, id: NamespaceId, part: Part) -> Result<(), RemoveError> {
        let mut tx = self.write().await?;
        unprotected(&mut tx, id).await?;
        clear(&mut tx, id, part).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// A namespace by its row.
pub(super) async fn load(
    tx: &mut Tx<'_>,
    id: NamespaceId,
) -> Result<Option<Namespace>, DatabaseError> {
    let query = Query::select()
        .columns(rows::NAMESPACE)
        .from("metadef_namespaces")
        .and_where(Expr::col("id").eq(id.0))
        .to_owned();
    tx.row(&query).await?.as_ref().map(rows::namespace).transpose()
}

/// A namespace by its name.
pub(super) async fn by_name(
    tx: &mut Tx<'_>,
    name: &str,
) -> Result<Option<Namespace>, DatabaseError> {
    let query = Query::select()
        .columns(rows::NAMESPACE)
        .from("metadef_namespaces")
        .and_where(Expr::col("namespace").eq(name))
        .to_owned();
    tx.row(&query).await?.as_ref().map(rows::namespace).transpose()
}
