//! A piece of work, and the clean-up that was registered for it.

use std::sync::Arc;

use serde::Serialize;
use towpath_core::Result;

use super::Report;
use super::manager::Shared;

/// Takes registrations until its end, and then runs them: at [`end`](Scope::end), or where it is dropped, as by `?` or
/// by a panic. For clean-up that a kill may skip, `Drop` is enough. [`Manager`](super::Manager) has an example.
#[derive(Debug)]
#[must_use = "a scope that is dropped ends"]
pub struct Scope {
    registrar: Registrar,
    orphans: Report,
    has_ended: bool,
}

/// Registers for a scope from elsewhere, another thread for instance.
#[derive(Debug, Clone)]
pub struct Registrar {
    shared: Arc<Shared>,
    scope: u64,
}

impl Scope {
    pub(super) fn new(shared: Arc<Shared>, scope: u64, orphans: Report) -> Self {
        Self {
            registrar: Registrar { shared, scope },
            orphans,
            has_ended: false,
        }
    }

    /// Writes down that a function is to be run at the end of this scope, whatever becomes of it. Call it before what is to
    /// be cleaned up is made.
    ///
    /// # Errors
    ///
    /// [`towpath_core::Kind::Invalid`] for a name that is not in the registry, or arguments that are too long;
    /// [`towpath_core::Kind::Codec`] for arguments that cannot be JSON; [`towpath_core::Kind::WrongState`] after the
    /// end; [`towpath_core::Kind::Storage`] when the line cannot be written. Nothing is then registered.
    pub fn defer<A: Serialize + ?Sized>(&self, name: &str, arguments: &A) -> Result<()> {
        self.registrar.defer(name, arguments)
    }

    /// Something that can register and does not end the scope.
    pub fn registrar(&self) -> Registrar {
        self.registrar.clone()
    }

    /// What was run of others before this scope began.
    pub fn orphans(&self) -> &Report {
        &self.orphans
    }

    /// Runs what was registered, then what others have left meanwhile, unless that is
    /// [on request](super::TakeOver::OnRequest).
    pub fn end(mut self) -> Report {
        self.has_ended = true;
        self.registrar.shared.end()
    }
}

impl Registrar {
    /// As [`Scope::defer`].
    ///
    /// # Errors
    ///
    /// As [`Scope::defer`].
    pub fn defer<A: Serialize + ?Sized>(&self, name: &str, arguments: &A) -> Result<()> {
        self.shared.defer(self.scope, name, arguments)
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if !self.has_ended {
            // Nobody is there to read it.
            let _report = self.registrar.shared.end();
        }
    }
}
