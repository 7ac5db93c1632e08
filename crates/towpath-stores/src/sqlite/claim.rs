//! Claim: hands out ready messages, in the order of the selection.

use std::collections::VecDeque;

use rusqlite::{CachedStatement, params};
use towpath_core::store::{Claim, Selection, Topic};
use towpath_core::{FailReason, Message, QueueName, TaskName, Timestamp, Verb, limits};

use super::bodies::{self, MESSAGE_COLUMNS};
use super::columns::Columns;
use super::error::{Fallible, Fault};
use super::heads::Heads;
use super::held::Held;
use super::lines::Line;
use super::moves::Place;
use super::row::Row;
use super::statement::statement;
use super::tx::{Tx, no_lease};

/// How many messages that cannot be handed out one claim puts aside before it asks to be called again.
const ASIDE_MAX: usize = limits::UPKEEP_ROWS;

pub(super) fn claim(tx: &mut Tx<'_>, claim: &Claim) -> Fallible<Vec<Message>> {
    let Some(worker) = tx.alive(claim.incarnation)? else {
        return Err(no_lease(claim.incarnation).into());
    };
    let mut taking = Taking {
        read: tx.db.prepare_cached(statement!("claim_message"))?,
        hold: tx.db.prepare_cached(statement!("hold"))?,
        tx,
        worker,
        max: claim.max.min(limits::BATCH),
        messages: Vec::new(),
        bytes: 0,
        aside: 0,
    };
    match &*claim.selection {
        Selection::Any { tasks } => taking.in_turn(tasks, claim.turn)?,
        Selection::Queues { queues, tasks } => {
            taking.in_order(queues.iter().map(|queue| (queue, &tasks[..])))?;
        }
        Selection::Tasks(queues) => taking.in_order(queues.iter().flat_map(|(queue, tasks)| {
            let tasks = tasks.iter();
            tasks.map(move |task| (queue, std::slice::from_ref(task)))
        }))?,
    }
    Ok(taking.messages)
}

/// A claim under way.
struct Taking<'a, 'tx> {
    tx: &'a mut Tx<'tx>,
    read: CachedStatement<'tx>,
    hold: CachedStatement<'tx>,
    worker: i64,
    max: usize,
    messages: Vec<Message>,
    /// How many bytes of payloads were handed out.
    bytes: usize,
    /// How many were met that cannot be handed out: expired, damaged, gone.
    aside: usize,
}

/// What became of the wish for one more message.
enum Pick {
    Taken,
    /// The lines asked are empty.
    Empty,
    /// The claim is over, whatever the lines hold.
    Over,
}

/// What is at the head of the lines.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every one is fit, and lives for one move"
)]
enum Candidate {
    Fit(Message, Option<Timestamp>),
    Expired,
    /// It is not ready, whatever its line says.
    Misplaced,
}

impl Taking<'_, '_> {
    /// Strict preference: a later group only when all before it are empty.
    fn in_order<'q>(
        &mut self,
        groups: impl Iterator<Item = (&'q QueueName, &'q [TaskName])>,
    ) -> Fallible<()> {
        for (queue, tasks) in groups {
            let mut heads = self.heads(queue.as_str(), tasks)?;
            let last = loop {
                match self.pick(&mut heads)? {
                    Pick::Taken => {}
                    last @ (Pick::Empty | Pick::Over) => break last,
                }
            };
            self.take_passed(&mut heads)?;
            if matches!(last, Pick::Over) {
                break;
            }
        }
        Ok(())
    }

    /// One message of each queue in turn; `turn` says which begins.
    fn in_turn(&mut self, tasks: &[TaskName], turn: u64) -> Fallible<()> {
        let mut queues = self.live_queues()?;
        if queues.is_empty() {
            return Ok(());
        }
        let first = usize::try_from(turn % queues.len() as u64).expect("smaller than a length");
        queues.rotate_left(first);
        // A queue is first looked at when its turn comes, so a small claim does not look at all.
        let mut unseen = queues.into_iter();
        let mut ring: VecDeque<Heads> = VecDeque::new();
        let mut empty = Vec::new();
        loop {
            let next = match unseen.next() {
                Some(queue) => Some(self.heads(&queue, tasks)?),
                None => ring.pop_front(),
            };
            let Some(mut heads) = next else { break };
            match self.pick(&mut heads)? {
                Pick::Taken => ring.push_back(heads),
                Pick::Empty => empty.push(heads),
                Pick::Over => {
                    empty.push(heads);
                    break;
                }
            }
        }
        for heads in ring.iter_mut().chain(&mut empty) {
            self.take_passed(heads)?;
        }
        Ok(())
    }

    fn take_passed(&mut self, heads: &mut Heads) -> Fallible<()> {
        for l in heads.take_passed(self.tx.db)? {
            self.tx.line_touched(l);
        }
        Ok(())
    }

    fn live_queues(&self) -> Fallible<Vec<String>> {
        let sql = "SELECT DISTINCT queue FROM line WHERE ns = ?1 AND live = 1 ORDER BY queue";
        let mut statement = self.tx.db.prepare_cached(sql)?;
        let queues = statement.query_map([self.tx.ns], |row| row.get(0))?;
        Ok(queues.collect::<rusqlite::Result<_>>()?)
    }

    /// The heads of the lines of these tasks; of none while their queue is paused.
    fn heads(&mut self, queue: &str, tasks: &[TaskName]) -> Fallible<Heads> {
        let lines = if self.tx.is_paused(queue)? {
            Vec::new()
        } else {
            self.live_lines(queue, tasks)?
        };
        let wanted = self.max.saturating_sub(self.messages.len());
        Heads::new(self.tx.db, lines, wanted)
    }

    /// Lines of other tasks cost one look at their names, and none at their messages.
    fn live_lines(&mut self, queue: &str, tasks: &[TaskName]) -> Fallible<Vec<(i64, Line)>> {
        let sql = "SELECT l FROM line WHERE ns = ?1 AND queue = ?2 AND live = 1";
        let mut statement = self.tx.db.prepare_cached(sql)?;
        let found = statement
            .query_map((self.tx.ns, queue), |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<i64>>>()?;
        let mut lines = Vec::with_capacity(found.len());
        for l in found {
            match self.tx.line(l) {
                Ok(Some(line)) if tasks.contains(&line.task) => lines.push((l, line.clone())),
                Ok(_) => {}
                Err(Fault::Refused(error)) => {
                    tracing::error!(line = l, %error, "a line cannot be read and is passed over");
                }
                Err(engine) => return Err(engine),
            }
        }
        Ok(lines)
    }

    fn pick(&mut self, heads: &mut Heads) -> Fallible<Pick> {
        loop {
            if self.messages.len() >= self.max {
                return Ok(Pick::Over);
            }
            let Some((n, line)) = heads.peek() else {
                return Ok(Pick::Empty);
            };
            if self.bytes >= limits::CLAIM_BYTES || self.aside == ASIDE_MAX {
                // There may be more behind: whoever waits for work is to ask again.
                self.tx.rings.add(Topic::Work);
                return Ok(Pick::Over);
            }
            let (message, expires) = match self.look_at(n, line) {
                Ok(Candidate::Fit(message, expires)) => (message, expires),
                aside => {
                    self.put_aside(n, aside)?;
                    heads.pass(self.tx.db)?;
                    continue;
                }
            };
            let alone = message.counters.claimed_alone();
            if alone && !self.messages.is_empty() {
                return Ok(Pick::Over);
            }
            heads.pass(self.tx.db)?;
            self.hand_out(n, message, expires, alone)?;
            return Ok(if alone { Pick::Over } else { Pick::Taken });
        }
    }

    fn look_at(&mut self, n: i64, line: &Line) -> Fallible<Candidate> {
        let mut rows = self.read.query([n])?;
        let Some(row) = rows.next()? else {
            return Ok(Candidate::Misplaced);
        };
        let columns = Columns(row);
        match columns.int(MESSAGE_COLUMNS, "scheduled")? {
            0 => {}
            1 => return Ok(Candidate::Misplaced),
            other => return Err(Fault::damaged("scheduled", format_args!("is {other}"))),
        }
        let expires = columns.maybe_time(MESSAGE_COLUMNS + 1, "expires")?;
        if expires.is_some_and(|expires| expires <= self.tx.now) {
            return Ok(Candidate::Expired);
        }
        let mut message = bodies::read_message(self.tx.db, &columns, n, line)?;
        if message.counters.claims > 0 {
            message.saved = bodies::read_saved(self.tx.db, n)?;
        }
        Ok(Candidate::Fit(message, expires))
    }

    /// Deals with a message that cannot be handed out, so that those behind it can.
    fn put_aside(&mut self, n: i64, what: Fallible<Candidate>) -> Fallible<()> {
        self.aside += 1;
        match what {
            Ok(Candidate::Expired) => match Row::by_n(self.tx.db, n) {
                Ok(Some(row)) => {
                    let place = Place::Failed(FailReason::Expired);
                    self.tx.shift(row, Verb::Expire, place)
                }
                Ok(None) => Ok(()),
                Err(Fault::Refused(error)) => self.tx.bury(n, &error),
                Err(engine) => Err(engine),
            },
            Ok(Candidate::Fit(..) | Candidate::Misplaced) => Ok(()),
            Err(Fault::Refused(error)) => self.tx.bury(n, &error),
            Err(engine) => Err(engine),
        }
    }

    /// One that is claimed alone counts as started at once: it may end its worker before any heartbeat
    /// can say so.
    fn hand_out(
        &mut self,
        n: i64,
        mut message: Message,
        expires: Option<Timestamp>,
        started: bool,
    ) -> Fallible<()> {
        message.counters = message.counters.after(Verb::Claim);
        let (claims, now) = (message.counters.claims, self.tx.now.as_millis());
        let held = self.hold.execute(params![
            n,
            message.id.as_bytes(),
            self.worker,
            claims,
            now,
            started.then_some(now)
        ])?;
        if held == 0 {
            // Somebody holds it already, whatever its line says.
            return Ok(());
        }
        let ttl = message.options.result_ttl;
        self.tx.session.held.insert(message.id, Held { n, ttl });
        if let Some(expires) = expires {
            let sql = "DELETE FROM expiring WHERE expires = ?1 AND n = ?2";
            self.tx
                .db
                .prepare_cached(sql)?
                .execute((expires.as_millis(), n))?;
        }
        self.tx.rings.add(Topic::Change);
        self.bytes += message.payload.len();
        self.messages.push(message);
        Ok(())
    }
}
