//! Refusals of changes of locations.

use controlplane_domain::locations::LocationRefused;
use glint_image::Fault;

use super::Refusal;

impl Refusal {
    /// 413 of a request that names more places than are looked at for one.
    pub(crate) fn too_many_places() -> Self {
        Self::new(Fault::bare(413))
    }

    /// 403 of a location that only services may add.
    pub(crate) fn no_http_store() -> Self {
        let text = "http store must be enabled to use location API by normal user.";
        Self::new(Fault::new(403, text))
    }

    /// 400 of a location on a host that may not be asked.
    pub(crate) fn filtered_uri(uri: &str) -> Self {
        Self::bad_request(format!("URI for add location does not pass filtering: {uri}"))
    }

    /// 409 of an image that a task is at work on.
    pub(crate) fn busy_image() -> Self {
        Self::new(Fault::new(409, "Image has active task"))
    }
}

impl From<LocationRefused> for Refusal {
    fn from(refused: LocationRefused) -> Self {
        let text = refused.to_string();
        match refused {
            LocationRefused::Unknown(url) => {
                tracing::error!(url, "answer 500: nobody looked at a location");
                Self::internal()
            }
            LocationRefused::Invisible(_) => Self::new(Fault::new(403, text)),
            LocationRefused::Empty | LocationRefused::Last => Self::new(Fault::detailed(403, text)),
            LocationRefused::Status(..) | LocationRefused::Validation(_) => {
                Self::new(Fault::new(409, text))
            }
            LocationRefused::Position(_)
            | LocationRefused::NotEmpty(_)
            | LocationRefused::Unfit
            | LocationRefused::Malformed
            | LocationRefused::Duplicate(_)
            | LocationRefused::Metadata(_)
            | LocationRefused::Formats(_) => Self::bad_request(text),
            LocationRefused::Quota(exceeded) => exceeded.into(),
            LocationRefused::Full(_) => Self::new(Fault::new(413, text)),
        }
    }
}
