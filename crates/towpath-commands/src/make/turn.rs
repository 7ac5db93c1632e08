//! Waits for the right to make the files.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use towpath_coord::{Begun, Cancel, Checkout, Generating, Place, Refusal, Wait, claims};
use towpath_core::Kind;

use super::outs::Outs;
use super::verdict::{Refused, Why};
use crate::blocking;
use crate::child::Signals;
use crate::env::note;
use crate::exit::{Failure, Result};
use crate::place::process;

/// How long the lock of the directory is waited for where nothing else is: others hold it for moments.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// From how long on, and up to how long, one waits between two looks.
const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);

/// What was asked for.
pub(super) struct Asked<'a> {
    pub(super) checkout: &'a Checkout,
    pub(super) place: &'a Place,
    pub(super) outs: &'a Outs,
    pub(super) again: bool,
    /// `None`: not at all; without a duration: for ever.
    pub(super) wait: Option<Option<Duration>>,
}

/// What came of asking.
pub(super) enum Turn {
    Ours(Box<Generating>),
    AlreadyMade,
    Refused(Refused),
}

impl Asked<'_> {
    /// Asks until the files are ours to make, or are there, or the wait is over.
    pub(super) async fn turn(&self, signals: &mut Signals) -> Result<Turn> {
        let until = self
            .wait
            .map(|wait| wait.and_then(|wait| Instant::now().checked_add(wait)));
        let (mut pause, mut is_told) = (FIRST, false);
        loop {
            let why = match self.begin(signals).await? {
                Ok(Begun::Generating(ours)) => return Ok(Turn::Ours(ours)),
                Ok(Begun::Refused(Refusal::Vetoed(_))) => return Ok(Turn::AlreadyMade),
                Ok(Begun::Refused(Refusal::Cooling { remaining })) => Why::Cooling(remaining),
                Ok(Begun::Refused(Refusal::Busy)) => Why::Busy,
                Ok(Begun::Refused(Refusal::Claimed { remaining })) => Why::Claimed {
                    remaining,
                    by: self.maker(),
                },
                Err(signal) => {
                    return Ok(Turn::Refused(Refused::at_once(Why::Interrupted(signal))));
                }
            };
            let Some(until) = until else {
                return Ok(Turn::Refused(Refused::at_once(why)));
            };
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                let waited = true;
                return Ok(Turn::Refused(Refused { why, waited }));
            }
            if !is_told && std::io::stderr().is_terminal() {
                note(&format!("waiting: {}", why.in_words(self.outs)));
                is_told = true;
            }
            let jittered = pause.mul_f64(0.5 + 0.5 * fastrand::f64());
            let sleep = tokio::time::sleep(jittered.min(left.unwrap_or(jittered)));
            tokio::select! {
                () = sleep => {}
                signal = signals.next() => {
                    return Ok(Turn::Refused(Refused::at_once(Why::Interrupted(signal))));
                }
            }
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// One try; the signal that has called it off.
    async fn begin(&self, signals: &mut Signals) -> Result<Result<Begun, Signal>> {
        let cancel = Arc::new(Cancel::new());
        let (checkout, theirs) = (self.checkout.clone(), cancel.clone());
        let (outs, again) = (self.outs.clone(), self.again);
        let mut begun = blocking::begin(move || {
            let veto = || (!again && outs.are_there()).then(|| "already made".to_owned());
            checkout.begin(Wait::For(LOCK_PATIENCE), &theirs, veto)
        });
        let mut interrupted = None;
        let begun = loop {
            tokio::select! {
                begun = &mut begun => break begun,
                signal = signals.next() => {
                    cancel.cancel();
                    interrupted = Some(signal);
                }
            }
        };
        match (blocking::joined(begun)?, interrupted) {
            (Ok(Begun::Generating(ours)), Some(signal)) => {
                // COMMAND has not run, so nothing has failed.
                blocking::call(move || ours.withdraw())
                    .await?
                    .map_err(Failure::from)?;
                Ok(Err(signal))
            }
            (Ok(_), Some(signal)) => Ok(Err(signal)),
            (Err(error), Some(signal)) if error.kind() == Kind::Stopped => Ok(Err(signal)),
            (begun, _) => begun.map(Ok).map_err(Failure::from),
        }
    }

    /// Who makes the files, as far as that can be told.
    fn maker(&self) -> Option<String> {
        let found = claims(self.place).ok()?;
        let claimed = found.riders.into_iter();
        let mut claimed = claimed.filter(|file| self.outs.names.contains(&file.name));
        let live = claimed.find(|file| file.remaining > Duration::ZERO)?;
        live.claim?.owner.map(|owner| process(&owner))
    }
}
