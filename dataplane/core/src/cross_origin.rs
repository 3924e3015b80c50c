//! The headers by which a browser lets a page of another origin read an answer.
//!
//! The control plane adds its own to what it answers; here they are for what the data plane answers
//! by itself. Leaves pre-flights to the control plane. Invariant: an origin that is not allowed adds
//! nothing. (`oslo_middleware/cors.py`, `CORS._apply_cors_request_headers`.)

use glint_link::wire::{CrossOrigin, Header};

/// The headers for an answer to a request of this origin.
#[must_use]
pub fn headers(rules: Option<&CrossOrigin>, origin: Option<&[u8]>) -> Vec<Header> {
    let (Some(rules), Some(origin)) = (rules, origin) else { return Vec::new() };
    let has = |wanted: &[u8]| rules.allowed.iter().any(|one| one.as_bytes() == wanted);
    let allowed: &[u8] = if has(origin) {
        origin
    } else if has(b"*") {
        b"*"
    } else {
        return Vec::new();
    };
    let header = |name: &str, value: &[u8]| Header { name: name.to_owned(), value: value.to_vec() };
    let mut headers =
        vec![header("vary", b"Origin"), header("access-control-allow-origin", allowed)];
    if rules.credentials {
        headers.push(header("access-control-allow-credentials", b"true"));
    }
    if !rules.exposed.is_empty() {
        headers.push(header("access-control-expose-headers", rules.exposed.as_bytes()));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_origins_alone_may_read() {
        let rules = |allowed: &str, credentials: bool, exposed: &str| CrossOrigin {
            allowed: vec![allowed.to_owned()],
            credentials,
            exposed: exposed.to_owned(),
        };
        let check = |rules: Option<CrossOrigin>, origin: Option<&str>, expected: &str| {
            let headers = headers(rules.as_ref(), origin.map(str::as_bytes));
            let text = |one: &Header| {
                let name = one.name.strip_prefix("access-control-").unwrap_or(&one.name);
                format!("{name}={}", String::from_utf8_lossy(&one.value))
            };
            let shown: Vec<String> = headers.iter().map(text).collect();
            assert_eq!(shown.join(" "), expected, "{origin:?}");
        };
        let page = "https://a";
        let allowed =
            "vary=Origin allow-origin=https://a allow-credentials=true expose-headers=X,Y";
        check(Some(rules(page, true, "X,Y")), Some(page), allowed);
        check(Some(rules(page, false, "")), Some(page), "vary=Origin allow-origin=https://a");
        check(Some(rules("*", false, "")), Some(page), "vary=Origin allow-origin=*");
        check(Some(rules(page, true, "X")), Some("https://A"), "");
        check(Some(rules(page, true, "X")), None, "");
        check(None, Some(page), "");
    }
}
