//! Which replies may be given again by whoever gave them before.
//!
//! A handler whose answer follows from little says so by a [`Keep`] among the extensions of its
//! response; leaves watching over that little to `controlplane/server` and the data planes.
//! Invariant: what a reply follows from beside the request, the process's options and the policy,
//! is named.

use axum::response::{IntoResponse, Response};
use glint_image::ImageId;

/// What a reply follows from, beside the request itself, the options and the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The image it shows.
    pub image: Option<ImageId>,
    /// Whether it depends on who asks.
    pub caller: bool,
}

// === impl Keep ===

impl Keep {
    /// A reply to everybody.
    pub(crate) const ALWAYS: Self = Self { image: None, caller: false };

    /// A reply to whoever is let in.
    pub(crate) const LET_IN: Self = Self { image: None, caller: true };

    /// A reply that shows an image to a caller.
    pub(crate) fn image(image: ImageId) -> Self {
        Self { image: Some(image), caller: true }
    }

    /// Marks a response.
    pub(crate) fn mark(self, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
