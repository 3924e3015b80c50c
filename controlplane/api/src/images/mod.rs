//! `/v2/images`: one file per operation, and how an image is shown.

pub(crate) mod actions;
pub(crate) mod create;
pub(crate) mod delete;
mod filter_text;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod locations;
pub(crate) mod members;
pub(crate) mod query;
mod save;
pub(crate) mod show;
pub(crate) mod tags;
pub(crate) mod update;
pub(crate) mod view;
