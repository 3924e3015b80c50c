//! Who may depend on whom, read from the manifests.
//!
//! `shared` knows nobody above it; the planes know `shared` and themselves; cores take in nothing
//! that does IO. Only the binary and the tests see both planes.

use crate::{Complaint, complaint};
use std::collections::BTreeMap;

/// Crates without IO: they run under a simulator, so nothing they use may have a socket, a file, a
/// thread or a clock.
const CORES: &[&str] = &[
    "shared/image",
    "shared/link",
    "shared/config",
    "shared/policy",
    "dataplane/core",
    "controlplane/domain",
];

/// What a core may use from outside: values, formats, patterns and errors.
const CORE_MAY_USE: &[&str] = &[
    "bytes",
    "crc32c",
    "fancy-regex",
    "httparse",
    "percent-encoding",
    "rkyv",
    "serde",
    "serde-saphyr",
    "serde_json",
    "sha2",
    "thiserror",
    "time",
    "uuid",
];

/// Folders, and the folders their crates may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("shared/", &["shared/"]),
    ("dataplane/", &["shared/", "dataplane/"]),
    ("controlplane/", &["shared/", "controlplane/"]),
    ("bench/", &["shared/"]),
];

/// Checks manifests, given with their paths from the root.
pub(crate) fn check(manifests: &[(String, String)]) -> Vec<Complaint> {
    let folders: BTreeMap<&str, &str> = manifests
        .iter()
        .filter_map(|(path, text)| Some((package_name(text)?, folder_of(path))))
        .collect();
    let mut found = Vec::new();
    for (path, text) in manifests {
        let folder = folder_of(path);
        for (line, name) in dependencies(text) {
            let target = folders.get(name).copied();
            if let Some(advice) = fault(folder, name, target) {
                found.push(complaint(path, line, advice));
            }
        }
    }
    found
}

fn fault(folder: &str, name: &str, target: Option<&str>) -> Option<String> {
    let Some(target) = target else {
        let unfit = CORES.contains(&folder) && !CORE_MAY_USE.contains(&name);
        return unfit.then(|| format!("{folder} does no IO: `{name}` is not among what cores use"));
    };
    if CORES.contains(&folder) && !CORES.contains(&target) {
        return Some(format!("{folder} does no IO and may not depend on {target}"));
    }
    let slashed = format!("{folder}/");
    let (from, allowed) = ARROWS.iter().find(|(from, _)| slashed.starts_with(from))?;
    let inside = allowed.iter().any(|to| target.starts_with(to));
    (!inside).then(|| format!("{from} may not depend on {target}"))
}

fn folder_of(path: &str) -> &str {
    path.strip_suffix("/Cargo.toml").unwrap_or("")
}

fn package_name(text: &str) -> Option<&str> {
    let mut in_package = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            in_package = line == "[package]";
        } else if in_package && line.starts_with("name") {
            return line.split('"').nth(1);
        }
    }
    None
}

/// Names in every kind of dependency table of a package, with their lines.
/// `[workspace.dependencies]` is none of them.
fn dependencies(text: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            let last = table.rsplit('.').next().unwrap_or_default();
            inside = last.ends_with("dependencies") && !table.starts_with("workspace");
            // `[dependencies.name]`
            let parent = table.rsplit('.').nth(1).unwrap_or_default();
            if parent.ends_with("dependencies") && !table.starts_with("workspace") {
                found.push((index + 1, last));
            }
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
            found.push((index + 1, line[..end].trim_matches('"')));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of one crate in each folder that matters, and one more dependency in one of them.
    fn check_lines(folder: &str, dependency: &str, expected: bool) {
        let manifest = |folder: &str| {
            let name = folder.replace('/', "-");
            let path = format!("{folder}/Cargo.toml");
            (path, format!("[package]\nname = \"{name}\"\n[dependencies]\nthiserror = \"2\"\n"))
        };
        let mut manifests: Vec<_> =
            ["shared/image", "shared/quic", "dataplane/core", "dataplane/io", "controlplane/api"]
                .map(manifest)
                .into();
        manifests.push(manifest("bench"));
        assert_eq!(check(&manifests), Vec::new(), "the tree is sound without it");
        let (_, text) = manifests.iter_mut().find(|(path, _)| folder_of(path) == folder).unwrap();
        *text += dependency;
        let complains = !check(&manifests).is_empty();
        assert_eq!(complains, expected, "{folder}: {dependency}");
    }

    #[test]
    fn keeps_the_planes_apart() {
        check_lines("dataplane/io", "shared-image.workspace = true\n", false);
        check_lines("dataplane/io", "dataplane-core.workspace = true\n", false);
        check_lines("dataplane/io", "controlplane-api.workspace = true\n", true);
        check_lines("controlplane/api", "dataplane-io = { path = \"x\" }\n", true);
        check_lines("shared/quic", "dataplane-core.workspace = true\n", true);
        check_lines("bench", "dataplane-io.workspace = true\n", true);
    }

    #[test]
    fn sees_every_kind_of_table() {
        for table in ["dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
            let text = format!("[{table}]\ncontrolplane-api.workspace = true\n");
            check_lines("dataplane/io", &text, true);
        }
        check_lines("dataplane/io", "[dependencies.controlplane-api]\nworkspace = true\n", true);
        check_lines("dataplane/io", "[features]\ncontrolplane-api = []\n", false);
        check_lines("dataplane/io", "[workspace.dependencies]\ncontrolplane-api = \"1\"\n", false);
    }

    #[test]
    fn keeps_io_out_of_cores() {
        check_lines("shared/image", "tokio.workspace = true\n", true);
        check_lines("dataplane/core", "rustix = \"1\"\n", true);
        check_lines("dataplane/core", "dataplane-io.workspace = true\n", true);
        check_lines("dataplane/core", "shared-quic.workspace = true\n", true);
        check_lines("dataplane/core", "serde_json.workspace = true\n", false);
        check_lines("dataplane/io", "tokio.workspace = true\n", false);
    }
}
