//! The one place that picks a status code.
//!
//! Every way in which a request can be refused becomes a [`Refusal`] here: a fault, and headers
//! that belong to it. Leaves the shape of the body to `router`, which knows what the caller
//! accepts. Invariant: a failure to decide (the database is away) is 503 and not a refusal of the
//! request; a fault of ours is 500, is logged here, once, and tells the caller nothing of it.

mod identity;
mod images;
mod locations;
mod metadefs;
mod tasks;

use axum::response::{IntoResponse, Response};
use controlplane_db::{
    CreateError, DatabaseError, DeleteError, ListError, ReserveError, UpdateError,
};
use controlplane_domain::create::CreateRefused;
use controlplane_domain::patch::{ApplyRefused, ParseRefused};
use controlplane_domain::quota::{QuotaExceeded, StorageFull};
use controlplane_domain::upload::UploadRefused;
use controlplane_domain::value::ValueRefused;
use glint_image::{Fault, FaultShape, Status};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

pub(crate) use images::{from_member_add, from_member_change};
pub(crate) use metadefs::{
    from_add, from_change, from_namespace_add, from_namespace_change, from_namespace_list,
    from_namespace_remove, from_remove, from_tag_list,
};
pub(crate) use tasks::from_task_list;

/// A refused request.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) fault: Fault,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, headers: Vec::new() }
    }

    /// 400 with a text of its own.
    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(Fault::new(400, text))
    }

    /// 404 of a path that leads nowhere.
    pub(crate) fn no_such_path() -> Self {
        Self::new(Fault::bare(404))
    }

    /// 404 of an image; `shown` is its id as the caller spelt it.
    pub(crate) fn no_such_image(shown: &str) -> Self {
        Self::new(Fault::new(404, format!("No image found with ID {shown}")))
    }

    /// 404 of an image that is to be deleted.
    pub(crate) fn nothing_to_delete(shown: &str) -> Self {
        Self::new(Fault::new(404, format!("Failed to find image {shown} to delete")))
    }

    /// 405, with the methods there are.
    pub(crate) fn method_not_allowed(method: &Method, allow: &'static str) -> Self {
        let headers = vec![(header::ALLOW, HeaderValue::from_static(allow))];
        Self { fault: Fault::method_not_allowed(method.as_str()), headers }
    }

    /// 413 of a body too large to be any request of this API.
    pub(crate) fn body_too_large() -> Self {
        Self::new(Fault::bare(413))
    }

    /// 413 of an upload that announces more than images may hold; Glance finds out while it reads
    /// (`glance/common/exception.py`, `ImageSizeLimitExceeded`).
    pub(crate) fn image_too_large() -> Self {
        let text = "The incoming image is too large: The provided image is too large.";
        Self::new(Fault::new(413, text))
    }

    /// 415 of an upload (`glance/api/v2/image_data.py`, `RequestDeserializer.upload`).
    pub(crate) fn upload_media_type(content_type: Option<&str>) -> Self {
        let name = content_type.map_or("None", |given| given.split(';').next().unwrap_or(given));
        Self::new(Fault::unsupported_media_type(
            content_type,
            format!("Invalid content type {}", name.trim()),
        ))
    }

    /// 415 of a patch, with the media types there are.
    pub(crate) fn patch_media_type(content_type: Option<&str>) -> Self {
        const ACCEPTED: &str = "application/openstack-images-v2.0-json-patch, \
                                application/openstack-images-v2.1-json-patch";
        let detail = format!("Image PATCH expects Content-Type one of: {ACCEPTED}");
        Self {
            fault: Fault::unsupported_media_type(content_type, detail),
            headers: vec![(
                HeaderName::from_static("accept-patch"),
                HeaderValue::from_static(ACCEPTED),
            )],
        }
    }

    /// 500: something that cannot happen did.
    pub(crate) fn internal() -> Self {
        Self::new(Fault::bare(500))
    }

    /// The complete response.
    pub(crate) fn render(&self, method: &Method, shape: FaultShape) -> Response {
        let (content_type, body) = self.fault.render(shape);
        let mut response = if method == Method::HEAD {
            // WebOb gives a HEAD its default content type and no body.
            let content_type = FaultShape::Html.content_type();
            ([(header::CONTENT_TYPE, content_type)], Vec::new()).into_response()
        } else {
            ([(header::CONTENT_TYPE, content_type)], body).into_response()
        };
        *response.status_mut() = StatusCode::from_u16(self.fault.status)
            .expect("faults have the status codes of this file");
        for (name, value) in &self.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }
}

/// A refusal on its way to `router`, which renders it.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::new(axum::body::Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}

/// The shape of faults for a request with these headers.
pub(crate) fn shape_for(headers: &HeaderMap) -> FaultShape {
    FaultShape::from_accept(headers.get(header::ACCEPT).map(HeaderValue::as_bytes))
}

impl From<DatabaseError> for Refusal {
    fn from(error: DatabaseError) -> Self {
        if let DatabaseError::Unfit(_) = error {
            // Glance answers 500. Which value it was only the database knows.
            tracing::info!(%error, "a value cannot be kept");
            return Self::bad_request("A value is not one the database can keep.");
        }
        if error.may_pass() {
            tracing::warn!(%error, "answer 503: the database cannot decide now");
            Self::new(Fault::bare(503))
        } else {
            tracing::error!(%error, "answer 500: the database failed");
            Self::internal()
        }
    }
}

impl From<ValueRefused> for Fault400 {
    fn from(refused: ValueRefused) -> Self {
        Self(refused.to_string())
    }
}

/// A text for 400.
struct Fault400(String);

impl From<Fault400> for Refusal {
    fn from(Fault400(text): Fault400) -> Self {
        Self::bad_request(text)
    }
}

impl From<QuotaExceeded> for Refusal {
    fn from(exceeded: QuotaExceeded) -> Self {
        Self::new(Fault::new(413, exceeded.to_string()))
    }
}

impl From<CreateRefused> for Refusal {
    fn from(refused: CreateRefused) -> Self {
        let text = refused.to_string();
        match refused {
            CreateRefused::ReadOnly(_)
            | CreateRefused::ReservedAttribute(_)
            | CreateRefused::Protected(_) => Self::new(Fault::new(403, text)),
            CreateRefused::ReservedName(_) => Self::new(Fault::detailed(403, text)),
            CreateRefused::Policy(refused) => refused.into(),
            CreateRefused::PropertyNameTooLong => Self::bad_request(text),
            CreateRefused::Value(refused) => Fault400::from(refused).into(),
            CreateRefused::Quota(exceeded) => exceeded.into(),
        }
    }
}

impl From<ParseRefused> for Refusal {
    fn from(refused: ParseRefused) -> Self {
        let text = refused.to_string();
        match refused {
            ParseRefused::Malformed(_) | ParseRefused::Schema(_) => Self::bad_request(text),
            ParseRefused::ReadOnly(_) | ParseRefused::Reserved(_) => {
                Self::new(Fault::new(403, text))
            }
        }
    }
}

impl From<ApplyRefused> for Refusal {
    fn from(refused: ApplyRefused) -> Self {
        let text = refused.to_string();
        match refused {
            ApplyRefused::Missing(_) | ApplyRefused::Present(_) => {
                Self::new(Fault::detailed(409, text))
            }
            ApplyRefused::NotRemovable(_) | ApplyRefused::Owner => {
                Self::new(Fault::detailed(403, text))
            }
            ApplyRefused::NotQueued(_) | ApplyRefused::Protected(_) => {
                Self::new(Fault::new(403, text))
            }
            ApplyRefused::Location(refused) => refused.into(),
            ApplyRefused::Policy(refused) => refused.into(),
            ApplyRefused::PropertyNameTooLong => Self::bad_request(text),
            ApplyRefused::Value(refused) => Fault400::from(refused).into(),
            ApplyRefused::Quota(exceeded) => exceeded.into(),
        }
    }
}

impl From<UploadRefused> for Refusal {
    fn from(refused: UploadRefused) -> Self {
        let text = refused.to_string();
        match refused {
            UploadRefused::Status(_) => Self::new(Fault::new(409, text)),
            UploadRefused::FormatsUnset { .. } => Self::bad_request(text),
        }
    }
}

/// 409 of an id that is taken.
pub(crate) fn from_create(error: CreateError, shown: &str) -> Refusal {
    match error {
        CreateError::Duplicate => {
            Refusal::new(Fault::new(409, format!("Image ID {shown} already exists!")))
        }
        CreateError::Database(error) => error.into(),
    }
}

/// A save that is not worth another try.
pub(crate) fn from_update(error: UpdateError, shown: &str) -> Refusal {
    match error {
        UpdateError::Gone => Refusal::no_such_image(shown),
        // Another change kept coming first: the caller may try again.
        UpdateError::Conflict(_) | UpdateError::Stale => Refusal::new(Fault::bare(503)),
        UpdateError::Database(error) => error.into(),
    }
}

/// Why an image was not deleted.
pub(crate) fn from_delete(error: DeleteError, shown: &str) -> Refusal {
    match error {
        DeleteError::Gone => Refusal::nothing_to_delete(shown),
        DeleteError::Protected => {
            let text = format!("Image {shown} is protected and cannot be deleted.");
            Refusal::new(Fault::new(403, text))
        }
        DeleteError::Transition(from) => Refusal::bad_request(format!(
            "Image status transition from {from} to {} is not allowed",
            Status::Deleted
        )),
        DeleteError::Database(error) => error.into(),
    }
}

/// Why there is no page; `marker` is its id as the caller spelt it.
pub(crate) fn from_list(error: ListError, marker: &str) -> Refusal {
    match error {
        ListError::MarkerUnknown => {
            Refusal::bad_request(format!("No image found with ID {marker}"))
        }
        ListError::MarkerNotVisible => {
            let text = format!("Forbidding request, image {marker} not visible");
            Refusal::new(Fault::new(403, text))
        }
        ListError::Database(error) => error.into(),
    }
}

/// 413 of an upload for which its project has no room (`glance/api/v2/image_data.py`,
/// `StorageQuotaFull`).
pub(crate) fn from_storage_full(full: StorageFull) -> Refusal {
    Refusal::new(Fault::new(413, format!("Image exceeds the storage quota: {full}")))
}

/// Why an upload was not reserved although the image looked ready: somebody else came first.
pub(crate) fn from_reserve(error: ReserveError, shown: &str) -> Refusal {
    match error {
        ReserveError::NotQueued(status) => UploadRefused::Status(status).into(),
        ReserveError::Gone => Refusal::no_such_image(shown),
        ReserveError::Full(full) => from_storage_full(full),
        ReserveError::Database(error) => error.into(),
    }
}
