//! How a command ends: its exit code, and what it says when it could not do its work.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use towpath_core::{Error, Kind};

use crate::output::escape;

/// What every command returns.
pub(crate) type Result<T = Exit, E = Failure> = std::result::Result<T, E>;

/// The exit codes, as the help of the program lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Ok,
    /// It could not be done, in whole or in part.
    Failure,
    /// The command line, or a value in it, is wrong. Nothing was done.
    Usage,
    /// There is no such message, queue or result.
    NotFound,
    /// The wait ended before what was waited for came.
    TimedOut,
    /// The store is out of reach or busy; the same command may succeed later.
    Unavailable,
    /// Not now: files are being made by somebody else or cool down, or a directory is locked.
    NotNow,
    /// A program that was run ended so, or was stopped: its own exit code, or one that tells why.
    Program(u8),
}

impl Exit {
    /// What each code means, for the help.
    pub(crate) const HELP: &str = "\
Exit codes:
  0  done (also when the reader of the output went away)
  1  failed, in whole or in part
  2  the command line, or a value in it, is wrong; nothing was done
  3  no such message or result
  4  the wait ended before what was waited for came
  5  the store is out of reach or busy; the same command may succeed later
 75  not now: files are being made by another or cool down, or a directory is locked

make, with-cleanup and dir lock run end as the COMMAND does that they run: with its exit code, or with 128 and the \
number of the signal that ended it or them. 127 and 126: COMMAND was not found, or could not be started.";

    /// A signal's number as an exit code, as shells have it.
    #[cfg(unix)]
    pub(crate) fn of_signal(number: i32) -> Self {
        Exit::Program(u8::try_from(128 + number).unwrap_or(u8::MAX))
    }

    /// The exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::NotFound => 3,
            Exit::TimedOut => 4,
            Exit::Unavailable => 5,
            // EX_TEMPFAIL of sysexits.h.
            Exit::NotNow => 75,
            Exit::Program(code) => code,
        }
    }

    /// The code that tells the caller of an error of `kind` what he can do.
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Invalid | Kind::NoTasks | Kind::Unsupported => Exit::Usage,
            Kind::NotFound => Exit::NotFound,
            Kind::TimedOut => Exit::TimedOut,
            Kind::Unavailable => Exit::Unavailable,
            _ => Exit::Failure,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error to be shown, and how the user may get on.
    Error {
        /// What went wrong.
        error: Error,
        /// A sentence that names the way out, if there is one.
        hint: Option<String>,
    },
    /// Nobody reads the output any more (`towpath … | head`), which is not a failure.
    ClosedPipe,
}

impl Failure {
    /// A value on the command line or on standard input that is wrong.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Error::invalid(text).into()
    }

    /// What the system refuses that is not the output: `what` tells what cannot be done.
    #[cfg(unix)]
    pub(crate) fn system(what: &str, error: &io::Error) -> Self {
        Error::new(Kind::Storage, format!("{what}: {error}")).into()
    }

    /// The same failure with a way out.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Failure::Error { error, .. } => Failure::Error {
                error,
                hint: Some(hint.into()),
            },
            Failure::ClosedPipe => Failure::ClosedPipe,
        }
    }

    /// How the process ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Error { error, .. } => Exit::of(error.kind()),
            Failure::ClosedPipe => Exit::Ok,
        }
    }

    /// What is printed to standard error: one line, the causes, the hint. Empty for a closed pipe.
    pub(crate) fn report(&self) -> String {
        let Failure::Error { error, hint } = self else {
            return String::new();
        };
        let mut text = format!("error: {}\n", escape::line(&error.to_string()));
        let mut said = error.to_string();
        let causes = std::iter::successors(std::error::Error::source(error), |e| e.source());
        for cause in causes {
            let cause = cause.to_string();
            // Many errors repeat their cause in their own text, or their own in it; once is enough.
            if !said.contains(&cause) && !cause.contains(&said) {
                let _ = writeln!(text, "  caused by: {}", escape::line(&cause));
            }
            said = cause;
        }
        if let Some(hint) = hint {
            let _ = writeln!(text, "  hint: {}", escape::line(hint));
        }
        text
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error { error, hint: None }
    }
}

impl From<io::Error> for Failure {
    /// An error of the output. Those of files and input are named where they happen.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::ClosedPipe;
        }
        Error::new(
            Kind::Storage,
            format!("the output cannot be written: {error}"),
        )
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_says_what_the_caller_can_do() {
        let check = |kind, exit| assert_eq!(Exit::of(kind), exit, "{kind:?}");
        check(Kind::Invalid, Exit::Usage);
        check(Kind::NotFound, Exit::NotFound);
        check(Kind::TimedOut, Exit::TimedOut);
        check(Kind::Unavailable, Exit::Unavailable);
        check(Kind::AlreadyExists, Exit::Failure);
        check(Kind::Storage, Exit::Failure);
    }

    #[test]
    fn a_report_has_the_error_its_new_causes_and_the_hint() {
        let inner = Error::new(Kind::Storage, "disk is \x1b[31mfull");
        let error = Error::new(Kind::Storage, "cannot write jobs.db").with_source(inner);
        let report = Failure::from(error).hint("free some space").report();
        let expected = "error: cannot write jobs.db\n  \
                        caused by: disk is \\u{1b}[31mfull\n  hint: free some space\n";
        assert_eq!(report, expected);
        let repeated = Error::new(Kind::Storage, "no: why").with_source("why");
        assert_eq!(Failure::from(repeated).report(), "error: no: why\n");
        let wrapped = Error::new(Kind::Storage, "no").with_source("code 26: no");
        assert_eq!(Failure::from(wrapped).report(), "error: no\n");
    }

    #[test]
    fn a_closed_pipe_is_not_a_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.exit(), Exit::Ok);
        assert_eq!(failure.report(), "");
    }
}
