//! Who the caller of a request is, found as Glance finds it: by the filters of the paste file.
//!
//! Leaves to its caller whether the caller is administrator, which is a policy, and what the answer
//! to one nobody knows looks like. Invariants: an identity that cannot be established is never
//! taken for another; a pipeline that asks for something this build cannot do is refused when the
//! identity is made, not when a request comes.

mod environ;
#[cfg(test)]
mod tests;
mod tokens;

use controlplane_domain::Context;
use glint_config::paste::{FilterKind, Pipeline};
use http::HeaderMap;

use environ::Environ;

/// How callers are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    source: Source,
    options: Options,
}

/// Options of `glance-api.conf` about identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// `[DEFAULT] allow_anonymous_access`: who does not authenticate may read.
    pub allow_anonymous_access: bool,
    /// `[DEFAULT] max_request_id_length`, in characters; 0: no limit.
    pub max_request_id_length: usize,
}

/// Where the identity comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Nobody authenticates; everybody is administrator.
    Unauthenticated,
    /// Identity headers, whoever sent them.
    TrustedHeaders,
    /// The token says it, with Keystone's implied roles (`oracle_auth:filter_factory`).
    OracleTokens,
    /// The token says it (`glance.tests.utils:FakeAuthMiddleware`).
    FakeTokens {
        /// Whether a context filter reads the headers that this one leaves.
        then_context: bool,
    },
}

/// Why there is no caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unidentified {
    /// Nobody vouches for the caller.
    #[error("not authenticated")]
    Unauthorized,
    /// The request id is longer than allowed.
    #[error("x-openstack-request-id is too long, max size {0}")]
    RequestIdTooLong(usize),
    /// `X-Service-Catalog` is no JSON.
    #[error("Invalid service catalog json.")]
    ServiceCatalog,
}

/// Why a pipeline makes no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Keystone is to check tokens.
    #[error(
        "filter `{0}` asks for Keystone, which this build does not speak yet; without it every \
         caller could say who he is"
    )]
    Keystone(String),
    /// A filter checks tokens and none makes a context of what it found.
    #[error("filter `{0}` has no `context` filter behind it")]
    NoContext(String),
}

impl Default for Options {
    fn default() -> Self {
        Self { allow_anonymous_access: false, max_request_id_length: 64 }
    }
}

// === impl Identity ===

impl Identity {
    /// Everybody is administrator: what Glance does without a flavor.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self { source: Source::Unauthenticated, options: Options::default() }
    }

    /// The identity that a pipeline establishes. One without any filter for it is as
    /// [`Self::unauthenticated`].
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn of(pipeline: &Pipeline, options: Options) -> Result<Self, IdentityError> {
        let mut source = None;
        // The filter that read a token and wants a context filter behind it.
        let mut tokens: Option<(Source, &str)> = None;
        for filter in &pipeline.filters {
            match filter.kind {
                FilterKind::AuthToken => {
                    return Err(IdentityError::Keystone(filter.name.clone()));
                }
                FilterKind::OracleAuth => tokens = Some((Source::OracleTokens, &filter.name)),
                FilterKind::FakeAuth => {
                    source = Some(Source::FakeTokens { then_context: false });
                    tokens = Some((Source::FakeTokens { then_context: true }, &filter.name));
                }
                FilterKind::Context => {
                    source = Some(tokens.map_or(Source::TrustedHeaders, |(source, _)| source));
                }
                FilterKind::UnauthenticatedContext => source = Some(Source::Unauthenticated),
                _ => {}
            }
        }
        match (source, tokens) {
            (Some(source), _) => Ok(Self { source, options }),
            (None, Some((_, name))) => Err(IdentityError::NoContext(name.to_owned())),
            (None, None) => Ok(Self { source: Source::Unauthenticated, options }),
        }
    }

    /// The caller of a request with these headers. Whether `context_is_admin` holds is left open,
    /// except where everybody is administrator.
    ///
    /// # Errors
    /// [`Unidentified`].
    pub fn identify(&self, headers: &HeaderMap) -> Result<Context, Unidentified> {
        match self.source {
            Source::Unauthenticated => Ok(Context::unauthenticated()),
            Source::TrustedHeaders => self.context(&Environ::trusting(headers)),
            Source::OracleTokens => self.context(&tokens::oracle(headers)),
            Source::FakeTokens { then_context } => {
                let environ = tokens::fake(headers)?;
                if then_context { self.context(&environ) } else { Ok(tokens::bearer(&environ)) }
            }
        }
    }

    /// The headers that [`Self::identify`] looks at, in lower case: whoever sends the same in all of
    /// them is the same caller. The request id is none of them, unless it is too long.
    #[must_use]
    pub fn headers(&self) -> &'static [&'static str] {
        match self.source {
            Source::Unauthenticated => &[],
            Source::TrustedHeaders | Source::OracleTokens | Source::FakeTokens { .. } => {
                environ::IDENTITY_HEADERS
            }
        }
    }

    /// In a few words, for the start of the service.
    #[must_use]
    pub fn description(&self) -> &'static str {
        match self.source {
            Source::Unauthenticated => "no authentication: every caller is administrator",
            Source::TrustedHeaders => "identity headers are believed, whoever sends them",
            Source::OracleTokens | Source::FakeTokens { .. } => {
                "tokens are believed: each says itself who its bearer is"
            }
        }
    }

    /// Whether callers can be whoever they say: fit for tests, or behind something that keeps
    /// clients off.
    #[must_use]
    pub fn is_unsafe(&self) -> bool {
        // None of the sources of this build proves anything; Keystone will.
        match self.source {
            Source::Unauthenticated
            | Source::TrustedHeaders
            | Source::OracleTokens
            | Source::FakeTokens { .. } => true,
        }
    }

    /// Whether nobody authenticates at all.
    #[must_use]
    pub fn is_unauthenticated(&self) -> bool {
        self.source == Source::Unauthenticated
    }

    /// `ContextMiddleware.process_request` (`glance/api/middleware/context.py`).
    fn context(&self, environ: &Environ<'_>) -> Result<Context, Unidentified> {
        if environ.get("x-identity-status").as_deref() != Some("Confirmed") {
            if self.options.allow_anonymous_access {
                return Ok(Context { read_only: true, ..Context::default() });
            }
            return Err(Unidentified::Unauthorized);
        }
        if let Some(catalog) = environ.get("x-service-catalog")
            && serde_json::from_str::<serde_json::Value>(&catalog).is_err()
        {
            return Err(Unidentified::ServiceCatalog);
        }
        let most = self.options.max_request_id_length;
        let id = environ.get("x-openstack-request-id").unwrap_or_default();
        if most > 0 && id.chars().count() > most {
            return Err(Unidentified::RequestIdTooLong(most));
        }
        let mut context = environ.context();
        for role in &mut context.roles {
            *role = role.to_lowercase();
        }
        Ok(context)
    }
}
