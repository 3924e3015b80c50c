//! Metadata definitions from files and into files, for operators.
//!
//! Reading and writing the files is left to the caller, their form to `controlplane/domain`. The
//! rows are those that `glance-manage` writes (`glance/db/sqlalchemy/metadata.py`): without a time
//! of change until they are changed. Invariant: a file is loaded whole or not at all, where Glance
//! keeps what it wrote before a fault.

use controlplane_domain::metadefs::{AssociationFields, FileObject, NamespaceFile, NamespaceId};
use sea_query::{Expr, ExprTrait as _, JoinType, Order, Query, SimpleExpr};
use serde_json::{Map, Value};
use time::PrimitiveDateTime;

use super::{Part, clear, named, rows};
use crate::error::{DatabaseError, retried};
use crate::pool::Tx;
use crate::text;
use crate::upkeep::Upkeep;

/// What becomes of a namespace that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// It stays as it is.
    Skip,
    /// What it lacks is added.
    Add,
    /// What it lacks is added, and what it has is changed to what the file says.
    PreferNew,
    /// It is deleted and made anew.
    Overwrite,
}

/// The tables, as they are cleared (`_clear_metadata`): those that refer to others first.
pub const TABLES: [&str; 6] = [
    "metadef_properties",
    "metadef_objects",
    "metadef_tags",
    "metadef_namespace_resource_types",
    "metadef_namespaces",
    "metadef_resource_types",
];

/// What was done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// Nothing: the namespace is there.
    Skipped,
    /// It was written in the place of one that was there.
    Overwritten,
    /// It was written.
    Written,
}

type Values = Vec<(&'static str, SimpleExpr)>;

impl Upkeep {
    /// Writes a namespace with its contents.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn metadefs_load(
        &self,
        file: &NamespaceFile,
        merge: Merge,
        now: PrimitiveDateTime,
    ) -> Result<Loaded, DatabaseError> {
        retried!(self.try_load(file, merge, now))
    }

    async fn try_load(
        &self,
        file: &NamespaceFile,
        merge: Merge,
        now: PrimitiveDateTime,
    ) -> Result<Loaded, DatabaseError> {
        let mut tx = self.db.write().await?;
        let there = namespace_id(&mut tx, &file.namespace).await?;
        let prefer_new = merge == Merge::PreferNew;
        let mut done = Loaded::Written;
        let namespace = match (there, merge) {
            (Some(_), Merge::Skip) => return Ok(Loaded::Skipped),
            (Some(id), Merge::Add) => id,
            (Some(id), Merge::PreferNew) => {
                change(&mut tx, "metadef_namespaces", id.0, namespace_values(file), now).await?;
                id
            }
            (Some(id), Merge::Overwrite) => {
                done = Loaded::Overwritten;
                delete(&mut tx, id).await?;
                make_namespace(&mut tx, file, now).await?
            }
            (None, _) => make_namespace(&mut tx, file, now).await?,
        };
        for fields in &file.associations {
            associate(&mut tx, namespace, fields, prefer_new, now).await?;
        }
        let write = Write { namespace, prefer_new, now };
        for (at, (name, schema)) in file.properties.iter().enumerate() {
            let values = vec![("json_schema", schema.to_string().into())];
            write.part(&mut tx, Part::Property, name, values, at).await?;
        }
        for (at, object) in file.objects.iter().enumerate() {
            write.part(&mut tx, Part::Object, &object.name, object_values(object), at).await?;
        }
        for (at, name) in file.tags.iter().enumerate() {
            write.part(&mut tx, Part::Tag, name, Vec::new(), at).await?;
        }
        tx.commit().await?;
        Ok(done)
    }

    /// Deletes all metadata definitions, table by table in the order of [`TABLES`].
    ///
    /// # Errors
    /// [`DatabaseError`]; then nothing was deleted.
    pub async fn metadefs_unload(&self) -> Result<(), DatabaseError> {
        retried!(self.try_unload())
    }

    async fn try_unload(&self) -> Result<(), DatabaseError> {
        let mut tx = self.db.write().await?;
        for table in TABLES {
            tx.run(&Query::delete().from_table(table).to_owned()).await?;
        }
        tx.commit().await
    }

    /// All namespaces with their contents, oldest first, as files hold them.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn metadefs_export(&self) -> Result<Vec<NamespaceFile>, DatabaseError> {
        let mut tx = self.db.read().await?;
        let query = Query::select()
            .columns(rows::NAMESPACE)
            .from("metadef_namespaces")
            .order_by("id", Order::Asc)
            .to_owned();
        let mut files = Vec::new();
        for row in tx.rows(&query).await? {
            let id = NamespaceId(text::int(&row, "id")?);
            let protected = text::int_or_null(&row, "protected")?.map(|flag| flag != 0);
            files.push(NamespaceFile {
                namespace: text::text(&row, "namespace")?,
                display_name: text::text_or_null(&row, "display_name")?,
                description: text::text_or_null(&row, "description")?,
                visibility: text::text_or_null(&row, "visibility")?,
                protected,
                owner: text::text(&row, "owner")?,
                associations: associations(&mut tx, id).await?,
                properties: properties(&mut tx, id).await?,
                objects: objects(&mut tx, id).await?,
                tags: names(&mut tx, id, Part::Tag).await?,
            });
        }
        tx.commit().await?;
        Ok(files)
    }
}

/// Where and how parts of a namespace are written.
struct Write {
    namespace: NamespaceId,
    prefer_new: bool,
    now: PrimitiveDateTime,
}

impl Write {
    /// Adds a part, the `at`th of its kind; one that is there is changed if the new is preferred.
    async fn part(
        &self,
        tx: &mut Tx<'_>,
        part: Part,
        name: &str,
        mut values: Values,
        at: usize,
    ) -> Result<(), DatabaseError> {
        match named(tx, self.namespace, part, name).await? {
            None => {
                values.push(("namespace_id", self.namespace.0.into()));
                values.push(("name", name.into()));
                insert(tx, part.table(), values, rows::nth(self.now, at)).await
            }
            Some(id) if self.prefer_new => change(tx, part.table(), id, values, self.now).await,
            Some(_) => Ok(()),
        }
    }
}

fn namespace_values(file: &NamespaceFile) -> Values {
    vec![
        ("namespace", file.namespace.as_str().into()),
        ("display_name", file.display_name.as_deref().into()),
        ("description", file.description.as_deref().into()),
        ("visibility", file.visibility.as_deref().into()),
        ("protected", file.protected.into()),
        ("owner", file.owner.as_str().into()),
    ]
}

fn object_values(object: &FileObject) -> Values {
    vec![
        ("description", object.description.as_deref().into()),
        ("required", rows::required_text(&object.required).into()),
        ("json_schema", rows::json_text(&object.properties).into()),
    ]
}

async fn insert(
    tx: &mut Tx<'_>,
    table: &'static str,
    mut values: Values,
    now: PrimitiveDateTime,
) -> Result<(), DatabaseError> {
    values.push(("created_at", text::stamp(now).into()));
    let (columns, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
    let insert = Query::insert().into_table(table).columns(columns).values_panic(values).to_owned();
    tx.run(&insert).await?;
    Ok(())
}

async fn change(
    tx: &mut Tx<'_>,
    table: &'static str,
    id: i64,
    values: Values,
    now: PrimitiveDateTime,
) -> Result<(), DatabaseError> {
    let update = Query::update()
        .table(table)
        .values(values)
        .value("updated_at", text::stamp(now))
        .and_where(Expr::col("id").eq(id))
        .to_owned();
    tx.run(&update).await?;
    Ok(())
}

async fn make_namespace(
    tx: &mut Tx<'_>,
    file: &NamespaceFile,
    now: PrimitiveDateTime,
) -> Result<NamespaceId, DatabaseError> {
    insert(tx, "metadef_namespaces", namespace_values(file), now).await?;
    let made = namespace_id(tx, &file.namespace).await?;
    made.ok_or_else(|| text::damaged("namespace", &file.namespace))
}

async fn namespace_id(tx: &mut Tx<'_>, name: &str) -> Result<Option<NamespaceId>, DatabaseError> {
    Ok(row_id(tx, "metadef_namespaces", "namespace", name).await?.map(NamespaceId))
}

async fn row_id(
    tx: &mut Tx<'_>,
    table: &'static str,
    column: &'static str,
    name: &str,
) -> Result<Option<i64>, DatabaseError> {
    let query =
        Query::select().column("id").from(table).and_where(Expr::col(column).eq(name)).to_owned();
    tx.row(&query).await?.map(|row| text::int(&row, "id")).transpose()
}

/// Deletes a namespace with its contents, protected or not.
async fn delete(tx: &mut Tx<'_>, namespace: NamespaceId) -> Result<(), DatabaseError> {
    for part in [Part::Property, Part::Object, Part::Tag, Part::Association] {
        clear(tx, namespace, part).await?;
    }
    let delete = Query::delete()
        .from_table("metadef_namespaces")
        .and_where(Expr::col("id").eq(namespace.0))
        .to_owned();
    tx.run(&delete).await?;
    Ok(())
}

/// Associates a namespace with a resource type. A new type is protected.
async fn associate(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
    fields: &AssociationFields,
    prefer_new: bool,
    now: PrimitiveDateTime,
) -> Result<(), DatabaseError> {
    let types = "metadef_resource_types";
    let there = row_id(tx, types, "name", &fields.name).await?;
    let id = match there {
        Some(id) if prefer_new => {
            change(tx, types, id, Vec::new(), now).await?;
            id
        }
        Some(id) => id,
        None => {
            let values = vec![("name", fields.name.as_str().into()), ("protected", true.into())];
            insert(tx, types, values, now).await?;
            let made = row_id(tx, types, "name", &fields.name).await?;
            made.ok_or_else(|| text::damaged("name", &fields.name))?
        }
    };
    let table = Part::Association.table();
    let here = Expr::col("namespace_id").eq(namespace.0).and(Expr::col("resource_type_id").eq(id));
    let query =
        Query::select().column("namespace_id").from(table).and_where(here.clone()).to_owned();
    let mut values: Values = vec![
        ("properties_target", fields.properties_target.as_deref().into()),
        ("prefix", fields.prefix.as_deref().into()),
    ];
    if tx.row(&query).await?.is_none() {
        values.push(("namespace_id", namespace.0.into()));
        values.push(("resource_type_id", id.into()));
        insert(tx, table, values, now).await?;
    } else if prefer_new {
        let update = Query::update()
            .table(table)
            .values(values)
            .value("updated_at", text::stamp(now))
            .and_where(here)
            .to_owned();
        tx.run(&update).await?;
    }
    Ok(())
}

async fn associations(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
) -> Result<Vec<AssociationFields>, DatabaseError> {
    let query = Query::select()
        .column(("t", "name"))
        .columns([("a", "prefix"), ("a", "properties_target")])
        .from_as(Part::Association.table(), "a")
        .join_as(
            JoinType::InnerJoin,
            "metadef_resource_types",
            "t",
            Expr::col(("t", "id")).equals(("a", "resource_type_id")),
        )
        .and_where(Expr::col(("a", "namespace_id")).eq(namespace.0))
        .order_by(("t", "id"), Order::Asc)
        .to_owned();
    let read = |row: &crate::pool::Row| {
        Ok(AssociationFields {
            name: text::text(row, "name")?,
            prefix: text::text_or_null(row, "prefix")?,
            properties_target: text::text_or_null(row, "properties_target")?,
        })
    };
    tx.rows(&query).await?.iter().map(read).collect()
}

/// Properties as they are stored: files keep what the API does not know.
async fn properties(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
) -> Result<Map<String, Value>, DatabaseError> {
    let query = Query::select()
        .columns(["name", "json_schema"])
        .from(Part::Property.table())
        .and_where(Expr::col("namespace_id").eq(namespace.0))
        .order_by("id", Order::Asc)
        .to_owned();
    let mut properties = Map::new();
    for row in tx.rows(&query).await? {
        let stored = text::text(&row, "json_schema")?;
        let schema = serde_json::from_str(&stored);
        let schema = schema.map_err(|_| text::damaged("json_schema", &stored))?;
        properties.insert(text::text(&row, "name")?, schema);
    }
    Ok(properties)
}

async fn objects(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
) -> Result<Vec<FileObject>, DatabaseError> {
    let query = Query::select()
        .columns(["name", "description", "required", "json_schema"])
        .from(Part::Object.table())
        .and_where(Expr::col("namespace_id").eq(namespace.0))
        .order_by("id", Order::Asc)
        .to_owned();
    let read = |row: &crate::pool::Row| {
        let required = text::text_or_null(row, "required")?.unwrap_or_default();
        Ok(FileObject {
            name: text::text(row, "name")?,
            description: text::text_or_null(row, "description")?,
            required: rows::required_names(&required),
            properties: rows::json_schema(row)?,
        })
    };
    tx.rows(&query).await?.iter().map(read).collect()
}

async fn names(
    tx: &mut Tx<'_>,
    namespace: NamespaceId,
    part: Part,
) -> Result<Vec<String>, DatabaseError> {
    let query = Query::select()
        .column("name")
        .from(part.table())
        .and_where(Expr::col("namespace_id").eq(namespace.0))
        .order_by("id", Order::Asc)
        .to_owned();
    tx.rows(&query).await?.iter().map(|row| text::text(row, "name")).collect()
}
