//! Floors and bans for what `Cargo.lock` holds, for machines without a copy of the advisory
//! database.
//!
//! `deny.toml` says the same to cargo-deny where that is installed; a floor here stands for an
//! advisory there.

use crate::{Complaint, complaint};

/// Least versions: the first that has the fix, and what was wrong before.
const FLOORS: &[(&str, &str, &str)] = &[
    ("aws-lc-sys", "0.39.0", "RUSTSEC-2026-0044 to -0048"),
    ("bytes", "1.11.1", "RUSTSEC-2026-0007"),
    ("h2", "0.4.16", "RUSTSEC-2026-0258"),
    ("mio", "0.8.11", "RUSTSEC-2024-0019"),
    ("quinn-proto", "0.11.15", "RUSTSEC-2026-0037 and -0185: remote panic, unbounded memory"),
    ("rkyv", "0.8.17", "RUSTSEC-2026-0233, -0234 and -0235: the checked API was unsound"),
    ("rustls", "0.23.18", "RUSTSEC-2024-0399"),
    ("rustls-webpki", "0.103.13", "RUSTSEC-2026-0049, -0098, -0099 and -0104"),
    ("sqlx", "0.9.0", "RUSTSEC-2024-0363"),
    ("time", "0.3.47", "RUSTSEC-2026-0009"),
];

/// Crates that must not be there, all versions below the bound (`None`: every version), and why.
const BANNED: &[(&str, Option<&str>, &str)] = &[
    ("hyper", Some("1.0.0"), "0.14 is not maintained"),
    ("native-tls", None, "one TLS provider: aws-lc-rs"),
    ("openssl", None, "one TLS provider: aws-lc-rs"),
    ("openssl-sys", None, "one TLS provider: aws-lc-rs"),
    ("rio", None, "RUSTSEC-2020-0021, never fixed"),
    ("rustls", Some("0.23.0"), "one TLS library"),
    ("instant", None, "RUSTSEC-2024-0384: not maintained"),
    ("bitmaps", None, "unsound, and would come with glommio only"),
];

/// Crates banned with one exception each: the crate that may bring them, and why that is bearable.
const BORNE: &[(&str, &str)] = &[
    // quinn-proto lists it for WebAssembly, where aws-lc-rs does not build. It is compiled on no
    // target of ours; `cargo tree -i ring` is empty.
    ("ring", "quinn-proto rustls-webpki rcgen quinn rustls x509-parser"),
    // RUSTSEC-2025-0057, not maintained: a hash function of thirty lines inside monoio, fed with
    // file descriptors only.
    ("fxhash", "monoio"),
];

struct Package<'a> {
    line: usize,
    name: &'a str,
    version: &'a str,
    dependencies: Vec<&'a str>,
}

pub(crate) fn check(text: &str) -> Vec<Complaint> {
    let packages = packages(text);
    let mut found = Vec::new();
    let mut complain = |package: &Package<'_>, advice: String| {
        found.push(complaint("Cargo.lock", package.line, advice));
    };
    for package in &packages {
        let (name, version) = (package.name, package.version);
        for (_, floor, why) in FLOORS.iter().filter(|(crate_name, ..)| *crate_name == name) {
            if numbers(version) < numbers(floor) {
                complain(package, format!("{name} {version}: {floor} at least, {why}"));
            }
        }
        for (_, below, why) in BANNED.iter().filter(|(crate_name, ..)| *crate_name == name) {
            if below.is_none_or(|below| numbers(version) < numbers(below)) {
                complain(package, format!("{name} {version} is banned: {why}"));
            }
        }
        for dependency in &package.dependencies {
            for (_, bearers) in BORNE.iter().filter(|(borne, _)| borne == dependency) {
                if !bearers.split(' ').any(|bearer| bearer == name) {
                    complain(package, format!("{name} brings in {dependency}, which is banned"));
                }
            }
        }
    }
    found
}

fn packages(text: &str) -> Vec<Package<'_>> {
    let mut all: Vec<Package<'_>> = Vec::new();
    let mut in_dependencies = false;
    for (index, line) in text.lines().enumerate() {
        let quoted = line.split('"').nth(1).unwrap_or_default();
        if line == "[[package]]" {
            all.push(Package { line: index + 1, name: "", version: "", dependencies: Vec::new() });
            in_dependencies = false;
        } else if let Some(package) = all.last_mut() {
            if line.starts_with("name = ") {
                package.name = quoted;
            } else if line.starts_with("version = ") {
                package.version = quoted;
            } else if line.starts_with("dependencies = ") {
                in_dependencies = true;
            } else if in_dependencies && !quoted.is_empty() {
                package.dependencies.push(quoted.split(' ').next().unwrap_or_default());
            }
        }
    }
    all
}

/// Major, minor and patch; build metadata and pre-release names do not matter here.
fn numbers(version: &str) -> [u64; 3] {
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = plain.split('.').map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_count(packages: &[(&str, &str, &[&str])], expected: usize) {
        let mut text = "version = 4\n".to_owned();
        for (name, version, dependencies) in packages {
            text += &format!("\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
            text += "dependencies = [\n";
            for dependency in *dependencies {
                text += &format!(" \"{dependency}\",\n");
            }
            text += "]\n";
        }
        let found = check(&text);
        assert_eq!(found.len(), expected, "{packages:?}: {found:?}");
    }

    #[test]
    fn keeps_floors() {
        check_count(&[("rkyv", "0.8.17", &[])], 0);
        check_count(&[("rkyv", "0.8.16", &[])], 1);
        check_count(&[("rkyv", "0.10.0", &[])], 0);
        check_count(&[("quinn-proto", "0.11.9", &[])], 1);
        check_count(&[("other", "0.0.1", &[])], 0);
    }

    #[test]
    fn keeps_bans() {
        check_count(&[("openssl", "0.10.99", &[])], 1);
        check_count(&[("hyper", "0.14.30", &[]), ("hyper", "1.6.0", &[])], 1);
    }

    #[test]
    fn bears_exceptions_only_where_they_are() {
        check_count(&[("monoio", "0.2.4", &["fxhash"])], 0);
        check_count(&[("sled", "0.34.7", &["fxhash 0.2.1"])], 1);
        check_count(&[("reqwest", "0.12.0", &["bytes", "ring"])], 1);
    }
}
