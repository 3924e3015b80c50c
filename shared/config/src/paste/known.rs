//! The factories that paste files of Glance name, and what they stand for.

/// What a filter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterKind {
    /// Answers pre-flights and adds headers of cross-origin resource sharing.
    Cors,
    /// Takes scheme and host from the headers of a proxy.
    HttpProxyToWsgi,
    /// Picks the version of the API.
    VersionNegotiation,
    /// Traces; nothing without a message that asks for it.
    Osprofiler,
    /// Makes request ids.
    RequestId,
    /// Keeps identity headers of clients off, and checks tokens with Keystone.
    AuthToken,
    /// Makes a context of identity headers.
    Context,
    /// Makes everybody administrator.
    UnauthenticatedContext,
    /// Serves images out of the image cache.
    Cache,
    /// Manages the image cache.
    CacheManage,
    /// Compresses answers.
    Gzip,
    /// Answers the health check, as a filter.
    Healthcheck,
    /// Tokens that say themselves who their bearer is, with Keystone's implied roles.
    OracleAuth,
    /// Tokens that say themselves who their bearer is (Glance's own functional tests).
    FakeAuth,
}

/// What an application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppKind {
    /// Version 2 of the image API.
    Api,
    /// The document of versions.
    Versions,
    /// The health check.
    Healthcheck,
}

/// A composite: an application made of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CompositeKind {
    /// By path.
    UrlMap,
    /// By flavor.
    Flavors,
}

/// A factory, `module:name`, or an entry point, `egg:distribution#name`.
pub(super) fn filter(factory: &str) -> Option<FilterKind> {
    Some(match factory {
        "oslo_middleware.cors:filter_factory"
        | "oslo_middleware:CORS.factory"
        | "egg:oslo.middleware#cors" => FilterKind::Cors,
        "oslo_middleware:HTTPProxyToWSGI.factory"
        | "oslo_middleware.http_proxy_to_wsgi:HTTPProxyToWSGI.factory"
        | "egg:oslo.middleware#http_proxy_to_wsgi" => FilterKind::HttpProxyToWsgi,
        "glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory" => {
            FilterKind::VersionNegotiation
        }
        "osprofiler.web:WsgiMiddleware.factory" | "egg:osprofiler#osprofiler" => {
            FilterKind::Osprofiler
        }
        "oslo_middleware:RequestId.factory"
        | "oslo_middleware.request_id:RequestId.factory"
        | "egg:oslo.middleware#request_id" => FilterKind::RequestId,
        "keystonemiddleware.auth_token:filter_factory" | "egg:keystonemiddleware#auth_token" => {
            FilterKind::AuthToken
        }
        "glance.api.middleware.context:ContextMiddleware.factory" => FilterKind::Context,
        "glance.api.middleware.context:UnauthenticatedContextMiddleware.factory" => {
            FilterKind::UnauthenticatedContext
        }
        "glance.api.middleware.cache:CacheFilter.factory" => FilterKind::Cache,
        "glance.api.middleware.cache_manage:CacheManageFilter.factory" => FilterKind::CacheManage,
        "glance.api.middleware.gzip:GzipMiddleware.factory" => FilterKind::Gzip,
        "oslo_middleware:Healthcheck.factory"
        | "oslo_middleware.healthcheck:Healthcheck.factory"
        | "egg:oslo.middleware#healthcheck" => FilterKind::Healthcheck,
        "oracle_auth:filter_factory" => FilterKind::OracleAuth,
        "glance.tests.utils:FakeAuthMiddleware.factory" => FilterKind::FakeAuth,
        _ => return None,
    })
}

pub(super) fn app(factory: &str) -> Option<AppKind> {
    Some(match factory {
        "glance.api.v2.router:API.factory" => AppKind::Api,
        "glance.api.versions:create_resource" => AppKind::Versions,
        "oslo_middleware:Healthcheck.app_factory"
        | "oslo_middleware.healthcheck:Healthcheck.app_factory"
        | "egg:oslo.middleware#healthcheck" => AppKind::Healthcheck,
        _ => return None,
    })
}

pub(super) fn composite(factory: &str) -> Option<CompositeKind> {
    Some(match factory {
        "glance.api:root_app_factory"
        | "paste.urlmap:urlmap_factory"
        | "egg:Paste#urlmap"
        | "egg:paste#urlmap" => CompositeKind::UrlMap,
        "glance.api:pipeline_factory" => CompositeKind::Flavors,
        _ => return None,
    })
}
