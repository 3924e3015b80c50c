//! The query string of a list (Glance: `glance/api/v2/images.py`, `RequestDeserializer.index`;
//! `glance/db/sqlalchemy/api.py`, `_make_conditions_from_filters`).
//!
//! Leaves who sees what to the database's query. Invariant: whatever is not understood as a
//! parameter or a column filters by the custom property of that name; nothing is passed over
//! silently.

use std::collections::BTreeMap;

use controlplane_db::{
    Comparison, Direction, Filter, IntColumn, ListQuery, MemberStatus, SortKey, TextColumn,
    TimeColumn, VisibilityFilter,
};
use controlplane_domain::Context;
use glint_image::{ImageId, Visibility, limits};
use percent_encoding::percent_decode_str;

use super::filter_text::{iso_time, split_operator, split_values};
use crate::error::Refusal;
use crate::options::ApiOptions;
use crate::request::python_int;

/// The pairs of a query string, in order. A name may repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

// === impl Parameters ===

impl Parameters {
    /// Takes a query string apart as WebOb does: pairs end at `&` or `;`, `+` is a blank.
    pub(crate) fn parse(query: &str) -> Result<Self, Refusal> {
        let decode = |text: &str| {
            let text = text.replace('+', " ");
            let decoded = percent_decode_str(&text).decode_utf8();
            decoded.map(|text| text.into_owned()).map_err(|_| {
                Refusal::bad_request(
                    "Error decoding your request. Either the URL or the request body contained \
                     characters that could not be decoded by Glance",
                )
            })
        };
        let pairs = query.split(['&', ';']).filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        Ok(Self(pairs.collect::<Result<_, Refusal>>()?))
    }

    /// The pairs that `first` and `next` repeat: without the marker, of repeated names the last
    /// value in the place of the first (`ResponseSerializer.index` makes a dict of them).
    pub(crate) fn for_links(&self) -> Vec<(String, String)> {
        let mut links: Vec<(String, String)> = Vec::new();
        let mut places = BTreeMap::new();
        for (name, value) in self.0.iter().filter(|(name, _)| name != "marker") {
            match places.get(name) {
                Some(place) => {
                    let (_, earlier): &mut (String, String) = &mut links[*place];
                    earlier.clone_from(value);
                }
                None => {
                    places.insert(name.clone(), links.len());
                    links.push((name.clone(), value.clone()));
                }
            }
        }
        links
    }

    /// Takes the first pair of a name out.
    pub(crate) fn pop(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(found, _)| found == name)?;
        Some(self.0.remove(place).1)
    }

    /// The value of the last pair of a name.
    pub(crate) fn last(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Takes all pairs of a name out.
    fn pop_all(&mut self, name: &str) -> Vec<String> {
        let (taken, left) =
            std::mem::take(&mut self.0).into_iter().partition(|(found, _)| found == name);
        self.0 = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// All pairs, in order.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found == name)
    }
}

/// Python's `urllib.parse.urlencode`.
pub(crate) fn urlencode<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const QUOTED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~').remove(b' ');
    let quote = |text: &str| utf8_percent_encode(text, QUOTED).to_string().replace(' ', "+");
    let pairs = pairs.map(|(name, value)| format!("{}={}", quote(name), quote(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Reads the parameters; beside the query the marker as the caller spelt it, for messages.
pub(super) fn read(
    mut parameters: Parameters,
    context: Context,
    options: &ApiOptions,
) -> Result<(ListQuery, String), Refusal> {
    let limit = parameters.pop("limit");
    let marker = parameters.pop("marker");
    let member_status = parameters.pop("member_status").unwrap_or_else(|| "accepted".to_owned());
    let tags = parameters.pop_all("tag");
    let visibility = visibility(&parameters)?;
    let member_status = match member_status.as_str() {
        "all" => MemberStatus::All,
        "pending" | "accepted" | "rejected" => MemberStatus::Is(member_status),
        _ => return Err(bad(format!("Invalid status: {member_status}"))),
    };
    let limit = limit.map_or(Ok(options.limit_param_default), |limit| read_limit(&limit))?;
    let (sort, tie_direction) = sorting(&mut parameters)?;
    let mut rest: BTreeMap<String, String> = parameters.0.into_iter().collect();
    rest.remove("visibility");
    let os_hidden = rest.remove("os_hidden").unwrap_or_else(|| "false".to_owned()).to_lowercase();
    let os_hidden = truth("os_hidden", &os_hidden)?;
    let mut filters = Vec::new();
    if let Some(protected) = rest.remove("protected") {
        filters.push(Filter::Protected(truth("protected", &protected)?));
    }
    let query_marker = match &marker {
        None => None,
        // No image has an id that is no UUID.
        Some(text) => {
            Some(ImageId::parse(text).map_err(|_| bad(format!("No image found with ID {text}")))?)
        }
    };
    filters.extend(tags.into_iter().map(|tag| Filter::Tag(tag.trim().to_owned())));
    for (name, value) in rest {
        filter(&name, value, &mut filters)?;
    }
    let is_join = |filter: &&Filter| matches!(filter, Filter::Property { .. } | Filter::Tag(_));
    if filters.iter().filter(is_join).count() > limits::LIST_JOINS_MAX {
        return Err(bad("Too many tags and properties to filter by."));
    }
    let limit = limit.min(options.api_limit_max);
    let query = ListQuery {
        context,
        visibility,
        member_status,
        os_hidden,
        filters,
        sort,
        tie_direction,
        marker: query_marker,
        limit,
    };
    Ok((query, marker.unwrap_or_default()))
}

fn bad(text: impl Into<String>) -> Refusal {
    Refusal::bad_request(text)
}

fn visibility(parameters: &Parameters) -> Result<VisibilityFilter, Refusal> {
    let last = |wanted: &str| parameters.last(wanted).filter(|value| !value.is_empty());
    let visibility = match last("visibility") {
        None => VisibilityFilter::Default,
        Some("all") => VisibilityFilter::All,
        Some(text) => VisibilityFilter::Only(
            Visibility::parse(text)
                .ok_or_else(|| bad(format!("Invalid visibility value: {text}")))?,
        ),
    };
    if last("changes-since").is_some() {
        return Err(bad("The \"changes-since\" filter is no longer available on v2."));
    }
    Ok(visibility)
}

pub(crate) fn read_limit(text: &str) -> Result<u32, Refusal> {
    let limit = python_int(text).ok_or_else(|| bad("limit param must be an integer"))?;
    if limit < 0 {
        return Err(bad("limit param must be positive"));
    }
    Ok(u32::try_from(limit).unwrap_or(u32::MAX))
}

fn truth(name: &str, value: &str) -> Result<bool, Refusal> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(bad(format!(
            "Invalid value '{value}' for '{name}' filter. Valid values are 'true' or 'false'."
        ))),
    }
}

/// Keys with their directions, and the direction of the tie breakers
/// (`RequestDeserializer._get_sorting_params`). A repeated key sorts nothing any more and is left
/// out.
fn sorting(parameters: &mut Parameters) -> Result<(Vec<(SortKey, Direction)>, Direction), Refusal> {
    let mut keys = Vec::new();
    let mut directions = Vec::new();
    if parameters.has("sort") {
        if parameters.has("sort_key") || parameters.has("sort_dir") {
            return Err(bad("Old and new sorting syntax cannot be combined"));
        }
        let sort = parameters.pop("sort").unwrap_or_default();
        for part in sort.trim().split(',') {
            let (key, direction) = part.split_once(':').unwrap_or((part, ""));
            keys.push(sort_key(key.trim())?);
            let direction = if direction.is_empty() { "desc" } else { direction.trim() };
            directions.push(sort_direction(direction)?);
        }
    } else {
        for key in parameters.pop_all("sort_key") {
            keys.push(sort_key(key.trim())?);
        }
        for direction in parameters.pop_all("sort_dir") {
            directions.push(sort_direction(direction.trim())?);
        }
        if directions.len() > 1 && directions.len() != keys.len() {
            return Err(bad("Number of sort dirs does not match the number of sort keys"));
        }
    }
    if keys.is_empty() {
        keys.push(SortKey::CreatedAt);
    }
    let single = match directions.as_slice() {
        [] => Some(Direction::Descending),
        [direction] => Some(*direction),
        _ => None,
    };
    let mut sort: Vec<(SortKey, Direction)> = Vec::new();
    for (at, key) in keys.into_iter().enumerate() {
        if sort.iter().all(|(earlier, _)| *earlier != key) {
            sort.push((key, single.unwrap_or_else(|| directions[at])));
        }
    }
    Ok((sort, single.unwrap_or(Direction::Descending)))
}

fn sort_key(key: &str) -> Result<SortKey, Refusal> {
    Ok(match key {
        "name" => SortKey::Name,
        "status" => SortKey::Status,
        "container_format" => SortKey::ContainerFormat,
        "disk_format" => SortKey::DiskFormat,
        "size" => SortKey::Size,
        "id" => SortKey::Id,
        "created_at" => SortKey::CreatedAt,
        "updated_at" => SortKey::UpdatedAt,
        _ => {
            return Err(bad(format!(
                "Invalid sort key: {key}. It must be one of the following: name, status, \
                 container_format, disk_format, size, id, created_at, updated_at."
            )));
        }
    })
}

fn sort_direction(direction: &str) -> Result<Direction, Refusal> {
    match direction {
        "asc" => Ok(Direction::Ascending),
        "desc" => Ok(Direction::Descending),
        _ => Err(bad(format!("Invalid sort direction: {direction}"))),
    }
}

/// Adds the condition of one parameter.
fn filter(name: &str, value: String, filters: &mut Vec<Filter>) -> Result<(), Refusal> {
    if let Some(range) = range(name, &value)? {
        filters.extend(range);
        return Ok(());
    }
    let condition = match name {
        // Every list is of images that are not deleted, whatever is asked for.
        "deleted" => return Ok(()),
        // `tags=xy` asks for the tags `x` and `y`: Glance goes through the text as through a list.
        "tags" => {
            filters.extend(value.chars().map(|char| Filter::Tag(char.to_string())));
            return Ok(());
        }
        "created_at" => time(TimeColumn::CreatedAt, name, &value)?,
        "updated_at" => time(TimeColumn::UpdatedAt, name, &value)?,
        "deleted_at" => Filter::Nothing,
        "id" => one_of(TextColumn::Id, &value)?,
        "name" => one_of(TextColumn::Name, &value)?,
        "status" => one_of(TextColumn::Status, &value)?,
        "container_format" => one_of(TextColumn::ContainerFormat, &value)?,
        "disk_format" => one_of(TextColumn::DiskFormat, &value)?,
        "checksum" => Filter::OneOf(TextColumn::Checksum, vec![value]),
        "os_hash_algo" => Filter::OneOf(TextColumn::OsHashAlgo, vec![value]),
        "os_hash_value" => Filter::OneOf(TextColumn::OsHashValue, vec![value]),
        "owner" => Filter::OneOf(TextColumn::Owner, vec![value]),
        _ => match int_column(name) {
            // A text no number is equal to matches nothing.
            Some(column) => match value.parse() {
                Ok(number) => Filter::Number(column, Comparison::Equal, number),
                Err(_) => Filter::Nothing,
            },
            None => Filter::Property { name: name.to_owned(), value },
        },
    };
    filters.push(condition);
    Ok(())
}

/// `…_min` and `…_max`. Glance applies them to every column and fails with 500 where there is none
/// of the name; here that is the caller's fault. Text compares above every number, as in SQLite.
fn range(name: &str, value: &str) -> Result<Option<Option<Filter>>, Refusal> {
    let (column, comparison) = match (name.strip_suffix("_min"), name.strip_suffix("_max")) {
        (Some(column), _) => (column, Comparison::GreaterOrEqual),
        (None, Some(column)) => (column, Comparison::LessOrEqual),
        (None, None) => return Ok(None),
    };
    let refused = || bad("Unable to filter on a range with a non-numeric value.");
    let bound = python_int(value).ok_or_else(refused)?;
    if let Some(column) = int_column(column) {
        return Ok(Some(Some(Filter::Number(column, comparison, bound))));
    }
    const TEXT: [&str; 12] = [
        "id",
        "name",
        "status",
        "container_format",
        "disk_format",
        "checksum",
        "os_hash_algo",
        "os_hash_value",
        "owner",
        "visibility",
        "created_at",
        "updated_at",
    ];
    if !TEXT.contains(&column) {
        return Err(refused());
    }
    Ok(Some((comparison == Comparison::LessOrEqual).then_some(Filter::Nothing)))
}

fn int_column(name: &str) -> Option<IntColumn> {
    match name {
        "size" => Some(IntColumn::Size),
        "virtual_size" => Some(IntColumn::VirtualSize),
        "min_disk" => Some(IntColumn::MinDisk),
        "min_ram" => Some(IntColumn::MinRam),
        _ => None,
    }
}

fn time(column: TimeColumn, name: &str, value: &str) -> Result<Filter, Refusal> {
    let (operator, text) = split_operator(value);
    let time = iso_time(text).ok_or_else(|| {
        bad(format!("Bad \"{name}\" query filter format. Use ISO 8601 DateTime notation."))
    })?;
    let comparison = match operator {
        "eq" => Comparison::Equal,
        "neq" => Comparison::NotEqual,
        "lt" => Comparison::Less,
        "lte" => Comparison::LessOrEqual,
        "gt" => Comparison::Greater,
        "gte" => Comparison::GreaterOrEqual,
        _ => return Err(bad("Unable to filter on a unknown operator.")),
    };
    Ok(Filter::Time(column, comparison, time))
}

fn one_of(column: TextColumn, value: &str) -> Result<Filter, Refusal> {
    match split_operator(value) {
        ("in", list) => {
            let values = split_values(list).map_err(|refused| bad(refused.to_string()))?;
            if values.len() > limits::LIST_VALUES_MAX {
                return Err(bad("Too many values to filter by."));
            }
            Ok(Filter::OneOf(column, values))
        }
        ("eq", value) => Ok(Filter::OneOf(column, vec![value.to_owned()])),
        (operator, _) => Err(bad(format!("Unable to filter by unknown operator '{operator}'."))),
    }
}

#[cfg(test)]
mod tests;
