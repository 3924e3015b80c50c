//! `http://host[:port][/path]`, and nothing else: no TLS, no user, no fragment.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// Where a server is, and what of it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    authority: String,
    path: String,
}

/// The text is not such a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not of the form http://host[:port][/path]")]
pub struct NotAUrl;

impl FromStr for Url {
    type Err = NotAUrl;

    fn from_str(text: &str) -> Result<Self, NotAUrl> {
        let rest = text.strip_prefix("http://").ok_or(NotAUrl)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        let plain = !authority.is_empty() && !authority.contains(['@', '?', '#']);
        if !printable || !plain || path.contains('#') {
            return Err(NotAUrl);
        }
        Ok(Self { authority: authority.to_owned(), path: path.to_owned() })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

// === impl Url ===

impl Url {
    /// For the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The path, when the URL names more than a server.
    pub(crate) fn path(&self) -> Option<&str> {
        Some(self.path.as_str()).filter(|path| !path.trim_matches('/').is_empty())
    }

    /// Where to connect.
    pub(crate) fn resolve(&self) -> std::io::Result<SocketAddr> {
        let has_port = self
            .authority
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.ends_with(':') && port.parse::<u16>().is_ok());
        let with_port =
            if has_port { self.authority.clone() } else { format!("{}:80", self.authority) };
        let none = || std::io::Error::new(std::io::ErrorKind::NotFound, "no address of that name");
        with_port.to_socket_addrs()?.next().ok_or_else(none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_urls() {
        let check = |text: &str, expected: Option<(&str, Option<&str>)>| {
            let url: Option<Url> = text.parse().ok();
            let found = url.as_ref().map(|url| (url.authority(), url.path()));
            assert_eq!(found, expected, "{text}");
        };
        check("http://127.0.0.1:9292", Some(("127.0.0.1:9292", None)));
        check("http://127.0.0.1:9292/", Some(("127.0.0.1:9292", None)));
        check("http://host/file?x=1", Some(("host", Some("/file?x=1"))));
        check("http://[::1]:80/a/b", Some(("[::1]:80", Some("/a/b"))));
        check("https://host/", None);
        check("http://", None);
        check("http://user@host/", None);
        check("http://host/a b", None);
        check("host:80", None);
    }

    #[test]
    fn finds_the_port() {
        let check = |text: &str, expected: &str| {
            let url: Url = text.parse().unwrap();
            assert_eq!(url.resolve().unwrap(), expected.parse().unwrap(), "{text}");
        };
        check("http://127.0.0.1:9292", "127.0.0.1:9292");
        check("http://127.0.0.1/x", "127.0.0.1:80");
        check("http://[::1]:81", "[::1]:81");
        check("http://[::1]", "[::1]:80");
    }
}
