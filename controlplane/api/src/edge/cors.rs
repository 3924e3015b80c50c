//! `cors`: which pages of other origins a browser may let read answers (`oslo_middleware/cors.py`).
//!
//! Leaves to the browser what it does with the headers. Invariant: an origin that is not allowed
//! changes nothing but what OPTIONS is answered.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use http::{HeaderMap, HeaderValue, Method};

use super::Seen;

/// Request headers that every page may send (`cors.py`, `CORS.simple_headers`).
const SIMPLE_HEADERS: [&str; 8] = [
    "Accept",
    "Accept-Language",
    "Content-Type",
    "Cache-Control",
    "Content-Language",
    "Expires",
    "Last-Modified",
    "Pragma",
];

/// The options of section `[cors]`, or of the filter in the paste file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Origins as browsers spell them, `https://host[:port]`; `*` is any.
    pub allowed_origin: Vec<String>,
    /// Whether a page may send cookies and the like.
    pub allow_credentials: bool,
    /// Response headers a page may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may keep the answer to a pre-flight, in seconds; nothing is said without
    /// one.
    pub max_age: Option<i64>,
    /// Methods a page may use.
    pub allow_methods: Vec<String>,
    /// Request headers a page may send.
    pub allow_headers: Vec<String>,
}

// === impl Cors ===

impl Default for Cors {
    /// Glance's defaults (`glance/common/config.py`, `set_cors_middleware_defaults`).
    fn default() -> Self {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        Self {
            allowed_origin: Vec::new(),
            allow_credentials: true,
            expose_headers: list(&[
                "X-Image-Meta-Checksum",
                "X-Auth-Token",
                "X-Subject-Token",
                "X-Service-Token",
                "X-OpenStack-Request-ID",
            ]),
            max_age: Some(3600),
            allow_methods: list(&["GET", "PUT", "POST", "DELETE", "PATCH"]),
            allow_headers: list(&[
                "Content-MD5",
                "X-Image-Meta-Checksum",
                "X-Storage-Token",
                "Accept-Encoding",
                "X-Auth-Token",
                "X-Identity-Status",
                "X-Roles",
                "X-Service-Catalog",
                "X-User-Id",
                "X-Tenant-Id",
                "X-OpenStack-Request-ID",
            ]),
        }
    }
}

impl Cors {
    /// Gives a response the headers its request asks for. OPTIONS is always answered 200, by the
    /// response itself if it is a success.
    pub(super) fn decorate(&self, seen: &Seen, mut response: Response) -> Response {
        if response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return response;
        }
        if seen.method == Method::OPTIONS {
            if !response.status().is_success() {
                response = Response::new(Body::empty());
            }
            self.answer_preflight(seen, response.headers_mut());
        } else if let Some(origin) = self.allowed(seen.origin.as_ref()) {
            let headers = response.headers_mut();
            let vary = match headers.get(VARY).map(HeaderValue::as_bytes) {
                Some(vary) => value(&[vary, b",Origin"].concat()),
                None => Some(HeaderValue::from_static("Origin")),
            };
            insert(headers, VARY, vary);
            self.allow(headers, origin);
            if !self.expose_headers.is_empty() {
                let names = value(self.expose_headers.join(",").as_bytes());
                insert(headers, ACCESS_CONTROL_EXPOSE_HEADERS, names);
            }
        }
        response
    }

    /// Nothing is said about a request that may not be made.
    fn answer_preflight(&self, seen: &Seen, headers: &mut HeaderMap) {
        let Some(origin) = self.allowed(seen.origin.as_ref()) else { return };
        let Some(method) = &seen.request_method else { return };
        if !self.allow_methods.iter().any(|known| known.as_bytes() == method.as_bytes()) {
            return;
        }
        let asked = seen.request_headers.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
        let names: Vec<&[u8]> = asked
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
            .filter(|name| !name.is_empty())
            .collect();
        if !names.iter().all(|name| self.may_send(name)) {
            return;
        }
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        self.allow(headers, origin);
        if let Some(seconds) = self.max_age.filter(|seconds| *seconds != 0) {
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
        }
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        if !names.is_empty() {
            insert(headers, ACCESS_CONTROL_ALLOW_HEADERS, value(&names.join(&b","[..])));
        }
    }

    fn may_send(&self, name: &[u8]) -> bool {
        let own = self.allow_headers.iter().map(String::as_str);
        own.chain(SIMPLE_HEADERS).any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The origin to name in the answer, if the request's is allowed.
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin?;
        let has = |wanted: &[u8]| self.allowed_origin.iter().any(|one| one.as_bytes() == wanted);
        if has(origin.as_bytes()) {
            return Some(origin.clone());
        }
        has(b"*").then(|| HeaderValue::from_static("*"))
    }

    fn allow(&self, headers: &mut HeaderMap, origin: HeaderValue) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.allow_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

fn value(bytes: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_bytes(bytes).ok()
}

/// What an operator wrote that cannot stand in a header is left out.
fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    const HERE: &str = "https://horizon.example";

    fn cors() -> Cors {
        Cors { allowed_origin: vec![HERE.into(), "http://b:8080".into()], ..Cors::default() }
    }

    /// The CORS headers that `cors` adds, by name, and the status.
    fn answer(cors: &Cors, method: &str, headers: [Option<&str>; 3], status: u16) -> (u16, String) {
        let header = |value: Option<&str>| value.map(|text| text.parse().expect("a header"));
        let seen = Seen {
            method: method.parse().expect("a method"),
            origin: header(headers[0]),
            request_method: header(headers[1]),
            request_headers: header(headers[2]),
            accept_encoding: None,
        };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        let response = cors.decorate(&seen, response);
        let headers = response.headers().iter().map(|(name, value)| {
            let name = name.as_str().strip_prefix("access-control-").unwrap_or(name.as_str());
            format!("{name}={}", value.to_str().expect("ASCII"))
        });
        let mut headers: Vec<String> = headers.collect();
        headers.sort();
        (response.status().as_u16(), headers.join(" "))
    }

    #[test]
    fn answers_to_other_pages_say_who_may_read_them() {
        let check = |cors: &Cors, origin: Option<&str>, expected: &str| {
            let answered = answer(cors, "GET", [origin, None, None], 404);
            assert_eq!(answered, (404, expected.to_owned()), "{origin:?}");
        };
        let exposed = "X-Image-Meta-Checksum,X-Auth-Token,X-Subject-Token,X-Service-Token,\
                       X-OpenStack-Request-ID";
        let allowed = |origin: &str| {
            format!(
                "allow-credentials=true allow-origin={origin} expose-headers={exposed} vary=Origin"
            )
        };
        check(&cors(), Some(HERE), &allowed(HERE));
        check(&cors(), Some("http://b:8080"), &allowed("http://b:8080"));
        check(&cors(), Some("https://HORIZON.example"), "");
        check(&cors(), None, "");
        check(&Cors::default(), Some(HERE), "");
        let any = Cors { allowed_origin: vec!["*".into()], ..cors() };
        check(&any, Some("http://evil"), &allowed("*"));
        let silent = Cors { allow_credentials: false, expose_headers: vec![], ..cors() };
        check(&silent, Some(HERE), &format!("allow-origin={HERE} vary=Origin"));
    }

    #[test]
    fn pre_flights_are_granted_whole_or_not_at_all() {
        let check = |headers: [Option<&str>; 3], expected: &str| {
            let cors = Cors { max_age: Some(600), ..cors() };
            let answered = answer(&cors, "OPTIONS", headers, 405);
            assert_eq!(answered, (200, expected.to_owned()), "{headers:?}");
        };
        let granted = format!(
            "allow-credentials=true allow-methods=GET allow-origin={HERE} max-age=600 vary=Origin"
        );
        check([Some(HERE), Some("GET"), None], &granted);
        check([Some(HERE), Some("GET"), Some(" , ")], &granted);
        let names = Some(" x-auth-token,Content-type ");
        let with_names = granted
            .replace("allow-methods", "allow-headers=x-auth-token,Content-type allow-methods");
        check([Some(HERE), Some("GET"), names], &with_names);
        check([Some(HERE), Some("GET"), Some("x-auth-token,x-other")], "");
        check([Some(HERE), Some("get"), None], "");
        check([Some(HERE), Some("OPTIONS"), None], "");
        check([Some(HERE), None, None], "");
        check([Some("http://evil"), Some("GET"), None], "");
        check([None, Some("GET"), None], "");
    }

    #[test]
    fn a_success_is_kept_under_options() {
        assert_eq!(answer(&cors(), "OPTIONS", [None; 3], 204).0, 204);
        let ageless = Cors { max_age: None, ..cors() };
        let (_, headers) = answer(&ageless, "OPTIONS", [Some(HERE), Some("GET"), None], 200);
        assert!(!headers.contains("max-age"), "{headers}");
    }
}
