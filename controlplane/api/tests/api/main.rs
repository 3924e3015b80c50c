//! The API as its clients see it: real requests to the router over a real database.
//!
//! Expected statuses, texts and key orders are those Glance 33 gave to the same requests.

mod callers;
mod edge;
mod harness;
mod images;
mod lists;
mod locations;
mod members;
mod metadefs;
mod paths;
mod policies;
mod protections;
mod tasks;
mod upgrades;
mod uploads;
