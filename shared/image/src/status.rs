//! An image's status and the transitions Glance allows (`glance/domain/__init__.py`,
//! `Image.valid_state_targets`).

use std::fmt;

/// The status of an image, as the `images.status` column spells it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    /// The record exists, the bytes do not.
    Queued,
    /// Bytes are arriving through `PUT …/file`.
    Saving,
    /// Bytes are arriving in the staging area.
    Uploading,
    /// An import is under way.
    Importing,
    /// Bytes are in a store and may be downloaded.
    Active,
    /// As active, but only administrators may download.
    Deactivated,
    /// A version 1 upload failed.
    Killed,
    /// Deleted by the user, bytes not yet removed (`delayed_delete`).
    PendingDelete,
    /// Gone; the row stays.
    Deleted,
}

impl Status {
    /// Every status, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Saving,
        Self::Uploading,
        Self::Importing,
        Self::Active,
        Self::Deactivated,
        Self::Killed,
        Self::PendingDelete,
        Self::Deleted,
    ];

    /// The text of the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Saving => "saving",
            Self::Uploading => "uploading",
            Self::Importing => "importing",
            Self::Active => "active",
            Self::Deactivated => "deactivated",
            Self::Killed => "killed",
            Self::PendingDelete => "pending_delete",
            Self::Deleted => "deleted",
        }
    }

    /// Reads the text of the database; `None` for anything else, which callers treat as "serve
    /// nothing".
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether Glance allows the step from this status to another.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use Status::{
            Active, Deactivated, Deleted, Importing, Killed, PendingDelete, Queued, Saving,
            Uploading,
        };
        let targets: &[Self] = match self {
            Queued => &[Saving, Uploading, Importing, Active, Deleted],
            Saving => &[Active, Killed, Deleted, Queued],
            Uploading => &[Importing, Queued, Deleted],
            Importing => &[Active, Deleted, Queued],
            Active => &[PendingDelete, Deleted, Deactivated],
            Killed => &[Deleted],
            PendingDelete => &[Deleted, Active],
            Deactivated => &[Active, Deleted],
            Deleted => &[],
        };
        targets.contains(&next)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_agree_and_deleted_is_final() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
            assert!(!Status::Deleted.may_become(status));
        }
        assert_eq!(Status::parse("Active"), None);
        assert!(
            !Status::Uploading.may_become(Status::Saving),
            "a staged image cannot be uploaded to"
        );
    }
}
