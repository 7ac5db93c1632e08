//! What is known of a message without its bodies: what has happened to it and where it stands. All that
//! a verb has to read that moves one.

use rusqlite::Connection;
use towpath_core::life::Counters;
use towpath_core::{Error, Kind, MessageId, Result, State, Timestamp, Token, Verb};

use super::columns::{Columns, state_of};
use super::error::Fallible;
use super::tx::Tx;

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) n: i64,
    pub(super) id: MessageId,
    pub(super) line: i64,
    pub(super) state: State,
    pub(super) priority: u32,
    /// Scheduled: when it is due. Ready: since when it waits.
    pub(super) due: Timestamp,
    pub(super) counters: Counters,
    pub(super) expires: Option<Timestamp>,
    /// Who holds it, or held it when it ended.
    pub(super) worker: Option<i64>,
    /// While it runs: when its attempt was known to have started.
    pub(super) started: Option<Timestamp>,
    /// Once it has ended: until when that is remembered.
    pub(super) kept: Option<Timestamp>,
}

macro_rules! select {
    ($by:literal) => {
        concat!(
            "SELECT message.n, message.id, message.line, message.scheduled, message.priority,
               message.due, message.claims, message.retries, message.losses, message.strays,
               message.snoozes, message.expires,
               inflight.claims, inflight.worker, inflight.started,
               outcome.state, outcome.claims, outcome.worker, outcome.kept
             FROM message
             LEFT JOIN inflight ON inflight.n = message.n
             LEFT JOIN outcome ON outcome.n = message.n
             WHERE message.",
            $by,
            " = ?1"
        )
    };
}

impl Row {
    pub(super) fn by_id(db: &Connection, id: MessageId) -> Fallible<Option<Self>> {
        let mut statement = db.prepare_cached(select!("id"))?;
        let mut rows = statement.query([id.as_bytes()])?;
        let row = rows.next()?.map(|row| Self::read(&Columns(row)));
        row.transpose()
            .map_err(|fault| fault.about(format_args!("message {id}")))
    }

    pub(super) fn by_n(db: &Connection, n: i64) -> Fallible<Option<Self>> {
        let mut statement = db.prepare_cached(select!("n"))?;
        let mut rows = statement.query([n])?;
        let row = rows.next()?.map(|row| Self::read(&Columns(row)));
        row.transpose()
            .map_err(|fault| fault.about(format_args!("message number {n}")))
    }

    fn read(columns: &Columns<'_>) -> Fallible<Self> {
        let mut counters = read_counters(columns, 6)?;
        let ended = columns.maybe_int(15, "outcome.state")?;
        let running = columns.maybe_int(12, "inflight.claims")?.is_some();
        let worker = if ended.is_some() {
            counters.claims = columns.u32(16, "outcome.claims")?;
            columns.maybe_int(17, "outcome.worker")?
        } else {
            if running {
                counters.claims = columns.u32(12, "inflight.claims")?;
            }
            columns.maybe_int(13, "inflight.worker")?
        };
        Ok(Self {
            n: columns.int(0, "n")?,
            id: columns.message_id(1, "id")?,
            line: columns.int(2, "line")?,
            state: state_of(ended, running, columns.int(3, "scheduled")?)?,
            priority: columns.u32(4, "priority")?,
            due: columns.time(5, "due")?,
            counters,
            expires: columns.maybe_time(11, "expires")?,
            worker,
            started: columns.maybe_time(14, "inflight.started")?,
            kept: columns.maybe_time(18, "outcome.kept")?,
        })
    }

    pub(super) fn token(&self) -> Token {
        Token {
            id: self.id,
            claims: self.counters.claims,
        }
    }

    /// Whether the token holds for that worker.
    pub(super) fn is_held(&self, worker: i64, token: Token) -> bool {
        self.state == State::Running && self.worker == Some(worker) && self.token() == token
    }

    pub(super) fn waits(&self) -> bool {
        matches!(self.state, State::Scheduled | State::Ready)
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

pub(super) fn read_counters(columns: &Columns<'_>, at: usize) -> Fallible<Counters> {
    Ok(Counters {
        claims: columns.u32(at, "claims")?,
        retries: columns.u32(at + 1, "retries")?,
        losses: columns.u32(at + 2, "losses")?,
        strays: columns.u32(at + 3, "strays")?,
        snoozes: columns.u32(at + 4, "snoozes")?,
    })
}

pub(super) fn not_found(id: MessageId) -> Error {
    Error::new(Kind::NotFound, format!("message {id} is not in the store"))
}

impl Tx<'_> {
    /// A message of this namespace.
    pub(super) fn find(&mut self, id: MessageId) -> Fallible<Row> {
        let Some(row) = Row::by_id(self.db, id)? else {
            return Err(not_found(id).into());
        };
        if self.line(row.line)?.is_none() {
            return Err(not_found(id).into());
        }
        Ok(row)
    }

    /// A message that `verb` may be done to.
    pub(super) fn find_for(&mut self, verb: Verb, id: MessageId) -> Fallible<Row> {
        let row = self.find(id)?;
        check(verb, &row)?;
        Ok(row)
    }
}

fn check(verb: Verb, row: &Row) -> Result<()> {
    verb.check(row.state)
        .map_err(|error| error.about(format_args!("message {}", row.id)))
}
