//! A look over a whole configuration: what of it is not known, has no meaning here or cannot be
//! used, and what it comes to.
//!
//! For the log at start and for `glint config check`. Invariant: no secret leaves this file as it
//! was written.

use crate::config::{Config, Place, ValueError};
use crate::options::{self, Kind, OptionDef};
use crate::value::Value;
use std::collections::BTreeSet;

/// What stands in the place of a secret.
const HIDDEN: &str = "****";

/// An option that nothing here knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Where it stands.
    pub place: Place,
    /// `[group] name` as written.
    pub option: String,
    /// The known option of the most similar name, `[group] name`.
    pub nearest: Option<String>,
}

/// An option with what it comes to.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The option.
    pub option: &'static OptionDef,
    /// The value as a file would say it, with secrets hidden; `None` is oslo.config's `None`.
    pub text: Option<String>,
    /// Where a file sets it.
    pub place: Option<Place>,
}

// === impl Config ===

impl Config {
    /// What the files set and nobody knows, in the order of the files.
    #[must_use]
    pub fn unknown(&self) -> Vec<Unknown> {
        let stores = self.store_ids();
        let mut named = BTreeSet::new();
        let mut all = Vec::new();
        for (file, (group, name), line) in self.assignments() {
            let is_store = stores.contains(group) || options::is_reserved_store(group);
            let is_known = options::set_by(group, name).is_some()
                || options::is_of_a_plugin(group, name)
                || is_store && options::is_store_option(name);
            let option = format!("[{group}] {name}");
            if !is_known && named.insert(option.clone()) {
                let place = Place { file: file.to_owned(), line };
                all.push(Unknown { place, option, nearest: nearest(group, name) });
            }
        }
        all
    }

    /// Known options that the files set and that mean nothing here, with the reason.
    #[must_use]
    pub fn without_meaning(&self) -> Vec<(Place, String, &'static str)> {
        let mut named = BTreeSet::new();
        let mut all = Vec::new();
        for (file, (group, name), line) in self.assignments() {
            let Some(option) = options::set_by(group, name) else { continue };
            let Some(why) = option.why_without_meaning() else { continue };
            if named.insert((option.group, option.name)) {
                let place = Place { file: file.to_owned(), line };
                all.push((place, format!("[{}] {}", option.group, option.name), why));
            }
        }
        all
    }

    /// Options of the files whose values cannot be used. Those without a meaning here are not
    /// looked at.
    #[must_use]
    pub fn faults(&self) -> Vec<ValueError> {
        let set = options::all().filter(|option| self.is_set(option));
        let meant = set.filter(|option| option.why_without_meaning().is_none());
        meant.filter_map(|option| self.get(option).err()).collect()
    }

    /// Every option that can be used, with its value.
    #[must_use]
    pub fn effective(&self) -> Vec<Effective> {
        let value = |option: &'static OptionDef| {
            let value = self.get(option).ok()?;
            let text = value.map(|value| hidden(option, &shown(option.kind, &value)));
            Some(Effective { option, text, place: self.place(option) })
        };
        options::all().filter_map(value).collect()
    }
}

/// A value as a file says it.
fn shown(kind: Kind, value: &Value) -> String {
    match value {
        Value::List(items) if matches!(kind, Kind::Bracketed(_)) => {
            format!("[{}]", items.join(","))
        }
        Value::List(items) => items.join(","),
        Value::Dict(pairs) => {
            let pairs: Vec<String> =
                pairs.iter().map(|(key, value)| format!("{key}:{value}")).collect();
            pairs.join(",")
        }
        other => other.to_python_text(),
    }
}

/// Hides what is secret as a whole, and the password of an URL in all else.
fn hidden(option: &OptionDef, text: &str) -> String {
    if option.is_secret() && !text.is_empty() && !text.contains("://") {
        return HIDDEN.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (scheme, behind) = rest.split_at(at + 3);
        shown.push_str(scheme);
        // The last `@` before the path: a password may hold one.
        let end = behind.find(['/', '?', '#']).unwrap_or(behind.len());
        let end = behind[..end].rfind('@').or_else(|| behind.find('@')).unwrap_or(0);
        let (access, after) = behind.split_at(end);
        match access.split_once(':') {
            Some((user, _)) => shown.extend([user, ":", HIDDEN]),
            None => shown.push_str(access),
        }
        rest = after;
    }
    shown + rest
}

/// The known option of the most similar name: in the same group, else of the same name elsewhere.
fn nearest(group: &str, name: &str) -> Option<String> {
    let title = |option: &OptionDef| format!("[{}] {}", option.group, option.name);
    let most = 1 + name.len() / 4;
    let near = options::all()
        .filter(|option| option.group == group)
        .map(|option| (distance(name, option.name), option))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance);
    let elsewhere = || options::all().find(|option| option.name == name);
    near.map(|(_, option)| option).or_else(elsewhere).map(title)
}

/// How many letters to change, add or drop to come from one name to the other (Levenshtein). Names
/// longer than any option's are as far as can be.
fn distance(left: &str, right: &str) -> usize {
    const LONGEST: usize = 64;
    if left.len() > LONGEST {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (place, letter) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = place + 1;
        for (column, other) in right.bytes().enumerate() {
            let changed = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let mut config = Config::new();
        config.add_file("f", text.as_bytes()).expect("valid lines");
        config
    }

    #[test]
    fn what_nobody_knows_is_named_with_what_may_be_meant() {
        let check = |text: &str, expected: &[(&str, Option<&str>)]| {
            let unknown = config(text).unknown();
            let found: Vec<_> =
                unknown.iter().map(|one| (one.option.as_str(), one.nearest.as_deref())).collect();
            assert_eq!(found, expected, "{text}");
        };
        let in_default = "[DEFAULT] image_size_cap";
        check("[DEFAULT]\nimage_size_cab = 1\n", &[("[DEFAULT] image_size_cab", Some(in_default))]);
        check("[x]\nimage_size_cap=1\n", &[("[x] image_size_cap", Some(in_default))]);
        check("[x]\nzebra=1\nzebra=2\n", &[("[x] zebra", None)]);
        check("[DEFAULT]\ndisk_formats=a\nworkers=3\n", &[]);
        check("[keystone_authtoken]\npassword=x\nauth_url=y\n", &[]);
        let stores = "[DEFAULT]\nenabled_backends=fast:file\n[fast]\nweight=1\nx=2\n\
                      [os_glance_staging_store]\nfilesystem_store_datadir=/x\n";
        check(stores, &[("[fast] x", None)]);
    }

    #[test]
    fn what_means_nothing_here_says_why() {
        let config = config("[DEFAULT]\nworkers = 4\nworkers = x\n[wsgi]\ntask_pool_threads=x\n");
        let found: Vec<_> = config.without_meaning().into_iter().map(|(_, name, _)| name).collect();
        assert_eq!(found, ["[DEFAULT] workers", "[wsgi] task_pool_threads"]);
        assert_eq!(config.faults(), []);
    }

    #[test]
    fn every_value_that_cannot_be_used_is_found() {
        let config = config("[DEFAULT]\napi_limit_max = 0\ndebug = x\n");
        let faults: Vec<_> = config.faults().iter().map(ToString::to_string).collect();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults.iter().any(|fault| fault.starts_with("f:2: [DEFAULT] api_limit_max: ")));
    }

    #[test]
    fn secrets_are_hidden() {
        let check = |group: &str, name: &str, text: &str, expected: &str| {
            let option = options::find(group, name).expect("an option");
            assert_eq!(hidden(option, text), expected);
        };
        check("glance_store", "s3_store_secret_key", "hunter2", "****");
        check("glance_store", "s3_store_secret_key", "", "");
        check(
            "database",
            "connection",
            "mysql+pymysql://g:p@db/x?y",
            "mysql+pymysql://g:****@db/x?y",
        );
        check("database", "connection", "mysql://g:p@ss@db/x", "mysql://g:****@db/x");
        check("database", "connection", "mysql://g:p/s@db/x", "mysql://g:****@db/x");
        check("database", "connection", "sqlite:////var/x", "sqlite:////var/x");
        let two = "rabbit://a:b@h1:1,c:d@h2:2/v";
        assert!(
            !hidden(options::find("DEFAULT", "transport_url").expect("one"), two).contains(":d@")
        );
        check("DEFAULT", "public_endpoint", "https://x:9292/y", "https://x:9292/y");
    }

    #[test]
    fn values_are_shown_with_their_places() {
        let config = config("[DEFAULT]\ndebug = on\n[database]\nconnection = x://u:p@h/d\n");
        let all = config.effective();
        let find = |name: &str| all.iter().find(|one| one.option.name == name).expect("an option");
        assert_eq!(find("debug").text.as_deref(), Some("True"));
        assert_eq!(find("debug").place.as_ref().map(|place| place.line), Some(2));
        assert_eq!(find("connection").text.as_deref(), Some("x://u:****@h/d"));
        assert_eq!(find("limit_param_default").text.as_deref(), Some("25"));
        assert_eq!(find("limit_param_default").place, None);
    }
}
