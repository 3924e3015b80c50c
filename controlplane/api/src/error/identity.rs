//! Refusals of whom nobody knows, and of who may not.

use controlplane_domain::PolicyRefused;
use controlplane_identity::Unidentified;
use glint_image::Fault;

use super::Refusal;

impl Refusal {
    /// 403 of a caller who may only read (`glance/common/utils.py`, `mutating`).
    pub(crate) fn read_only() -> Self {
        Self::new(Fault::detailed(403, "Read-only access"))
    }

    /// 403 of an upload where the policy allows it and the image is another's
    /// (`glance/api/v2/image_data.py`, `ImageDataController.upload`).
    pub(crate) fn upload_refused(refused: PolicyRefused, shown: &str) -> Self {
        match refused {
            PolicyRefused::NotOwner => {
                let text = format!("Not allowed to upload image data for image {shown}");
                Self::new(Fault::new(403, text))
            }
            refused => refused.into(),
        }
    }
}

impl From<Unidentified> for Refusal {
    fn from(refused: Unidentified) -> Self {
        match refused {
            Unidentified::Unauthorized => Self::new(Fault::bare(401)),
            // Glance means to send this and breaks over it (500).
            Unidentified::RequestIdTooLong(_) => Self::new(Fault::bare(431)),
            // 500 in Glance.
            Unidentified::ServiceCatalog => Self::bad_request(refused.to_string()),
        }
    }
}

impl From<PolicyRefused> for Refusal {
    fn from(refused: PolicyRefused) -> Self {
        let text = refused.to_string();
        match refused {
            PolicyRefused::Hidden => Self::no_such_path(),
            PolicyRefused::ForeignOwner(_) => Self::new(Fault::detailed(403, text)),
            PolicyRefused::NotAuthorized(_)
            | PolicyRefused::LegacyForeignOwner(_)
            | PolicyRefused::NotOwner => Self::new(Fault::new(403, text)),
        }
    }
}
