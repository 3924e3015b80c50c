//! Whether bytes may be put into an image (Glance: `glance/api/v2/image_data.py`,
//! `ImageDataController.upload`; the status setter of `glance/domain/__init__.py`).
//!
//! The database decides once more, atomically, when the upload is reserved; here is what to tell
//! the caller. Invariant: an image that passes is queued with both formats set.

use glint_image::Status;

use crate::image::Image;

/// Why an upload may not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadRefused {
    /// The image is not waiting for bytes.
    #[error("Image status transition from {0} to saving is not allowed")]
    Status(Status),
    /// Formats have to be known before bytes are stored.
    #[error("{}", formats_text(*disk, *container))]
    FormatsUnset {
        /// `disk_format` is missing.
        disk: bool,
        /// `container_format` is missing.
        container: bool,
    },
}

/// Checks the image's status and formats.
///
/// # Errors
/// [`UploadRefused`].
pub fn may_upload(image: &Image) -> Result<(), UploadRefused> {
    if !image.status.may_become(Status::Saving) {
        return Err(UploadRefused::Status(image.status));
    }
    check_formats(image)
}

/// Checks the formats alone.
///
/// # Errors
/// [`UploadRefused::FormatsUnset`].
pub fn check_formats(image: &Image) -> Result<(), UploadRefused> {
    let unset = |format: &Option<String>| format.as_deref().is_none_or(str::is_empty);
    let (disk, container) = (unset(&image.disk_format), unset(&image.container_format));
    if disk || container {
        return Err(UploadRefused::FormatsUnset { disk, container });
    }
    Ok(())
}

fn formats_text(disk: bool, container: bool) -> &'static str {
    match (disk, container) {
        (true, false) => "Property disk_format must be set prior to saving data.",
        (false, true) => "Property container_format must be set prior to saving data.",
        _ => "Properties disk_format, container_format must be set prior to saving data.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::image;

    #[test]
    fn only_a_queued_image_with_formats_takes_bytes() {
        let check =
            |status: Status, disk: Option<&str>, container: Option<&str>, expected: &str| {
                let mut image = image();
                image.status = status;
                image.disk_format = disk.map(str::to_owned);
                image.container_format = container.map(str::to_owned);
                let found = may_upload(&image).map_err(|refused| refused.to_string());
                assert_eq!(found.err().unwrap_or_default(), expected);
            };
        check(Status::Queued, Some("raw"), Some("bare"), "");
        check(
            Status::Active,
            None,
            None,
            "Image status transition from active to saving is not allowed",
        );
        check(
            Status::Queued,
            None,
            None,
            "Properties disk_format, container_format must be set prior to saving data.",
        );
        check(
            Status::Queued,
            Some("raw"),
            None,
            "Property container_format must be set prior to saving data.",
        );
        check(
            Status::Queued,
            Some(""),
            Some("bare"),
            "Property disk_format must be set prior to saving data.",
        );
    }
}
