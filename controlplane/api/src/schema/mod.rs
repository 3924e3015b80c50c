//! JSON Schema: Glance's documents, and checking bodies against them with Glance's error texts.

pub(crate) mod document;
pub(crate) mod python;
pub(crate) mod resources;
pub(crate) mod validate;
