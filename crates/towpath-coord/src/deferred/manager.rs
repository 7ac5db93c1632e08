//! One process's part in a directory of deferred functions: its own state file, and the orphans of others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use towpath_core::{Error, Kind, Result};

use super::drain::{Drain, note};
use super::held::Held;
use super::lane::{Lane, is_inside};
use super::ledger::{Entry, Pending};
use super::orphans::{Orphans, Settled};
use super::registry::Registry;
use super::scope::Scope;
use super::state::State;
use super::{Config, Report, TakeOver};
use crate::Place;
use crate::fs::FileId;
use crate::journal::{JOURNAL_MAX, Journal};
use crate::place::storage;

/// Bytes of a state file that are left for what is written down while functions are run: for each of them, that three
/// attempts begin and that it has ended, and once for what went wrong.
const OUTCOME: usize = 256;
const OUTCOMES: usize = 1024 * 1024;

/// Takes registrations of this process and runs orphans of others.
///
/// One for a process, or one for each thread that works: a manager has one [`Scope`] at a time.
/// [Close](Manager::close) it at the end. One that is dropped with functions still to be run gives up its lock alone, so
/// that the next manager runs them.
///
/// # Examples
///
/// ```
/// use towpath_coord::deferred::{Config, Manager, Registry};
/// use towpath_coord::{Network, Place, World};
///
/// # let directory = tempfile::tempdir()?;
/// let scratch = directory.path().join("scratch");
/// let mut registry = Registry::new();
/// registry.add("clear", |_call, path: String| std::fs::remove_dir_all(path))?;
///
/// let place = Place::open(World::new(), directory.path(), Network::Refuse)?;
/// let manager = Manager::open(&place, registry, Config::default())?;
/// let scope = manager.scope()?;
/// scope.defer("clear", &scratch.to_string_lossy())?;
/// std::fs::create_dir(&scratch)?;
/// let report = scope.end();
/// assert_eq!(report.done, 1);
/// assert!(!scratch.exists());
/// manager.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Manager {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    place: Place,
    registry: Registry,
    config: Config,
    /// Held for moments: while functions are run, what is in it is taken out.
    own: Mutex<Own>,
}

#[derive(Debug)]
struct Own {
    phase: Phase,
    /// Which scope it is or was last; a registrar of an earlier one is refused by it.
    scope: u64,
    /// `None` while functions are run.
    active: Option<Active>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// A scope takes registrations.
    Open,
    /// Functions are being run.
    Running,
}

/// The state file and what is in it.
#[derive(Debug)]
struct Active {
    journal: Journal,
    name: String,
    /// Which file has that name as long as nobody removes it.
    id: FileId,
    pending: Vec<Pending>,
    settled: Settled,
    /// Until this is dropped no manager of this process takes the file for an orphan.
    _held: Held,
    state: State,
}

impl Manager {
    /// Makes a state file in the directory `deferred` of a place, which is made unless it is there. Nothing is run yet.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] when that directory is not ours alone, [`Kind::Unavailable`] when it is being removed,
    /// [`Kind::Storage`] when it or the file cannot be made.
    pub fn open(place: &Place, registry: Registry, config: Config) -> Result<Self> {
        let active = Active::open(place, &config)?;
        let own = Own {
            phase: Phase::Idle,
            scope: 0,
            active: Some(active),
        };
        Ok(Self {
            shared: Arc::new(Shared {
                place: place.clone(),
                registry,
                config,
                own: Mutex::new(own),
            }),
        })
    }

    /// Runs what others have left, unless that is [on request](TakeOver::OnRequest), and begins to take registrations.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] while another scope of this manager is open, and within a deferred function;
    /// [`Kind::Storage`] when somebody has removed the state file and no other can be made. Trouble with the
    /// files of others is none: see [`Scope::orphans`].
    pub fn scope(&self) -> Result<Scope> {
        let (number, orphans) = self.shared.begin(self.shared.takes_over_at_scopes())?;
        Ok(Scope::new(self.shared.clone(), number, orphans))
    }

    /// Runs what others have left, with no scope.
    ///
    /// # Errors
    ///
    /// As [`scope`](Manager::scope).
    pub fn run_orphans(&self) -> Result<Report> {
        let (_, report) = self.shared.begin(true)?;
        self.shared.own().phase = Phase::Idle;
        Ok(report)
    }

    /// Removes the state file. What could be neither run nor given up is tried once more.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] while a scope is open, [`Kind::Failed`] when something is left: the file then stays for the
    /// next manager.
    pub fn close(self) -> Result<()> {
        let mut active = self.shared.take(Phase::Idle)?;
        let mut report = Report::default();
        self.shared.settle(&mut active, &mut report);
        if active.pending.is_empty() {
            active.retire();
            return Ok(());
        }
        let (left, name) = (active.pending.len(), active.name.clone());
        let why = report.troubles.join("; ");
        let text = format!("{left} functions are left in the state file {name}: {why}");
        Err(Error::new(Kind::Failed, text))
    }

    /// Gives the lock up at once and runs nothing: what is registered is left to the next manager on the directory, of
    /// whichever process. For a program that has to stop now; its scope then ends without running anything.
    pub fn abandon(self) {
        let mut own = self.shared.own();
        own.phase = Phase::Running;
        drop(own.active.take());
    }
}

impl Active {
    fn open(place: &Place, config: &Config) -> Result<Self> {
        let state = State::open(place)?;
        let (name, journal) = state.enlist(config.durability)?;
        let stat = journal.file().stat();
        let stat = stat.map_err(|error| storage(&state.path(&name), "look at", error))?;
        Ok(Self {
            id: stat.id,
            _held: Held::new(&name, state.world.processes.me().pid),
            journal,
            name,
            pending: Vec::new(),
            settled: Settled::new(),
            state,
        })
    }

    /// Whether the state file is where others would find it.
    fn is_there(&self) -> bool {
        let path = self.state.path(&self.name);
        let found = self.state.is_at(self.id, &path);
        // Where it cannot be told it is not taken for gone.
        found.unwrap_or(true)
    }

    /// Removes the state file, in which nothing is to be done any more.
    fn retire(&mut self) {
        let path = self.state.path(&self.name);
        if self.is_there() && self.state.world.fs.remove_file(&path).is_err() {
            // Whoever finds it is told so.
            note(&mut self.journal, &Entry::Drained, &mut Report::default());
        }
    }

    /// Makes another state file in the place of one that somebody removed; what was in it goes along.
    fn renew(&mut self, place: &Place, config: &Config) -> Result<()> {
        let mut fresh = Self::open(place, config)?;
        for one in &self.pending {
            let Pending { name, args, .. } = one.clone();
            let entry = Entry::Defer { name, args };
            let id = fresh.journal.append(&entry)?;
            fresh.pending.push(Pending { id, ..one.clone() });
        }
        *self = fresh;
        Ok(())
    }
}

impl Shared {
    fn own(&self) -> MutexGuard<'_, Own> {
        // Nothing that can panic is done while it is held.
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is needed to run functions; others wait for nothing and are refused.
    fn take(&self, phase: Phase) -> Result<Active> {
        let refused = |text| Err(Error::new(Kind::WrongState, text));
        if is_inside() {
            return refused("a deferred function cannot use the manager that runs it");
        }
        let mut own = self.own();
        if own.phase != phase {
            return refused(
                "a scope of this manager is open; end it first, or open another manager",
            );
        }
        let Some(active) = own.active.take() else {
            return refused("this manager is running functions");
        };
        own.phase = Phase::Running;
        Ok(active)
    }

    fn give(&self, active: Active, phase: Phase) {
        let mut own = self.own();
        own.active = Some(active);
        own.phase = phase;
    }

    fn takes_over_at_scopes(&self) -> bool {
        self.config.take_over == TakeOver::AtScopes
    }

    fn begin(&self, takes_over: bool) -> Result<(u64, Report)> {
        let mut active = self.take(Phase::Idle)?;
        let renewed = match active.is_there() {
            true => Ok(()),
            false => active.renew(&self.place, &self.config),
        };
        if let Err(error) = renewed {
            self.give(active, Phase::Idle);
            return Err(error);
        }
        let mut report = Report::default();
        if takes_over {
            self.orphans(&mut active, &mut report);
        }
        let mut own = self.own();
        own.active = Some(active);
        own.phase = Phase::Open;
        own.scope += 1;
        Ok((own.scope, report))
    }

    /// Ends the scope that is open.
    pub(super) fn end(&self) -> Report {
        let mut report = Report::default();
        match self.take(Phase::Open) {
            Ok(mut active) => {
                self.settle(&mut active, &mut report);
                if self.takes_over_at_scopes() {
                    self.orphans(&mut active, &mut report);
                }
                self.give(active, Phase::Idle);
            }
            Err(error) => report.trouble(error),
        }
        report
    }

    /// Writes a registration down.
    pub(super) fn defer<A: serde::Serialize + ?Sized>(
        &self,
        scope: u64,
        name: &str,
        args: &A,
    ) -> Result<()> {
        let refused =
            |text: &str| Error::new(Kind::WrongState, format!("cannot defer {name}: {text}"));
        if is_inside() {
            return Err(refused("a deferred function cannot defer another one"));
        }
        let args = self.registry.encode(name, args)?;
        let mut own = self.own();
        if own.phase != Phase::Open || own.scope != scope {
            return Err(refused("its scope has ended"));
        }
        let active = own.active.as_mut();
        let active = active.ok_or_else(|| refused("functions are being run"))?;
        let removed = || {
            let text = format!(
                "the state file {} was removed by somebody, so nothing is registered; begin another scope",
                active.name
            );
            Error::new(Kind::Storage, text)
        };
        let links = active.journal.file().stat().map(|stat| stat.links);
        if links.is_ok_and(|links| links == 0) {
            return Err(removed());
        }
        let name = name.to_owned();
        let entry = Entry::Defer {
            name: name.clone(),
            args: args.clone(),
        };
        let outcomes = OUTCOMES + OUTCOME * (active.pending.len() + 1);
        let max = JOURNAL_MAX.saturating_sub(outcomes);
        let id = active.journal.append_up_to(max, &entry)?;
        active.pending.push(Pending::new(id, name, args));
        Ok(())
    }

    /// Runs our own functions. A file with nothing in it is not touched.
    fn settle(&self, active: &mut Active, report: &mut Report) {
        let pending = std::mem::take(&mut active.pending);
        if pending.is_empty() {
            return;
        }
        let mut lane = Lane::default();
        let drain = Drain {
            state: &active.state,
            registry: &self.registry,
            config: &self.config,
            file: &active.name,
            until: None,
            is_dropped: true,
        };
        active.pending = drain.drain(&mut lane, &mut active.journal, pending, report);
        if active.pending.is_empty() {
            // The last of them has no line that it is done: this says it of all.
            if let Err(error) = active.journal.clear() {
                report.trouble(error);
                note(&mut active.journal, &Entry::Drained, report);
            }
        }
    }

    fn orphans(&self, active: &mut Active, report: &mut Report) {
        let mut orphans = Orphans {
            state: &active.state,
            registry: &self.registry,
            config: &self.config,
            settled: &mut active.settled,
            left: Default::default(),
            turn: None,
            lane: Lane::default(),
        };
        orphans.run(report);
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        // As with the lock of the directory: a child that is being started may have the file open too.
        let _unlocked = self.journal.file().unlock();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let active = self.own().active.take();
        // With functions to be run the lock alone is given up, by the drop of the file.
        if let Some(mut active) = active.filter(|active| active.pending.is_empty()) {
            active.retire();
        }
    }
}
