//! On whose behalf a handler runs, and what policy lets him do.
//!
//! Made once for each request, before it is routed: one request is decided by one identity and one
//! set of rules, even while the rules change. Leaves the rules to `controlplane/domain`.

use std::sync::Arc;

use controlplane_domain::metadefs::Namespace;
use controlplane_domain::policy::{ImagePolicy, MemberPolicy, MetadefPolicy};
use controlplane_domain::property_protection::Guard;
use controlplane_domain::{Context, Image, Policy, PolicyRefused, access};
use http::{Extensions, HeaderMap};

use crate::app::App;
use crate::error::Refusal;
use crate::options::ApiOptions;

/// The caller with the rules in force when the request came.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Who it is.
    pub(crate) context: Arc<Context>,
    /// What it may do.
    pub(crate) policy: Arc<Policy>,
}

// === impl Caller ===

impl Caller {
    /// Establishes who sent these headers.
    pub(crate) fn identify(app: &App, headers: &HeaderMap) -> Result<Self, Refusal> {
        let policy = app.policy();
        let mut context = app.identity.identify(headers)?;
        context.is_admin = context.is_admin || policy.is_admin(&context);
        Ok(Self { context: Arc::new(context), policy })
    }

    /// The caller of a request that was let in.
    pub(crate) fn of(extensions: &Extensions) -> Result<Self, Refusal> {
        extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("answer 500: a request was routed without a caller");
            Refusal::internal()
        })
    }

    /// The same of a request that changes something (`glance/common/utils.py`, `mutating`).
    pub(crate) fn changing(extensions: &Extensions) -> Result<Self, Refusal> {
        Self::of(extensions)?.may_change()
    }

    /// Refuses a caller who may only read.
    pub(crate) fn may_change(self) -> Result<Self, Refusal> {
        if self.context.read_only { Err(Refusal::read_only()) } else { Ok(self) }
    }

    /// What the caller may do with an image that it sees.
    pub(crate) fn image<'a>(&'a self, image: &'a Image) -> ImagePolicy<'a> {
        self.policy.image(&self.context, image)
    }

    /// Refuses to save what the caller changed, if the image is another's. Comes last, after
    /// policies and rules.
    pub(crate) fn may_save(&self, before: &Image) -> Result<(), PolicyRefused> {
        let mutable = access::is_mutable(&self.context, before);
        if mutable { Ok(()) } else { Err(PolicyRefused::NotOwner) }
    }

    /// What the caller may do with custom properties.
    pub(crate) fn guard<'a>(&'a self, options: &'a ApiOptions) -> Guard<'a> {
        Guard::new(options.property_protection.as_deref(), &self.context, &self.policy)
    }

    /// What the caller may do with the members of an image that it sees.
    pub(crate) fn members<'a>(&'a self, image: &'a Image) -> MemberPolicy<'a> {
        self.policy.members(&self.context, image)
    }

    /// What the caller may do with a namespace that it sees, or with metadata definitions at large.
    pub(crate) fn metadefs<'a>(&'a self, namespace: Option<&'a Namespace>) -> MetadefPolicy<'a> {
        self.policy.metadefs(&self.context, namespace)
    }
}
