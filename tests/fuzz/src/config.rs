//! Configuration files: whatever an operator wrote, it is read or refused with its line.

use glint_config::{Config, ValueError};

/// Two files, divided by the first byte: the second is read on top of the first.
///
/// # Panics
/// If a fault is placed outside its file, or if what is shown of a good value cannot be found again.
pub fn config(bytes: &[u8]) {
    let Some((at, bytes)) = bytes.split_first() else { return };
    let (first, second) = bytes.split_at(usize::from(*at).min(bytes.len()));
    let mut config = Config::new();
    for (name, text) in [("first", first), ("second", second)] {
        if let Err(error) = config.add_file(name, text) {
            // A lone carriage return ends a line too.
            let lines = 1 + text.iter().filter(|byte| b"\r\n".contains(byte)).count();
            assert!((1..=lines).contains(&error.place.line), "{error} of {lines} lines");
            assert_eq!(error.place.file, name);
        }
    }
    let faults = config.faults();
    for one in config.effective() {
        let is_faulty =
            |fault: &ValueError| (fault.group, fault.name) == (one.option.group, one.option.name);
        assert!(!faults.iter().any(is_faulty), "{one:?} is good and faulty");
        assert_eq!(one.place.is_some(), config.is_set(one.option), "{one:?}");
    }
    let unknown = config.unknown();
    assert!(unknown.iter().all(|one| one.nearest.as_deref() != Some(one.option.as_str())));
    let remarks = config.without_meaning().len() + config.not_honoured().len();
    assert!(remarks + config.deprecated().len() <= bytes.len(), "more remarks than letters");
}

pub(crate) fn examples() -> Vec<Vec<u8>> {
    [
        "[DEFAULT]\ndebug = on\nlog_dir=/var/log\n",
        "[DEFAULT]\nenabled_backends = a:file,b:http\n[a]\nweight = 1\nfilesystem_store_datadir = $x\n",
        "[DEFAULT]\npublic_endpoint = ${public_endpoint}$debug/${database.connection}\n",
        "[database]\r\nconnection: mysql://u:p@h/d\r\n\r\n# a comment\r\n; and another\r",
        "[import_filtering_opts]\nallowed_hosts = [localhost,::1]\nallowed_ports = [80,\n 443]\n",
        "[glance_download_properties]\nextra_properties = [\"a,b\",'c']\n[image_format]\n",
        "[oslo_messaging_rabbit]\nkombu_reconnect_delay = 4.5e0\nrabbit_interval_max = 1_0\n",
        "[inject_metadata_properties]\ninject = a:b,c:d\n[oslo_policy]\npolicy_dirs=x\npolicy_dirs=y\n",
    ]
    .iter()
    .map(|text| [&[20], text.as_bytes()].concat())
    .collect()
}
