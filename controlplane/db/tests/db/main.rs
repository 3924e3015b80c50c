//! The database crate against real databases, one per test: SQLite files, and what tests/databases runs.

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
