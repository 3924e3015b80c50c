//! The permit to send an image's bytes.
//!
//! Opening the file and sending it is left to the driver, which must show the permit. Invariant:
//! the fields are private and the only constructor is visible to `authorize` alone, so a request
//! that was not admitted cannot reach a byte.

use crate::view::ImageView;
use glint_image::ImageId;
use glint_link::wire::Location;
use std::sync::Arc;

/// Admission of one download of one image as it was when it was admitted. A later deletion does not
/// end it, as in Glance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Permit {
    image: Arc<ImageView>,
}

impl Permit {
    /// Called by `authorize` after every check passed, and by nothing else.
    pub(crate) fn grant(image: Arc<ImageView>) -> Self {
        Self { image }
    }

    /// The image.
    #[must_use]
    pub fn image(&self) -> ImageId {
        self.image.image
    }

    /// Its size, if known.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.image.size_bytes
    }

    /// Its MD5 in hexadecimal, if known.
    #[must_use]
    pub fn checksum(&self) -> Option<&str> {
        self.image.checksum.as_deref()
    }

    /// Where its bytes lie, best first.
    #[must_use]
    pub fn locations(&self) -> &[Location] {
        &self.image.locations
    }
}
