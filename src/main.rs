//! The `glint` process: which role it plays, by its first argument or by the name it was called by.
//!
//! A table of contents. What the planes do is theirs; this crate reads the command line and the
//! configuration, starts the planes in order, says where they listen, and stops them in reverse
//! order within a deadline.

mod banner;
mod cli;
mod configuration;
mod database;
mod edge;
mod exit;
mod logging;
mod manage;
mod pipeline;
mod planes;
mod review;
mod roles;
mod signals;
mod state;

use std::process::ExitCode;

fn main() -> ExitCode {
    match roles::play(cli::parse(std::env::args_os())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => exit::report(&failure),
    }
}
