//! The one error type of the library crates.
//!
//! A task that fails is data ([`AttemptError`](crate::AttemptError)), not an error of ours. What is
//! here went wrong around it: bad input, a missing message, a lost lease, a store out of reach.
//! [`Kind`] says what the caller can do; [`Error::is_transient`] says whether trying again may help.

use std::fmt;

/// What every fallible call of the library returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, in terms of what the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A value that the caller passed is outside its limits. Nothing was written.
    Invalid,
    /// A message with this id is already in the store.
    AlreadyExists,
    /// No such message, queue, worker or result.
    NotFound,
    /// The verb is not allowed in the state the message is in.
    WrongState,
    /// The lease under which the call was made is no longer valid. Somebody else may hold the
    /// message; drop what you computed.
    LeaseLost,
    /// A result is larger than its limit and was not kept.
    ResultTooLarge,
    /// The message failed; there is no result to wait for.
    Failed,
    /// The message was revoked.
    Revoked,
    /// The wait ended before what was waited for came.
    TimedOut,
    /// A worker was asked to run no task at all.
    NoTasks,
    /// Two tasks were registered under one name.
    TaskNameCollision,
    /// A handler asks for shared data that the app was not given.
    MissingData,
    /// A value could not be encoded or decoded, or its codec is not registered.
    Codec,
    /// A schedule cannot be kept as written.
    Scheduling,
    /// The worker or store is stopping and takes no new work.
    Stopped,
    /// The store is out of reach or busy for now.
    Unavailable,
    /// The store is full, read-only, corrupt or otherwise unable to serve; somebody must look.
    Storage,
    /// The store was written by a newer version, or is not ours.
    Incompatible,
    /// The store or the build cannot do this.
    Unsupported,
}

impl Kind {
    /// The kind as one stable lower-case word, for logs and `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Invalid => "invalid",
            Kind::AlreadyExists => "already_exists",
            Kind::NotFound => "not_found",
            Kind::WrongState => "wrong_state",
            Kind::LeaseLost => "lease_lost",
            Kind::ResultTooLarge => "result_too_large",
            Kind::Failed => "failed",
            Kind::Revoked => "revoked",
            Kind::TimedOut => "timed_out",
            Kind::NoTasks => "no_tasks",
            Kind::TaskNameCollision => "task_name_collision",
            Kind::MissingData => "missing_data",
            Kind::Codec => "codec",
            Kind::Scheduling => "scheduling",
            Kind::Stopped => "stopped",
            Kind::Unavailable => "unavailable",
            Kind::Storage => "storage",
            Kind::Incompatible => "incompatible",
            Kind::Unsupported => "unsupported",
        }
    }
}

/// An error of the library: its kind, what it is about, and what caused it.
///
/// The text is lower case, without a final stop, fit to follow "failed to …", and names the thing
/// (queue, id, path) and the limit it broke. It never holds a secret.
#[derive(Clone)]
pub struct Error(std::sync::Arc<Inner>);

struct Inner {
    kind: Kind,
    text: String,
    transient: bool,
    source: Option<Source>,
}

impl Error {
    /// An error of `kind` that says `text`. Only [`Kind::Unavailable`] is transient by itself.
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self(std::sync::Arc::new(Inner {
            kind,
            text: text.into(),
            transient: kind == Kind::Unavailable,
            source: None,
        }))
    }

    /// An error about a value the caller passed.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, text)
    }

    /// The same error with its cause attached.
    #[must_use]
    pub fn with_source(self, source: impl Into<Source>) -> Self {
        let Inner {
            kind, transient, ..
        } = *self.0;
        Self(std::sync::Arc::new(Inner {
            kind,
            text: self.0.text.clone(),
            transient,
            source: Some(source.into()),
        }))
    }

    /// The same error said about `what`: the text becomes "`what`: text".
    #[must_use]
    pub fn about(self, what: impl fmt::Display) -> Self {
        let text = format!("{what}: {}", self.0.text);
        let Inner {
            kind, transient, ..
        } = *self.0;
        // The former error is the cause, so nothing it knew is lost.
        Self(std::sync::Arc::new(Inner {
            kind,
            text,
            transient,
            source: None,
        }))
        .keeping_source_of(self)
    }

    fn keeping_source_of(self, former: Self) -> Self {
        if former.0.source.is_some() {
            self.with_source(former)
        } else {
            self
        }
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.text)?;
        match &self.0.source {
            Some(source) => write!(f, " (caused by {source:?})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn only_an_unavailable_store_is_transient_by_itself() {
        assert!(Error::new(Kind::Unavailable, "busy").is_transient());
        assert!(!Error::new(Kind::Storage, "disk is full").is_transient());
    }

    #[test]
    fn about_names_the_thing_and_keeps_kind_and_cause() {
        let error = Error::invalid("too long")
            .with_source("inner")
            .about("queue");
        assert_eq!(error.to_string(), "queue: too long");
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.source().is_some());
    }
}
