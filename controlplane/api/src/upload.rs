//! Whether an upload may begin (Glance: `glance/api/v2/image_data.py`, `ImageDataController.upload`
//! and `RequestDeserializer.upload`).
//!
//! The data plane asks before it takes the first byte, with the request's head; the checks run
//! here, in Glance's order. Leaves the bytes, and what becomes of the reservation, to the data
//! plane and `controlplane/server`. Invariant: who is refused gets the complete response, and
//! nothing was changed.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use controlplane_db::{Changed, utc_now};
use controlplane_domain::quota::StorageFull;
use controlplane_domain::{access, upload};
use glint_image::{Epoch, FaultShape, ImageId, NodeId, RequestId};
use http::{HeaderMap, HeaderValue, Method, header};

use crate::app::App;
use crate::caller::Caller;
use crate::error::{self, Refusal, shape_for};
use crate::request::{REQUEST_ID_HEADER, expect_no_body, python_int};

/// The head of an upload request, as the data plane parsed it.
#[derive(Clone, Copy, Debug)]
pub struct UploadHead<'a> {
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The id under which the request is logged and answered.
    pub request_id: &'a RequestId,
}

/// Who will write the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    /// The data plane.
    pub node: NodeId,
    /// The start of its process.
    pub incarnation: u64,
}

/// The right to upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The fencing number of this upload.
    pub epoch: Epoch,
    /// Stop at the first byte over this many.
    pub size_bytes_max: u64,
    /// How many bytes were announced, by `x-openstack-image-size` or the length of the body.
    pub size_bytes: Option<u64>,
    /// Store to write to; empty without `enabled_backends`.
    pub store: String,
    /// The change to wait for.
    pub changed: Changed,
}

/// Reserves the right to upload to an image. `size_bytes` is the length of the body if it is known.
///
/// # Errors
/// The complete response that refuses the upload.
pub async fn reserve(
    app: &App,
    head: UploadHead<'_>,
    image: ImageId,
    size_bytes: Option<u64>,
    writer: Writer,
) -> Result<Reservation, Response> {
    let render = |refusal: Refusal| refusal.render(&Method::PUT, shape_for(head.headers));
    // As for every request: whom nobody knows is answered first, and without a request id.
    let caller = Caller::identify(app, head.headers).map_err(render)?;
    let decided = decide(app, caller, head.headers, image, size_bytes, writer).await;
    decided.map_err(|refusal| {
        let mut response = render(refusal);
        let request_id = HeaderValue::from_str(head.request_id.as_str())
            .expect("a request id was let in as visible ASCII");
        response.headers_mut().insert(REQUEST_ID_HEADER, request_id);
        response
    })
}

/// The response to an upload that came with more bytes than its project has room for.
#[must_use]
pub fn refuse_full(full: StorageFull, shape: FaultShape) -> Response {
    error::from_storage_full(full).render(&Method::PUT, shape)
}

/// `PUT /v2/images/{image_id}/file` of an id that is no UUID: the data plane relays what it cannot
/// serve, and no such image can be there.
pub(crate) async fn relayed_upload(
    State(_): State<Arc<App>>,
    Path(shown): Path<String>,
    request: Request,
) -> Response {
    match check_head(request.headers()) {
        Ok(_) => no_such_file(&shown).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// `GET /v2/images/{image_id}/file`, likewise.
pub(crate) async fn relayed_download(
    State(_): State<Arc<App>>,
    Path(shown): Path<String>,
    request: Request,
) -> Response {
    match expect_no_body(request.method(), request.headers(), request.body()) {
        Ok(()) => no_such_file(&shown).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

fn no_such_file(shown: &str) -> Refusal {
    if ImageId::parse(shown).is_ok() {
        tracing::error!("answer 500: a request for image bytes was relayed");
        return Refusal::internal();
    }
    Refusal::no_such_image(shown)
}

async fn decide(
    app: &App,
    caller: Caller,
    headers: &HeaderMap,
    id: ImageId,
    body_bytes: Option<u64>,
    writer: Writer,
) -> Result<Reservation, Refusal> {
    // None at all is as good as unknown (`RequestDeserializer.upload`).
    let size_bytes = check_head(headers)?.or(body_bytes).filter(|bytes| *bytes > 0);
    let caller = caller.may_change()?;
    let image = app.db.image_get(id).await?;
    let image = image
        .filter(|image| access::is_visible(&caller.context, image))
        .ok_or_else(|| Refusal::no_such_image(id.as_str()))?;
    let allowed = caller.image(&image).upload_image();
    allowed.map_err(|refused| Refusal::upload_refused(refused, id.as_str()))?;
    upload::may_upload(&image)?;
    let saved = caller.may_save(&image);
    saved.map_err(|refused| Refusal::upload_refused(refused, id.as_str()))?;
    let image_bytes_max = app.options.image_size_cap;
    if size_bytes.is_some_and(|size| size > image_bytes_max) {
        return Err(Refusal::image_too_large());
    }
    let quota = app.options.user_storage_quota;
    let reserved = app
        .db
        .reserve(id, writer.node, writer.incarnation, size_bytes, quota, utc_now())
        .await
        .map_err(|error| error::from_reserve(error, id.as_str()))?;
    Ok(Reservation {
        epoch: reserved.epoch,
        size_bytes_max: image_bytes_max.min(reserved.remaining.unwrap_or(u64::MAX)),
        size_bytes,
        store: String::new(),
        changed: reserved.changed,
    })
}

/// Checks the headers alone; the size they announce, if they do. A negative one counts as none.
fn check_head(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    if media_type != Some("application/octet-stream") {
        return Err(Refusal::upload_media_type(content_type));
    }
    match headers.get("x-openstack-image-size") {
        None => Ok(None),
        Some(size) => {
            let size = size.to_str().ok().and_then(python_int).ok_or_else(|| {
                Refusal::bad_request("Invalid or missing image size in request headers.")
            })?;
            Ok(u64::try_from(size).ok())
        }
    }
}
