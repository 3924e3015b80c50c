//! The Images API: what every request means that does not carry image bytes, and whether an upload
//! may begin.
//!
//! [`router`] is a `tower` service behind the link; there is no listener here. Leaves moving bytes,
//! and waiting until data planes know of a change, to `controlplane/server`: whatever changed the
//! catalogue puts a [`Changed`] into its response's extensions. Invariants: the status code of a
//! refusal is picked in `error` and nowhere else; no input makes a handler panic.

mod app;
mod cache;
mod caller;
pub mod edge;
mod error;
mod images;
mod info;
mod json;
mod keep;
mod metadefs;
mod options;
mod remote;
mod request;
mod respond;
mod router;
mod schema;
mod schemas;
mod tasks;
pub mod upload;
mod versions;

pub use app::App;
pub use controlplane_db::Changed;
pub use controlplane_domain::property_protection::{PropertyRules, RuleFormat};
pub use controlplane_domain::quota::StorageQuota;
pub use controlplane_domain::uri::UriFilter;
pub use controlplane_identity::{Identity, Options as IdentityOptions};
pub use keep::Keep;
pub use options::ApiOptions;
pub use router::router;
