//! `/v2/images/{image_id}/actions/…`: stopping and allowing downloads
//! (`glance/api/v2/image_actions.py`).
//!
//! Invariant: stopping is a restricting change, since the status goes from active to another: its
//! reply waits until no data plane starts a download any more.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use controlplane_domain::actions::{self, Action};

use super::save::{Outcome, save};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Refusal;
use crate::request::expect_no_body;
use crate::respond::no_content;

/// `POST …/deactivate`: from now on only administrators download.
pub(crate) async fn deactivate(
    app: State<Arc<App>>,
    path: Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    act(app, path, request, Action::Deactivate).await
}

/// `POST …/reactivate`: everybody downloads again.
pub(crate) async fn reactivate(
    app: State<Arc<App>>,
    path: Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    act(app, path, request, Action::Reactivate).await
}

async fn act(
    State(app): State<Arc<App>>,
    Path(shown): Path<String>,
    request: Request,
    action: Action,
) -> Result<Response, Refusal> {
    expect_no_body(request.method(), request.headers(), request.body())?;
    let caller = Caller::changing(request.extensions())?;
    let changed = save(&app, &caller.context, &shown, Refusal::no_such_image, |mut image| {
        match action {
            Action::Deactivate => caller.image(&image).deactivate()?,
            Action::Reactivate => caller.image(&image).reactivate()?,
        }
        let from = image.status;
        image.status = actions::apply(action, from)?;
        if image.status == from {
            return Ok(Outcome::Kept);
        }
        caller.may_save(&image)?;
        Ok(Outcome::Moved(image, from))
    })
    .await?;
    Ok(no_content(changed))
}
