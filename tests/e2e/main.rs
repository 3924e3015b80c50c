//! End-to-end tests: the real binary, real clients, real files, on 127.0.0.1 only.
//!
//! Every server is started on a port of its own with a state directory of its own, and both are
//! gone when the test ends. The OpenStack clients come from the environment `GLINT_TESTS_VENV`
//! names; `tests/run` makes it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![allow(clippy::print_stderr, reason = "a failing test shows the server's log")]

mod bad_input;
mod callers;
mod clients;
mod crash;
mod disk_full;
mod download;
mod fleet;
mod harness;
mod runtimes;
mod sharing;
mod upload;
