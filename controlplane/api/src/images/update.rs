//! `PATCH /v2/images/{image_id}`

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use controlplane_db::{Changed, ImageUpdate, UpdateError, utc_now};
use controlplane_domain::Image;
use controlplane_domain::locations::{LocationRefused, Place, Terms};
use controlplane_domain::patch::{self, ApplyRefused, Change, Draft, Measures};
use glint_image::limits;
use http::{HeaderMap, StatusCode, header};

use super::show;
use super::view::{respond, view};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{self, Refusal};
use crate::remote;
use crate::request::read_json;

/// Changes an image.
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path(shown): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let draft = draft(&head.headers)?;
    let body = read_json(&head.method, &head.headers, body).await?;
    let changes = patch::parse(&body, draft, &|image| app.schemas.check_image(&image))?;
    let caller = Caller::changing(&head.extensions)?;
    let (image, changed) = save(&app, &caller, &shown, &changes).await?;
    let mut response = respond(StatusCode::OK, &view(&image, &app.options, &caller));
    if let Some(changed) = changed {
        response.extensions_mut().insert(changed);
    }
    Ok(response)
}

/// Applies the changes to the image as it is now and saves it; where another change came first,
/// once more to what that left.
async fn save(
    app: &App,
    caller: &Caller,
    shown: &str,
    changes: &[Change],
) -> Result<(Image, Option<Changed>), Refusal> {
    let mut found = BTreeMap::new();
    for _ in 0..limits::UPDATE_ATTEMPTS_MAX {
        let before = show::find(app, &caller.context, shown)
            .await?
            .ok_or_else(|| Refusal::no_such_image(shown))?;
        // An empty patch saves nothing, not even the time.
        if changes.is_empty() {
            return Ok((before, None));
        }
        let mut image = apply(app, caller, &before, changes, &mut found).await?;
        caller.may_save(&before)?;
        let now = utc_now();
        let of_bytes = changes.iter().any(Change::is_of_locations);
        let update = ImageUpdate {
            image: &image,
            from_status: of_bytes.then_some(before.status),
            unchanged_since: Some(before.seq),
        };
        match app.db.image_update(update, now).await {
            Ok(updated) => {
                image.updated_at = now;
                return Ok((image, Some(updated.changed)));
            }
            Err(UpdateError::Stale | UpdateError::Conflict(_)) => {}
            Err(error) => return Err(error::from_update(error, shown)),
        }
    }
    Err(error::from_update(UpdateError::Stale, shown))
}

/// Applies the changes, and looks at the places that they name on the way, each once.
async fn apply(
    app: &App,
    caller: &Caller,
    before: &Image,
    changes: &[Change],
    found: &mut BTreeMap<String, Place>,
) -> Result<Image, Refusal> {
    let options = &app.options;
    let storage = options.user_storage_quota;
    let mut used_by_others = 0;
    if storage.is_limited() && changes.iter().any(Change::is_of_locations) {
        used_by_others = app.db.storage_used(before.owner.as_deref(), Some(before.id)).await?;
    }
    loop {
        let locations = Terms {
            visible: options.show_multiple_locations,
            hashing_algorithm: &options.hashing_algorithm,
            storage,
            used_by_others,
            found,
        };
        let protection = options.property_protection.as_deref();
        let measures = Measures { quotas: options.quotas(), locations, protection };
        let (context, policy) = (&caller.context, &caller.policy);
        let url = match patch::apply(before.clone(), changes, context, policy, measures) {
            Ok(image) => return Ok(image),
            Err(ApplyRefused::Location(LocationRefused::Unknown(url))) => url,
            Err(refused) => return Err(refused.into()),
        };
        if found.len() >= limits::LOOKS_PER_REQUEST_MAX {
            return Err(Refusal::too_many_places());
        }
        let place = remote::look(&url, options.remote_schemes(), &options.import_filter).await;
        found.insert(url, place);
    }
}

/// Which of the two media types the request is in; parameters do not count.
fn draft(headers: &HeaderMap) -> Result<Draft, Refusal> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = given.and_then(|given| given.split(';').next()).map(str::trim);
    match media_type {
        Some("application/openstack-images-v2.0-json-patch") => Ok(Draft::V20),
        Some("application/openstack-images-v2.1-json-patch") => Ok(Draft::V21),
        _ => Err(Refusal::patch_media_type(given)),
    }
}
