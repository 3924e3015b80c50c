//! Why the process ends early: one sentence for the operator and an exit code for what started it.
//!
//! The codes are those of `sysexits.h`, which systemd and its kin name in their logs. Usage errors
//! are clap's: code 2.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// A failure that ends the process.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    sentence: String,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The configuration, or a file it names, is not usable.
    Configuration,
    /// The system refused something: an address, a thread, a directory.
    System,
    /// Another process holds what this one needs; trying again later may work.
    InUse,
    /// A measurement or a command did not come to its end.
    Command,
    /// A command in Glance's manner: its own sentence and code.
    Glance(u8),
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Configuration => 78,
            Self::System => 71,
            Self::InUse => 75,
            Self::Command => 1,
            Self::Glance(code) => code,
        }
    }
}

impl Failure {
    pub(crate) fn new(kind: Kind, sentence: impl fmt::Display) -> Self {
        Self { kind, sentence: sentence.to_string() }
    }

    /// A command's own sentence and code.
    pub(crate) fn command(code: u8, sentence: impl fmt::Display) -> Self {
        Self::new(Kind::Glance(code), sentence)
    }

    /// A command that has said all there is to say.
    pub(crate) fn said(code: u8) -> Self {
        Self::command(code, "")
    }

    /// The same failure as a command in Glance's manner ends with it.
    pub(crate) fn of_command(self) -> Self {
        Self::command(1, format!("ERROR: {}", self.sentence))
    }

    pub(crate) fn configuration(sentence: impl fmt::Display) -> Self {
        Self::new(Kind::Configuration, sentence)
    }

    pub(crate) fn system(sentence: impl fmt::Display) -> Self {
        Self::new(Kind::System, sentence)
    }
}

/// Writes the sentence to standard error, where it stands even when logging was never set up.
pub(crate) fn report(failure: &Failure) -> ExitCode {
    // With standard error gone there is nobody to tell; the code still says it.
    let _ = match failure.kind {
        Kind::Glance(_) if failure.sentence.is_empty() => Ok(()),
        Kind::Glance(_) => writeln!(std::io::stderr(), "{}", failure.sentence),
        _ => writeln!(std::io::stderr(), "glint: {}", failure.sentence),
    };
    ExitCode::from(failure.kind.code())
}
