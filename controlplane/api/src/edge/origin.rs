//! By which address the caller reached the service: what links and `Location` begin with.
//!
//! Without a proxy that is the `Host` header. Behind one it is what the proxy says, where the
//! operator says it may be believed (`oslo_middleware/http_proxy_to_wsgi.py`). Invariant: only a
//! first hop is read, and nothing a header says is believed unless asked for.

use std::net::IpAddr;

use http::request::Parts;
use http::{Extensions, HeaderMap, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::text;

/// The client's address, an extension of requests. The link end puts it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// Scheme, host and path prefix by which the caller reached the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    /// With its port; empty where the request names no host.
    host: String,
    /// What a proxy has taken off the path.
    prefix: String,
}

// === impl Origin ===

impl Origin {
    /// What the request itself says.
    pub(crate) fn direct(headers: &HeaderMap) -> Self {
        Self {
            scheme: "http".to_owned(),
            host: text(headers, header::HOST.as_str()).to_owned(),
            prefix: String::new(),
        }
    }

    /// The origin of a request on its way to a handler.
    pub(crate) fn of(parts: &Parts) -> Self {
        Self::of_extensions(&parts.extensions, &parts.headers)
    }

    /// As [`Self::of`], from the two parts that matter.
    pub(crate) fn of_extensions(extensions: &Extensions, headers: &HeaderMap) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_else(|| Self::direct(headers))
    }

    /// What the first proxy says, and of what it does not, what was known. `Forwarded` keeps the
    /// `X-Forwarded-` headers out, but not the prefix, which it has no word for.
    pub(crate) fn proxied(self, headers: &HeaderMap) -> Self {
        let forwarded = text(headers, header::FORWARDED.as_str());
        let (scheme, host) = if forwarded.is_empty() {
            (text(headers, "x-forwarded-proto"), text(headers, "x-forwarded-host"))
        } else {
            (parameter(forwarded, "proto"), parameter(forwarded, "host"))
        };
        // Several proxies may each have added a word; links can be made with the first alone.
        let [scheme, host] =
            [scheme, host].map(|words| words.split(',').next().unwrap_or_default().trim());
        let given = |new: &str, old: String| if new.is_empty() { old } else { new.to_owned() };
        let prefix = headers.get("x-forwarded-prefix").map(|value| value.as_bytes());
        Self {
            scheme: given(scheme, self.scheme),
            host: given(host, self.host),
            prefix: prefix.map_or(self.prefix, quoted),
        }
    }

    /// Scheme and host, e.g. `http://glance:9292`; empty where there is no host. The port is left
    /// out where the scheme says it (WebOb, `Request.host_url`).
    pub(crate) fn host_url(&self) -> String {
        let port = match self.scheme.as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => "",
        };
        let host = self.host.strip_suffix(port).unwrap_or(&self.host);
        if host.is_empty() { String::new() } else { format!("{}://{host}", self.scheme) }
    }

    /// As [`Self::host_url`], and the prefix (WebOb, `Request.application_url`).
    pub(crate) fn application_url(&self) -> String {
        self.host_url() + &self.prefix
    }
}

/// The first value of a parameter in the first element of `Forwarded`; of repeated ones the last.
fn parameter<'a>(forwarded: &'a str, name: &str) -> &'a str {
    let first = forwarded.split(',').next().unwrap_or_default();
    let pairs = first.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    named.next_back().map(|(_, value)| value.trim().trim_matches('"')).unwrap_or_default()
}

/// The prefix as it stands in an URL.
fn quoted(prefix: &[u8]) -> String {
    const PATH: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'%')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'[')
        .add(b'\\')
        .add(b']')
        .add(b'^')
        .add(b'`')
        .add(b'{')
        .add(b'|')
        .add(b'}');
    match std::str::from_utf8(prefix) {
        Ok(text) => utf8_percent_encode(text, PATH).to_string(),
        Err(_) => percent_encoding::percent_encode(prefix, PATH).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(headers: &[(&'static str, &str)]) -> Origin {
        let mut map = HeaderMap::new();
        map.insert(header::HOST, "here:9292".parse().expect("a host"));
        for (name, value) in headers {
            let value = http::HeaderValue::from_bytes(value.as_bytes()).expect("a header");
            map.insert(*name, value);
        }
        Origin::direct(&map).proxied(&map)
    }

    // Taken from Glance 33, but for the two words of a list.
    #[test]
    fn the_first_proxy_is_believed() {
        let check = |headers: &[(&'static str, &str)], expected: &str| {
            assert_eq!(origin(headers).application_url(), expected, "{headers:?}");
        };
        check(&[], "http://here:9292");
        let three = [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "img.example"),
            ("x-forwarded-prefix", "/image"),
        ];
        check(&three, "https://img.example/image");
        check(&[("x-forwarded-host", "img:80")], "http://img");
        check(&[("x-forwarded-proto", "https"), ("x-forwarded-host", "img:443")], "https://img");
        check(&[("x-forwarded-proto", "https"), ("x-forwarded-host", "img:80")], "https://img:80");
        let forwarded = "for=192.0.2.60;proto=https;host=fwd.example, for=1.2.3.4;host=x";
        check(&[("forwarded", forwarded), three[1]], "https://fwd.example");
        check(&[("forwarded", "for=1"), three[1]], "http://here:9292");
        check(&[("forwarded", "for=1"), three[2]], "http://here:9292/image");
        check(&[("forwarded", "For=\"[::1]\"; HOST = q ;PROTO=gopher")], "gopher://q");
        check(&[("x-forwarded-prefix", "/a b/%20/é")], "http://here:9292/a%20b/%2520/%C3%A9");
        check(&[("x-forwarded-proto", "https, http")], "https://here:9292");
    }

    #[test]
    fn resources_are_named_without_the_prefix() {
        let origin = origin(&[("x-forwarded-prefix", "/image"), ("x-forwarded-host", "[::1]:5")]);
        assert_eq!(origin.host_url(), "http://[::1]:5");
    }

    #[test]
    fn without_a_host_links_are_relative() {
        assert_eq!(Origin::direct(&HeaderMap::new()).application_url(), "");
    }
}
