//! Stopping and allowing the downloads of an image (Glance: `glance/domain/__init__.py`,
//! `Image.deactivate` and `Image.reactivate`).

use glint_image::Status;

/// What is done to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Only administrators may download from now on.
    Deactivate,
    /// Everybody who sees it may download again.
    Reactivate,
}

/// The image's status does not allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Not allowed to {} image in status '{status}'", action.as_str())]
pub struct ActionRefused {
    /// What was to be done.
    pub action: Action,
    /// The image's status.
    pub status: Status,
}

// === impl Action ===

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Deactivate => "deactivate",
            Self::Reactivate => "reactivate",
        }
    }
}

/// The status an image has after an action; the same where there is nothing left to do.
///
/// # Errors
/// [`ActionRefused`].
pub fn apply(action: Action, status: Status) -> Result<Status, ActionRefused> {
    match (action, status) {
        (Action::Deactivate, Status::Active | Status::Deactivated) => Ok(Status::Deactivated),
        (Action::Reactivate, Status::Active | Status::Deactivated) => Ok(Status::Active),
        _ => Err(ActionRefused { action, status }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_images_with_bytes_are_stopped_and_allowed() {
        for status in Status::ALL {
            let stored = [Status::Active, Status::Deactivated].contains(&status);
            let check = |action: Action, next: Status| {
                let found = apply(action, status);
                assert_eq!(found.is_ok(), stored, "{action:?} of {status}");
                assert!(found.is_err() || found == Ok(next));
                assert!(found.is_err() || status == next || status.may_become(next));
            };
            check(Action::Deactivate, Status::Deactivated);
            check(Action::Reactivate, Status::Active);
        }
        let refused = apply(Action::Deactivate, Status::Queued).expect_err("no bytes yet");
        assert_eq!(refused.to_string(), "Not allowed to deactivate image in status 'queued'");
    }
}
