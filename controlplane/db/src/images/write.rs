//! Creating an image and saving one that was changed.
//!
//! What may be changed, by whom, and whether a transition is sensible is decided before
//! (`controlplane/domain`); members are not saved here. Invariants: a save that does not name the
//! status it starts from cannot touch what uploads set (status, sizes, digests, locations); rows of
//! properties are reused, since their name is unique per image whether deleted or not; whether a
//! save takes access from somebody is found by comparing with the row as this transaction reads it.

use std::collections::BTreeMap;

use controlplane_domain::{Image, ImageLocation, access};
use glint_image::limits::DB_ROWS_PER_STATEMENT_MAX;
use glint_image::{ImageId, Seq, Status};
use sea_query::{Expr, ExprTrait as _, InsertStatement, Query, UpdateStatement};
use time::PrimitiveDateTime;

use super::get;
use crate::error::{DatabaseError, failure, retried};
use crate::outbox::{Changed, record_change};
use crate::pool::{Database, Tx};
use crate::reclaims::{self, Reclaim};
use crate::{text, uploads};

/// Why an image is not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Its id is taken, perhaps by a deleted image: rows stay.
    #[error("there is an image of this id, or there was")]
    Duplicate,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// A changed image to save.
#[derive(Clone, Copy, Debug)]
pub struct ImageUpdate<'a> {
    /// The image as it shall be. Its id says which; `created_at`, `updated_at`, `members`, `upload`
    /// and `seq` are passed over.
    pub image: &'a Image,
    /// `None`: status, size, virtual size, digests and locations stay as they are in the database.
    /// A status: they are saved too, provided that the image is still in that status (Glance:
    /// `from_state`).
    pub from_status: Option<Status>,
    /// The `seq` of the image as it was loaded: refuses to overwrite a change made since. `None`:
    /// the last writer wins.
    pub unchanged_since: Option<Seq>,
}

/// An image was saved.
#[derive(Clone, Debug, PartialEq)]
pub struct Updated {
    /// The change.
    pub changed: Changed,
    /// Orders to remove the bytes of locations that were taken out.
    pub reclaims: Vec<Reclaim>,
}

/// Why an image is not saved.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// There is no such image, or not any more.
    #[error("there is no such image")]
    Gone,
    /// It is in this status and not in the one the save starts from.
    #[error("the image is {0}")]
    Conflict(Status),
    /// It was changed since it was loaded: load it, apply the change to that, save again.
    #[error("the image was changed meanwhile")]
    Stale,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
failure!(CreateError, UpdateError);

/// The property that holds the import lock: written by its own conditional statements only
/// (`glance/db/__init__.py`, `ImageRepo.save`, `atomic_props`).
const LOCK_PROPERTY: &str = "os_glance_import_task";

// === impl Database ===

impl Database {
    /// Creates an image, with its properties, tags and locations.
    ///
    /// # Errors
    /// [`CreateError`].
    pub async fn image_create(&self, image: &Image) -> Result<Changed, CreateError> {
        retried!(self.try_image_create(image))
    }

    async fn try_image_create(&self, image: &Image) -> Result<Changed, CreateError> {
        let mut tx = self.write().await?;
        if tx.insert_new(&insertion(image)).await? == 0 {
            return Err(CreateError::Duplicate);
        }
        let now = image.created_at;
        set_properties(&mut tx, image, now).await?;
        set_tags(&mut tx, image.id, &[], &image.tags, now).await?;
        add_locations(&mut tx, image.id, &image.locations, now).await?;
        let changed = record_change(&mut tx, image.id, false, now).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Saves a changed image and stamps it with `now`.
    ///
    /// # Errors
    /// [`UpdateError`].
    pub async fn image_update(
        &self,
        update: ImageUpdate<'_>,
        now: PrimitiveDateTime,
    ) -> Result<Updated, UpdateError> {
        retried!(self.try_image_update(update, now))
    }

    async fn try_image_update(
        &self,
        update: ImageUpdate<'_>,
        now: PrimitiveDateTime,
    ) -> Result<Updated, UpdateError> {
        let mut tx = self.write().await?;
        let image = update.image;
        let old = get::load(&mut tx, image.id).await?.ok_or(UpdateError::Gone)?;
        // A number below the loaded one only means that the outbox was trimmed meanwhile.
        if update.unchanged_since.is_some_and(|seq| old.seq > seq) {
            return Err(UpdateError::Stale);
        }
        let mut statement = update_of(image, now);
        let mut removed = Vec::new();
        if let Some(from) = update.from_status {
            if old.status != from {
                return Err(UpdateError::Conflict(old.status));
            }
            assert!(from == image.status || from.may_become(image.status), "checked by the domain");
            stored_values(&mut statement, image);
            removed = set_locations(&mut tx, &old, image, now).await?;
            if from == Status::Saving && image.status != Status::Saving {
                uploads::close_open(&mut tx, image.id, now).await?;
            }
        }
        let touched = tx.run(&statement).await?;
        assert_eq!(touched, 1, "the row was read under the write lock");
        set_properties(&mut tx, image, now).await?;
        set_tags(&mut tx, image.id, &old.tags, &image.tags, now).await?;
        let reclaims = reclaims::order(&mut tx, image.id, &removed, now).await?;
        let restricting = access::restricts(&old, &saved(&update, &old));
        let changed = record_change(&mut tx, image.id, restricting, now).await?;
        tx.commit().await?;
        Ok(Updated { changed, reclaims })
    }
}

// === the row of `images` ===

fn insertion(image: &Image) -> InsertStatement {
    Query::insert()
        .into_table("images")
        .columns([
            "id",
            "name",
            "size",
            "status",
            "created_at",
            "updated_at",
            "deleted",
            "disk_format",
            "container_format",
            "checksum",
            "owner",
            "min_disk",
            "min_ram",
            "protected",
            "virtual_size",
            "visibility",
            "os_hidden",
            "os_hash_algo",
            "os_hash_value",
        ])
        .values_panic([
            image.id.as_str().into(),
            image.name.as_deref().into(),
            image.size.into(),
            image.status.as_str().into(),
            text::stamp(image.created_at).into(),
            text::stamp(image.updated_at).into(),
            false.into(),
            image.disk_format.as_deref().into(),
            image.container_format.as_deref().into(),
            image.checksum.as_deref().into(),
            owner(image).into(),
            image.min_disk.into(),
            image.min_ram.into(),
            image.protected.into(),
            image.virtual_size.into(),
            image.visibility.as_str().into(),
            image.os_hidden.into(),
            image.os_hash_algo.as_deref().into(),
            image.os_hash_value.as_deref().into(),
        ])
        .to_owned()
}

/// The columns a user sets.
fn update_of(image: &Image, now: PrimitiveDateTime) -> UpdateStatement {
    Query::update()
        .table("images")
        .value("name", image.name.as_deref())
        .value("owner", owner(image))
        .value("visibility", image.visibility.as_str())
        .value("protected", image.protected)
        .value("os_hidden", image.os_hidden)
        .value("disk_format", image.disk_format.as_deref())
        .value("container_format", image.container_format.as_deref())
        .value("min_disk", image.min_disk)
        .value("min_ram", image.min_ram)
        .value("updated_at", text::stamp(now))
        .and_where(Expr::col("id").eq(image.id.as_str()))
        .and_where(Expr::col("deleted").eq(false))
        .to_owned()
}

/// The columns that go with the bytes.
fn stored_values(update: &mut UpdateStatement, image: &Image) {
    update
        .value("status", image.status.as_str())
        .value("size", image.size)
        .value("virtual_size", image.virtual_size)
        .value("checksum", image.checksum.as_deref())
        .value("os_hash_algo", image.os_hash_algo.as_deref())
        .value("os_hash_value", image.os_hash_value.as_deref());
}

/// An empty owner is none (`glance/db/sqlalchemy/api.py`, `_image_update`).
fn owner(image: &Image) -> Option<&str> {
    image.owner.as_deref().filter(|owner| !owner.is_empty())
}

/// The image as a save leaves it: what the save does not touch is as the database has it.
fn saved(update: &ImageUpdate<'_>, old: &Image) -> Image {
    let mut image = update.image.clone();
    image.owner = owner(update.image).map(str::to_owned);
    image.members.clone_from(&old.members);
    if update.from_status.is_none() {
        image.status = old.status;
        image.locations.clone_from(&old.locations);
    }
    image
}

// === properties ===

/// Makes the living properties equal to the image's.
async fn set_properties(
    tx: &mut Tx<'_>,
    image: &Image,
    now: PrimitiveDateTime,
) -> Result<(), DatabaseError> {
    let query = Query::select()
        .columns(["id", "name", "value", "deleted"])
        .from("image_properties")
        .and_where(Expr::col("image_id").eq(image.id.as_str()))
        .to_owned();
    let mut rows = BTreeMap::new();
    for row in tx.rows(&query).await? {
        let value = text::text_or_null(&row, "value")?.unwrap_or_default();
        let row_state = (text::int(&row, "id")?, value, text::flag(&row, "deleted")?);
        rows.insert(text::text(&row, "name")?, row_state);
    }
    let mut missing = Vec::new();
    let kept = image.properties.iter().filter(|(name, _)| name != LOCK_PROPERTY);
    for (name, value) in kept {
        match rows.remove(name) {
            Some((_, old, false)) if old == *value => {}
            Some((id, _, _)) => {
                tx.run(&property_update(id, value, now)).await?;
            }
            None => missing.push((name, value)),
        }
    }
    for part in missing.chunks(DB_ROWS_PER_STATEMENT_MAX) {
        tx.run(&property_insertion(image.id, part, now)).await?;
    }
    let gone: Vec<i64> = rows
        .into_iter()
        .filter(|(name, (_, _, deleted))| !deleted && name != LOCK_PROPERTY)
        .map(|(_, (id, _, _))| id)
        .collect();
    soft_delete(tx, "image_properties", &gone, now).await
}

fn property_update(id: i64, value: &str, now: PrimitiveDateTime) -> UpdateStatement {
    Query::update()
        .table("image_properties")
        .value("value", value)
        .value("deleted", false)
        .value("deleted_at", Option::<String>::None)
        .value("updated_at", text::stamp(now))
        .and_where(Expr::col("id").eq(id))
        .to_owned()
}

fn property_insertion(
    image: ImageId,
    properties: &[(&String, &String)],
    now: PrimitiveDateTime,
) -> InsertStatement {
    let mut insert = Query::insert()
        .into_table("image_properties")
        .columns(["image_id", "name", "value", "created_at", "updated_at", "deleted"])
        .to_owned();
    for (name, value) in properties {
        insert.values_panic([
            image.as_str().into(),
            name.as_str().into(),
            value.as_str().into(),
            text::stamp(now).into(),
            text::stamp(now).into(),
            false.into(),
        ]);
    }
    insert
}

/// Marks rows of a child table deleted.
async fn soft_delete(
    tx: &mut Tx<'_>,
    table: &'static str,
    ids: &[i64],
    now: PrimitiveDateTime,
) -> Result<(), DatabaseError> {
    for part in ids.chunks(DB_ROWS_PER_STATEMENT_MAX) {
        let mut update = Query::update()
            .table(table)
            .value("deleted", true)
            .value("deleted_at", text::stamp(now))
            .value("updated_at", text::stamp(now))
            .and_where(Expr::col("id").is_in(part.iter().copied()))
            .to_owned();
        if table == "image_locations" {
            update.value("status", "deleted");
        }
        tx.run(&update).await?;
    }
    Ok(())
}

// === tags ===

/// Makes the living tags equal to the image's: new ones get new rows even where a deleted one is
/// left.
async fn set_tags(
    tx: &mut Tx<'_>,
    image: ImageId,
    old: &[String],
    new: &[String],
    now: PrimitiveDateTime,
) -> Result<(), DatabaseError> {
    let mut missing: Vec<&String> = Vec::new();
    for tag in new {
        if !old.contains(tag) && !missing.contains(&tag) {
            missing.push(tag);
        }
    }
    for part in missing.chunks(DB_ROWS_PER_STATEMENT_MAX) {
        let mut insert = Query::insert()
            .into_table("image_tags")
            .columns(["image_id", "value", "created_at", "updated_at", "deleted"])
            .to_owned();
        for tag in part {
            insert.values_panic([
                image.as_str().into(),
                tag.as_str().into(),
                text::stamp(now).into(),
                text::stamp(now).into(),
                false.into(),
            ]);
        }
        tx.run(&insert).await?;
    }
    let gone: Vec<&str> = old.iter().filter(|tag| !new.contains(tag)).map(String::as_str).collect();
    for part in gone.chunks(DB_ROWS_PER_STATEMENT_MAX) {
        let update = Query::update()
            .table("image_tags")
            .value("deleted", true)
            .value("deleted_at", text::stamp(now))
            .value("updated_at", text::stamp(now))
            .and_where(Expr::col("image_id").eq(image.as_str()))
            .and_where(Expr::col("value").is_in(part.iter().copied()))
            .and_where(Expr::col("deleted").eq(false))
            .to_owned();
        tx.run(&update).await?;
    }
    Ok(())
}

// === locations ===

/// Makes the active locations equal to the image's; what was taken out is returned. Rows that say
/// the same stay, so that the others come behind them; a list of the same URLs is written anew, in
/// its order: both as `glance/db/sqlalchemy/api.py`, `_image_locations_set`, does.
async fn set_locations(
    tx: &mut Tx<'_>,
    old: &Image,
    new: &Image,
    now: PrimitiveDateTime,
) -> Result<Vec<ImageLocation>, DatabaseError> {
    if old.locations == new.locations {
        return Ok(Vec::new());
    }
    let rewritten = urls(&old.locations) == urls(&new.locations);
    let query = Query::select()
        .columns(["id", "value", "meta_data"])
        .from("image_locations")
        .and_where(Expr::col("image_id").eq(new.id.as_str()))
        .and_where(Expr::col("deleted").eq(false))
        .and_where(Expr::col("status").eq("active"))
        .order_by("id", sea_query::Order::Asc)
        .to_owned();
    let mut missing = new.locations.clone();
    let mut removed = Vec::new();
    let mut gone = Vec::new();
    for row in tx.rows(&query).await? {
        let id = text::int(&row, "id")?;
        let url = text::text(&row, "value")?;
        let metadata = text::text_or_null(&row, "meta_data")?.unwrap_or_else(|| "{}".to_owned());
        let location = ImageLocation { url, metadata };
        let kept = missing.iter().position(|wanted| *wanted == location && !rewritten);
        if let Some(place) = kept {
            missing.remove(place);
        } else {
            gone.push(id);
            removed.push(location);
        }
    }
    soft_delete(tx, "image_locations", &gone, now).await?;
    add_locations(tx, new.id, &missing, now).await?;
    // Bytes that another row of this image still refers to are not garbage.
    removed.retain(|location| !new.locations.iter().any(|kept| kept.url == location.url));
    Ok(removed)
}

fn urls(locations: &[ImageLocation]) -> Vec<&str> {
    let mut urls: Vec<&str> = locations.iter().map(|location| location.url.as_str()).collect();
    urls.sort_unstable();
    urls
}

/// Adds active locations.
pub(crate) async fn add_locations(
    tx: &mut Tx<'_>,
    image: ImageId,
    locations: &[ImageLocation],
    now: PrimitiveDateTime,
) -> Result<(), DatabaseError> {
    for location in locations {
        let insert = Query::insert()
            .into_table("image_locations")
            .columns([
                "image_id",
                "value",
                "created_at",
                "updated_at",
                "deleted",
                "meta_data",
                "status",
            ])
            .values_panic([
                image.as_str().into(),
                location.url.as_str().into(),
                text::stamp(now).into(),
                text::stamp(now).into(),
                false.into(),
                location.metadata.as_str().into(),
                "active".into(),
            ])
            .to_owned();
        tx.run(&insert).await?;
    }
    Ok(())
}
