//! What became of the files, for people, for programs, and as an exit code.

use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use serde::Serialize;
use towpath_coord::{CoolDown, CoolDownParams, Place};

use super::outs::Outs;
use crate::child::{described, exit_of, name};
use crate::env::complain;
use crate::exit::{Exit, Result};
use crate::output::{Out, age, escape};

/// What became of it.
pub(super) enum Verdict {
    Made { ran: Duration },
    AlreadyMade,
    Failed { why: Failed, ran: Duration },
    Refused(Refused),
}

/// Why the attempt has failed.
pub(super) enum Failed {
    Ended(ExitStatus),
    TimedOut,
    NotMade { file: String, placeholder: String },
    NotStarted { text: String, exit: Exit },
    Lost,
    Interrupted(Signal),
}

/// Why there was none.
pub(super) struct Refused {
    pub(super) why: Why,
    /// Whether a time to wait has ended.
    pub(super) waited: bool,
}

pub(super) enum Why {
    Claimed {
        remaining: Duration,
        by: Option<String>,
    },
    Cooling(Duration),
    Busy,
    Interrupted(Signal),
}

#[derive(Serialize)]
struct View<'a> {
    outcome: &'static str,
    files: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ran_ms: Option<u64>,
}

impl Verdict {
    /// Prints it; answers how the command ends.
    pub(super) fn tell(
        &self,
        outs: &Outs,
        place: &Place,
        cooldown: Option<CoolDownParams>,
        out: &Out,
    ) -> Result {
        if out.json {
            let cooling = || cooling(outs, place, cooldown);
            out.json(&self.view(&outs.shown, cooling))?;
            return Ok(self.exit());
        }
        let files = outs.in_words();
        let shown = escape::line(&files);
        match self {
            Self::Made { ran } => {
                out.line(format_args!("made {shown} in {}", age::about(*ran)))?;
            }
            Self::AlreadyMade => out.line(format_args!("already made: {shown}"))?,
            Self::Failed { why, .. } => {
                let mut text = why.in_words(&files);
                if let Some(remaining) = cooling(outs, place, cooldown) {
                    text += &format!("; the next attempt may begin in {}", rounded(remaining));
                }
                complain(&text);
            }
            Self::Refused(refused) => complain(&refused.why.in_words(outs)),
        }
        Ok(self.exit())
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Made { .. } | Self::AlreadyMade => Exit::Ok,
            Self::Failed { why, .. } => why.exit(),
            Self::Refused(Refused { why, waited }) => match why {
                Why::Interrupted(signal) => Exit::of_signal(signal.as_raw()),
                _ if *waited => Exit::TimedOut,
                _ => Exit::NotNow,
            },
        }
    }

    fn view<'a>(
        &self,
        files: &'a [String],
        cooling: impl FnOnce() -> Option<Duration>,
    ) -> View<'a> {
        let mut view = View {
            outcome: "already_made",
            files,
            reason: None,
            exit_code: None,
            signal: None,
            remaining_ms: None,
            ran_ms: None,
        };
        match self {
            Self::AlreadyMade => {}
            Self::Made { ran } => {
                view.outcome = "made";
                view.ran_ms = Some(millis(*ran));
            }
            Self::Failed { why, ran } => {
                view.outcome = "failed";
                view.ran_ms = Some(millis(*ran));
                view.remaining_ms = cooling().map(millis);
                (view.reason, view.exit_code, view.signal) = why.for_programs();
            }
            Self::Refused(Refused { why, .. }) => {
                view.outcome = "refused";
                (view.reason, view.signal, view.remaining_ms) = match why {
                    Why::Claimed { remaining, .. } => {
                        (Some("claimed"), None, Some(millis(*remaining)))
                    }
                    Why::Cooling(remaining) => (Some("cooling"), None, Some(millis(*remaining))),
                    Why::Busy => (Some("busy"), None, None),
                    Why::Interrupted(signal) => (Some("interrupted"), Some(signal.as_raw()), None),
                };
            }
        }
        view
    }
}

impl Failed {
    fn exit(&self) -> Exit {
        match self {
            Self::Ended(status) => exit_of(*status),
            // As timeout(1) has it.
            Self::TimedOut => Exit::Program(124),
            Self::NotStarted { exit, .. } => *exit,
            Self::NotMade { .. } | Self::Lost => Exit::Failure,
            Self::Interrupted(signal) => Exit::of_signal(signal.as_raw()),
        }
    }

    fn for_programs(&self) -> (Option<&'static str>, Option<i32>, Option<i32>) {
        use std::os::unix::process::ExitStatusExt as _;
        match self {
            Self::Ended(status) => match status.signal() {
                Some(signal) => (Some("killed"), None, Some(signal)),
                None => (Some("exited"), status.code(), None),
            },
            Self::TimedOut => (Some("timed_out"), None, None),
            Self::NotMade { .. } => (Some("not_made"), Some(0), None),
            Self::NotStarted { .. } => (Some("not_started"), None, None),
            Self::Lost => (Some("lost"), None, None),
            Self::Interrupted(signal) => (Some("interrupted"), None, Some(signal.as_raw())),
        }
    }

    fn in_words(&self, files: &str) -> String {
        match self {
            Self::Ended(status) => {
                format!(
                    "COMMAND ended with {}; {files} was not made",
                    described(*status)
                )
            }
            Self::TimedOut => format!("COMMAND took longer than --timeout; {files} was not made"),
            Self::NotMade { file, placeholder } => format!(
                "COMMAND ended with 0 and did not make {file}: it is to write to {placeholder} in its arguments, or to \
                 ${}",
                variable(placeholder)
            ),
            Self::NotStarted { text, .. } => format!("{text}; {files} was not made"),
            Self::Lost => format!(
                "the claim on {files} was lost while COMMAND ran, and nothing was published: somebody cleared it, or \
                 made the files while this program stood still"
            ),
            Self::Interrupted(signal) => {
                let signal = name(*signal).unwrap_or("a signal");
                format!("ended by {signal}; {files} was not made")
            }
        }
    }
}

/// The variable that says what a placeholder says.
fn variable(placeholder: &str) -> String {
    match placeholder.trim_matches(['{', '}']).strip_prefix("out") {
        Some("") | None => "TOWPATH_OUT".to_owned(),
        Some(number) => format!("TOWPATH_OUT_{number}"),
    }
}

impl Refused {
    pub(super) fn at_once(why: Why) -> Self {
        Self { why, waited: false }
    }
}

impl Why {
    pub(super) fn in_words(&self, outs: &Outs) -> String {
        let files = outs.in_words();
        match self {
            Self::Claimed { remaining, by } => {
                let by = by.as_deref().unwrap_or("somebody unknown");
                let remaining = rounded(*remaining);
                format!(
                    "{files} is being made by {by}, whose claim lasts {remaining} unless renewed"
                )
            }
            Self::Cooling(remaining) => format!(
                "{files} cools down: the last attempt has failed, the next may begin in {}",
                rounded(*remaining)
            ),
            Self::Busy => format!(
                "{files} cannot be claimed: the lock of {} is held; see dir lock show",
                outs.directory.display()
            ),
            Self::Interrupted(signal) => {
                let signal = name(*signal).unwrap_or("a signal");
                format!("ended by {signal} before {files} could be made")
            }
        }
    }
}

/// How long the files cool down now.
fn cooling(outs: &Outs, place: &Place, params: Option<CoolDownParams>) -> Option<Duration> {
    let cooldown = CoolDown::new(place, &outs.manifest, params?);
    let remaining = cooldown.remaining().ok()?;
    (remaining > Duration::ZERO).then_some(remaining)
}

/// A duration to wait, in full seconds: what is rounded down would be too early.
fn rounded(duration: Duration) -> String {
    let seconds = duration.as_millis().div_ceil(1_000);
    age::exact(Duration::from_secs(
        u64::try_from(seconds).unwrap_or(u64::MAX),
    ))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
