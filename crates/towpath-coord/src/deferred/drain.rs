//! Runs what is pending in one state file, writing down how each function ended.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use towpath_core::Result;

use super::call::{Outcome, make};
use super::lane::Lane;
use super::ledger::{Entry, Pending};
use super::registry::{Call, Function, Registry};
use super::state::{DEAD, State};
use super::{Config, Order, Report};
use crate::fs::Open;
use crate::journal::{Durability, Journal};
use crate::place::storage;

/// How many functions that were given up are kept. Beyond it they stay in their state files.
const DEAD_MAX: usize = 10_000;

/// What is kept of a function that was given up.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) args: Value,
    pub(super) attempts: u32,
    pub(super) error: String,
}

pub(super) struct Drain<'a> {
    pub(super) state: &'a State,
    pub(super) registry: &'a Registry,
    pub(super) config: &'a Config,
    /// The state file's name.
    pub(super) file: &'a str,
    /// The boot clock's time at which no other function is begun.
    pub(super) until: Option<Duration>,
    /// Whether the caller drops all lines when nothing is left. What is done last then needs no line of its own: whether
    /// a process dies before that line or before the lines are dropped is the same.
    pub(super) is_dropped: bool,
}

/// What is to become of a function.
enum Next {
    Settled,
    /// Another attempt, when the others have had theirs.
    Again(Pending),
    /// It stays in the file.
    Kept(Pending),
}

impl Drain<'_> {
    /// Runs them in order, those that fail again behind the others, and answers what is left.
    pub(super) fn drain(
        &self,
        lane: &mut Lane,
        journal: &mut Journal,
        mut pending: Vec<Pending>,
        report: &mut Report,
    ) -> Vec<Pending> {
        if self.config.order == Order::LastIn {
            pending.reverse();
        }
        let mut kept = Vec::new();
        // Every round is an attempt more for each that is left, so this ends.
        while !pending.is_empty() {
            let mut round = std::mem::take(&mut pending).into_iter();
            while let Some(one) = round.next() {
                let is_last = round.len() == 0 && pending.is_empty() && kept.is_empty();
                match self.step(lane, journal, one, is_last && self.is_dropped, report) {
                    Next::Settled => {}
                    Next::Again(one) => pending.push(one),
                    Next::Kept(one) => kept.push(one),
                }
            }
        }
        kept.sort_unstable_by_key(|one| one.id);
        kept
    }

    fn step(
        &self,
        lane: &mut Lane,
        journal: &mut Journal,
        mut one: Pending,
        is_last: bool,
        report: &mut Report,
    ) -> Next {
        let uptime = || self.state.world.clock.uptime();
        let is_late = self.until.is_some_and(|until| uptime() >= until);
        let Some(function) = self.registry.get(&one.name).filter(|_| !is_late) else {
            report.parked += 1;
            return Next::Kept(one);
        };
        if one.attempts >= self.config.attempts_max.max(1) {
            return self.bury(journal, one, report);
        }
        one.attempts += 1;
        let (of, attempt) = (one.id, one.attempts);
        lane.rouse();
        // A function that frees a disk that is full is run although nothing can be written down.
        note(journal, &Entry::Start { of, attempt }, report);
        match self.call(lane, function, &one) {
            Outcome::Done => {
                report.done += 1;
                if !is_last {
                    note(journal, &Entry::Done { of }, report);
                }
                Next::Settled
            }
            Outcome::Failed(error) => {
                report.failure(&one.name, &self.id_of(&one), attempt, &error);
                one.error = Some(error.clone());
                note(journal, &Entry::Failed { of, attempt, error }, report);
                match attempt < self.config.attempts_max {
                    true => Next::Again(one),
                    false => self.bury(journal, one, report),
                }
            }
            Outcome::Abandoned(error) => {
                report.failure(&one.name, &self.id_of(&one), attempt, &error);
                one.error = Some(error);
                self.bury(journal, one, report)
            }
        }
    }

    fn call(&self, lane: &mut Lane, function: Function, one: &Pending) -> Outcome {
        let call = Call::new(self.id_of(one), one.attempts);
        let (deadline, grace) = (self.config.deadline, self.config.grace);
        make(lane, function, &call, one.args.clone(), deadline, grace)
    }

    fn id_of(&self, one: &Pending) -> String {
        format!("{}-{}", self.file, one.id)
    }

    /// Gives a function up: it is among the dead before the file forgets it.
    fn bury(&self, journal: &mut Journal, one: Pending, report: &mut Report) -> Next {
        let letter = Letter {
            id: self.id_of(&one),
            name: one.name.clone(),
            args: one.args.clone(),
            attempts: one.attempts,
            error: one.error.clone().unwrap_or_else(|| {
                format!("its process died in each of its {} attempts", one.attempts)
            }),
        };
        match self.write(&letter) {
            Ok(()) => {
                report.dead += 1;
                note(journal, &Entry::Dead { of: one.id }, report);
                Next::Settled
            }
            Err(error) => {
                report.trouble(error);
                Next::Kept(one)
            }
        }
    }

    fn write(&self, letter: &Letter) -> Result<()> {
        let directory = self.state.path(DEAD);
        let path = directory.join(format!("{}.json", letter.id));
        let unfinished = directory.join(format!(".{}.tmp", letter.id));
        let bytes = serde_json::to_vec(letter).unwrap_or_default();
        let fs = &self.state.world.fs;
        let write = || -> io::Result<()> {
            match fs.create_dir(&directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            if fs.list(&directory, DEAD_MAX)?.len() == DEAD_MAX {
                let text =
                    "there are 10,000 functions that were given up; remove those that were seen to";
                return Err(io::Error::other(text));
            }
            // One that was begun by a process that died is written over.
            let file = fs.open(&unfinished, Open::Create)?;
            file.set_len(0)?;
            file.write_at(&bytes, 0)?;
            if self.config.durability == Durability::Power {
                file.sync()?;
            }
            fs.rename(&unfinished, &path)?;
            match self.config.durability {
                Durability::Process => Ok(()),
                Durability::Power => self.state.sync(&directory),
            }
        };
        write().map_err(|error| storage(&path, "write", error))
    }
}

/// Writes a line that can be done without: where it is missing, a function may be run once more.
pub(super) fn note(journal: &mut Journal, entry: &Entry, report: &mut Report) {
    if let Err(error) = journal.append(entry) {
        report.trouble(error);
    }
}
