//! Named steps of an upload at which a test can make the process die.
//!
//! For crash tests only: `GLINT_FAILPOINT=name[:n]`, read once at start, aborts the process (which
//! loses as much as SIGKILL does) when the named step is reached for the n-th time. Unset, which is
//! always so in service, a step costs one branch. Invariant: a step is named once in the code,
//! after the thing it is named for has happened.

use std::sync::atomic::{AtomicU64, Ordering};

/// The environment variable that arms a failpoint.
pub(crate) const VARIABLE: &str = "GLINT_FAILPOINT";

/// The steps of an upload, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The control plane granted the epoch.
    Reserved,
    /// The temporary name exists.
    TempOpened,
    /// The first bytes are written.
    FirstWrite,
    /// The end of the body is proved and every write has completed.
    BodyDone,
    /// The file has its exact size.
    Truncated,
    /// The bytes are durable.
    Fsynced,
    /// The final name exists.
    Linked,
    /// The final name is durable.
    DirFsynced,
    /// The control plane answered that the image is active.
    Committed,
    /// The temporary name is gone.
    TempUnlinked,
}

impl Step {
    const ALL: [Self; 10] = [
        Self::Reserved,
        Self::TempOpened,
        Self::FirstWrite,
        Self::BodyDone,
        Self::Truncated,
        Self::Fsynced,
        Self::Linked,
        Self::DirFsynced,
        Self::Committed,
        Self::TempUnlinked,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Reserved => "upload-reserved",
            Self::TempOpened => "upload-temp-opened",
            Self::FirstWrite => "upload-first-write",
            Self::BodyDone => "upload-body-done",
            Self::Truncated => "upload-truncated",
            Self::Fsynced => "upload-fsynced",
            Self::Linked => "upload-linked",
            Self::DirFsynced => "upload-dir-fsynced",
            Self::Committed => "upload-committed",
            Self::TempUnlinked => "upload-temp-unlinked",
        }
    }
}

/// The armed failpoint, if any.
#[derive(Debug, Default)]
pub(crate) struct Failpoints {
    armed: Option<Armed>,
}

#[derive(Debug)]
struct Armed {
    step: Step,
    left: AtomicU64,
}

/// The text names no step: a crash test would silently test nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{VARIABLE}={0} names no step; a step is written NAME or NAME:COUNT, as in upload-linked:2"
)]
pub(crate) struct UnknownStep(String);

impl Failpoints {
    /// Reads the text of the environment variable.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, UnknownStep> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Self::default()) };
        let (name, count) = text.split_once(':').unwrap_or((text, "1"));
        let step = Step::ALL.into_iter().find(|step| step.name() == name);
        let count = count.parse().ok().filter(|count| *count > 0);
        match (step, count) {
            (Some(step), Some(count)) => {
                Ok(Self { armed: Some(Armed { step, left: AtomicU64::new(count) }) })
            }
            _ => Err(UnknownStep(text.to_owned())),
        }
    }

    /// Says that a step has been reached; does not return if it is the armed one and this is its
    /// time.
    #[inline]
    pub(crate) fn reached(&self, step: Step) {
        if let Some(armed) = &self.armed
            && armed.is_due(step)
        {
            std::process::abort();
        }
    }
}

impl Armed {
    fn is_due(&self, step: Step) -> bool {
        step == self.step && self.left.fetch_sub(1, Ordering::SeqCst) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failpoint_is_due_at_its_time_and_unknown_names_are_refused() {
        let check = |text: Option<&str>, expected: Result<Option<(Step, u64)>, ()>| {
            let parsed = Failpoints::parse(text)
                .map(|points| points.armed.map(|armed| (armed.step, armed.left.into_inner())));
            assert_eq!(parsed.map_err(|_| ()), expected, "{text:?}");
        };
        check(None, Ok(None));
        check(Some(""), Ok(None));
        check(Some("upload-linked"), Ok(Some((Step::Linked, 1))));
        check(Some("upload-first-write:3"), Ok(Some((Step::FirstWrite, 3))));
        check(Some("upload-linked:0"), Err(()));
        check(Some("upload-linked:x"), Err(()));
        check(Some("upload-nothing"), Err(()));
        let points = Failpoints::parse(Some("upload-linked:2")).unwrap();
        let armed = points.armed.unwrap();
        let due =
            [Step::Linked, Step::Fsynced, Step::Linked, Step::Linked].map(|s| armed.is_due(s));
        assert_eq!(due, [false, false, true, false]);
    }
}
