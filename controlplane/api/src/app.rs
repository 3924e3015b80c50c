//! What all handlers share.
//!
//! Leaves opening the database to `controlplane/server`. Invariant: nothing here changes after
//! start.

use bytes::Bytes;
use controlplane_db::Database;
use controlplane_domain::Context;
use http::HeaderMap;
use serde_json::Value;

use crate::edge::Edge;
use crate::json;
use crate::metadefs::documents::Documents;
use crate::options::ApiOptions;
use crate::schema::{document, validate};

/// The API's state: one per process.
#[derive(Debug)]
pub struct App {
    pub(crate) db: Database,
    pub(crate) options: ApiOptions,
    pub(crate) identity: Identity,
    pub(crate) edge: Edge,
    pub(crate) schemas: Schemas,
}

/// How callers are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Identity {
    /// Nobody authenticates and everybody is an administrator
    /// (`glance/api/middleware/context.py`, `UnauthenticatedContextMiddleware`).
    #[default]
    Unauthenticated,
}

/// The schema documents, made once.
#[derive(Debug)]
pub(crate) struct Schemas {
    image: Value,
    /// `/v2/schemas/image`, rendered.
    pub(crate) image_bytes: Bytes,
    /// `/v2/schemas/images`, rendered.
    pub(crate) images_bytes: Bytes,
    /// Those of metadata definitions.
    pub(crate) metadefs: Documents,
}

// === impl App ===

impl App {
    /// The API over a database.
    #[must_use]
    pub fn new(db: Database, options: ApiOptions, identity: Identity) -> Self {
        let schemas = Schemas::new(&options);
        Self { db, options, identity, edge: Edge::default(), schemas }
    }

    /// The same behind other filters than those of the paste file that Glance ships.
    #[must_use]
    pub fn behind(self, edge: Edge) -> Self {
        Self { edge, ..self }
    }

    /// The database all handlers work on.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> &ApiOptions {
        &self.options
    }
}

// === impl Identity ===

impl Identity {
    /// The caller of a request with these headers.
    #[must_use]
    pub(crate) fn context(self, _headers: &HeaderMap) -> Context {
        match self {
            Self::Unauthenticated => Context::unauthenticated(),
        }
    }
}

// === impl Schemas ===

impl Schemas {
    fn new(options: &ApiOptions) -> Self {
        let image = document::image(options);
        let image_bytes = json::write(&image).into();
        let images_bytes = json::write(&document::images(options)).into();
        Self { image, image_bytes, images_bytes, metadefs: Documents::new() }
    }

    /// Checks an image against its schema; the error is Glance's whole text
    /// (`glance/common/exception.py`, `InvalidObject`).
    pub(crate) fn check_image(&self, image: &Value) -> Result<(), String> {
        validate::validate(&self.image, image)
            .map_err(|text| format!("Provided object does not match schema 'image': {text}"))
    }
}
