//! Which engine runs: io_uring where it is allowed, threads where it is denied.
//!
//! The default seccomp profiles of Docker and containerd deny io_uring, and
//! `kernel.io_uring_disabled` exists; both say EPERM, EACCES or ENOSYS. The invariant: only these
//! three, or an operator's word, lead to the fall-back. Any other failure (ENOMEM for one) is a
//! fault to repair and stops the start, for a service that quietly runs on its second-best engine
//! is found out too late.

use std::ffi::OsStr;
use std::fmt;
use std::io;

use io_uring::IoUring;
use rustix::io::Errno;

/// The environment variable that forbids io_uring when it is `1`.
pub const NO_URING_VARIABLE: &str = "GLINT_NO_URING";

/// Which engine moves the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EngineKind {
    /// A ring of io_uring.
    Uring,
    /// System calls on threads (or, for a runtime, epoll).
    Threads,
}

/// The engine in use and why, for the log line of the start and the health detail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Engine {
    /// Which.
    pub kind: EngineKind,
    /// Why this one.
    pub reason: String,
}

/// Something that should work on this machine does not.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up {what}")]
pub struct StartError {
    /// What.
    pub what: &'static str,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// Says by trying whether io_uring may be used, by the same rule as the bulk engine. For choosing
/// the runtime's driver.
///
/// # Errors
/// [`StartError`] when io_uring fails for another reason than being denied.
pub fn detect() -> Result<Engine, StartError> {
    if let Some(reason) = denied_by_env() {
        return Ok(Engine { kind: EngineKind::Threads, reason });
    }
    fall_back(IoUring::new(2)).map(|(_, engine)| engine)
}

/// Applies the rule to an attempt to set up a ring.
pub(crate) fn fall_back<T>(attempt: io::Result<T>) -> Result<(Option<T>, Engine), StartError> {
    let error = match attempt {
        Ok(ring) => {
            let reason = "io_uring is allowed".to_owned();
            return Ok((Some(ring), Engine { kind: EngineKind::Uring, reason }));
        }
        Err(error) => error,
    };
    match Errno::from_io_error(&error) {
        Some(errno @ (Errno::PERM | Errno::ACCESS | Errno::NOSYS)) => {
            let name = match errno {
                Errno::PERM => "EPERM",
                Errno::ACCESS => "EACCES",
                _ => "ENOSYS",
            };
            let reason = format!("io_uring is denied with {name}: {error}");
            Ok((None, Engine { kind: EngineKind::Threads, reason }))
        }
        _ => Err(StartError { what: "io_uring", source: error }),
    }
}

/// The reason for no io_uring, if the environment gives one.
pub(crate) fn denied_by_env() -> Option<String> {
    denied_by(std::env::var_os(NO_URING_VARIABLE).as_deref())
}

fn denied_by(given: Option<&OsStr>) -> Option<String> {
    (given? == "1").then(|| format!("{NO_URING_VARIABLE}=1"))
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            EngineKind::Uring => "io_uring",
            EngineKind::Threads => "threads",
        };
        write!(f, "{kind} ({})", self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_of_the_variable_forbids_io_uring() {
        let check = |given: Option<&str>, denied: bool| {
            assert_eq!(denied_by(given.map(OsStr::new)).is_some(), denied, "{given:?}");
        };
        check(Some("1"), true);
        check(Some("0"), false);
        check(Some(""), false);
        check(None, false);
    }

    #[test]
    fn only_a_denial_leads_to_the_fall_back() {
        let check = |errno: Errno, expected: Option<EngineKind>| {
            let outcome = fall_back::<()>(Err(errno.into()));
            assert_eq!(outcome.ok().map(|(_, engine)| engine.kind), expected, "{errno}");
        };
        check(Errno::PERM, Some(EngineKind::Threads));
        check(Errno::ACCESS, Some(EngineKind::Threads));
        check(Errno::NOSYS, Some(EngineKind::Threads));
        check(Errno::NOMEM, None);
        check(Errno::INVAL, None);
        check(Errno::MFILE, None);
        let (ring, engine) = fall_back(Ok(7)).expect("a ring is used when there is one");
        assert_eq!((ring, engine.kind), (Some(7), EngineKind::Uring));
    }
}
