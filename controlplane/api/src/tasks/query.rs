//! The query string of a list of tasks (`glance/api/v2/tasks.py`, `RequestDeserializer.index`).
//!
//! Invariant: what is no parameter and no column is passed over, as Glance does.

use controlplane_db::{Direction, TaskColumn, TaskQuery};
use controlplane_domain::Context;
use controlplane_domain::tasks::{TaskId, TaskStatus};

use crate::error::Refusal;
use crate::images::query::{Parameters, read_limit};
use crate::options::ApiOptions;

/// Reads the parameters; beside the query the marker as the caller spelt it, for messages.
pub(super) fn read(
    mut parameters: Parameters,
    context: Context,
    options: &ApiOptions,
) -> Result<(TaskQuery, String), Refusal> {
    let bad = |text: String| Refusal::bad_request(text);
    let limit = parameters.pop("limit");
    let marker = parameters.pop("marker");
    let direction = match parameters.pop("sort_dir").as_deref() {
        None | Some("desc") => Direction::Descending,
        Some("asc") => Direction::Ascending,
        Some(other) => return Err(bad(format!("Invalid sort direction: {other}"))),
    };
    let sort = parameters.pop("sort_key");
    let given = |name: &str| parameters.last(name).filter(|value| !value.is_empty());
    if let Some(status) = given("status").filter(|text| TaskStatus::parse(text).is_none()) {
        return Err(bad(format!("Invalid status value: {status}")));
    }
    // The types that imports make are no values here, although they are listed.
    if let Some(kind) = given("type").filter(|text| *text != "import") {
        return Err(bad(format!("Invalid type value: {kind}")));
    }
    if marker.as_deref().is_some_and(|marker| !marker.is_empty() && !is_uuid_like(marker)) {
        return Err(bad("Invalid marker format".to_owned()));
    }
    let limit = limit.map_or(Ok(options.limit_param_default), |limit| read_limit(&limit))?;
    let sort = match sort.as_deref() {
        None => TaskColumn::CreatedAt,
        // The same for every task that is listed.
        Some("deleted" | "deleted_at") => TaskColumn::CreatedAt,
        Some(name) => TaskColumn::parse(name)
            .ok_or_else(|| bad("Sort key supplied was not valid.".to_owned()))?,
    };
    let mut filters = Vec::new();
    for (name, value) in parameters.pairs() {
        // No time is equal to a text.
        match TaskColumn::parse(name) {
            Some(column) if column.is_time() => filters.push((TaskColumn::Id, String::new())),
            Some(column) => filters.push((column, value.to_owned())),
            None => {}
        }
    }
    let query = TaskQuery {
        context,
        filters,
        sort,
        direction,
        marker: marker.as_deref().map(TaskId::new),
        limit: limit.min(options.api_limit_max),
    };
    Ok((query, marker.unwrap_or_default()))
}

/// Whether Python takes a text for a UUID (`oslo_utils/uuidutils.py`, `is_uuid_like`).
fn is_uuid_like(text: &str) -> bool {
    let plain = text.replace("urn:", "").replace("uuid:", "");
    let plain = plain.trim_matches(['{', '}']).replace('-', "");
    plain.len() == 32 && plain.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<TaskQuery, String> {
        let parameters = Parameters::parse(query).expect("well-formed");
        let read = super::read(parameters, Context::default(), &ApiOptions::default());
        read.map(|(query, _)| query)
            .map_err(|refused| refused.fault.explanation.expect("a text of its own"))
    }

    #[test]
    fn parameters_are_refused_in_glances_words() {
        let check = |query: &str, text: &str| {
            assert_eq!(read(query).expect_err("to be refused"), text, "{query}");
        };
        check("limit=x", "limit param must be an integer");
        check("limit=-1", "limit param must be positive");
        check("marker=x", "Invalid marker format");
        check("sort_dir=up", "Invalid sort direction: up");
        check("sort_dir=", "Invalid sort direction: ");
        check("sort_key=nothing", "Sort key supplied was not valid.");
        check("sort_key=", "Sort key supplied was not valid.");
        check("status=zz", "Invalid status value: zz");
        check("status=failure&status=zz", "Invalid status value: zz");
        check("type=api_image_import", "Invalid type value: api_image_import");
        check("sort_dir=up&status=zz&limit=x", "Invalid sort direction: up");
        check("status=zz&limit=x", "Invalid status value: zz");
    }

    #[test]
    fn what_is_no_column_filters_nothing() {
        let check = |query: &str, expected: &[(TaskColumn, &str)]| {
            let found = read(query).expect("a query").filters;
            let found: Vec<_> = found.iter().map(|(key, value)| (*key, value.as_str())).collect();
            assert_eq!(found, expected, "{query}");
        };
        check("zebra=1&deleted=true&info=x", &[]);
        check("owner=a&image_id=", &[(TaskColumn::Owner, "a"), (TaskColumn::ImageId, "")]);
        let twice = [(TaskColumn::Status, "success"), (TaskColumn::Status, "failure")];
        check("status=success&status=failure", &twice);
        check("created_at=x", &[(TaskColumn::Id, "")]);
    }

    #[test]
    fn uuids_are_what_python_takes_for_them() {
        let check = |text: &str, expected: bool| assert_eq!(is_uuid_like(text), expected, "{text}");
        check("71c675ab-d94f-49cd-a114-e12490b328d9", true);
        check("71C675ABD94F49CDA114E12490B328D9", true);
        check("{urn:uuid:71c675ab-d94f-49cd-a114-e12490b328d9}", true);
        check("71c675ab-d94f-49cd-a114-e12490b328d", false);
        check("x", false);
    }
}
