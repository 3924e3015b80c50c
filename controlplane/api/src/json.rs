//! JSON as Glance reads and writes it.
//!
//! Reading is `jsonutils.loads` for well-formed text: of duplicate keys the last counts. What
//! Python reads and RFC 8259 does not allow (`NaN`, lone surrogates, nesting beyond 128) is refused
//! as malformed. Writing is `json.dumps(…, ensure_ascii=False)`: a blank behind every comma and
//! colon.

use std::io;

use serde_json::Value;
use serde_json::ser::Formatter;

/// Reads a document; `None` if it is malformed.
pub(crate) fn read(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok()
}

/// Writes a document.
pub(crate) fn write(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, PythonSpacing);
    serde::Serialize::serialize(value, &mut serializer)
        .expect("a JSON value has only text keys, and writing to memory cannot fail");
    bytes
}

struct PythonSpacing;

impl Formatter for PythonSpacing {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_looks_like_python_wrote_it() {
        let check = |text: &str, expected: &str| {
            let value = read(text.as_bytes()).expect("the test's text is JSON");
            assert_eq!(String::from_utf8(write(&value)).expect("JSON is UTF-8"), expected);
        };
        check(r#"{"a":[1,null,true],"b":{}}"#, r#"{"a": [1, null, true], "b": {}}"#);
        check(r#"{"n":"\u00e9\u007f\u001f\/\n"}"#, "{\"n\": \"é\u{7f}\\u001f/\\n\"}");
        check(r#"{"a":1,"b":2,"a":3}"#, r#"{"a": 3, "b": 2}"#);
        check("[1.0, 1e30]", "[1.0, 1e+30]");
    }

    #[test]
    fn malformed_text_is_refused_and_nothing_panics() {
        let check = |text: &[u8]| assert_eq!(read(text), None);
        check(b"");
        check(b"{nope");
        check(b"[NaN]");
        check(b"{\"a\": \"\xff\"}");
        check(br#"["\ud800"]"#);
        check(b"[1e999]");
        check(b"[] []");
        check("[".repeat(100_000).as_bytes());
        check(format!("{}{}", "[".repeat(200), "]".repeat(200)).as_bytes());
    }
}
