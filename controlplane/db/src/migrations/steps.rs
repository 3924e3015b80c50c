//! What the revisions do to the tables, taken from the tables themselves as `schema` describes them
//! at the head: a revision names what it brought, and nothing is described twice.
//!
//! Leaves order and bookkeeping to the parent module. Invariant: every change can be taken back, so
//! that the tables of an older revision are those of the head without what came after.

use crate::schema::{self, describe};
use crate::statement::Dialect;

/// What a revision of the expand branch adds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// Nothing: most revisions stand for a release that needed none.
    Nothing,
    /// Tables, those others refer to first.
    Tables(&'static [&'static str]),
    /// Columns of a table, and indexes on them.
    Columns { table: &'static str, columns: &'static [&'static str], index: &'static str },
}

/// `rocky_expand01`.
pub(crate) const IMAGE_HIDDEN: Change =
    Change::Columns { table: "images", columns: &["os_hidden"], index: "os_hidden_image_idx" };

/// `rocky_expand02`.
pub(crate) const IMAGE_HASHES: Change = Change::Columns {
    table: "images",
    columns: &["os_hash_algo", "os_hash_value"],
    index: "os_hash_value_image_idx",
};

/// `wallaby_expand01`.
pub(crate) const TASK_COLUMNS: Change = Change::Columns {
    table: "tasks",
    columns: &["image_id", "request_id", "user_id"],
    index: "ix_tasks_image_id",
};

/// `2024_1_expand01`.
pub(crate) const CACHE_TABLES: Change = Change::Tables(&["node_reference", "cached_images"]);

/// The tables of artifacts, those that refer to others first (`pike_contract01`).
const ARTIFACTS: [&str; 6] = [
    "artifact_blob_locations",
    "artifact_properties",
    "artifact_blobs",
    "artifact_dependencies",
    "artifact_tags",
    "artifacts",
];

impl Change {
    /// The statements that make it.
    pub(crate) fn apply(self, dialect: Dialect) -> Vec<String> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Tables(names) => {
                names.iter().flat_map(|name| described(name).definition(dialect)).collect()
            }
            Self::Columns { table, columns, index } => {
                let table = described(table);
                let mut texts: Vec<String> =
                    columns.iter().map(|column| table.column_addition(column, dialect)).collect();
                texts.push(table.index_definition(index, dialect));
                texts
            }
        }
    }

    /// The statements that take it back.
    pub(crate) fn revert(self, dialect: Dialect) -> Vec<String> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Tables(names) => {
                let names = names.iter().rev();
                names.map(|name| describe::table_removal(name, dialect)).collect()
            }
            Self::Columns { table, columns, index } => {
                let table = described(table);
                let mut texts = vec![table.index_removal(index, dialect)];
                texts.extend(
                    columns.iter().rev().map(|column| table.column_removal(column, dialect)),
                );
                texts
            }
        }
    }
}

/// The statements of `pike_contract01`.
pub(crate) fn drop_artifacts(dialect: Dialect) -> Vec<String> {
    ARTIFACTS.into_iter().map(|name| describe::table_removal(name, dialect)).collect()
}

/// A table as it is at the head.
fn described(name: &str) -> describe::Table {
    let all = schema::glance::TABLES;
    all.into_iter().find(|table| table.name == name).expect("a table that `schema` describes")
}
