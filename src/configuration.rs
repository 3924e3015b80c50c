//! Reads configuration files and makes of them what the planes are started with.
//!
//! What values mean is `glint-config`'s; this file does the reading and picks paths and addresses.
//! Invariant: nothing is bound or written before the whole configuration was read and found usable.

use crate::cli::{Common, Source};
use crate::database;
use crate::exit::Failure;
use controlplane_api::{ApiOptions, PropertyRules, RuleFormat, StorageQuota, UriFilter};
use controlplane_db::DatabaseOptions;
use controlplane_server::PolicyFiles;
use glint_config::{Config, ImportFilter, Reader, Settings, Unknown, Value};
use glint_image::limits::{CONFIG_FILE_BYTES_MAX, CONFIG_FILES_MAX};
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BIND_HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const BIND_PORT: u16 = 9292;

/// A configuration that was read and can be acted on.
#[derive(Debug)]
pub(crate) struct Configuration {
    config: Config,
    settings: Settings,
    state_dir: PathBuf,
    sources: Vec<Source>,
}

/// Reads everything the command line names.
pub(crate) fn read(common: &Common) -> Result<Configuration, Failure> {
    let sources = of_service(&common.sources);
    let config = load(&sources)?;
    if let Some(fault) = config.faults().first() {
        return Err(Failure::configuration(fault));
    }
    let settings = Settings::read(&config).map_err(Failure::configuration)?;
    let state_dir = std::path::absolute(&common.state_dir).map_err(|error| {
        Failure::configuration(format!("--state-dir {}: {error}", common.state_dir.display()))
    })?;
    Ok(Configuration { config, settings, state_dir, sources })
}

/// What is odd about the files and stops nothing, in words.
pub(crate) fn remarks(config: &Config) -> Vec<String> {
    let mut all = Vec::new();
    for Unknown { place, option, nearest } in config.unknown() {
        let meant = nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        all.push(format!("{place}: {option} is not known{meant}"));
    }
    for (place, option, why) in config.without_meaning() {
        all.push(format!("{place}: {option} has no meaning here: {why}"));
    }
    for (place, option) in config.not_honoured() {
        all.push(format!("{place}: {option} is not yet honoured"));
    }
    for (place, older, newer) in config.deprecated() {
        all.push(format!("{place}: {older} is an older name of {newer}"));
    }
    all
}

/// What `glint manage` needs of the configuration. What it asks of a service is not looked at.
#[derive(Debug)]
pub(crate) struct ManageSettings {
    /// `[DEFAULT] debug`.
    pub(crate) debug: bool,
    /// `[DEFAULT] metadata_source_path`.
    pub(crate) metadata_source_path: String,
    /// `[database]`, only when a file sets its `connection`.
    pub(crate) database: Option<DatabaseOptions>,
}

/// Reads what the command line names. Where it names no file, those that oslo.config finds for
/// glance-api and glance-manage; and the same for directories.
pub(crate) fn for_manage(sources: &[Source]) -> Result<ManageSettings, Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::command(1, format!("ERROR: {error}"));
    let all = with_found(sources, &["glance", "glance-api", "glance-manage"]);
    let config = load(&all).map_err(Failure::of_command)?;
    let text = |group: &str, name: &str| {
        let option = glint_config::options::find(group, name).expect("an option of Glance");
        match config.get(option).map_err(|error| fail(&error))? {
            Some(Value::Text(text)) => Ok::<_, Failure>(Some(text).filter(|text| !text.is_empty())),
            _ => Ok(None),
        }
    };
    let debug = glint_config::options::find("DEFAULT", "debug").expect("an option of Glance");
    let database = text("database", "connection")?
        .map(|url| database::read(&config, &url).map_err(Failure::of_command))
        .transpose()?;
    Ok(ManageSettings {
        debug: matches!(config.get(debug).map_err(|error| fail(&error))?, Some(Value::Bool(true))),
        metadata_source_path: text("DEFAULT", "metadata_source_path")?.unwrap_or_default(),
        database,
    })
}

/// What the command line names. Where it names no file, those that Glance reads: in
/// `$OS_GLANCE_CONFIG_DIR`, if that is set (`glance/common/wsgi_app.py`, `_get_config_files`), else
/// those that oslo.config finds for glance-api.
pub(crate) fn of_service(sources: &[Source]) -> Vec<Source> {
    let folder = std::env::var_os("OS_GLANCE_CONFIG_DIR").map(PathBuf::from);
    match folder.filter(|_| !sources.iter().any(|one| matches!(one, Source::File(_)))) {
        Some(folder) => {
            let import = folder.join("glance-image-import.conf");
            let mut all = Vec::new();
            all.extend(import.exists().then_some(Source::File(import)));
            all.push(Source::File(folder.join("glance-api.conf")));
            all.extend_from_slice(sources);
            with_found(&all, &["glance", "glance-api"])
        }
        None => with_found(sources, &["glance-image-import", "glance", "glance-api"]),
    }
}

/// What was named, and the files or directories that oslo.config finds where none were
/// (`cfg.py`, `find_config_files` and `find_config_dirs`).
fn with_found(sources: &[Source], programs: &[&str]) -> Vec<Source> {
    let mut all = Vec::new();
    if !sources.iter().any(|one| matches!(one, Source::File(_))) {
        all.extend(found("conf", programs).into_iter().map(Source::File));
    }
    all.extend_from_slice(sources);
    if !sources.iter().any(|one| matches!(one, Source::Directory(_))) {
        all.extend(found("conf.d", programs).into_iter().map(Source::Directory));
    }
    all
}

/// For each program the first path of its name.
fn found(ending: &str, programs: &[&str]) -> Vec<PathBuf> {
    let places = standard_folders();
    let first = |program: &&str| {
        let paths = places.iter().map(|place| place.join(format!("{program}.{ending}")));
        paths.into_iter().find(|path| path.exists())
    };
    programs.iter().filter_map(first).collect()
}

/// Where every OpenStack service has its files (`cfg.py`, `_get_config_dirs`).
fn standard_folders() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let mut places: Vec<PathBuf> = Vec::new();
    places.extend(home.iter().flat_map(|home| [home.join(".glance"), home.clone()]));
    places.extend(["/etc/glance", "/etc"].map(PathBuf::from));
    places
}

/// The files, in order.
pub(crate) fn load(sources: &[Source]) -> Result<Config, Failure> {
    let mut config = Config::new();
    for path in files(sources)? {
        let bytes = read_file(&path)?;
        let name = path.display().to_string();
        config.add_file(&name, &bytes).map_err(Failure::configuration)?;
    }
    Ok(config)
}

fn files(sources: &[Source]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for source in sources {
        match source {
            Source::File(path) => all.push(path.clone()),
            Source::Directory(path) => all.extend(directory(path)?),
        }
    }
    if all.len() > CONFIG_FILES_MAX {
        let sentence = format!("{} configuration files, at most {CONFIG_FILES_MAX}", all.len());
        return Err(Failure::configuration(sentence));
    }
    Ok(all)
}

/// The `*.conf` files of a directory in alphabetical order; hidden ones are not among them
/// (`glob.glob`).
fn directory(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let fail = |error| Failure::configuration(format!("cannot read {}: {error}", path.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        let is_conf = name.to_str().is_some_and(|n| n.ends_with(".conf") && !n.starts_with('.'));
        if is_conf {
            found.push(path.join(name));
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a file of the configuration, of a bounded size.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let fail = |error| Failure::configuration(format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(fail)?;
    file.take(CONFIG_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > CONFIG_FILE_BYTES_MAX {
        let sentence = format!("{}: over {CONFIG_FILE_BYTES_MAX} bytes", path.display());
        return Err(Failure::configuration(sentence));
    }
    Ok(bytes)
}

fn import_filter(filter: ImportFilter) -> UriFilter {
    UriFilter {
        allowed_schemes: filter.allowed_schemes,
        disallowed_schemes: filter.disallowed_schemes,
        allowed_hosts: filter.allowed_hosts,
        disallowed_hosts: filter.disallowed_hosts,
        allowed_ports: filter.allowed_ports,
        disallowed_ports: filter.disallowed_ports,
    }
}

// === impl Configuration ===

impl Configuration {
    /// Where the process keeps what is its own; absolute.
    pub(crate) fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// What the files say.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The last file that the command line names.
    pub(crate) fn last_file(&self) -> Option<&Path> {
        self.sources.iter().rev().find_map(|source| match source {
            Source::File(path) => Some(path.as_path()),
            Source::Directory(_) => None,
        })
    }

    /// Where further files of the configuration are looked for: the named folders, those of the
    /// named files from the last to the first, and the folders of every OpenStack service
    /// (`oslo_config/cfg.py`, `find_file`). Without any configuration nothing is looked for.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        if self.sources.is_empty() {
            return Vec::new();
        }
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut folders = Vec::new();
        for source in &self.sources {
            if let Source::Directory(path) = source {
                folders.push(absolute(path));
            }
        }
        for source in self.sources.iter().rev() {
            if let Source::File(path) = source {
                folders.extend(absolute(path).parent().map(Path::to_owned));
            }
        }
        folders.extend(standard_folders());
        folders
    }

    /// The operator's policy files (`[oslo_policy]`).
    pub(crate) fn policy(&self) -> Result<PolicyFiles, Failure> {
        let reader = Reader::new(&self.config);
        let text = |name| reader.text("oslo_policy", name).map_err(Failure::configuration);
        let defaults = PolicyFiles::default();
        let dirs = reader.list("oslo_policy", "policy_dirs").map_err(Failure::configuration)?;
        Ok(PolicyFiles {
            folders: self.folders(),
            file: text("policy_file")?.map_or(defaults.file, PathBuf::from),
            dirs: dirs.into_iter().map(PathBuf::from).collect(),
            default_rule: text("policy_default_rule")?.unwrap_or(defaults.default_rule),
            enforce_new_defaults: reader
                .switch("oslo_policy", "enforce_new_defaults")
                .map_err(Failure::configuration)?,
        })
    }

    /// Whether `[DEFAULT] debug` asks for detail.
    pub(crate) fn debug(&self) -> bool {
        self.settings.debug
    }

    /// The file store: as configured, else in the state directory.
    pub(crate) fn datadir(&self) -> PathBuf {
        match &self.settings.filesystem_store_datadir {
            Some(path) => PathBuf::from(path),
            None => self.state_dir.join("images"),
        }
    }

    /// The database: as configured, else in the state directory.
    pub(crate) fn database_url(&self) -> String {
        match &self.settings.database_connection {
            Some(url) => url.clone(),
            None => format!("sqlite:///{}", self.state_dir.join("glance.sqlite").display()),
        }
    }

    /// Where clients connect: the flag, else the configuration, else the loopback address.
    pub(crate) fn bind(&self, flag: Option<SocketAddr>) -> Result<SocketAddr, Failure> {
        if let Some(address) = flag {
            return Ok(address);
        }
        let port = self.settings.bind_port.unwrap_or(BIND_PORT);
        let Some(host) = &self.settings.bind_host else {
            return Ok(SocketAddr::new(BIND_HOST, port));
        };
        let no_address =
            |why: &str| Failure::configuration(format!("[DEFAULT] bind_host = {host}: {why}"));
        (host.as_str(), port)
            .to_socket_addrs()
            .map_err(|error| no_address(&error.to_string()))?
            .next()
            .ok_or_else(|| no_address("no address of that name"))
    }

    /// What the API is to be like.
    pub(crate) fn api(&self) -> Result<ApiOptions, Failure> {
        let settings = self.settings.clone();
        Ok(ApiOptions {
            public_endpoint: settings.public_endpoint,
            limit_param_default: settings.limit_param_default,
            api_limit_max: settings.api_limit_max,
            image_property_quota: settings.image_property_quota,
            image_tag_quota: settings.image_tag_quota,
            image_member_quota: settings.image_member_quota,
            image_location_quota: settings.image_location_quota,
            image_size_cap: settings.image_size_cap,
            user_storage_quota: StorageQuota::of_bytes(settings.user_storage_quota),
            property_protection: self.property_protection()?,
            disk_formats: settings.disk_formats,
            container_formats: settings.container_formats,
            hashing_algorithm: settings.hashing_algorithm,
            show_image_direct_url: settings.show_image_direct_url,
            show_multiple_locations: settings.show_multiple_locations,
            task_time_to_live_hours: settings.task_time_to_live_hours,
            http_store: settings.stores.iter().any(|store| store == "http"),
            import_filter: import_filter(settings.import_filter),
            do_secure_hash: settings.do_secure_hash,
            // Import methods: none is announced until imports exist.
            ..ApiOptions::default()
        })
    }

    /// The rules of `property_protection_file`, which lies where it says or in one of the folders.
    fn property_protection(&self) -> Result<Option<Arc<PropertyRules>>, Failure> {
        let Some(name) = &self.settings.property_protection_file else { return Ok(None) };
        let places = self.folders().into_iter().map(|folder| folder.join(name));
        let path = places.chain([PathBuf::from(name)]).find(|path| path.is_file());
        let fail = |why: String| {
            Failure::configuration(format!("[DEFAULT] property_protection_file = {name}: {why}"))
        };
        let path = path.ok_or_else(|| fail("no such file".to_owned()))?;
        let text = String::from_utf8(read_file(&path)?).map_err(|error| fail(error.to_string()))?;
        let format = match self.settings.property_protection_rule_format.as_str() {
            "policies" => RuleFormat::Policies,
            _ => RuleFormat::Roles,
        };
        let rules = PropertyRules::parse(&text, format).map_err(|error| fail(error.to_string()))?;
        Ok(Some(Arc::new(rules)))
    }

    /// Says what of the files has no effect, once for each option.
    pub(crate) fn log_what_has_no_effect(&self) {
        for remark in remarks(&self.config) {
            tracing::warn!("{remark}");
        }
    }
}
