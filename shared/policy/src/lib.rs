//! The oslo.policy language: rules are parsed and compiled once, then evaluated without allocation.
//!
//! No IO: files are text given by the caller, who also decides when to read them again. Semantics
//! are those of oslo.policy 6 (`oslo_policy/_parser.py`, `_checks.py`, `policy.py`), oddities
//! included, with one exception: what makes oslo.policy raise (an unusable format, a cycle) refuses
//! here. Invariant: whatever cannot be understood refuses.

pub mod check;
pub mod compile;
pub mod file;
pub mod glance;
pub mod parse;
mod template;
#[cfg(test)]
mod tests;
pub mod value;

pub use compile::{Compiled, Extract, Finding, RuleDefault, Settings};
pub use file::{FileError, RuleText, parse_file};
pub use value::{Attributes, Value};
