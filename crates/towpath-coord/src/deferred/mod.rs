//! Clean-up that outlives its process: functions that are written down before the work they clean up after, and run when
//! it ends, by whoever is left.
//!
//! A program opens a [`Manager`] on a directory, a [`Scope`] for each piece of work, and [defers](Scope::defer) functions
//! of its [`Registry`]. At the scope's end they are run, whether the work succeeded, failed or panicked. Where the process
//! dies before, the next manager on that directory runs them.
//!
//! ```text
//!   PLACE/deferred/            0700, of one user
//!     .dir                     every manager holds a shared lock of it; who removes the directory, the exclusive one
//!     .take                    locked for the moment in which an orphan is taken over
//!     func0123456789abcdef     the state file of a manager, a journal, locked by it
//!     dead/FILE-ID.json        functions that were given up
//!     quarantine/FILE          state files with spoilt lines, when the others have been run
//! ```
//!
//! What is promised: once [`Scope::defer`] has returned, the function is run at least once, if ever a manager is opened on
//! that directory that knows its name. Who may die where, and what is then on disk:
//!
//! * making the state file: it has no name before it is locked and has its header, so nothing is left; where the file
//!   system has no unnamed files a `.tmp` may be, which the next manager finds unlocked and removes;
//! * in `defer`: a torn line, which nobody was promised, or a whole one, which will be run;
//! * while functions are run: each has a line when it begins and one when it has ended, so at most the one under way is
//!   run again. One that kills its process every time is given up as one that fails is;
//! * behind the last function: a file in which everything is settled; the next manager removes it;
//! * taking over: a line says who has taken it, before anything is run; when that one dies too it counts no more. Where
//!   there is no room for that line, nobody else takes anything over until this file is done with: what is run may be
//!   what makes room, and then both would be at it.
//!
//! A state file is an orphan when its lock is free. A process that was forked without starting another program keeps the
//! lock of its dead parent; then the owner named in the file decides, if it is dead beyond doubt. Both are
//! looked at, and the taking written down, under the lock of `.take`, so that two never take one file.
//!
//! Functions are called on threads that are kept for the calls of others, so one that changes its own thread (its
//! namespaces, its mask of signals) changes it for those.

mod builtin;
mod call;
mod clean;
mod drain;
mod forget;
mod held;
mod lane;
mod ledger;
mod list;
mod manager;
mod orphans;
mod registry;
mod scope;
mod state;

use std::time::Duration;

pub use builtin::{KillProcessGroup, RemovePath, RunCommand};
pub use clean::{Cleaned, clean};
pub use forget::forget;
pub use list::{DeadLetter, Listing, StateFile, list};
pub use manager::Manager;
pub use registry::{Call, NAME_MAX, Registry};
pub use scope::{Registrar, Scope};

use crate::journal::Durability;

/// In which order the functions of a scope are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As they were registered.
    #[default]
    FirstIn,
    /// The last one first, as destructors are. Who takes over goes by his own setting.
    LastIn,
}

/// When a manager runs what others have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TakeOver {
    /// Before a scope begins and after it has ended.
    #[default]
    AtScopes,
    /// By [`Manager::run_orphans`] alone: for programs with many scopes, which must not wait for what others have left.
    OnRequest,
}

/// How a manager runs functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// In which order; the one of registration unless said otherwise.
    pub order: Order,
    /// When what others have left is run; around each scope unless said otherwise.
    pub take_over: TakeOver,
    /// Which death a registration outlives; that of its process unless said otherwise.
    pub durability: Durability,
    /// How long one call may take; a minute unless said otherwise. Then it is told to stop, and has failed.
    pub deadline: Duration,
    /// How long it then has to return; a second unless said otherwise. Then it is left behind and given up.
    pub grace: Duration,
    /// How often a function is tried before it is given up; 3 unless said otherwise, at least 1.
    pub attempts_max: u32,
    /// How long functions of others may keep a scope from beginning or ending; ten minutes unless said otherwise.
    /// What is not run by then is left for the next time.
    pub budget: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            order: Order::default(),
            take_over: TakeOver::default(),
            durability: Durability::default(),
            deadline: Duration::from_secs(60),
            grace: Duration::from_secs(1),
            attempts_max: 3,
            budget: Duration::from_secs(600),
        }
    }
}

/// What was run, and what could not be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Functions that have ended well.
    pub done: usize,
    /// Attempts that have failed.
    pub failed: usize,
    /// Functions that were given up.
    pub dead: usize,
    /// Functions that are left in place because their names are not known here, or the time was up.
    pub parked: usize,
    /// State files of others that were taken over.
    pub taken: usize,
    /// State files that another who lives has taken over and is not done with.
    pub elsewhere: usize,
    /// State files with spoilt lines.
    pub quarantined: usize,
    /// How attempts failed: the function, its id, the attempt, the error; at most [`Report::TROUBLES_MAX`].
    pub failures: Vec<String>,
    /// What went wrong around them; at most [`Report::TROUBLES_MAX`].
    pub troubles: Vec<String>,
}

impl Report {
    /// How many troubles, and how many failures, are told.
    pub const TROUBLES_MAX: usize = 16;

    fn failure(&mut self, name: &str, id: &str, attempt: u32, error: &str) {
        self.failed += 1;
        if self.failures.len() < Self::TROUBLES_MAX {
            let failure = format!("{name} ({id}) failed at attempt {attempt}: {error}");
            self.failures.push(failure);
        }
    }

    fn trouble(&mut self, trouble: impl std::fmt::Display) {
        if self.troubles.len() < Self::TROUBLES_MAX {
            self.troubles.push(trouble.to_string());
        }
    }
}
