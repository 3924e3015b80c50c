//! The database crate against real SQLite files, one per test, in a directory of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod concurrency;
mod foreign;
mod harness;
mod images;
mod lists;
mod members;
mod metadefs;
mod migrations;
mod nodes;
mod outbox;
mod schema;
mod tasks;
mod uploads;
