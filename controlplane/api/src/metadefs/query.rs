//! Query strings of lists of metadata definitions (`RequestDeserializer.index` of
//! `glance/api/v2/metadef_{namespaces,objects,tags}.py`).
//!
//! Invariant: parameters that nobody knows are passed over, as in Glance.

use controlplane_db::Direction;
use controlplane_db::metadefs::list::{NamespaceQuery, NamespaceSortKey};
use controlplane_db::metadefs::tags::{TagQuery, TagSortKey};
use controlplane_domain::Context;
use glint_image::limits;
use http::Uri;

use crate::error::Refusal;
use crate::images::query::Parameters;
use crate::options::ApiOptions;
use crate::request::python_int;

/// The parameters of a request.
pub(super) fn parameters(uri: &Uri) -> Result<Parameters, Refusal> {
    Parameters::parse(uri.query().unwrap_or_default())
}

/// What a page of namespaces shall be.
pub(super) fn namespaces(
    mut parameters: Parameters,
    context: Context,
    options: &ApiOptions,
) -> Result<NamespaceQuery, Refusal> {
    let limit = parameters.pop("limit").map(|text| limit(&text)).transpose()?;
    let marker = parameters.pop("marker");
    let direction = direction(parameters.pop("sort_dir"))?;
    let sort = match parameters.pop("sort_key").as_deref() {
        None | Some("created_at") => NamespaceSortKey::CreatedAt,
        Some("id") => NamespaceSortKey::Id,
        Some("namespace") => NamespaceSortKey::Namespace,
        Some("display_name") => NamespaceSortKey::DisplayName,
        Some("description") => NamespaceSortKey::Description,
        Some("visibility") => NamespaceSortKey::Visibility,
        Some("protected") => NamespaceSortKey::Protected,
        Some("owner") => NamespaceSortKey::Owner,
        Some("updated_at") => NamespaceSortKey::UpdatedAt,
        Some(key) => return Err(unknown_key(key)),
    };
    visibility(&parameters, &["public", "private"])?;
    let resource_types = parameters
        .last("resource_types")
        .map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>());
    if resource_types.as_ref().is_some_and(|types| types.len() > limits::LIST_VALUES_MAX) {
        return Err(Refusal::bad_request("Too many values to filter by."));
    }
    Ok(NamespaceQuery {
        context,
        visibility: parameters.pop("visibility"),
        resource_types,
        sort,
        direction,
        marker,
        limit: limit.unwrap_or(options.limit_param_default).min(options.api_limit_max),
    })
}

/// Which tags are listed. Without `limit` that is all of them.
pub(super) fn tags(mut parameters: Parameters) -> Result<TagQuery, Refusal> {
    let given = parameters.pop("limit");
    let marker = parameters.pop("marker").filter(|marker| !marker.is_empty());
    let direction = direction(parameters.pop("sort_dir"))?;
    let sort = match parameters.pop("sort_key").as_deref() {
        None | Some("created_at") => TagSortKey::CreatedAt,
        Some("id" | "namespace_id") => TagSortKey::Row,
        Some("name") => TagSortKey::Name,
        Some("updated_at") => TagSortKey::UpdatedAt,
        Some(key) => return Err(unknown_key(key)),
    };
    visibility(&parameters, &["public", "private", "shared"])?;
    let limit = given.filter(|text| !text.is_empty()).map(|text| limit(&text)).transpose()?;
    Ok(TagQuery { sort, direction, marker, limit })
}

/// Checks the parameters of a list of objects, which has no effect on what is listed.
pub(super) fn objects(mut parameters: Parameters) -> Result<(), Refusal> {
    let given = parameters.pop("limit");
    direction(parameters.pop("sort_dir"))?;
    visibility(&parameters, &["public", "private", "shared"])?;
    if given.map(|text| limit(&text)).transpose()? == Some(0) {
        return Err(Refusal::bad_request("limit param must be positive"));
    }
    Ok(())
}

/// Checks the parameter `visibility`, if it is there and not empty.
pub(super) fn visibility(parameters: &Parameters, known: &[&str]) -> Result<(), Refusal> {
    match parameters.last("visibility") {
        Some(text) if !text.is_empty() && !known.contains(&text) => {
            Err(Refusal::bad_request(format!("Invalid visibility value: {text}")))
        }
        _ => Ok(()),
    }
}

fn direction(given: Option<String>) -> Result<Direction, Refusal> {
    match given.as_deref() {
        None | Some("desc") => Ok(Direction::Descending),
        Some("asc") => Ok(Direction::Ascending),
        Some(text) => Err(Refusal::bad_request(format!("Invalid sort direction: {text}"))),
    }
}

/// A limit. (Glance fails with 500 where that of namespaces is no number.)
fn limit(text: &str) -> Result<u32, Refusal> {
    let limit =
        python_int(text).ok_or_else(|| Refusal::bad_request("limit param must be an integer"))?;
    if limit < 0 {
        return Err(Refusal::bad_request("limit param must be positive"));
    }
    Ok(u32::try_from(limit).unwrap_or(u32::MAX))
}

/// 400, where Glance fails with 500.
fn unknown_key(key: &str) -> Refusal {
    Refusal::bad_request(format!("Invalid sort key: {key}"))
}
