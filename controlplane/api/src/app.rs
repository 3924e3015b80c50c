//! What all handlers share.
//!
//! Leaves opening the database to `controlplane/server`. Invariant: nothing here but the policy
//! changes after start.

use std::sync::Arc;

use bytes::Bytes;
use controlplane_db::Database;
use controlplane_domain::{Context, Policy};
use controlplane_identity::Identity;
use http::HeaderMap;
use serde_json::Value;
use tokio::sync::watch;

use crate::caller::Caller;
use crate::edge::Edge;
use crate::json;
use crate::metadefs::documents::Documents;
use crate::options::ApiOptions;
use crate::schema::{document, resources, validate};

/// The API's state: one per process.
#[derive(Debug)]
pub struct App {
    pub(crate) db: Database,
    pub(crate) options: ApiOptions,
    pub(crate) identity: Identity,
    policy: watch::Sender<Arc<Policy>>,
    pub(crate) edge: Edge,
    pub(crate) schemas: Schemas,
}

/// The schema documents, made once.
#[derive(Debug)]
pub(crate) struct Schemas {
    image: Value,
    location: Value,
    /// `/v2/schemas/image`, rendered.
    pub(crate) image_bytes: Bytes,
    /// `/v2/schemas/images`, rendered.
    pub(crate) images_bytes: Bytes,
    /// `/v2/schemas/member`, `members`, `task` and `tasks`, rendered.
    pub(crate) resources: [Bytes; 4],
    task: Value,
    /// Those of metadata definitions.
    pub(crate) metadefs: Documents,
}

// === impl App ===

impl App {
    /// The API over a database, with Glance's default policy.
    #[must_use]
    pub fn new(db: Database, options: ApiOptions, identity: Identity) -> Self {
        let schemas = Schemas::new(&options);
        let policy = watch::Sender::new(Arc::new(Policy::defaults()));
        Self { db, options, identity, policy, edge: Edge::default(), schemas }
    }

    /// The same behind other filters than those of the paste file that Glance ships.
    #[must_use]
    pub fn behind(self, edge: Edge) -> Self {
        Self { edge, ..self }
    }

    /// How callers are told apart.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Who sends these headers; `None` for one who is not let in.
    #[must_use]
    pub fn identify(&self, headers: &HeaderMap) -> Option<Arc<Context>> {
        Caller::identify(self, headers).ok().map(|caller| caller.context)
    }

    /// The rules in force.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.borrow())
    }

    /// Puts other rules in force, for requests that come from now on.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.send_replace(Arc::new(policy));
    }

    /// Tells of every change of the rules.
    #[must_use]
    pub fn policies(&self) -> watch::Receiver<Arc<Policy>> {
        self.policy.subscribe()
    }

    /// The database all handlers work on.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// What stands around it.
    #[must_use]
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> &ApiOptions {
        &self.options
    }
}

// === impl Schemas ===

impl Schemas {
    fn new(options: &ApiOptions) -> Self {
        let image = document::image(options);
        let image_bytes = json::write(&image).into();
        let images_bytes = json::write(&document::images(options)).into();
        let resources = [
            resources::member(),
            resources::list("members", resources::member()),
            resources::task(),
            resources::list("tasks", resources::listed_task()),
        ];
        Self {
            image,
            location: document::location(),
            image_bytes,
            images_bytes,
            resources: resources.map(|document| json::write(&document).into()),
            task: resources::sent_task(),
            metadefs: Documents::new(),
        }
    }

    /// Checks the body of a request that adds a location, likewise.
    pub(crate) fn check_location(&self, body: &Value) -> Result<(), String> {
        validate::validate(&self.location, body)
            .map_err(|text| format!("Provided object does not match schema 'location': {text}"))
    }

    /// Checks an image against its schema; the error is Glance's whole text
    /// (`glance/common/exception.py`, `InvalidObject`).
    pub(crate) fn check_image(&self, image: &Value) -> Result<(), String> {
        validate::validate(&self.image, image)
            .map_err(|text| format!("Provided object does not match schema 'image': {text}"))
    }

    /// Checks a new task likewise.
    pub(crate) fn check_task(&self, task: &Value) -> Result<(), String> {
        validate::validate(&self.task, task)
            .map_err(|text| format!("Provided object does not match schema 'task': {text}"))
    }
}
