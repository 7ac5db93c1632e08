//! One run of a message, as it is remembered.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::limits::{ERROR_TEXT_BYTES, TRACE_BYTES, cut};

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// It succeeded.
    Done,
    /// It failed and was to be repeated.
    Retried,
    /// It failed for good.
    Failed,
    /// It was given back.
    Released,
    /// It asked to be run later.
    Snoozed,
    /// Its worker was lost.
    Lost,
    /// It was called off.
    Revoked,
    /// The message was put back by hand after this error.
    Requeued,
}

/// One run of a message.
///
/// What was given back or called off before its handler started was no run and is not remembered. What
/// was lost is, started or not: nobody is left to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The number of its claim.
    pub claims: u32,
    /// Who ran it: host and process.
    pub worker: String,
    /// When its handler started, if that is known.
    #[serde(rename = "started_at_ms")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(rename = "ended_at_ms")]
    pub ended_at: Timestamp,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// What went wrong, if something did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<AttemptError>,
}

/// What a failed attempt said: a name, a text, and where it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptError {
    /// The name of the error's type, such as `std::io::Error`.
    pub name: String,
    /// What it said; cut at 4 KiB.
    pub text: String,
    /// Its causes or backtrace; cut at 4 KiB.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub traceback: Option<String>,
}

impl AttemptError {
    /// An error of that name and text, cut to what is kept.
    pub fn new(name: impl Into<String>, text: impl AsRef<str>) -> Self {
        Self {
            name: cut(&name.into(), crate::limits::NAME_BYTES),
            text: cut(text.as_ref(), ERROR_TEXT_BYTES),
            traceback: None,
        }
    }

    /// The same error with its causes or backtrace, cut to what is kept.
    #[must_use]
    pub fn with_traceback(mut self, traceback: impl AsRef<str>) -> Self {
        self.traceback = Some(cut(traceback.as_ref(), TRACE_BYTES));
        self
    }

    /// Whether it was made from an error of type `E`.
    pub fn is<E: 'static>(&self) -> bool {
        self.name == std::any::type_name::<E>()
    }

    /// The error as an `E` again, if it was made from one and its text can be read back.
    ///
    /// ```
    /// use towpath_core::AttemptError;
    /// # #[derive(Debug, PartialEq)] struct Refused(u16);
    /// # impl std::str::FromStr for Refused {
    /// #     type Err = std::num::ParseIntError;
    /// #     fn from_str(text: &str) -> Result<Self, Self::Err> { text.parse().map(Refused) }
    /// # }
    /// let error = AttemptError::new(std::any::type_name::<Refused>(), "404");
    /// assert_eq!(error.downcast::<Refused>(), Some(Refused(404)));
    /// assert_eq!(error.downcast::<u16>(), None);
    /// ```
    pub fn downcast<E: std::str::FromStr + 'static>(&self) -> Option<E> {
        if self.is::<E>() {
            self.text.parse().ok()
        } else {
            None
        }
    }
}

impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.text)
    }
}

impl std::error::Error for AttemptError {}
