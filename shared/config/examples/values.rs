//! Says what the reader of configuration files makes of them, for comparison with oslo.config
//! (`tests/compat/config.py`).
//!
//! With the argument `table` each line of output is an option: group, name, kind, bounds, choices,
//! default and older names. Without, each line of standard input is a JSON object: `files` is a list
//! of texts, `asks` a list of `[group, name]`; each line of output is a list with the value of each,
//! `{"fault": text}` in the place of one that cannot be used, or such an object alone for files that
//! cannot be read.

use glint_config::{Config, Kind, OptionDef, Value, options};
use serde_json::{Value as Json, json};
use std::io::{BufRead, Write};

fn main() -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if std::env::args().nth(1).as_deref() == Some("table") {
        for option in options::all() {
            writeln!(out, "{}", described(option))?;
        }
        return out.flush();
    }
    for line in std::io::stdin().lock().lines() {
        let line: Json = serde_json::from_str(&line?)?;
        writeln!(out, "{}", answered(&line))?;
    }
    out.flush()
}

fn described(option: &OptionDef) -> Json {
    let (kind, bounds, choices) = match option.kind {
        Kind::Choice(choices) => ("Choice".to_owned(), Json::Null, json!(choices)),
        Kind::Int { least, most } => {
            let bound = |bound: Option<i128>| bound.map(|bound| bound.to_string());
            ("Int".to_owned(), json!([bound(least), bound(most)]), Json::Null)
        }
        Kind::ChoiceAnyCase(choices) => ("ChoiceAnyCase".to_owned(), Json::Null, json!(choices)),
        Kind::Float { least, most } => ("Float".to_owned(), json!([least, most]), Json::Null),
        Kind::Bracketed(item) => (format!("Bracketed {item:?}"), Json::Null, Json::Null),
        other => (format!("{other:?}"), Json::Null, Json::Null),
    };
    json!({
        "group": option.group,
        "name": option.name,
        "kind": kind,
        "bounds": bounds,
        "choices": choices,
        "default": option.default,
        "deprecated": option.deprecated,
    })
}

fn answered(line: &Json) -> Json {
    let mut config = Config::new();
    for (number, text) in line["files"].as_array().expect("a list of files").iter().enumerate() {
        let text = text.as_str().expect("a text");
        if let Err(error) = config.add_file(&format!("file{number}"), text.as_bytes()) {
            return json!({"fault": error.to_string()});
        }
    }
    let asks = line["asks"].as_array().expect("a list of asks");
    asks.iter().map(|ask| value(&config, &text_of(&ask[0]), &text_of(&ask[1]))).collect()
}

fn value(config: &Config, group: &str, name: &str) -> Json {
    let option = options::find(group, name).expect("the table has every option");
    match config.get(option) {
        Ok(None) => Json::Null,
        Ok(Some(Value::Text(text))) => json!(text),
        Ok(Some(Value::Bool(value))) => json!(value),
        // Wider than numbers of JSON readers.
        Ok(Some(Value::Int(number))) => json!({"int": number.to_string()}),
        Ok(Some(Value::Float(number))) => json!({"float": format!("{number:?}")}),
        Ok(Some(Value::List(items))) => json!(items),
        Ok(Some(Value::Dict(pairs))) => json!({"dict": pairs}),
        Err(error) => json!({"fault": error.to_string()}),
    }
}

fn text_of(json: &Json) -> String {
    json.as_str().expect("a text").to_owned()
}
