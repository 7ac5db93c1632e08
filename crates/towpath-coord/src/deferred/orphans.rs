//! Takes over the state files of others that are dead or have left, runs what is pending in them, and removes them.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::time::Duration;

use towpath_core::Kind;

use super::drain::{Drain, note};
use super::held::is_held;
use super::lane::Lane;
use super::ledger::{Entry, Ledger, Pending};
use super::registry::Registry;
use super::state::{QUARANTINE, State, UNFINISHED};
use super::{Config, Report};
use crate::fs::{FileId, Handle, Lock, Open, Sort};
use crate::journal::{JOURNAL_MAX, Journal, Reading};
use crate::liveness::Life;
use crate::place::storage;

/// How many spoilt files are kept apart. Beyond it they stay where they are, drained.
const QUARANTINE_MAX: usize = 1_000;
/// How often the directory is gone through: what comes up meanwhile is run too, but not for ever.
const PASSES: usize = 4;

/// Files that are settled and could not be removed. With the name, because a number is given to another file once
/// this one is gone.
pub(super) type Settled = HashSet<(String, FileId)>;

pub(super) struct Orphans<'a> {
    pub(super) state: &'a State,
    pub(super) registry: &'a Registry,
    pub(super) config: &'a Config,
    pub(super) settled: &'a mut Settled,
    /// Files that were taken in this run and could not be drained: they are not taken again in it.
    pub(super) left: HashSet<String>,
    /// `.take`, once it was opened.
    pub(super) turn: Option<Box<dyn Handle>>,
    /// The thread for all of them.
    pub(super) lane: Lane,
}

/// A state file that is ours now.
struct Taken {
    journal: Journal,
    pending: Vec<Pending>,
    id: FileId,
    is_spoilt: bool,
    /// Whether it says that we have it. Where there was no room for that, it stays our turn until we are done with it.
    is_told: bool,
}

/// A file that was taken, or how many functions are parked in one that was not.
type Looked = std::result::Result<Taken, usize>;

const NOTHING: io::Result<Looked> = Ok(Err(0));

impl Orphans<'_> {
    /// Runs what there is to run. Whatever goes wrong is told and stops nobody.
    pub(super) fn run(&mut self, report: &mut Report) {
        let until = self.state.world.clock.uptime();
        let until = until.saturating_add(self.config.budget);
        let me = self.state.world.processes.me().pid;
        let mut kept = 0;
        for pass in 0..PASSES {
            let names = match self.state.names() {
                Ok(names) => names,
                Err(error) => return report.trouble(error),
            };
            let (before, mut parked) = (report.taken, kept);
            report.elsewhere = 0;
            for name in names {
                if is_held(&name, me) || self.left.contains(&name) {
                    continue;
                }
                if self.state.world.clock.uptime() >= until {
                    report.parked += parked;
                    let budget = self.config.budget;
                    return report.trouble(format!("the {budget:?} for orphans are over"));
                }
                match self.visit(&name, until, report) {
                    Ok(left) => {
                        parked += left;
                        if self.left.contains(&name) {
                            kept += left;
                        }
                    }
                    Err(error) => {
                        let is_our_turn = error.kind() != ErrorKind::TimedOut;
                        report.trouble(storage(&self.state.path(&name), "take over", error));
                        if !is_our_turn {
                            report.parked += parked;
                            return;
                        }
                    }
                }
            }
            if report.taken == before || pass + 1 == PASSES {
                // What is left is counted in the last pass alone.
                report.parked += parked;
                return;
            }
        }
    }

    /// Looks at one file; answers how many functions stay in it.
    fn visit(&mut self, name: &str, until: Duration, report: &mut Report) -> io::Result<usize> {
        if name.ends_with(UNFINISHED) {
            return self.sweep(name).map(|()| 0);
        }
        let taken = match self.take(name, report)? {
            Ok(taken) => taken,
            Err(parked) => return Ok(parked),
        };
        report.taken += 1;
        let is_told = taken.is_told;
        let left = self.finish(name, taken, until, report);
        if !is_told {
            self.end_turn();
        }
        left
    }

    /// Runs what is to be run in a file that is ours; answers how many functions stay in it.
    fn finish(
        &mut self,
        name: &str,
        taken: Taken,
        until: Duration,
        report: &mut Report,
    ) -> io::Result<usize> {
        let Taken {
            mut journal,
            pending,
            id,
            is_spoilt,
            ..
        } = taken;
        let drain = Drain {
            state: self.state,
            registry: self.registry,
            config: self.config,
            file: name,
            until: Some(until),
            is_dropped: !is_spoilt,
        };
        let before = report.parked;
        let left = drain.drain(&mut self.lane, &mut journal, pending, report);
        report.parked = before;
        if !left.is_empty() {
            note(&mut journal, &Entry::Left, report);
            journal.file().unlock()?;
            self.left.insert(name.to_owned());
            return Ok(left.len());
        }
        let gone = match is_spoilt {
            true => {
                note(&mut journal, &Entry::Drained, report);
                self.quarantine(name, report)
            }
            false => self.state.world.fs.remove_file(&self.state.path(name)),
        };
        match gone {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                // Its last line says that nothing is to be done; here it is not even opened again.
                note(&mut journal, &Entry::Drained, report);
                self.settled.insert((name.to_owned(), id));
                Err(error)
            }
            _ => Ok(0),
        }
    }

    /// Takes a file if it may be taken, when it is our turn; else how many functions are parked in it.
    fn take(&mut self, name: &str, report: &mut Report) -> io::Result<Looked> {
        let turn = match self.turn.take() {
            Some(turn) => turn,
            None => self.state.turn()?,
        };
        if !self.state.await_turn(&*turn)? {
            // It will not be for the next file either.
            let text = "somebody else is about to take over and does not go on; what is left is left to him";
            return Err(io::Error::new(ErrorKind::TimedOut, text));
        }
        let taken = self.take_in_turn(name, report);
        self.turn = Some(turn);
        if !matches!(&taken, Ok(Ok(Taken { is_told: false, .. }))) {
            self.end_turn();
        }
        taken
    }

    fn end_turn(&mut self) {
        // Where the lock cannot be given up the file is closed.
        self.turn = self.turn.take().filter(|turn| turn.unlock().is_ok());
    }

    fn take_in_turn(&self, name: &str, report: &mut Report) -> io::Result<Looked> {
        let path = self.state.path(name);
        let file = match self.state.world.fs.open(&path, Open::Write) {
            Err(error) if error.kind() == ErrorKind::NotFound => return NOTHING,
            file => file?,
        };
        let stat = file.stat()?;
        if stat.sort != Sort::File || self.settled.contains(&(name.to_owned(), stat.id)) {
            return NOTHING;
        }
        let is_locked = file.try_lock(Lock::Exclusive)?;
        if !self.state.is_at(stat.id, &path)? {
            return NOTHING;
        }
        if is_locked && stat.len > JOURNAL_MAX as u64 {
            return self.quarantine(name, report).map(|()| Err(0));
        }
        let (mut journal, reading) = match Journal::resume(file, &path, self.config.durability) {
            Ok(read) => read,
            Err(error) if error.kind() == Kind::Incompatible => return Ok(Err(1)),
            Err(error) => return Err(io::Error::other(error)),
        };
        let ledger = Ledger::of(&reading);
        if !self.is_orphan(is_locked, &reading, &ledger) {
            report.elsewhere += usize::from(ledger.taken.is_some() && !ledger.pending.is_empty());
            return NOTHING;
        }
        let is_known = |one: &Pending| self.registry.knows(&one.name);
        if !ledger.pending.is_empty() && !ledger.pending.values().any(is_known) {
            return Ok(Err(ledger.pending.len()));
        }
        let by = self.state.world.processes.me();
        let entry = Entry::Taken {
            by,
            locked: is_locked,
        };
        let is_told = match journal.append(&entry) {
            Ok(_) => true,
            // We have its lock, and what is run may be what makes room on a disk that is full.
            Err(error) if is_locked => {
                report.trouble(error);
                false
            }
            Err(error) => return Err(io::Error::other(error)),
        };
        Ok(Ok(Taken {
            is_told,
            journal,
            id: stat.id,
            is_spoilt: reading.damaged > 0 || ledger.foreign > 0,
            pending: ledger.pending.into_values().collect(),
        }))
    }

    /// Whether nobody goes on with it: the lock is free, or who would hold it is dead and only a child of his has it.
    fn is_orphan(&self, is_locked: bool, reading: &Reading, ledger: &Ledger) -> bool {
        let life = |of| self.state.world.processes.life(of);
        let owner = reading.header.as_ref().map(|header| &header.owner);
        match (is_locked, &ledger.taken) {
            // He works without the lock because a child of the owner had it then.
            (true, Some((by, false))) => life(by) == Life::Dead,
            (true, _) => true,
            (false, Some((by, _))) => life(by) == Life::Dead,
            (false, None) => owner.is_some_and(|owner| life(owner) == Life::Dead),
        }
    }

    /// Keeps a file for somebody to look at.
    fn quarantine(&self, name: &str, report: &mut Report) -> io::Result<()> {
        let (fs, directory) = (&self.state.world.fs, self.state.path(QUARANTINE));
        match fs.create_dir(&directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if fs.list(&directory, QUARANTINE_MAX)?.len() == QUARANTINE_MAX {
            let text = "1,000 spoilt files are in quarantine; remove those that were looked at";
            return Err(io::Error::other(text));
        }
        fs.rename_new(&self.state.path(name), &directory.join(name))?;
        report.quarantined += 1;
        Ok(())
    }

    /// Removes an unfinished file that nobody is finishing.
    fn sweep(&self, name: &str) -> io::Result<()> {
        let (fs, path) = (&self.state.world.fs, self.state.path(name));
        let file: Box<dyn Handle> = match fs.open(&path, Open::Write) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        if file.try_lock(Lock::Exclusive)? && self.state.is_at(file.stat()?.id, &path)? {
            fs.remove_file(&path)?;
        }
        Ok(())
    }
}
