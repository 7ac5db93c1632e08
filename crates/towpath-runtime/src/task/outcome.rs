//! How a handler that did not fail wants its attempt to end.

use std::time::Duration;

use super::TaskError;

/// The end of an attempt, as a value.
///
/// Most handlers return their output, or a `Result`; return an `Outcome` to decide more than that.
/// Failing for good and retrying at a time of one's own can also be said as errors:
/// [`TaskError::fail`] and [`TaskError::retry_after`].
#[derive(Debug)]
pub enum Outcome<T> {
    /// It succeeded with this output.
    Done(T),
    /// It failed; try again, after this wait if one is named. Spends a retry.
    Retry {
        /// The wait instead of the message's backoff.
        after: Option<Duration>,
        /// What went wrong.
        error: TaskError,
    },
    /// It failed, and trying again cannot help.
    Fail(TaskError),
    /// Not now: run it again after this wait. Spends no retry; at most 1,000 times per message.
    Snooze(Duration),
}

impl<T> Outcome<T> {
    pub(crate) fn map<U>(
        self,
        f: impl FnOnce(T) -> Result<U, TaskError>,
    ) -> Result<Outcome<U>, TaskError> {
        Ok(match self {
            Outcome::Done(output) => Outcome::Done(f(output)?),
            Outcome::Retry { after, error } => Outcome::Retry { after, error },
            Outcome::Fail(error) => Outcome::Fail(error),
            Outcome::Snooze(after) => Outcome::Snooze(after),
        })
    }
}
