//! The answer of the health check in its three forms (`oslo_middleware/healthcheck/__init__.py`,
//! `_make_text_response` and its like).
//!
//! Of the details those of the Python interpreter are left out: there is none. Invariant: without
//! details a page is byte for byte oslo.middleware's.

use std::fmt::Write as _;

use glint_image::accept::best_offer;
use http::{HeaderMap, header};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::Finding;

/// The media type of the word.
pub(super) const PLAIN: &str = "text/plain; charset=UTF-8";

/// Content type and body, by what the caller accepts.
pub(super) fn render(
    headers: &HeaderMap,
    findings: &[Finding],
    is_detailed: bool,
) -> (&'static str, String) {
    const OFFERS: [(&str, &str); 3] =
        [("text", "plain"), ("text", "html"), ("application", "json")];
    let accept = headers.get(header::ACCEPT).map(|accept| accept.as_bytes());
    match accept.map(|accept| best_offer(accept, OFFERS)) {
        Some(Ok(Some(1))) => ("text/html; charset=UTF-8", html(findings, is_detailed)),
        Some(Ok(Some(2))) => ("application/json", json(findings, is_detailed)),
        _ => (PLAIN, plain(findings)),
    }
}

fn plain(findings: &[Finding]) -> String {
    findings.iter().map(|finding| finding.reason).collect::<Vec<_>>().join("\n")
}

fn json(findings: &[Finding], is_detailed: bool) -> String {
    let reason = |finding: &Finding| match is_detailed {
        false => json!(finding.reason),
        true => json!({
            "class": "HealthcheckResult",
            "details": finding.details,
            "reason": finding.reason,
        }),
    };
    let reasons: Vec<Value> = findings.iter().map(reason).collect();
    let body = match is_detailed {
        false => json!({"detailed": false, "reasons": reasons}),
        true => json!({
            "detailed": true,
            "now": now(),
            "platform": platform(),
            "reasons": reasons,
        }),
    };
    let mut text = Vec::new();
    let layout = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut text, layout);
    serde::Serialize::serialize(&body, &mut writer).expect("texts and lists can be written");
    String::from_utf8(text).expect("JSON is text")
}

fn html(findings: &[Finding], is_detailed: bool) -> String {
    let mut page = String::from("<HTML>\n<HEAD><TITLE>Healthcheck Status</TITLE></HEAD>\n<BODY>\n");
    if is_detailed {
        page.push_str("<H1>Server status</H1>\n");
        row(&mut page, format_args!("<B>Current time:</B><PRE>{}</PRE>\n", now()));
        row(&mut page, format_args!("<B>Platform:</B><PRE>{}</PRE>\n<HR></HR>", platform()));
    }
    row(&mut page, format_args!("\n<H2>Result of {} checks:</H2>\n", findings.len()));
    page.push_str("<TABLE bgcolor=\"#ffffff\" border=\"1\">\n<TBODY>\n<TR>\n");
    page.push_str(match is_detailed {
        true => "<TH>\nKind\n</TH>\n<TH>\nReason\n</TH>\n<TH>\nDetails\n</TH>\n\n</TR>\n",
        false => "\n<TH>\nReason\n</TH>\n</TR>\n",
    });
    for finding in findings {
        let (reason, details) = (escaped(finding.reason), escaped(&finding.details));
        if is_detailed {
            row(&mut page, format_args!("<TR>\n<TD>HealthcheckResult</TD>\n    <TD>{reason}</TD>"));
            row(&mut page, format_args!("\n<TD>{details}</TD>\n</TR>"));
        } else {
            row(&mut page, format_args!("<TR>\n\n    <TD>{reason}</TD>\n\n</TR>"));
        }
    }
    page.push_str("\n</TBODY>\n</TABLE>\n<HR></HR>\n\n");
    page.push_str(if is_detailed { "\n</BODY>\n</HTML>" } else { "</BODY>\n</HTML>" });
    page
}

fn row(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a String takes everything");
}

/// As Jinja's `e` filter escapes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn now() -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    OffsetDateTime::now_utc().format(form).expect("this form fits every time")
}

fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(reasons: &[&'static str]) -> Vec<Finding> {
        reasons.iter().map(|reason| Finding { reason, ..Finding::ok("a '<b>'".into()) }).collect()
    }

    // The expected pages were made by oslo.middleware 8.2.
    #[test]
    fn the_page_is_oslos() {
        let check = |reasons: &[&'static str], rows: &str| {
            let page = format!(
                "<HTML>\n<HEAD><TITLE>Healthcheck Status</TITLE></HEAD>\n<BODY>\n\n<H2>Result of \
                 {} checks:</H2>\n<TABLE bgcolor=\"#ffffff\" border=\"1\">\n<TBODY>\n<TR>\n\n<TH>\n\
                 Reason\n</TH>\n</TR>\n{rows}\n</TBODY>\n</TABLE>\n<HR></HR>\n\n</BODY>\n</HTML>",
                reasons.len()
            );
            assert_eq!(html(&findings(reasons), false), page);
        };
        check(&[], "");
        check(&["R0"], "<TR>\n\n    <TD>R0</TD>\n\n</TR>");
        let row = "<TR>\n\n    <TD>OK</TD>\n\n</TR>";
        check(&["OK", "OK"], &row.repeat(2));
    }

    #[test]
    fn details_name_what_was_looked_at() {
        let page = html(&findings(&["OK"]), true);
        let row = "<TR>\n<TD>HealthcheckResult</TD>\n    <TD>OK</TD>\n<TD>a &#39;&lt;b&gt;&#39;\
                   </TD>\n</TR>\n</TBODY>";
        assert!(page.contains(row), "{page}");
        let body: Value = serde_json::from_str(&json(&findings(&["OK"]), true)).expect("JSON");
        assert_eq!(body["reasons"][0]["details"], "a '<b>'");
        assert_eq!(body["detailed"], true);
    }

    #[test]
    fn the_caller_chooses_the_form() {
        let check = |accept: Option<&str>, expected: &str| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().expect("a header"));
            }
            let (content_type, body) = render(&headers, &findings(&["OK", "NO"]), false);
            assert!(content_type.starts_with(expected), "{accept:?}: {content_type}");
            assert!(expected != "text/plain" || body == "OK\nNO", "{body}");
        };
        check(None, "text/plain");
        check(Some("*/*"), "text/plain");
        check(Some("image/png"), "text/plain");
        check(Some("garbage"), "text/plain");
        check(Some("text/html"), "text/html");
        check(Some("application/json"), "application/json");
        check(Some("application/json;q=0.3,text/html;q=0.2,*/*;q=0.1"), "application/json");
    }

    #[test]
    fn json_is_indented_as_python_does() {
        let expected = "{\n    \"detailed\": false,\n    \"reasons\": [\n        \"OK\"\n    ]\n}";
        assert_eq!(json(&findings(&["OK"]), false), expected);
        assert_eq!(json(&[], false), "{\n    \"detailed\": false,\n    \"reasons\": []\n}");
    }
}
