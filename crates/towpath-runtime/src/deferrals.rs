//! The promises of one attempt, from its first `defer` to the moment at which they are kept.
//!
//! An attempt has one or two parties: itself, and its body where that runs on a thread and may be left behind. Each lets
//! go once, and whoever does so last runs what was promised. So nothing is cleaned up under a body that still runs.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

use serde_json::Value;
use tokio::runtime::{Handle, RuntimeFlavor};
use towpath_core::{Error, Kind, Result, Token};

use crate::context::Context;
use crate::scopes::{AttemptScope, AttemptScopes};

/// The promises of one attempt.
pub(crate) struct Deferrals {
    /// Set once, at the attempt's end. Looked at under the lock of `scope`.
    closed: AtomicBool,
    /// `None` until something is promised, and after it was taken out. Held while a promise is written, so the end of the
    /// attempt only tries it.
    scope: Mutex<Option<Box<dyn AttemptScope>>>,
    parties: AtomicU8,
}

impl Default for Deferrals {
    fn default() -> Self {
        Self {
            closed: AtomicBool::new(false),
            scope: Mutex::default(),
            parties: AtomicU8::new(1),
        }
    }
}

impl Deferrals {
    /// Writes a promise down; the first one enters a scope.
    pub(crate) fn defer(
        &self,
        scopes: &dyn AttemptScopes,
        attempt: Token,
        name: &str,
        arguments: Value,
    ) -> Result<()> {
        // A panic of the other side leaves an attempt with a scope or without one.
        let mut scope = self.scope.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::SeqCst) {
            let text = format!("cannot defer {name:?}: attempt {attempt} has ended");
            return Err(Error::new(Kind::WrongState, text));
        }
        let scope = match &mut *scope {
            Some(scope) => scope,
            none => none.insert(scopes.enter(attempt)?),
        };
        scope.defer(name, arguments)
    }

    /// Takes no more promises.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Whether something may have been promised. Never waits for one that is being written.
    pub(crate) fn is_entered(&self) -> bool {
        match self.scope.try_lock() {
            Ok(scope) => scope.is_some(),
            Err(TryLockError::Poisoned(scope)) => scope.into_inner().is_some(),
            Err(TryLockError::WouldBlock) => true,
        }
    }

    /// The scope, for whoever keeps its promises. Waits for one that is being written.
    pub(crate) fn take(&self) -> Option<Box<dyn AttemptScope>> {
        let mut scope = self.scope.lock().unwrap_or_else(PoisonError::into_inner);
        scope.take()
    }

    fn hold(&self) {
        self.parties.fetch_add(1, Ordering::AcqRel);
    }

    /// A party has ended; answers whether it was the last.
    pub(crate) fn let_go(&self) -> bool {
        self.parties.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// The part of a body on a thread in its attempt's promises. Dropped on that thread when the body has returned, it keeps
/// them if the attempt has ended before.
pub(crate) struct Held(Context);

impl Held {
    pub(crate) fn new(ctx: Context) -> Self {
        ctx.deferrals().hold();
        Self(ctx)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.0.deferrals().let_go() {
            self.0.clean_up();
        }
    }
}

/// Runs what blocks on this thread. Where the thread drives tasks of a runtime with several, another one takes those over
/// meanwhile.
pub(crate) fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
