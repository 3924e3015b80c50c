//! The tables this service keeps beside Glance's. Their names begin with `glint_`, so Glance does
//! not see them.
//!
//! What they mean is told in the modules that use them: `outbox`, `foreign`, `uploads`, `reclaims`,
//! `nodes`.
//! Invariant: each of `glint_catalogue` and `glint_counter` has exactly one row, from the
//! transaction that made the tables.

use sea_query::Query;
use uuid::Uuid;

use super::OWN_VERSION;
use super::describe::Kind::{Bool, Int, LongText, Text, Time, Wide};
use super::describe::{Table, may, must};
use crate::error::DatabaseError;
use crate::pool::Tx;
use crate::text;

/// All of them.
pub(crate) const TABLES: [Table; 6] = [
    // Who this catalogue is. `only` is 1: one row. `version` is that of these tables.
    Table {
        name: "glint_catalogue",
        columns: &[must("only", Wide), must("id", Text(36)), must("version", Int)],
        primary: ("", &["only"]),
        unique: &[],
        foreign: &[],
        indexes: &[],
    },
    // The last numbers given out, and how far the outbox was trimmed. `only` is 1: one row.
    Table {
        name: "glint_counter",
        columns: &[
            must("only", Wide),
            must("seq", Wide),
            must("reclaims", Wide),
            must("trimmed_through", Wide),
            must("watched_at", Time),
        ],
        primary: ("", &["only"]),
        unique: &[],
        foreign: &[],
        indexes: &[],
    },
    // The outbox. `row_…` is how the image's own row stood after the change, or the stamp of the
    // row of `image_members` that somebody else changed: see `foreign`.
    Table {
        name: "glint_changes",
        columns: &[
            must("seq", Wide),
            must("image_id", Text(36)),
            must("restricting", Bool),
            must("created_at", Time),
            may("row_updated_at", Time),
            may("row_status", Text(30)),
            may("row_visibility", Text(16)),
        ],
        primary: ("", &["seq"]),
        unique: &[],
        foreign: &[],
        indexes: &[
            ("glint_changes_image_id_seq", &["image_id", "seq"]),
            ("glint_changes_created_at", &["created_at"]),
        ],
    },
    // Every attempt to write an image's bytes. `closed_seq` is the change that ended it.
    Table {
        name: "glint_uploads",
        columns: &[
            must("image_id", Text(36)),
            must("epoch", Wide),
            must("node", Text(32)),
            must("incarnation", Wide),
            must("state", Text(10)),
            may("size_expected", Wide),
            must("started_at", Time),
            may("finished_at", Time),
            may("closed_seq", Wide),
        ],
        primary: ("", &["image_id", "epoch"]),
        unique: &[],
        foreign: &[],
        indexes: &[
            ("glint_uploads_state_node", &["state", "node"]),
            ("glint_uploads_finished_at", &["finished_at"]),
        ],
    },
    // Bytes no row refers to any more. `seq` is the order's number, never used twice.
    Table {
        name: "glint_reclaims",
        columns: &[
            must("seq", Wide),
            must("image_id", Text(36)),
            must("store", Text(255)),
            must("url", LongText),
            must("created_at", Time),
        ],
        primary: ("", &["seq"]),
        unique: &[],
        foreign: &[],
        indexes: &[],
    },
    // Data planes that may hold a lease.
    Table {
        name: "glint_nodes",
        columns: &[
            must("node", Text(32)),
            must("incarnation", Wide),
            must("session", Wide),
            must("renewals", Wide),
            must("applied_seq", Wide),
            must("lease_ms", Wide),
            must("seen_at", Time),
        ],
        primary: ("", &["node"]),
        unique: &[],
        foreign: &[],
        indexes: &[],
    },
];

/// Makes the tables.
pub(crate) async fn create(tx: &mut Tx<'_>) -> Result<(), DatabaseError> {
    for table in TABLES {
        for text in table.definition(tx.dialect()) {
            tx.define(text).await?;
        }
    }
    Ok(())
}

/// Makes the single rows where they are missing, that of the catalogue last: where it is there,
/// everything is.
pub(crate) async fn fill(tx: &mut Tx<'_>) -> Result<(), DatabaseError> {
    let counter = Query::insert()
        .into_table("glint_counter")
        .columns(["only", "seq", "reclaims", "trimmed_through", "watched_at"])
        .values_panic([1.into(), 0.into(), 0.into(), 0.into(), text::stamp(text::utc_now()).into()])
        .to_owned();
    tx.insert_new(&counter).await?;
    let catalogue = Query::insert()
        .into_table("glint_catalogue")
        .columns(["only", "id", "version"])
        .values_panic([1.into(), Uuid::new_v4().to_string().into(), OWN_VERSION.into()])
        .to_owned();
    tx.insert_new(&catalogue).await?;
    Ok(())
}
