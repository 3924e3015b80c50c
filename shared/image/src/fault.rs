//! An HTTP fault and its three body shapes.
//!
//! Glance raises WebOb exceptions, whose body depends on `Accept`: HTML, JSON or plain text. Both
//! planes answer faults, so the shapes live here, once. Which status code a failure gets is decided
//! elsewhere: in `controlplane/api/src/error.rs`, and in `dataplane/core` for what only the data
//! plane can see. Headers beside `Content-Type` (`Allow`, `Accept-Patch`) are the caller's too.
//!
//! Invariant: a body is byte for byte what WebOb 1.8 makes of the same code, explanation and detail
//! (`webob/exc.py`, `WSGIHTTPException.generate_response`; `webob/acceptparse.py`,
//! `AcceptValidHeader.acceptable_offers`), because clients match on these texts.

use crate::accept::best_offer;
use std::fmt::Write as _;

/// A fault to send to a client: a status code, where the message stands, and the message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The HTTP status code, 300 to 599.
    pub status: u16,
    /// The text that replaces WebOb's generic explanation; `None` keeps the generic one of the
    /// code.
    pub explanation: Option<String>,
    /// The text behind the explanation (WebOb's `detail`): positional arguments of Glance's
    /// exceptions end up here.
    pub detail: Option<String>,
    /// Whether the explanation is the whole message, without the template of the code (WebOb's
    /// `body_template`).
    pub verbatim: bool,
}

/// The shape of a fault's body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultShape {
    /// `text/html; charset=UTF-8`
    Html,
    /// `application/json`
    Json,
    /// `text/plain; charset=UTF-8`
    Plain,
}

impl FaultShape {
    /// The shape a caller gets who sent this `Accept` header.
    ///
    /// The offers are HTML and JSON in this order. The quality of the most specific matching range
    /// decides, ties go to HTML, and what matches neither gets plain text. No header counts as an
    /// empty one (`generate_response` reads `environ.get('HTTP_ACCEPT', '')`), hence plain text
    /// too; a malformed one is disregarded, which makes both acceptable and the answer HTML.
    #[must_use]
    pub fn from_accept(accept: Option<&[u8]>) -> Self {
        const OFFERS: [(&str, &str); 2] = [("text", "html"), ("application", "json")];
        match best_offer(accept.unwrap_or_default(), OFFERS) {
            Ok(Some(0)) | Err(_) => Self::Html,
            Ok(Some(_)) => Self::Json,
            Ok(None) => Self::Plain,
        }
    }

    /// The `Content-Type` of this shape.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=UTF-8",
            Self::Json => "application/json",
            Self::Plain => "text/plain; charset=UTF-8",
        }
    }
}

// === impl Fault ===

impl Fault {
    /// A fault whose message takes the place of the generic explanation.
    pub fn new(status: u16, explanation: impl Into<String>) -> Self {
        Self { status, explanation: Some(explanation.into()), detail: None, verbatim: false }
    }

    /// A fault with the generic explanation of its code.
    #[must_use]
    pub fn bare(status: u16) -> Self {
        Self { status, explanation: None, detail: None, verbatim: false }
    }

    /// A fault with the generic explanation and a message behind it.
    pub fn detailed(status: u16, detail: impl Into<String>) -> Self {
        Self { status, explanation: None, detail: Some(detail.into()), verbatim: false }
    }

    /// A fault whose message is nothing but this text.
    pub fn verbatim(status: u16, text: impl Into<String>) -> Self {
        Self { verbatim: true, ..Self::new(status, text) }
    }

    /// 405; the caller adds the `Allow` header.
    #[must_use]
    pub fn method_not_allowed(method: &str) -> Self {
        Self::new(405, format!("The method {method} is not allowed for this resource."))
    }

    /// 501: a method nobody knows on a path nobody knows.
    #[must_use]
    pub fn not_implemented(method: &str) -> Self {
        Self::new(501, format!("The request method {method} is not implemented for this server."))
    }

    /// Code 415. `content_type` is the header as the caller sent it; without one WebOb leaves its
    /// placeholder standing in the text.
    pub fn unsupported_media_type(content_type: Option<&str>, detail: impl Into<String>) -> Self {
        let name = content_type.unwrap_or("${CONTENT_TYPE}");
        Self {
            status: 415,
            explanation: Some(format!(
                "The request media type {name} is not supported by this server."
            )),
            detail: Some(detail.into()),
            verbatim: false,
        }
    }

    /// The reason phrase of this fault's code.
    #[must_use]
    pub fn title(&self) -> &'static str {
        known(self.status).0
    }

    /// The content type and the body in the given shape.
    #[must_use]
    pub fn render(&self, shape: FaultShape) -> (&'static str, Vec<u8>) {
        let status_line = format!("{} {}", self.status, self.title());
        let body = match shape {
            FaultShape::Html => {
                let body = self.message(html_escape);
                format!(
                    "<html>\n <head>\n  <title>{status_line}</title>\n </head>\n <body>\n  \
                     <h1>{status_line}</h1>\n  {body}\n </body>\n</html>"
                )
            }
            FaultShape::Json => format!(
                "{{\"message\": {}, \"code\": {}, \"title\": {}}}",
                json_string(&self.message(str::to_owned)),
                json_string(&status_line),
                json_string(self.title()),
            ),
            FaultShape::Plain => {
                format!("{status_line}\n\n{}", strip_tags(&self.message(str::to_owned)))
            }
        };
        (shape.content_type(), body.into_bytes())
    }

    /// The body template of the code filled in: most codes share one, a few bring their own.
    fn message(&self, escape: fn(&str) -> String) -> String {
        let explanation = escape(self.explanation.as_deref().unwrap_or(known(self.status).1));
        if self.verbatim {
            return explanation;
        }
        let detail = escape(self.detail.as_deref().unwrap_or_default());
        match self.status {
            405 | 406 => format!("{explanation} <br /><br />\n{detail}"),
            415 => format!("{explanation}\n<br /><br />\n{detail}"),
            501 => format!("\n{explanation} <br /><br />\n{detail}"),
            _ => format!("{explanation}<br /><br />\n{detail}\n\n"),
        }
    }
}

/// Reason phrase and generic explanation of a code, as `webob/exc.py` has them once it has squeezed
/// the blanks of the explanations.
fn known(status: u16) -> (&'static str, &'static str) {
    match status {
        300 => ("Multiple Choices", ""),
        400 => (
            "Bad Request",
            "The server could not comply with the request since it is either malformed or \
             otherwise incorrect.",
        ),
        401 => (
            "Unauthorized",
            "This server could not verify that you are authorized to access the document you \
             requested. Either you supplied the wrong credentials (e.g., bad password), or your \
             browser does not understand how to supply the credentials required.",
        ),
        403 => ("Forbidden", "Access was denied to this resource."),
        404 => ("Not Found", "The resource could not be found."),
        405 => {
            ("Method Not Allowed", "The method ${REQUEST_METHOD} is not allowed for this resource.")
        }
        406 => (
            "Not Acceptable",
            "The resource could not be generated that was acceptable to your browser\n\
             (content of type ${HTTP_ACCEPT}.",
        ),
        408 => (
            "Request Timeout",
            "The server has waited too long for the request to be sent by the client.",
        ),
        409 => ("Conflict", "There was a conflict when trying to complete your request."),
        410 => ("Gone", "This resource is no longer available. No forwarding address is given."),
        411 => ("Length Required", "Content-Length header required."),
        412 => ("Precondition Failed", "Request precondition failed."),
        413 => {
            ("Request Entity Too Large", "The body of your request was too large for this server.")
        }
        414 => ("Request-URI Too Long", "The request URI was too long for this server."),
        415 => (
            "Unsupported Media Type",
            "The request media type ${CONTENT_TYPE} is not supported by this server.",
        ),
        416 => ("Request Range Not Satisfiable", "The Range requested is not available."),
        417 => ("Expectation Failed", "Expectation failed."),
        429 => {
            ("Too Many Requests", "The client has sent too many requests in a given amount of time")
        }
        431 => ("Request Header Fields Too Large", "The request header fields were too large"),
        501 => (
            "Not Implemented",
            "The request method ${REQUEST_METHOD} is not implemented for this server.",
        ),
        502 => ("Bad Gateway", "Bad gateway."),
        503 => (
            "Service Unavailable",
            "The server is currently unavailable. Please try again at a later time.",
        ),
        504 => ("Gateway Timeout", "The gateway has timed out."),
        505 => ("HTTP Version Not Supported", "The HTTP version is not supported."),
        507 => ("Insufficient Storage", "There was not enough space to save the resource"),
        _ => (
            "Internal Server Error",
            "The server has either erred or is incapable of performing the requested operation.",
        ),
    }
}

/// Python's `html.escape(text, quote=True)`, then numeric references for what is not ASCII
/// (`webob/util.py`, `html_escape`).
fn html_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            _ if char.is_ascii() => out.push(char),
            _ => write!(out, "&#{};", u32::from(char)).expect("writing to a String cannot fail"),
        }
    }
    out
}

/// `json.dumps` of a text with `ensure_ascii`: everything outside printable ASCII is escaped.
fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(char),
            _ => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("writing to a String cannot fail");
                }
            }
        }
    }
    out.push('"');
    out
}

/// `webob/exc.py`, `strip_tags`: line ends become blanks, `<br …>` line ends; comment marks and
/// tags vanish, those inside the message included.
fn strip_tags(text: &str) -> String {
    let flat = text.replace('\n', " ").replace('\r', "");
    let broken = replace_tags(&flat, "br", "\n");
    replace_tags(&broken.replace("<!--", "").replace("-->", ""), "", "")
}

/// Replaces each shortest `<…>` whose inside starts with `prefix` in any case; a `<` that nothing
/// closes stands. Linear: a search for the end either consumes what it read or is the last one.
fn replace_tags(text: &str, prefix: &str, with: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let inner = &from[1..];
        if !inner.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)) {
            out.push('<');
            rest = inner;
            continue;
        }
        let Some(end) = inner.find('>') else {
            rest = from;
            break;
        };
        out.push_str(with);
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fault: &Fault, shape: FaultShape, expected: &str) {
        let (_, body) = fault.render(shape);
        assert_eq!(String::from_utf8(body).expect("bodies are UTF-8"), expected);
    }

    #[test]
    fn an_explanation_stands_alone_in_each_shape() {
        let fault = Fault::new(404, "No image found with ID nope");
        check(
            &fault,
            FaultShape::Html,
            "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  \
             <h1>404 Not Found</h1>\n  No image found with ID nope<br /><br />\n\n\n\n \
             </body>\n</html>",
        );
        check(
            &fault,
            FaultShape::Json,
            r#"{"message": "No image found with ID nope<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}"#,
        );
        check(&fault, FaultShape::Plain, "404 Not Found\n\nNo image found with ID nope\n\n   ");
    }

    #[test]
    fn a_verbatim_text_is_the_whole_message() {
        let fault = Fault::verbatim(405, "No.");
        check(&fault, FaultShape::Plain, "405 Method Not Allowed\n\nNo.");
        check(
            &fault,
            FaultShape::Json,
            r#"{"message": "No.", "code": "405 Method Not Allowed", "title": "Method Not Allowed"}"#,
        );
        check(
            &fault,
            FaultShape::Html,
            "<html>\n <head>\n  <title>405 Method Not Allowed</title>\n </head>\n <body>\n  \
             <h1>405 Method Not Allowed</h1>\n  No.\n </body>\n</html>",
        );
    }

    #[test]
    fn a_detail_follows_the_generic_explanation() {
        let fault = Fault::detailed(403, "Attribute 'location' is reserved.");
        check(
            &fault,
            FaultShape::Plain,
            "403 Forbidden\n\nAccess was denied to this resource.\n\n \
             Attribute 'location' is reserved.  ",
        );
        check(
            &fault,
            FaultShape::Json,
            r#"{"message": "Access was denied to this resource.<br /><br />\nAttribute 'location' is reserved.\n\n", "code": "403 Forbidden", "title": "Forbidden"}"#,
        );
    }

    #[test]
    fn codes_with_a_template_of_their_own_use_it() {
        check(
            &Fault::method_not_allowed("PUT"),
            FaultShape::Plain,
            "405 Method Not Allowed\n\nThe method PUT is not allowed for this resource. \n\n ",
        );
        check(
            &Fault::method_not_allowed("PUT"),
            FaultShape::Json,
            r#"{"message": "The method PUT is not allowed for this resource. <br /><br />\n", "code": "405 Method Not Allowed", "title": "Method Not Allowed"}"#,
        );
        check(
            &Fault::unsupported_media_type(Some("text/plain"), "Invalid content type text/plain"),
            FaultShape::Plain,
            "415 Unsupported Media Type\n\nThe request media type text/plain is not supported by \
             this server. \n\n Invalid content type text/plain",
        );
        check(
            &Fault::unsupported_media_type(None, "Invalid content type None"),
            FaultShape::Plain,
            "415 Unsupported Media Type\n\nThe request media type ${CONTENT_TYPE} is not supported \
             by this server. \n\n Invalid content type None",
        );
        check(
            &Fault::not_implemented("BREW"),
            FaultShape::Plain,
            "501 Not Implemented\n\n The request method BREW is not implemented for this server. \
             \n\n ",
        );
    }

    #[test]
    fn hostile_text_is_escaped_or_stripped() {
        // Taken from Glance's answers to GET /v2/images/%3Cb%3Ex%26%22%27%C3%A9%3Cbr%3Ey.
        let fault = Fault::new(404, "No image found with ID <b>x&\"'\u{c3}\u{a9}<br>y");
        let (_, html) = fault.render(FaultShape::Html);
        let html = String::from_utf8(html).expect("bodies are UTF-8");
        assert!(html.contains("ID &lt;b&gt;x&amp;&quot;&#x27;&#195;&#169;&lt;br&gt;y<br />"));
        check(
            &fault,
            FaultShape::Json,
            r#"{"message": "No image found with ID <b>x&\"'\u00c3\u00a9<br>y<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}"#,
        );
        check(
            &fault,
            FaultShape::Plain,
            "404 Not Found\n\nNo image found with ID x&\"'\u{c3}\u{a9}\ny\n\n   ",
        );
        check(&Fault::new(400, "a < b"), FaultShape::Plain, "400 Bad Request\n\na < b\n\n   ");
    }

    #[test]
    fn characters_outside_the_basic_plane_become_surrogate_pairs_in_json() {
        assert_eq!(json_string("\u{1f600}\u{7f}"), r#""\ud83d\ude00\u007f""#);
    }
}
