//! The options a Glance 33 configuration may hold: names, types, defaults, older names, and what
//! they mean here.
//!
//! Tables only. Leaves to [`crate::Config`] how a value is found, and to [`crate::Settings`] what
//! Glint does with it. Names and defaults are those Glance, glance_store and the oslo libraries
//! register (their `opts.py` modules).

mod glance;
mod libraries;
mod meaning;
mod messaging;
mod retired;

/// The type of an option (`oslo_config/types.py`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Text taken as it is.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these words in capitals or not.
    ChoiceAnyCase(&'static [&'static str]),
    /// An address or a name of a machine.
    Host,
    /// A switch.
    Bool,
    /// A whole number within bounds, both included.
    Int {
        /// The least value.
        least: Option<i128>,
        /// The greatest value.
        most: Option<i128>,
    },
    /// A number within bounds, both included.
    Float {
        /// The least value.
        least: Option<f64>,
        /// The greatest value.
        most: Option<f64>,
    },
    /// `a,b,c`.
    List,
    /// `1,2,3`: whole numbers; an item may be empty.
    Numbers,
    /// `[a,b,c]`.
    Bracketed(Item),
    /// `name:value,name:value`.
    Dict,
    /// An option that may be repeated; every line counts (`MultiStrOpt`).
    Lines,
}

/// What a list in brackets holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item {
    /// Text, in quotes or not; in quotes it may hold commas.
    Quoted,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An address or a name of a machine.
    Host,
    /// 1 to 65,535, or nothing.
    Port,
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct OptionDef {
    /// Section, lower case except `DEFAULT`.
    pub group: &'static str,
    /// Name, with underscores.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// The value when no file sets one, as it would be written; `None` is oslo.config's `None`.
    pub default: Option<&'static str>,
    /// Older names that still work: section and name.
    pub deprecated: &'static [(&'static str, &'static str)],
}

const INT: Kind = Kind::Int { least: None, most: None };
const FROM_0: Kind = Kind::Int { least: Some(0), most: None };
const FROM_1: Kind = Kind::Int { least: Some(1), most: None };
const FLOAT: Kind = Kind::Float { least: None, most: None };
const FLOAT_FROM_0: Kind = Kind::Float { least: Some(0.0), most: None };
const PORT: Kind = Kind::Int { least: Some(0), most: Some(65_535) };

const fn opt(
    group: &'static str,
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
) -> OptionDef {
    OptionDef { group, name, kind, default, deprecated: &[] }
}

impl OptionDef {
    const fn was(self, deprecated: &'static [(&'static str, &'static str)]) -> Self {
        Self { deprecated, ..self }
    }

    /// Whether Glint acts on this option today.
    #[must_use]
    pub fn is_honoured(&self) -> bool {
        HONOURED.contains(&(self.group, self.name))
    }

    /// Why the option means nothing here; `None` for one that acts or will.
    #[must_use]
    pub fn why_without_meaning(&self) -> Option<&'static str> {
        let is_this =
            |group: &str, name: &str| group == self.group && ["*", self.name].contains(&name);
        let rows = meaning::WITHOUT_MEANING.iter();
        rows.filter(|(group, name, _)| is_this(group, name)).map(|(_, _, why)| *why).next()
    }

    /// Whether its value must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        meaning::SECRET.contains(&(self.group, self.name))
    }

    /// Whether `[group] name` in a file sets this option, by its own or an older name.
    pub(crate) fn is_called(&self, group: &str, name: &str) -> bool {
        (self.group, self.name) == (group, name) || self.deprecated.contains(&(group, name))
    }
}

/// What Glint acts on today. Every other known option that a file sets is named in a line of the
/// log at start.
const HONOURED: &[(&str, &str)] = &[
    ("DEFAULT", "allow_anonymous_access"),
    ("DEFAULT", "api_limit_max"),
    ("DEFAULT", "bind_host"),
    ("DEFAULT", "bind_port"),
    ("DEFAULT", "debug"),
    ("DEFAULT", "do_secure_hash"),
    ("DEFAULT", "hashing_algorithm"),
    ("DEFAULT", "image_location_quota"),
    ("DEFAULT", "image_member_quota"),
    ("DEFAULT", "image_property_quota"),
    ("DEFAULT", "image_size_cap"),
    ("DEFAULT", "image_tag_quota"),
    ("DEFAULT", "limit_param_default"),
    ("DEFAULT", "max_request_id_length"),
    ("DEFAULT", "property_protection_file"),
    ("DEFAULT", "property_protection_rule_format"),
    ("DEFAULT", "public_endpoint"),
    ("DEFAULT", "show_image_direct_url"),
    ("DEFAULT", "show_multiple_locations"),
    ("DEFAULT", "user_storage_quota"),
    ("cors", "allow_credentials"),
    ("cors", "allow_headers"),
    ("cors", "allow_methods"),
    ("cors", "allowed_origin"),
    ("cors", "expose_headers"),
    ("cors", "max_age"),
    ("database", "connection"),
    ("database", "connection_parameters"),
    ("database", "connection_recycle_time"),
    ("database", "max_overflow"),
    ("database", "max_pool_size"),
    ("database", "max_retries"),
    ("database", "mysql_sql_mode"),
    ("database", "mysql_wsrep_sync_wait"),
    ("database", "pool_timeout"),
    ("database", "retry_interval"),
    ("glance_store", "filesystem_store_datadir"),
    ("glance_store", "stores"),
    ("healthcheck", "allowed_source_ranges"),
    ("healthcheck", "backends"),
    ("healthcheck", "detailed"),
    ("healthcheck", "disable_by_file_path"),
    ("healthcheck", "disable_by_file_paths"),
    ("healthcheck", "enable_by_file_paths"),
    ("healthcheck", "ignore_proxied_requests"),
    ("image_format", "container_formats"),
    ("image_format", "disk_formats"),
    ("oslo_middleware", "enable_proxy_headers_parsing"),
    ("import_filtering_opts", "allowed_hosts"),
    ("import_filtering_opts", "allowed_ports"),
    ("import_filtering_opts", "allowed_schemes"),
    ("import_filtering_opts", "disallowed_hosts"),
    ("import_filtering_opts", "disallowed_ports"),
    ("import_filtering_opts", "disallowed_schemes"),
    ("oslo_policy", "enforce_new_defaults"),
    ("oslo_policy", "policy_default_rule"),
    ("oslo_policy", "policy_dirs"),
    ("oslo_policy", "policy_file"),
    ("paste_deploy", "config_file"),
    ("paste_deploy", "flavor"),
    ("task", "task_time_to_live"),
];

/// Every option known here.
pub fn all() -> impl Iterator<Item = &'static OptionDef> {
    [glance::OPTIONS, libraries::OPTIONS, messaging::OPTIONS, retired::OPTIONS]
        .into_iter()
        .flatten()
}

/// The option of that section and name, older names not considered.
#[must_use]
pub fn find(group: &str, name: &str) -> Option<&'static OptionDef> {
    all().find(|option| (option.group, option.name) == (group, name))
}

/// The option that `[group] name` in a file sets, older names considered.
#[must_use]
pub fn set_by(group: &str, name: &str) -> Option<&'static OptionDef> {
    find(group, name).or_else(|| all().find(|option| option.is_called(group, name)))
}

/// Whether `name` is an option of a store driver, which `[store-id]` sections hold in multi-store
/// mode.
#[must_use]
pub fn is_store_option(name: &str) -> bool {
    find("glance_store", name).is_some() || ["store_description", "weight"].contains(&name)
}

/// Whether a plugin chosen by another option may bring this one with it.
pub(crate) fn is_of_a_plugin(group: &str, name: &str) -> bool {
    match group {
        "keystone_authtoken" | "service_user" => meaning::PLUGIN_OPTIONS.contains(&name),
        group => meaning::OF_PLUGINS.contains(&group),
    }
}

/// Whether a section holds one of the stores that every multi-store configuration has
/// (`glance/common/wsgi_app.py`, `RESERVED_STORES`).
pub(crate) fn is_reserved_store(group: &str) -> bool {
    ["os_glance_staging_store", "os_glance_tasks_store"].contains(&group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value;
    use std::collections::BTreeSet;

    #[test]
    fn every_default_has_the_type_of_its_option() {
        for option in all() {
            if let Some(default) = option.default {
                let read = value::convert(option.kind, default);
                assert!(read.is_ok(), "[{}] {}: {read:?}", option.group, option.name);
            }
        }
    }

    #[test]
    fn every_name_stands_once() {
        // keystoneauth has options that are older names of others as well, so the two sets may
        // overlap.
        let (mut names, mut older) = (BTreeSet::new(), BTreeSet::new());
        for option in all() {
            assert!(names.insert((option.group, option.name)), "{option:?}");
            for old in option.deprecated {
                assert!(older.insert(*old), "{option:?}");
            }
        }
    }

    #[test]
    fn what_is_said_about_options_is_said_about_known_ones() {
        let without = meaning::WITHOUT_MEANING.iter().map(|(group, name, _)| (group, name));
        let with = HONOURED.iter().map(|(group, name)| (group, name));
        let secret = meaning::SECRET.iter().map(|(group, name)| (group, name));
        for (group, name) in with.clone().chain(without).chain(secret) {
            let is_known = all().any(|one| one.group == *group && ["*", one.name].contains(name));
            assert!(is_known, "[{group}] {name}");
        }
        for (group, name) in with {
            let option = find(group, name).expect("it was found above");
            assert_eq!(option.why_without_meaning(), None, "[{group}] {name}");
        }
    }

    #[test]
    fn older_names_lead_to_the_option() {
        let check = |group, name, expected: Option<&str>| {
            assert_eq!(set_by(group, name).map(|option| option.name), expected, "[{group}] {name}");
        };
        check("DEFAULT", "disk_formats", Some("disk_formats"));
        check("DEFAULT", "rpc_thread_pool_size", Some("executor_thread_pool_size"));
        check("DEFAULT", "no_such_option", None);
        check("image_format", "debug", None);
    }
}
