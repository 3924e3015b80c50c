//! House rules as tests: style, size, banned names, unsafe code, dependency arrows, dependency
//! floors, the wire contract.
//!
//! Each rule is a function from text to complaints, proven to bite on made-up text beside it;
//! `tree.rs` runs all of them over every file git knows or would add. A complaint names file and
//! line and says what to do instead. Exceptions stand in `exceptions.rs`, each with its reason, and
//! one that is no longer needed is a complaint too.
#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a rule that cannot read the tree says where")]

mod arrows;
mod banned;
mod committed;
mod exceptions;
mod lock;
mod rust;
mod size;
mod tree;
mod unsafety;
mod wire;

/// One violation: where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Complaint {
    file: String,
    line: usize,
    advice: String,
}

fn complaint(file: &str, line: usize, advice: impl Into<String>) -> Complaint {
    Complaint { file: file.to_owned(), line, advice: advice.into() }
}

/// For the tests of the rules: the lines complained about.
fn lines(complaints: &[Complaint]) -> Vec<usize> {
    complaints.iter().map(|complaint| complaint.line).collect()
}
