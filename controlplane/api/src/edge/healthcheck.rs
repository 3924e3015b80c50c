//! `/healthcheck`: whether this service is to be sent requests (`oslo_middleware/healthcheck`).
//!
//! Any method and any path below it is answered, without identity and without a request id. Leaves
//! to whoever makes one which files are looked at. Invariant: a file system that hangs makes the
//! check fail within [`HEALTH_CHECK_MS_MAX`]; it never holds up other requests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use glint_image::limits::{HEALTH_CHECK_MS_MAX, HEALTH_CHECKS_MAX};
use http::{HeaderMap, Method, StatusCode, header};
use tokio::sync::Semaphore;

use super::{Peer, SourceRange, text};

mod page;

/// The options of section `[healthcheck]`, or of the application in the paste file.
#[derive(Clone, Debug)]
pub struct Healthcheck {
    /// Whether answers tell what was looked at.
    pub detailed: bool,
    /// What is looked at, in order; nothing is healthy.
    pub backends: Vec<Backend>,
    /// Who may ask; empty is everybody.
    pub allowed_source_ranges: Vec<SourceRange>,
    /// Whether requests that came through a proxy are ignored.
    pub ignore_proxied_requests: bool,
    turns: Turns,
}

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// `disable_by_file`: unhealthy while this file is there.
    DisableByFile(Option<PathBuf>),
    /// `disable_by_files_ports`: unhealthy while the file of this service's port is there.
    DisableByFilesPorts {
        /// The files, by port.
        paths: BTreeMap<u16, PathBuf>,
        /// The port on which this service listens.
        port: u16,
    },
    /// `enable_by_files`: healthy while all these files are there.
    EnableByFiles(Vec<PathBuf>),
}

/// What a backend found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    is_available: bool,
    reason: &'static str,
    details: String,
}

/// Bounds the threads that wait for files. Clones share them.
#[derive(Clone, Debug)]
struct Turns(Arc<Semaphore>);

// === impl Healthcheck ===

impl Default for Healthcheck {
    /// As the paste file that Glance ships has it.
    fn default() -> Self {
        let path = PathBuf::from("/etc/glance/healthcheck_disable");
        Self::new(vec![Backend::DisableByFile(Some(path))])
    }
}

impl PartialEq for Healthcheck {
    fn eq(&self, other: &Self) -> bool {
        self.detailed == other.detailed
            && self.backends == other.backends
            && self.allowed_source_ranges == other.allowed_source_ranges
            && self.ignore_proxied_requests == other.ignore_proxied_requests
    }
}

impl Eq for Healthcheck {}

impl Healthcheck {
    /// A check that everybody may ask for and that gives no details.
    #[must_use]
    pub fn new(backends: Vec<Backend>) -> Self {
        Self {
            detailed: false,
            backends,
            allowed_source_ranges: Vec::new(),
            ignore_proxied_requests: false,
            turns: Turns(Arc::new(Semaphore::new(HEALTH_CHECKS_MAX))),
        }
    }

    /// Whether a path belongs here.
    pub(crate) fn is_below(path: &str) -> bool {
        path == "/healthcheck" || path.starts_with("/healthcheck/")
    }

    /// The answer: a word, or a page of HTML or JSON for who asks for that; `None` for who may not
    /// ask.
    pub(crate) async fn answer(
        &self,
        method: &Method,
        headers: &HeaderMap,
        peer: Option<Peer>,
    ) -> Option<Response> {
        if !self.may_ask(headers, peer) {
            return None;
        }
        let mut findings = Vec::with_capacity(self.backends.len());
        for backend in &self.backends {
            findings.push(self.look(backend).await);
        }
        let is_healthy = findings.iter().all(|finding| finding.is_available);
        let status = match (is_healthy, method == Method::HEAD) {
            (true, true) => StatusCode::NO_CONTENT,
            (true, false) => StatusCode::OK,
            (false, _) => StatusCode::SERVICE_UNAVAILABLE,
        };
        if status == StatusCode::NO_CONTENT {
            return Some(status.into_response());
        }
        let (content_type, body) = page::render(headers, &findings, self.detailed);
        if method == Method::HEAD {
            let content_type = [(header::CONTENT_TYPE, page::PLAIN)];
            return Some((status, content_type, "").into_response());
        }
        Some((status, [(header::CONTENT_TYPE, content_type)], body).into_response())
    }

    fn may_ask(&self, headers: &HeaderMap, peer: Option<Peer>) -> bool {
        const PROXIES: [&str; 5] = [
            "x-forwarded",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-forwarded-for",
            "x-forwarded-prefix",
        ];
        if self.ignore_proxied_requests
            && PROXIES.iter().any(|name| !text(headers, name).is_empty())
        {
            return false;
        }
        self.allowed_source_ranges.is_empty()
            || peer.is_some_and(|Peer(address)| {
                self.allowed_source_ranges.iter().any(|range| range.contains(address))
            })
    }

    async fn look(&self, backend: &Backend) -> Finding {
        match backend {
            Backend::DisableByFile(Some(path)) => self.is_absent(path).await,
            Backend::DisableByFile(None) => {
                Finding::ok("No 'disable_by_file_path' configuration value specified".to_owned())
            }
            Backend::DisableByFilesPorts { paths, port } => match paths.get(port) {
                Some(path) => Finding { details: String::new(), ..self.is_absent(path).await },
                None => Finding::ok(String::new()),
            },
            Backend::EnableByFiles(paths) => {
                for path in paths {
                    if self.is_there(path).await != Some(true) {
                        return Finding::unavailable(
                            "FILE PATH MISSING",
                            format!("File path {} is missing", path.display()),
                        );
                    }
                }
                Finding::ok("Specified file paths are available".to_owned())
            }
        }
    }

    async fn is_absent(&self, path: &Path) -> Finding {
        match self.is_there(path).await {
            Some(false) => Finding::ok(format!("Path '{}' was not found", path.display())),
            Some(true) => Finding::unavailable(
                "DISABLED BY FILE",
                format!("Path '{}' was found", path.display()),
            ),
            None => Finding::unavailable(
                "FILE SYSTEM DOES NOT ANSWER",
                format!("Path '{}' was not looked at in time", path.display()),
            ),
        }
    }

    /// Whether a path exists, as `os.path.exists` sees it; `None`: the file system does not say.
    async fn is_there(&self, path: &Path) -> Option<bool> {
        let turns = Arc::clone(&self.turns.0);
        let path = path.to_owned();
        let look = async move {
            let turn = turns.acquire_owned().await.ok()?;
            let looked = tokio::task::spawn_blocking(move || {
                let is_there = path.exists();
                drop(turn);
                is_there
            });
            looked.await.ok()
        };
        tokio::time::timeout(Duration::from_millis(HEALTH_CHECK_MS_MAX), look).await.ok()?
    }
}

// === impl Finding ===

impl Finding {
    fn ok(details: String) -> Self {
        Self { is_available: true, reason: "OK", details }
    }

    fn unavailable(reason: &'static str, details: String) -> Self {
        Self { is_available: false, reason, details }
    }
}
