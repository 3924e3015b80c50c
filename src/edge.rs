//! What stands around the API, by the paste file and the configuration: which filters, in which
//! order, with which options.
//!
//! What the filters do is `controlplane_api::edge`'s. Invariant: an option that cannot be used
//! stops the start and is named.

use crate::exit::Failure;
use controlplane_api::edge::healthcheck::Backend;
use controlplane_api::edge::{Cors, Edge, Filter, Healthcheck};
use glint_config::paste::{AppKind, FilterKind, Pipeline};
use glint_config::{Config, Place, Reader, ValueError};

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where the health check is asked for.
const HEALTHCHECK: &str = "/healthcheck";

/// The filters of a pipeline, and the health check in it or beside it. `file` is the paste file's
/// name, `port` is where clients connect.
pub(crate) fn read(
    config: &Config,
    file: &str,
    pipeline: &Pipeline,
    port: u16,
) -> Result<Edge, Failure> {
    let reader = Reader::new(config);
    let place = Place { file: file.to_owned(), line: 0 };
    let mut edge = Edge { filters: Vec::new(), healthcheck: None };
    for mount in &pipeline.beside {
        if mount.app == AppKind::Healthcheck {
            if mount.path != HEALTHCHECK {
                let sentence = format!("{file}: the health check has the path {HEALTHCHECK} only");
                return Err(Failure::configuration(sentence));
            }
            edge.healthcheck = Some(healthcheck(&reader.before(&mount.options, &place), port)?);
        }
    }
    for filter in &pipeline.filters {
        let own = reader.before(&filter.options, &place);
        let added = match filter.kind {
            FilterKind::Cors => Filter::Cors(cors(&own).map_err(Failure::configuration)?),
            FilterKind::HttpProxyToWsgi => {
                if !believes_proxies(&own).map_err(Failure::configuration)? {
                    continue;
                }
                Filter::ProxyHeaders
            }
            FilterKind::VersionNegotiation => Filter::VersionNegotiation,
            FilterKind::Gzip => Filter::Gzip,
            FilterKind::Healthcheck => {
                edge.healthcheck = Some(healthcheck(&own, port)?);
                continue;
            }
            FilterKind::Context
            | FilterKind::UnauthenticatedContext
            | FilterKind::OracleAuth
            | FilterKind::FakeAuth => Filter::Context,
            // Request ids are made in any case, traces and cached images never; tokens are the
            // identity's.
            FilterKind::RequestId
            | FilterKind::Osprofiler
            | FilterKind::AuthToken
            | FilterKind::Cache
            | FilterKind::CacheManage => continue,
        };
        if added != Filter::Context || !edge.filters.contains(&added) {
            edge.filters.push(added);
        }
    }
    Ok(edge)
}

fn cors(read: &Reader<'_>) -> Result<Cors, ValueError> {
    Ok(Cors {
        allowed_origin: read.list("cors", "allowed_origin")?,
        allow_credentials: read.switch("cors", "allow_credentials")?,
        expose_headers: read.list("cors", "expose_headers")?,
        max_age: read.number("cors", "max_age")?,
        allow_methods: read.list("cors", "allow_methods")?,
        allow_headers: read.list("cors", "allow_headers")?,
    })
}

fn believes_proxies(read: &Reader<'_>) -> Result<bool, ValueError> {
    read.switch("oslo_middleware", "enable_proxy_headers_parsing")
}

fn healthcheck(read: &Reader<'_>, port: u16) -> Result<Healthcheck, Failure> {
    const GROUP: &str = "healthcheck";
    let list = |name| read.list(GROUP, name).map_err(Failure::configuration);
    let switch = |name| read.switch(GROUP, name).map_err(Failure::configuration);
    let mut backends = Vec::new();
    for name in list("backends")? {
        match name.as_str() {
            "disable_by_file" => {
                let path = read.text(GROUP, "disable_by_file_path");
                let path = path.map_err(Failure::configuration)?.map(PathBuf::from);
                backends.push(Backend::DisableByFile(path));
            }
            "disable_by_files_ports" => {
                let paths = ports(&list("disable_by_file_paths")?)?;
                backends.push(Backend::DisableByFilesPorts { paths, port });
            }
            "enable_by_files" => {
                let paths = list("enable_by_file_paths")?;
                let paths = paths.iter().map(PathBuf::from).collect();
                backends.push(Backend::EnableByFiles(paths));
            }
            // oslo.middleware passes it over with a warning of stevedore's.
            unknown => tracing::warn!("[healthcheck] backends: no backend is called {unknown:?}"),
        }
    }
    let has = |kind: fn(&Backend) -> bool| backends.iter().any(kind);
    if has(|one| matches!(one, Backend::DisableByFile(_)))
        && has(|one| matches!(one, Backend::EnableByFiles(_)))
    {
        return Err(Failure::configuration(
            "[healthcheck] backends: disable_by_file and enable_by_files exclude each other",
        ));
    }
    let mut check = Healthcheck::new(backends);
    check.detailed = switch("detailed")?;
    check.ignore_proxied_requests = switch("ignore_proxied_requests")?;
    for range in list("allowed_source_ranges")? {
        let fail =
            |error| Failure::configuration(format!("[healthcheck] allowed_source_ranges: {error}"));
        check.allowed_source_ranges.push(range.parse().map_err(fail)?);
    }
    Ok(check)
}

/// `port:path` items.
fn ports(items: &[String]) -> Result<BTreeMap<u16, PathBuf>, Failure> {
    let pair = |item: &String| {
        let (port, path) = item.split_once(':')?;
        Some((port.trim().parse().ok()?, PathBuf::from(path)))
    };
    let items = items.iter().filter(|item| !item.is_empty());
    items
        .map(|item| {
            pair(item).ok_or_else(|| {
                let sentence = format!(
                    "[healthcheck] disable_by_file_paths: {item:?} is not of the form port:path"
                );
                Failure::configuration(sentence)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::give_way;

    use glint_config::paste::PasteFile;

    fn edge(text: &str) -> Result<Edge, String> {
        let paste = PasteFile::shipped();
        let mut config = Config::new();
        config.add_file("f", text.as_bytes()).map_err(|error| error.to_string())?;
        let mut pipeline = paste.pipeline(None).map_err(|error| error.to_string())?;
        give_way(&mut pipeline, &Reader::new(&config));
        let read = read(&config, paste.name(), &pipeline, 9292);
        read.map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn without_options_it_is_what_glance_ships() {
        assert_eq!(edge(""), Ok(Edge::default()));
    }

    #[test]
    fn options_reach_their_filters() {
        let text = "[cors]\nallowed_origin = https://a,https://b\nmax_age =\n\
                    [oslo_middleware]\nenable_proxy_headers_parsing = yes\n\
                    [healthcheck]\nbackends = enable_by_files, disable_by_files_ports, nothing\n\
                    enable_by_file_paths = /x, /y\ndisable_by_file_paths = 9292:/z,,5:/w\n\
                    detailed = on\nallowed_source_ranges = 10.0.0.0/8\n";
        let edge = edge(text).expect("all can be used");
        let allowed_origin = vec!["https://a".to_owned(), "https://b".to_owned()];
        let cors = Cors { allowed_origin, max_age: None, ..Cors::default() };
        assert_eq!(edge.filters[..2], [Filter::Cors(cors), Filter::ProxyHeaders]);
        let mut check = Healthcheck::new(vec![
            Backend::EnableByFiles(vec!["/x".into(), "/y".into()]),
            Backend::DisableByFilesPorts {
                paths: [(9292, "/z".into()), (5, "/w".into())].into(),
                port: 9292,
            },
        ]);
        check.detailed = true;
        check.allowed_source_ranges = vec!["10.0.0.0/8".parse().expect("a range")];
        assert_eq!(edge.healthcheck, Some(check));
    }

    #[test]
    fn what_cannot_be_used_stops_the_start() {
        let check = |text: &str, expected: &str| {
            let error = edge(text).expect_err("it cannot be used");
            assert!(error.contains(expected), "{error}");
        };
        check("[cors]\nmax_age = soon\n", "f:2: [cors] max_age: ");
        check("[healthcheck]\nallowed_source_ranges = 10.0.0.1/8\n", "has host bits set");
        check("[healthcheck]\nbackends=disable_by_file,enable_by_files\n", "exclude each other");
        check(
            "[healthcheck]\nbackends=disable_by_files_ports\ndisable_by_file_paths=/x\n",
            "is not of the form port:path",
        );
    }
}
