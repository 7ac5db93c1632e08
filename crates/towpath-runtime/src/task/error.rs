//! What a handler says when it fails.

use std::fmt;
use std::time::Duration;

use towpath_core::AttemptError;

/// Why an attempt failed, and whether trying again may help.
///
/// Every `std::error::Error` becomes one by `?`; it keeps the type's name, its text and its chain of
/// causes. By default a failed attempt is retried as the message's settings say.
///
/// ```
/// use towpath_runtime::TaskError;
/// fn parse(text: &str) -> Result<u32, TaskError> {
///     if text.is_empty() {
///         return Err(TaskError::fail("nothing to parse")); // no retry
///     }
///     Ok(text.parse()?) // retried
/// }
/// assert!(parse("").unwrap_err().is_final());
/// assert!(!parse("x").unwrap_err().is_final());
/// ```
#[derive(Debug)]
pub struct TaskError {
    pub(crate) error: AttemptError,
    pub(crate) next: Next,
}

/// What a handler asks to follow its failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// What the message's settings say.
    Settings,
    /// A retry after that wait.
    RetryAfter(Duration),
    /// No retry.
    Fail,
}

impl TaskError {
    /// A failure of that name and text, retried as the settings say.
    pub fn new(name: impl Into<String>, text: impl AsRef<str>) -> Self {
        Self {
            error: AttemptError::new(name, text),
            next: Next::Settings,
        }
    }

    /// A failure that is only a text, retried as the settings say.
    pub fn msg(text: impl AsRef<str>) -> Self {
        Self::new("error", text)
    }

    /// A failure that no retry can mend: the message becomes a dead letter.
    pub fn fail(text: impl AsRef<str>) -> Self {
        Self::msg(text).final_()
    }

    /// A failure that is retried after `wait` instead of the message's backoff.
    pub fn retry_after(wait: Duration, text: impl AsRef<str>) -> Self {
        Self {
            next: Next::RetryAfter(wait),
            ..Self::msg(text)
        }
    }

    /// The same failure, without retry.
    #[must_use]
    pub fn final_(self) -> Self {
        Self {
            next: Next::Fail,
            ..self
        }
    }

    /// The same failure with its causes or backtrace.
    #[must_use]
    pub fn with_traceback(self, traceback: impl AsRef<str>) -> Self {
        Self {
            error: self.error.with_traceback(traceback),
            ..self
        }
    }

    /// Whether it says that no retry can help.
    pub fn is_final(&self) -> bool {
        self.next == Next::Fail
    }

    /// What will be kept with the message.
    pub fn attempt_error(&self) -> &AttemptError {
        &self.error
    }

    pub(crate) fn of(name: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let this = Self::new(name, error.to_string());
        match causes(error) {
            Some(causes) => this.with_traceback(causes),
            None => this,
        }
    }
}

fn causes(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let causes: Vec<_> = std::iter::successors(error.source(), |cause| cause.source())
        .take(32)
        .map(|cause| format!("caused by: {cause}"))
        .collect();
    (!causes.is_empty()).then(|| causes.join("\n"))
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

// `TaskError` is no `std::error::Error` itself, or this conversion could not exist beside
// `impl From<T> for T`.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for TaskError {
    fn from(error: E) -> Self {
        Self::of(std::any::type_name::<E>(), &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_type_text_and_causes() {
        let inner = std::io::Error::other("disk on fire");
        let error: TaskError = towpath_core::Error::invalid("no").with_source(inner).into();
        assert_eq!(error.error.name, "towpath_core::error::Error");
        assert_eq!(error.error.text, "no");
        assert_eq!(
            error.error.traceback.as_deref(),
            Some("caused by: disk on fire")
        );
    }
}
