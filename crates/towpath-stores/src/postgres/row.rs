//! What is known of a message without its bodies: what has happened to it and where it stands. All that a
//! verb has to read that moves one.

use tokio_postgres::Row as Raw;
use towpath_core::life::Counters;
use towpath_core::store::StoredResult;
use towpath_core::{Error, Kind, MessageId, Result, State, Timestamp, Token, Verb};

use super::columns::{Columns, state_of};
use super::error::Fallible;

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) n: i64,
    pub(super) id: MessageId,
    pub(super) state: State,
    pub(super) priority: u32,
    /// Scheduled: when it is due. Ready: since when it waits; `None` for "from now on".
    pub(super) due: Option<Timestamp>,
    pub(super) counters: Counters,
    pub(super) expires: Option<Timestamp>,
    /// Who holds it, or held it when it ended.
    pub(super) worker: Option<i32>,
    /// While it runs: when its attempt was known to have started.
    pub(super) started: Option<Timestamp>,
    /// Once it has ended: until when that is remembered.
    pub(super) kept: Option<Timestamp>,
    /// How long its success is kept, where it says so itself.
    pub(super) keep_for: Option<i64>,
    /// What it gives, when it is about to succeed.
    pub(super) result: StoredResult,
    /// As they are stored; only where they were asked for.
    pub(super) options: Option<String>,
}

impl Row {
    /// Reads what the function `hold` answers.
    pub(super) fn read(raw: &Raw) -> Fallible<Self> {
        let columns = Columns(raw);
        let mut counters = read_counters(&columns)?;
        let ended: Option<i16> = columns.get("ended_state")?;
        let held = columns.maybe_long("held_claims")?.is_some();
        let worker = if ended.is_some() {
            counters.claims = columns.u32("ended_claims")?;
            columns.maybe_int("ended_worker")?
        } else {
            if held {
                counters.claims = columns.u32("held_claims")?;
            }
            columns.maybe_int("held_by")?
        };
        Ok(Self {
            n: columns.long("n")?,
            id: columns.message_id("id")?,
            state: state_of(ended, held, columns.flag("scheduled")?)?,
            priority: columns.u32("priority")?,
            due: Some(columns.time("due")?),
            counters,
            expires: columns.maybe_time("expires")?,
            worker,
            started: columns.maybe_time("held_started")?,
            kept: columns.maybe_time("ended_kept")?,
            keep_for: columns.maybe_long("keep_for")?,
            result: StoredResult::None,
            options: columns.maybe_text("options")?.map(str::to_owned),
        })
    }

    pub(super) fn token(&self) -> Token {
        Token {
            id: self.id,
            claims: self.counters.claims,
        }
    }

    /// Whether the token holds for that worker.
    pub(super) fn is_held(&self, worker: i32, token: Token) -> bool {
        self.state == State::Running && self.worker == Some(worker) && self.token() == token
    }

    pub(super) fn waits(&self) -> bool {
        matches!(self.state, State::Scheduled | State::Ready)
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Refuses a verb that may not be done to a message in this state.
    pub(super) fn check(&self, verb: Verb) -> Result<()> {
        verb.check(self.state)
            .map_err(|error| error.about(format_args!("message {}", self.id)))
    }
}

pub(super) fn read_counters(columns: &Columns<'_>) -> Fallible<Counters> {
    Ok(Counters {
        claims: columns.u32("claims")?,
        retries: columns.u32("retries")?,
        losses: columns.u32("losses")?,
        strays: columns.u32("strays")?,
        snoozes: columns.u32("snoozes")?,
    })
}

pub(super) fn not_found(id: MessageId) -> Error {
    Error::new(Kind::NotFound, format!("message {id} is not in the store"))
}
