//! URLs that callers give for bytes elsewhere, and which hosts may be asked (Glance:
//! `glance/common/utils.py`, `get_validated_address`; `[import_filtering_opts]`).
//!
//! Leaves resolving names and talking to hosts to the caller. Invariant: loopback and link-local
//! addresses are never asked unless the host is listed as allowed, under whatever name they come.

use std::net::IpAddr;

/// A URL taken apart as Python's `urlparse` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// Lower case; empty if there is none.
    pub scheme: String,
    /// Lower case, without brackets; empty if there is none.
    pub host: String,
    /// If one is given.
    pub port: Option<u16>,
    /// `user:password`, if one is given.
    pub credentials: Option<String>,
    /// Path and query, never empty.
    pub target: String,
}

/// `[import_filtering_opts]`: what may be asked. Where both lists of a kind are given, only the
/// allowed one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriFilter {
    /// `allowed_schemes`; empty: all.
    pub allowed_schemes: Vec<String>,
    /// `disallowed_schemes`.
    pub disallowed_schemes: Vec<String>,
    /// `allowed_hosts`; empty: all.
    pub allowed_hosts: Vec<String>,
    /// `disallowed_hosts`.
    pub disallowed_hosts: Vec<String>,
    /// `allowed_ports`; empty: all. A URL that names no port passes.
    pub allowed_ports: Vec<u16>,
    /// `disallowed_ports`.
    pub disallowed_ports: Vec<u16>,
}

impl Default for UriFilter {
    fn default() -> Self {
        Self {
            allowed_schemes: ["http", "https"].map(str::to_owned).to_vec(),
            disallowed_schemes: Vec::new(),
            allowed_hosts: Vec::new(),
            disallowed_hosts: Vec::new(),
            allowed_ports: vec![80, 443],
            disallowed_ports: Vec::new(),
        }
    }
}

/// The scheme of a URL, lower case; `None` where there is none.
#[must_use]
pub fn scheme(text: &str) -> Option<String> {
    let (scheme, _) = text.split_once(':')?;
    let named = scheme.starts_with(|char: char| char.is_ascii_alphabetic());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    (named && scheme.bytes().all(plain)).then(|| scheme.to_ascii_lowercase())
}

// === impl Uri ===

impl Uri {
    /// Takes a URL apart; `None` if it has no host, or a port that is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // What would break a request's line apart is in no URL.
        if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return None;
        }
        let scheme = scheme(text)?;
        let rest = text[scheme.len() + 1..].strip_prefix("//")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let target = target.split('#').next().unwrap_or_default();
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials.to_owned()), place),
            None => (None, authority),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                (host, if rest.is_empty() { "" } else { rest.strip_prefix(':')? })
            }
            None => place.split_once(':').unwrap_or((place, "")),
        };
        let port = match port {
            "" => None,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            _ => return None,
        };
        if host.is_empty() {
            return None;
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Some(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port,
            credentials,
            target: format!("{slash}{target}"),
        })
    }

    /// The port to connect to.
    #[must_use]
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.scheme == "https" { 443 } else { 80 })
    }
}

// === impl UriFilter ===

impl UriFilter {
    /// Whether a URL may be asked, as far as its text tells.
    #[must_use]
    pub fn admits(&self, uri: &Uri) -> bool {
        let passes = |allowed: &[String], disallowed: &[String], word: &str| {
            let is = |list: &[String]| list.iter().any(|each| each == word);
            if allowed.is_empty() { !is(disallowed) } else { is(allowed) }
        };
        let port_passes = uri.port.is_none_or(|port| {
            (self.allowed_ports.is_empty() || self.allowed_ports.contains(&port))
                && !self.disallowed_ports.contains(&port)
        });
        port_passes
            && passes(&self.allowed_schemes, &self.disallowed_schemes, &uri.scheme)
            && passes(&self.allowed_hosts, &self.disallowed_hosts, &uri.host)
    }

    /// Whether an address of that host may be asked.
    #[must_use]
    pub fn admits_address(&self, host: &str, address: IpAddr) -> bool {
        if self.allowed_hosts.iter().any(|allowed| allowed == host) {
            return true;
        }
        let plain = address.to_canonical();
        let local = match plain {
            IpAddr::V4(plain) => plain.is_loopback() || plain.is_link_local(),
            IpAddr::V6(plain) => plain.is_loopback() || plain.is_unicast_link_local(),
        };
        let listed = self.allowed_hosts.is_empty()
            && self.disallowed_hosts.iter().any(|listed| listed.parse() == Ok(address));
        // An address that means "this host" leads to the loopback one.
        !local && !listed && !plain.is_unspecified()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_as_python_does() {
        let check = |text: &str, expected: Option<(&str, &str, Option<u16>, &str)>| {
            let found = Uri::parse(text);
            let found = found
                .as_ref()
                .map(|uri| (uri.scheme.as_str(), uri.host.as_str(), uri.port, uri.target.as_str()));
            assert_eq!(found, expected, "{text}");
        };
        check("http://a/b?c#d", Some(("http", "a", None, "/b?c")));
        check("HTTPS://A.Example:8443", Some(("https", "a.example", Some(8443), "/")));
        check("http://a?x=/@b", Some(("http", "a", None, "/?x=/@b")));
        check("http://[::1]:80/x", Some(("http", "::1", Some(80), "/x")));
        check("http://u:p@h:/x", Some(("http", "h", None, "/x")));
        for text in [
            "",
            "a",
            "http:",
            "http:/a",
            "http://",
            "http:///x",
            "http://a:x/",
            "http://a:70000",
            "http://[::1",
            "http://[::1]x",
            "http://a/b c",
            "http://a/\r\nHost:b",
            "1http://a/",
        ] {
            check(text, None);
        }
        assert_eq!(scheme("swift+config:x").as_deref(), Some("swift+config"));
        assert_eq!((scheme("a b:x"), scheme("x")), (None, None));
    }

    #[test]
    fn hosts_and_ports_are_filtered() {
        let check = |filter: &UriFilter, text: &str, expected: bool| {
            assert_eq!(filter.admits(&Uri::parse(text).expect(text)), expected, "{text}");
        };
        let usual = UriFilter::default();
        check(&usual, "http://a/", true);
        check(&usual, "https://a:443/", true);
        check(&usual, "http://a:8080/", false);
        check(&usual, "ftp://a/", false);
        let hosts = |list: &[&str]| list.iter().map(|&host| host.to_owned()).collect();
        let some = UriFilter { disallowed_hosts: hosts(&["bad"]), ..UriFilter::default() };
        check(&some, "http://bad/", false);
        check(&some, "http://good/", true);
        let only = UriFilter { allowed_hosts: hosts(&["bad"]), ..some };
        check(&only, "http://bad/", true);
        check(&only, "http://good/", false);
    }

    #[test]
    fn addresses_of_this_machine_need_to_be_named() {
        let check = |filter: &UriFilter, host: &str, address: &str, expected: bool| {
            let address = address.parse().expect("an address");
            assert_eq!(filter.admits_address(host, address), expected, "{host} {address}");
        };
        let usual = UriFilter::default();
        check(&usual, "a", "192.0.2.1", true);
        check(&usual, "a", "10.0.0.1", true);
        for local in [
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "::1",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.1.1",
            "0.0.0.0",
            "::",
        ] {
            check(&usual, "a", local, false);
        }
        let named = |host: &str| vec![host.to_owned()];
        let allowed = UriFilter { allowed_hosts: named("a"), ..UriFilter::default() };
        check(&allowed, "a", "127.0.0.1", true);
        check(&allowed, "b", "127.0.0.1", false);
        let listed = UriFilter { disallowed_hosts: named("10.0.0.1"), ..UriFilter::default() };
        check(&listed, "a", "10.0.0.1", false);
        check(&listed, "a", "10.0.0.2", true);
    }
}
