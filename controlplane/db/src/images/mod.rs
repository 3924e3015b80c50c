//! The catalogue of images: the row of `images` and what hangs on it.
//!
//! Reading one ([`get`]) and many ([`list`]), creating and changing ([`write`]), deleting
//! ([`delete`]). Members are read here and changed elsewhere. Invariant: an image is read in one
//! snapshot with its properties, tags, locations and members, and a page of images costs as many
//! statements as one image.

pub mod delete;
pub mod get;
pub mod list;
pub mod write;

pub(crate) mod rows;
