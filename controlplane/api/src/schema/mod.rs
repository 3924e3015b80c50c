//! JSON Schema: Glance's documents, and checking bodies against them with Glance's error texts.

pub(crate) mod document;
mod python;
pub(crate) mod validate;
