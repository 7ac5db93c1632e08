//! The part of a message's row that says where it is and what has happened to it: all that a verb that
//! moves it has to read, and none of its bodies.

use rusqlite::Connection;
use towpath_core::life::Counters;
use towpath_core::{Error, FailReason, Kind, MessageId, Result, State, Timestamp, Token, Verb};

use super::columns::Columns;
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
    /// Who holds it, or held it last.
    pub(super) worker: Option<i64>,
    pub(super) expires: Option<Timestamp>,
    pub(super) finished: Option<Timestamp>,
    pub(super) kept: Option<Timestamp>,
    pub(super) reason: Option<FailReason>,
}

macro_rules! columns {
    () => {
        "n, id, line, state, priority, due, claims, retries, losses, strays, snoozes, worker, \
         expires, finished, kept, reason"
    };
}
const BY_ID: &str = concat!("SELECT ", columns!(), " FROM message WHERE id = ?1");
const BY_N: &str = concat!("SELECT ", columns!(), " FROM message WHERE n = ?1");

impl Row {
    pub(super) fn by_id(db: &Connection, id: MessageId) -> Fallible<Option<Self>> {
        let mut statement = db.prepare_cached(BY_ID)?;
        let mut rows = statement.query([id.as_bytes()])?;
        let row = rows.next()?.map(|row| Self::read(&Columns(row)));
        row.transpose()
            .map_err(|fault| fault.about(format_args!("message {id}")))
    }

    pub(super) fn by_n(db: &Connection, n: i64) -> Fallible<Option<Self>> {
        let mut statement = db.prepare_cached(BY_N)?;
        let mut rows = statement.query([n])?;
        let row = rows.next()?.map(|row| Self::read(&Columns(row)));
        row.transpose()
            .map_err(|fault| fault.about(format_args!("message number {n}")))
    }

    fn read(columns: &Columns<'_>) -> Fallible<Self> {
        Ok(Self {
            n: columns.int(0, "n")?,
            id: columns.message_id(1, "id")?,
            line: columns.int(2, "line")?,
            state: columns.state(3)?,
            priority: columns.u32(4, "priority")?,
            due: columns.time(5, "due")?,
            counters: read_counters(columns, 6)?,
            worker: columns.maybe_int(11, "worker")?,
            expires: columns.maybe_time(12, "expires")?,
            finished: columns.maybe_time(13, "finished")?,
            kept: columns.maybe_time(14, "kept")?,
            reason: columns.maybe_reason(15)?,
        })
    }

    pub(super) fn token(&self) -> Token {
        Token {
            id: self.id,
            claims: self.counters.claims,
        }
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
