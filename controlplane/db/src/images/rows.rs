//! From rows to [`Image`]s: the row of `images`, then its children for a whole page at once.
//!
//! Which rows is left to the callers. Invariants: the number of statements does not depend on the
//! number of images; a row that neither Glance nor this service can have written becomes an error,
//! never an image.

use std::collections::BTreeMap;

use crate::pool::Row;
use controlplane_domain::{Image, ImageLocation};
use glint_image::{Epoch, Seq, Status, Visibility};
use sea_query::{Expr, ExprTrait as _, Func, Query, SelectStatement, UnionType};

use crate::error::DatabaseError;
use crate::pool::Tx;
use crate::text;

/// The columns that [`image`] reads.
pub(crate) const COLUMNS: [&str; 19] = [
    "id",
    "name",
    "size",
    "status",
    "created_at",
    "updated_at",
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
    "deleted",
];

/// A query for the columns of `images`, of rows not deleted.
pub(crate) fn select() -> SelectStatement {
    Query::select()
        .columns(COLUMNS.map(|column| ("images", column)))
        .from("images")
        .and_where(living("images"))
        .to_owned()
}

/// An image without its children.
pub(crate) fn image(row: &Row) -> Result<Image, DatabaseError> {
    let status = text::text(row, "status")?;
    let status = Status::parse(&status).ok_or_else(|| text::damaged("status", &status))?;
    let visibility = text::text(row, "visibility")?;
    let visibility =
        Visibility::parse(&visibility).ok_or_else(|| text::damaged("visibility", &visibility))?;
    let created_at = text::time(row, "created_at")?;
    Ok(Image {
        id: text::image_id(row, "id")?,
        name: text::text_or_null(row, "name")?,
        status,
        visibility,
        protected: text::flag(row, "protected")?,
        os_hidden: text::flag(row, "os_hidden")?,
        owner: text::text_or_null(row, "owner")?,
        disk_format: text::text_or_null(row, "disk_format")?,
        container_format: text::text_or_null(row, "container_format")?,
        min_disk: text::int32(row, "min_disk")?,
        min_ram: text::int32(row, "min_ram")?,
        size: text::int_or_null(row, "size")?,
        virtual_size: text::int_or_null(row, "virtual_size")?,
        checksum: text::text_or_null(row, "checksum")?,
        os_hash_algo: text::text_or_null(row, "os_hash_algo")?,
        os_hash_value: text::text_or_null(row, "os_hash_value")?,
        created_at,
        updated_at: text::time_or_null(row, "updated_at")?.unwrap_or(created_at),
        properties: Vec::new(),
        tags: Vec::new(),
        locations: Vec::new(),
        members: Vec::new(),
        upload: None,
        seq: Seq(0),
    })
}

// What a row of `children` is.
const PROPERTY: i64 = 1;
const TAG: i64 = 2;
const LOCATION: i64 = 3;
const MEMBER: i64 = 4;
const UPLOAD: i64 = 5;
const CHANGE: i64 = 6;

/// Fills in what hangs on the images: one statement however many they are, none where there are
/// none.
pub(crate) async fn fill(tx: &mut Tx<'_>, images: &mut [Image]) -> Result<(), DatabaseError> {
    if images.is_empty() {
        return Ok(());
    }
    let places: BTreeMap<String, usize> =
        images.iter().enumerate().map(|(place, image)| (image.id.to_string(), place)).collect();
    let ids: Vec<&str> = places.keys().map(String::as_str).collect();
    let mut found = Vec::new();
    for row in tx.rows(&children(&ids)).await? {
        found.push((text::int(&row, "kind")?, text::count(&row, "place")?, row));
    }
    // In the order of their ids, which is that of the rows' making.
    found.sort_by_key(|(kind, place, _)| (*kind, *place));
    for (kind, number, row) in found {
        let id = text::text(&row, "image_id")?;
        let place = places.get(&id).ok_or_else(|| text::damaged("image_id", &id))?;
        attach(&mut images[*place], kind, number, &row)?;
    }
    Ok(())
}

/// Hangs one row on its image.
fn attach(image: &mut Image, kind: i64, number: u64, row: &Row) -> Result<(), DatabaseError> {
    let first = || text::text(row, "first");
    let second = || text::text_or_null(row, "second");
    match kind {
        PROPERTY => {
            image.properties.push((first()?, second()?.unwrap_or_default()));
        }
        TAG => {
            let tag = first()?;
            if !image.tags.contains(&tag) {
                image.tags.push(tag);
            }
        }
        LOCATION => {
            let metadata = second()?.unwrap_or_else(|| "{}".to_owned());
            image.locations.push(ImageLocation { url: first()?, metadata });
        }
        MEMBER => image.members.push(first()?),
        UPLOAD => image.upload = Some(Epoch(number)),
        CHANGE => image.seq = Seq(number),
        other => return Err(text::damaged("kind", other)),
    }
    Ok(())
}

/// Everything that hangs on a set of images, in columns that all kinds share: the image, the kind,
/// a number (row id, epoch, change) and up to two texts.
fn children(ids: &[&str]) -> SelectStatement {
    let nothing = || Expr::val(Option::<String>::None);
    let one = |kind: i64, table: &'static str, number: Expr, first: Expr, second: Expr| {
        Query::select()
            .column("image_id")
            .expr_as(Expr::val(kind), "kind")
            .expr_as(number, "place")
            .expr_as(first, "first")
            .expr_as(second, "second")
            .from(table)
            .and_where(Expr::col("image_id").is_in(ids.iter().copied()))
            .to_owned()
    };
    let living = |kind: i64, table: &'static str, first: &'static str, second: Expr| {
        one(kind, table, Expr::col("id"), Expr::col(first), second)
            .and_where(living(table))
            .to_owned()
    };
    // Only active locations are exposed (`glance/db/__init__.py`, `_format_image_from_db`).
    let locations = living(LOCATION, "image_locations", "value", Expr::col("meta_data"))
        .and_where(Expr::col("status").eq("active"))
        .to_owned();
    let uploads = one(UPLOAD, "glint_uploads", Expr::col("epoch"), nothing(), nothing())
        .and_where(Expr::col("state").eq("open"))
        .to_owned();
    let newest = Func::max(Expr::col("seq")).into();
    let changes = one(CHANGE, "glint_changes", newest, nothing(), nothing())
        .group_by_col("image_id")
        .to_owned();
    living(PROPERTY, "image_properties", "name", Expr::col("value"))
        .union(UnionType::All, living(TAG, "image_tags", "value", nothing()))
        .union(UnionType::All, locations)
        .union(UnionType::All, living(MEMBER, "image_members", "member", nothing()))
        .union(UnionType::All, uploads)
        .union(UnionType::All, changes)
        .to_owned()
}

/// That a row of a table is not deleted. Spelled as an inequality, which no index serves: nearly
/// all rows are alive, and SQLite without statistics would rather go through all of them by the
/// index on `deleted` than use the one that finds the few wanted.
pub(crate) fn living(table: &'static str) -> Expr {
    Expr::col((table, "deleted")).ne(true)
}
