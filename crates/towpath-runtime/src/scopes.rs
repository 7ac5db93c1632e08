//! The port of deferred functions: what the runtime asks of whoever writes promises down and keeps them.
//!
//! The runtime says when: what dead workers have left is run before a worker claims, an attempt's own functions at its
//! end. How a promise outlives its process is the business of the other side; `towpath::deferred::StateDir` keeps them
//! in a directory.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use towpath_core::{Result, Token};

/// Where attempts promise clean-up that outlives their process. Hand one to [`App::scopes`](crate::App::scopes).
///
/// All calls block, on files for instance. One value serves every worker of an app; calls come from many threads at once.
///
/// # For implementers
///
/// *What is atomic.* A function is promised, or it is not: once [`AttemptScope::defer`] has returned `Ok`, it is run at
/// least once, by [`leave`](AttemptScope::leave) or, after the death of this process at any line, by the
/// [`orphans`](AttemptScopes::orphans) of another. When `defer` has returned an error, it is never run.
///
/// *What may be repeated.* A function may be run again when whoever ran it died before he could write down that it was done.
/// `orphans` is called again and again; what somebody else is running meanwhile must not be begun beside him.
///
/// *Who calls what, and where.*
///
/// | call | when | thread |
/// | --- | --- | --- |
/// | `orphans` | before a worker joins its store, every few seconds while it works, and before an attempt of a message whose worker left it | one of its own; several may call at once |
/// | `enter` | at the first `defer` of an attempt, so never for most | that of the body |
/// | `defer` | whenever the body asks, one at a time for each scope | that of the body |
/// | `leave` | once, when the attempt has ended and its body runs no more | one of its own, or that of a body that was left behind |
///
/// A thread of a body may be one that drives async tasks, which wait meanwhile: `enter` and `defer` write a line or make a
/// file, and run nothing. The classic mistake is to run orphans in `enter`: a function that hangs then stops the worker.
/// `leave` and `orphans` may take as long as the functions do, each of which needs its own limit. Nobody waits for them when
/// a worker is told to end at once.
///
/// *What is dropped.* A scope that is dropped without `leave` belongs to a worker that ends at once: nothing of it is
/// run, and what it holds (a lock, for instance) is given up, so that the next `orphans` of any process runs it.
pub trait AttemptScopes: fmt::Debug + Send + Sync + 'static {
    /// Runs what dead workers have left, and returns when that is done: what comes next relies on it. Where another thread
    /// or process is running some of it, it waits for that one, within a bound.
    ///
    /// # Errors
    ///
    /// When nothing can be looked at. A function that fails is no error: it is told in the answer.
    fn orphans(&self) -> Result<CleanedUp>;

    /// Begins a scope for one attempt. Nothing is run.
    ///
    /// # Errors
    ///
    /// When nothing can be promised; the `defer` that asked for it then fails with it, and the next one asks again.
    fn enter(&self, attempt: Token) -> Result<Box<dyn AttemptScope>>;
}

/// The promises of one attempt. See [`AttemptScopes`].
pub trait AttemptScope: Send + 'static {
    /// Writes a promise down, before it returns.
    ///
    /// # Errors
    ///
    /// When the name is not known, or it cannot be written. Nothing is promised then.
    fn defer(&mut self, name: &str, arguments: Value) -> Result<()>;

    /// Runs what was promised, in order, each function whether or not those before it have failed.
    fn leave(self: Box<Self>) -> CleanedUp;
}

impl<S: AttemptScopes + ?Sized> AttemptScopes for Arc<S> {
    fn orphans(&self) -> Result<CleanedUp> {
        S::orphans(self)
    }

    fn enter(&self, attempt: Token) -> Result<Box<dyn AttemptScope>> {
        S::enter(self, attempt)
    }
}

/// What came of functions that were run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanedUp {
    /// Functions that have ended well.
    pub done: u64,
    /// Attempts at functions that have failed.
    pub failed: u64,
    /// Functions that are not tried any more.
    pub given_up: u64,
    /// Functions that stay promised: nobody here knows their names, or the time was up.
    pub left: u64,
    /// How they failed, and what went wrong around them, for people; a few.
    pub troubles: Vec<String>,
}
