//! The options Glint honours, as typed values.
//!
//! Leaves to its caller what to do with them. Reading refuses what would be unsafe to pass over in
//! silence.

use crate::config::{Config, Place, ValueError};
use crate::read::Reader;

/// What the files, or else Glance's defaults, say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `[DEFAULT] bind_host`.
    pub bind_host: Option<String>,
    /// `[DEFAULT] bind_port`.
    pub bind_port: Option<u16>,
    /// `[DEFAULT] debug`.
    pub debug: bool,
    /// `[DEFAULT] public_endpoint`.
    pub public_endpoint: Option<String>,
    /// `[DEFAULT] limit_param_default`.
    pub limit_param_default: u32,
    /// `[DEFAULT] api_limit_max`.
    pub api_limit_max: u32,
    /// `[DEFAULT] image_property_quota`; negative is no limit.
    pub image_property_quota: i64,
    /// `[DEFAULT] image_tag_quota`; negative is no limit.
    pub image_tag_quota: i64,
    /// `[DEFAULT] image_member_quota`; negative is no limit.
    pub image_member_quota: i64,
    /// `[DEFAULT] image_location_quota`; negative is no limit.
    pub image_location_quota: i64,
    /// `[DEFAULT] image_size_cap`, in bytes.
    pub image_size_cap: u64,
    /// `[DEFAULT] user_storage_quota`, in bytes; 0 is no limit.
    pub user_storage_quota: u64,
    /// `[DEFAULT] hashing_algorithm`.
    pub hashing_algorithm: String,
    /// `[DEFAULT] show_image_direct_url`.
    pub show_image_direct_url: bool,
    /// `[DEFAULT] show_multiple_locations`.
    pub show_multiple_locations: bool,
    /// `[task] task_time_to_live`, in hours.
    pub task_time_to_live_hours: i64,
    /// `[DEFAULT] property_protection_file`.
    pub property_protection_file: Option<String>,
    /// `[DEFAULT] property_protection_rule_format`: `roles` or `policies`.
    pub property_protection_rule_format: String,
    /// `[DEFAULT] do_secure_hash`.
    pub do_secure_hash: bool,
    /// `[glance_store] stores`.
    pub stores: Vec<String>,
    /// `[import_filtering_opts]`.
    pub import_filter: ImportFilter,
    /// `[image_format] disk_formats`.
    pub disk_formats: Vec<String>,
    /// `[image_format] container_formats`.
    pub container_formats: Vec<String>,
    /// `[glance_store] filesystem_store_datadir`, only when a file sets it.
    pub filesystem_store_datadir: Option<String>,
    /// `[database] connection`, only when a file sets it.
    pub database_connection: Option<String>,
}

/// `[import_filtering_opts]`: which hosts may be asked on a caller's behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportFilter {
    /// `allowed_schemes`.
    pub allowed_schemes: Vec<String>,
    /// `disallowed_schemes`.
    pub disallowed_schemes: Vec<String>,
    /// `allowed_hosts`.
    pub allowed_hosts: Vec<String>,
    /// `disallowed_hosts`.
    pub disallowed_hosts: Vec<String>,
    /// `allowed_ports`.
    pub allowed_ports: Vec<u16>,
    /// `disallowed_ports`.
    pub disallowed_ports: Vec<u16>,
}

/// What this build refuses to pass over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// A value is not of its type.
    #[error("{0}")]
    Value(#[from] ValueError),
    /// Images would get another digest than the one asked for.
    #[error("{0}: [DEFAULT] hashing_algorithm: this build computes sha512 only")]
    Hash(Place),
}

// === impl Settings ===

impl Settings {
    /// Reads the honoured options.
    ///
    /// # Errors
    /// [`Unsafe`]: a start with this configuration would do something else than it says.
    pub fn read(config: &Config) -> Result<Self, Unsafe> {
        let read = Reader::new(config);
        let settings = Self {
            bind_host: read.text("DEFAULT", "bind_host")?,
            bind_port: read.number("DEFAULT", "bind_port")?,
            debug: read.switch("DEFAULT", "debug")?,
            public_endpoint: read.text("DEFAULT", "public_endpoint")?,
            limit_param_default: read.number("DEFAULT", "limit_param_default")?.unwrap_or(25),
            api_limit_max: read.number("DEFAULT", "api_limit_max")?.unwrap_or(1000),
            image_property_quota: read.number("DEFAULT", "image_property_quota")?.unwrap_or(128),
            image_tag_quota: read.number("DEFAULT", "image_tag_quota")?.unwrap_or(128),
            image_member_quota: read.number("DEFAULT", "image_member_quota")?.unwrap_or(128),
            image_location_quota: read.number("DEFAULT", "image_location_quota")?.unwrap_or(10),
            image_size_cap: read.number("DEFAULT", "image_size_cap")?.unwrap_or(1 << 40),
            user_storage_quota: read.storage("DEFAULT", "user_storage_quota")?,
            hashing_algorithm: read.text("DEFAULT", "hashing_algorithm")?.unwrap_or_default(),
            show_image_direct_url: read.switch("DEFAULT", "show_image_direct_url")?,
            show_multiple_locations: read.switch("DEFAULT", "show_multiple_locations")?,
            task_time_to_live_hours: read.number("task", "task_time_to_live")?.unwrap_or(48),
            property_protection_file: read.text("DEFAULT", "property_protection_file")?,
            property_protection_rule_format: read
                .text("DEFAULT", "property_protection_rule_format")?
                .unwrap_or_default(),
            do_secure_hash: read.switch("DEFAULT", "do_secure_hash")?,
            stores: read.list("glance_store", "stores")?,
            import_filter: ImportFilter::read(&read)?,
            disk_formats: read.list("image_format", "disk_formats")?,
            container_formats: read.list("image_format", "container_formats")?,
            filesystem_store_datadir: read
                .text_in_file("glance_store", "filesystem_store_datadir")?,
            database_connection: read.text_in_file("database", "connection")?,
        };
        settings.refuse_unsafe(&read)?;
        Ok(settings)
    }

    fn refuse_unsafe(&self, read: &Reader<'_>) -> Result<(), Unsafe> {
        if let (true, Some(place)) =
            (self.hashing_algorithm != "sha512", read.place("DEFAULT", "hashing_algorithm"))
        {
            return Err(Unsafe::Hash(place));
        }
        Ok(())
    }
}

// === impl ImportFilter ===

impl ImportFilter {
    fn read(read: &Reader<'_>) -> Result<Self, ValueError> {
        const GROUP: &str = "import_filtering_opts";
        Ok(Self {
            allowed_schemes: read.list(GROUP, "allowed_schemes")?,
            disallowed_schemes: read.list(GROUP, "disallowed_schemes")?,
            allowed_hosts: read.list(GROUP, "allowed_hosts")?,
            disallowed_hosts: read.list(GROUP, "disallowed_hosts")?,
            allowed_ports: read.ports(GROUP, "allowed_ports")?,
            disallowed_ports: read.ports(GROUP, "disallowed_ports")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let mut config = Config::new();
        config.add_file("glance-api.conf", text.as_bytes()).map_err(|error| error.to_string())?;
        Settings::read(&config).map_err(|error| error.to_string())
    }

    fn texts(items: &[&str]) -> Vec<String> {
        items.iter().map(|&item| item.to_owned()).collect()
    }

    fn check(text: &str, expected: impl FnOnce(&mut Settings)) {
        let mut settings = read("").expect("an empty file is valid");
        expected(&mut settings);
        assert_eq!(read(text), Ok(settings), "{text}");
    }

    fn check_refused(text: &str, expected: &str) {
        assert_eq!(read(text), Err(expected.to_owned()), "{text}");
    }

    #[test]
    fn defaults_are_glance_s() {
        let settings = read("").expect("an empty file is valid");
        assert_eq!((settings.limit_param_default, settings.api_limit_max), (25, 1000));
        assert_eq!(settings.image_size_cap, 1 << 40);
        assert_eq!(settings.hashing_algorithm, "sha512");
        assert_eq!(settings.container_formats.len(), 8);
        assert_eq!(settings.disk_formats.len(), 11);
        assert_eq!((settings.bind_host, settings.bind_port), (None, None));
        assert_eq!(settings.import_filter.allowed_ports, [80, 443]);
        assert_eq!(settings.import_filter.allowed_schemes, ["http", "https"]);
        assert_eq!((settings.stores, settings.do_secure_hash), (texts(&["file", "http"]), true));
    }

    #[test]
    fn reads_what_is_set() {
        check("[DEFAULT]\nbind_port = 9393\n", |settings| settings.bind_port = Some(9393));
        check("[DEFAULT]\ndebug = on\n", |settings| settings.debug = true);
        check("[DEFAULT]\nimage_tag_quota = -1\n", |settings| settings.image_tag_quota = -1);
        check("[DEFAULT]\nuser_storage_quota = 2GB\n", |settings| {
            settings.user_storage_quota = 2 << 30;
        });
        check("[DEFAULT]\ndisk_formats = raw\n", |settings| {
            settings.disk_formats = vec!["raw".to_owned()];
        });
        check("[glance_store]\nfilesystem_store_datadir = /srv/images\n", |settings| {
            settings.filesystem_store_datadir = Some("/srv/images".to_owned());
        });
        check("[database]\nconnection = sqlite:////srv/glance.db\n", |settings| {
            settings.database_connection = Some("sqlite:////srv/glance.db".to_owned());
        });
        check("[import_filtering_opts]\nallowed_ports = [8080, 81]\n", |settings| {
            settings.import_filter.allowed_ports = vec![8080, 81];
        });
        check("[glance_store]\nstores = file\n", |settings| {
            settings.stores = vec!["file".to_owned()];
        });
        check("[paste_deploy]\nflavor = caching\n", |_| ());
        check("[DEFAULT]\nlimit_param_default =\n", |_| ());
    }

    #[test]
    fn refuses_with_file_and_line() {
        check_refused(
            "[DEFAULT]\n\nbind_port = 70000\n",
            "glance-api.conf:3: [DEFAULT] bind_port: Should be less than or equal to 65535",
        );
        check_refused(
            "[DEFAULT]\ndebug = maybe\n",
            "glance-api.conf:2: [DEFAULT] debug: Unexpected boolean value 'maybe'",
        );
        check_refused(
            "[DEFAULT]\nlimit_param_default = 5000000000\n",
            "glance-api.conf:2: [DEFAULT] limit_param_default: \
             invalid literal for a number: '5000000000'",
        );
        check_refused(
            "[import_filtering_opts]\nallowed_ports = [80,x]\n",
            "glance-api.conf:2: [import_filtering_opts] allowed_ports: \
             invalid literal for a number: 'x'",
        );
        check_refused(
            "[DEFAULT]\nuser_storage_quota = 5 GB\n",
            "glance-api.conf:2: [DEFAULT] user_storage_quota: not a number of bytes with a unit \
             of B, KB, MB, GB or TB: '5 GB'",
        );
        check_refused("nonsense\n", "glance-api.conf:1: No ':' or '=' found in assignment");
    }

    #[test]
    fn refuses_what_it_would_do_otherwise() {
        check_refused(
            "[DEFAULT]\nhashing_algorithm = sha256\n",
            "glance-api.conf:2: [DEFAULT] hashing_algorithm: this build computes sha512 only",
        );
    }
}
