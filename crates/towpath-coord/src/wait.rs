//! Waiting for somebody else, within bounds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use towpath_core::{Clock, Error, Kind, Result};

/// From how long on, and up to how long, one waits between two looks.
const FIRST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(250);

/// How long to wait for others, by the boot clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: one try.
    No,
    /// So long.
    For(Duration),
    /// Until it is there, or the wait is called off.
    Forever,
}

/// Calls a wait off, from any thread or a handler of signals.
#[derive(Debug, Default)]
pub struct Cancel(AtomicBool);

impl Cancel {
    /// One that nobody has called.
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Calls off what waits and what will.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was called off.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Until when to wait, on the boot clock, and who may call it off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience<'a> {
    until: Option<Duration>,
    cancel: &'a Cancel,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(wait: Wait, clock: &dyn Clock, cancel: &'a Cancel) -> Self {
        let until = match wait {
            Wait::No => Some(Duration::ZERO),
            Wait::For(time) => Some(clock.uptime().saturating_add(time)),
            Wait::Forever => None,
        };
        Self { until, cancel }
    }

    /// The same, but at least so long from now on.
    pub(crate) fn at_least(&self, time: Duration, clock: &dyn Clock) -> Self {
        let least = clock.uptime().saturating_add(time);
        Self {
            until: self.until.map(|until| until.max(least)),
            cancel: self.cancel,
        }
    }
}

/// The pauses of one wait: doubled, with jitter.
#[derive(Debug)]
pub(crate) struct Pace(Duration);

impl Pace {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    /// Waits a moment, by `sleep`; answers whether there is time for another look.
    ///
    /// # Errors
    ///
    /// [`Kind::Stopped`] when the wait was called off.
    pub(crate) fn wait(
        &mut self,
        clock: &dyn Clock,
        patience: &Patience<'_>,
        sleep: impl FnOnce(Duration),
    ) -> Result<bool> {
        if patience.cancel.is_cancelled() {
            return Err(Error::new(Kind::Stopped, "the wait was called off"));
        }
        let now = clock.uptime();
        let left = patience.until.map(|until| until.saturating_sub(now));
        if left == Some(Duration::ZERO) {
            return Ok(false);
        }
        let pause = self.0.mul_f64(0.5 + 0.5 * fastrand::f64());
        sleep(pause.min(left.unwrap_or(pause)));
        self.0 = (self.0 * 2).min(LONGEST);
        Ok(true)
    }
}
