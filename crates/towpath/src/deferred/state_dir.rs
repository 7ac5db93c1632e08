//! Joins the deferred functions of `towpath-coord` to the attempts of a worker.
//!
//! A manager has one scope at a time, so there is a pool of them: an attempt takes one at its first promise and gives it
//! back when its functions have been run. Each has a state file of its own. Orphans are the business of one more, which
//! is all that ever takes over files of others; so two threads of a process never run orphans side by side, and what a
//! peer runs at that moment is waited for.

use std::fmt;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use towpath_coord::deferred::{Config, Manager, Registry, Report, Scope, TakeOver};
use towpath_coord::{Network, Place, World};
use towpath_core::{Error, Kind, Result, Token};
use towpath_runtime::{AttemptScope, AttemptScopes, CleanedUp};

/// How many managers are kept for attempts to come; each has a file open.
const IDLE_MAX: usize = 64;

/// How often to look whether a peer is done with the orphans that it runs.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A directory in which attempts write down what they promise: for [`App::scopes`](crate::App::scopes).
///
/// Take one directory for all workers of a machine that have the same functions, on a disk of that machine which
/// outlives its processes: whichever of them lives runs what a dead one has left, within seconds. A worker of another
/// machine cannot, and needs a directory of its own. A worker that starts waits for what its peers are running of
/// the dead, for as long as [`Config::budget`] says. Cloning is cheap.
///
/// # Examples
///
/// ```
/// use towpath::deferred::{StateDir, builtin};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("state");
/// let state = StateDir::open(&path, builtin())?;
/// let app = towpath::App::new(towpath::open("memory:")?).scopes(state);
/// assert!(app.has_scopes() && path.is_dir());
/// # Ok::<(), towpath::Error>(())
/// ```
#[derive(Clone)]
pub struct StateDir(Arc<Inner>);

struct Inner {
    place: Place,
    registry: Registry,
    config: Config,
    /// Managers without a scope. Held for one push or pop.
    idle: Mutex<Vec<Manager>>,
    /// Runs orphans, and has no scope. Held while it does: whoever comes then waits until they have been run.
    sweeper: Mutex<Manager>,
}

impl StateDir {
    /// Opens a directory, which is made (mode 0700) unless it is there. `functions` are those that may be promised.
    ///
    /// Does file work: a few system calls. Nothing is run yet.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsupported`] when it is on a network file system, [`Kind::Invalid`] when others can write to what
    /// is in it, [`Kind::Storage`] when it cannot be made or read.
    pub fn open(directory: impl AsRef<Path>, functions: Registry) -> Result<Self> {
        Self::open_with(directory, functions, Config::default(), Network::Refuse)
    }

    /// As [`open`](StateDir::open), with other deadlines, attempts or order, or on a network file system.
    /// [`Config::take_over`] is set here.
    ///
    /// # Errors
    ///
    /// As [`open`](StateDir::open).
    pub fn open_with(
        directory: impl AsRef<Path>,
        functions: Registry,
        mut config: Config,
        network: Network,
    ) -> Result<Self> {
        let directory = made(directory.as_ref())?;
        let place = Place::open(World::new(), directory, network)?;
        // Else each attempt would wait for what others have left, and its end for that of others.
        config.take_over = TakeOver::OnRequest;
        let sweeper = Manager::open(&place, functions.clone(), config.clone())?;
        Ok(Self(Arc::new(Inner {
            place,
            registry: functions,
            config,
            idle: Mutex::default(),
            sweeper: Mutex::new(sweeper),
        })))
    }

    /// The directory, as an absolute path.
    pub fn directory(&self) -> &Path {
        self.0.place.directory()
    }
}

impl fmt::Debug for StateDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateDir")
            .field("directory", &self.directory())
            .field("functions", &self.0.registry)
            .finish_non_exhaustive()
    }
}

impl AttemptScopes for StateDir {
    fn orphans(&self) -> Result<CleanedUp> {
        // Where one panicked while it was held, the manager itself says whether it can go on.
        let sweeper = self
            .0
            .sweeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        let mut all = CleanedUp::default();
        loop {
            let report = sweeper.run_orphans()?;
            let elsewhere = report.elsewhere > 0;
            add(&mut all, cleaned_up(report));
            if !elsewhere || begun.elapsed() >= self.0.config.budget {
                return Ok(all);
            }
            // A peer runs some: what comes after this call relies on them as on our own.
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn enter(&self, _attempt: Token) -> Result<Box<dyn AttemptScope>> {
        let manager = match self.0.pop() {
            Some(manager) => manager,
            None => Manager::open(
                &self.0.place,
                self.0.registry.clone(),
                self.0.config.clone(),
            )?,
        };
        let scope = manager.scope()?;
        Ok(Box::new(Attempt {
            open: Some((manager, scope)),
            pool: self.0.clone(),
        }))
    }
}

impl Inner {
    fn pop(&self) -> Option<Manager> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop()
    }

    /// Keeps a manager for another attempt. One that is not kept removes its file.
    fn push(&self, manager: Manager) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(manager);
        } else {
            drop(idle);
            drop(manager);
        }
    }
}

/// The promises of one attempt.
struct Attempt {
    /// `None` once its functions have been run.
    open: Option<(Manager, Scope)>,
    pool: Arc<Inner>,
}

impl AttemptScope for Attempt {
    fn defer(&mut self, name: &str, arguments: Value) -> Result<()> {
        match &self.open {
            Some((_, scope)) => scope.defer(name, &arguments),
            None => Err(Error::new(Kind::WrongState, "the scope has ended")),
        }
    }

    fn leave(mut self: Box<Self>) -> CleanedUp {
        let Some((manager, scope)) = self.open.take() else {
            return CleanedUp::default();
        };
        let report = scope.end();
        // One with something left is dropped: it gives up its lock alone, and its file is the next sweep's.
        if report.parked == 0 && report.troubles.is_empty() {
            self.pool.push(manager);
        }
        cleaned_up(report)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some((manager, scope)) = self.open.take() {
            // In this order: a scope whose manager is gone runs nothing.
            manager.abandon();
            drop(scope);
        }
    }
}

fn cleaned_up(report: Report) -> CleanedUp {
    let Report {
        done,
        failed,
        dead,
        parked,
        failures,
        troubles,
        ..
    } = report;
    CleanedUp {
        done: done as u64,
        failed: failed as u64,
        given_up: dead as u64,
        left: parked as u64,
        troubles: failures.into_iter().chain(troubles).collect(),
    }
}

/// Adds what came of another look. What is left is what it has left.
fn add(all: &mut CleanedUp, more: CleanedUp) {
    all.done += more.done;
    all.failed += more.failed;
    all.given_up += more.given_up;
    all.left = more.left;
    let room = Report::TROUBLES_MAX.saturating_sub(all.troubles.len());
    all.troubles.extend(more.troubles.into_iter().take(room));
}

/// The directory as an absolute path, made for its owner alone unless it is there.
fn made(directory: &Path) -> Result<PathBuf> {
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(directory);
    // Absolute, because a program may change its working directory.
    let found = made.and_then(|()| directory.canonicalize());
    found.map_err(|error| {
        let text = format!(
            "the state directory {} cannot be made: {error}",
            directory.display()
        );
        Error::new(Kind::Storage, text).with_source(error)
    })
}
