//! Settle: ends attempts under their tokens.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use towpath_core::message::AttemptOutcome;
use towpath_core::store::{Settle, SettleRequest, Settled, StoredResult, Topic, Verdict};
use towpath_core::{
    AttemptError, Draft, Error, FailReason, IncarnationId, Kind, MessageId, Result, State,
    Timestamp, Token, Verb, limits,
};

use super::attempts::AttemptEnd;
use super::bodies::{self, Body, inline};
use super::claim::claim;
use super::columns::{Columns, codec_text, state_code};
use super::error::{Fallible, per_item};
use super::held::Held;
use super::lock::unlock_linked;
use super::moves::Place;
use super::row::Row;
use super::statement::statement;
use super::submit::submit_callbacks;
use super::tx::Tx;

/// What `outcome.result_kind` says.
pub(super) const RESULT_VALUE: i64 = 1;
pub(super) const RESULT_TOO_LARGE: i64 = 2;
pub(super) const RESULT_TAKEN: i64 = 3;

pub(super) fn settle(tx: &mut Tx<'_>, request: &SettleRequest) -> Fallible<Settled> {
    let incarnation = request.incarnation;
    let wanted = request.claim.as_ref();
    if let Some(claim) = wanted.filter(|claim| claim.incarnation != incarnation) {
        let other = claim.incarnation;
        return Err(Error::invalid(format!(
            "worker {incarnation} settles, but the claim in the same step is of worker {other}"
        ))
        .into());
    }
    let Some(worker) = tx.alive(incarnation)? else {
        let lost = |item: &Settle| Err(lease_lost(incarnation, item.token));
        return Ok(Settled {
            items: request.items.iter().map(lost).collect(),
            claimed: Vec::new(),
        });
    };
    let mut ending = Ending::new(tx, incarnation, worker)?;
    let items = request
        .items
        .iter()
        .map(|item| ending.settle_one(tx, item))
        .collect::<Fallible<_>>()?;
    let claimed = match wanted {
        Some(wanted) => claim(tx, wanted)?,
        None => Vec::new(),
    };
    Ok(Settled { items, claimed })
}

/// The answer under a token that does not hold.
pub(super) fn lease_lost(incarnation: IncarnationId, token: Token) -> Error {
    Error::new(
        Kind::LeaseLost,
        format!("worker {incarnation} does not hold message {token} any more"),
    )
}

/// Attempts of one worker that end, with the statements of the common end: success.
struct Ending<'tx> {
    incarnation: IncarnationId,
    worker: i64,
    let_go: CachedStatement<'tx>,
    succeed: CachedStatement<'tx>,
    keep: CachedStatement<'tx>,
}

impl<'tx> Ending<'tx> {
    fn new(tx: &Tx<'tx>, incarnation: IncarnationId, worker: i64) -> Fallible<Self> {
        let db = tx.db;
        Ok(Self {
            incarnation,
            worker,
            let_go: db.prepare_cached(
                "DELETE FROM inflight WHERE n = ?1 AND id = ?2 AND worker = ?3 AND claims = ?4",
            )?,
            succeed: db.prepare_cached(statement!("succeed"))?,
            keep: db.prepare_cached(
                "INSERT OR IGNORE INTO finished (ns, dead, kept, n, state) VALUES (?1, 0, ?2, ?3, ?4)",
            )?,
        })
    }

    fn settle_one(&mut self, tx: &mut Tx<'tx>, item: &Settle) -> Fallible<Result<()>> {
        if !item.unlock.is_empty() {
            return tx.whole(|tx| self.settle_linked(tx, item));
        }
        let held = tx.session.held.take(item.token.id);
        match &item.verdict {
            Verdict::Done { result, callbacks } if callbacks.is_empty() => {
                per_item(self.done(tx, item, held, result, callbacks))
            }
            Verdict::Done { result, callbacks } => {
                tx.whole(|tx| self.done(tx, item, held, result, callbacks))
            }
            _ => tx.whole(|tx| self.not_done(tx, item)),
        }
    }

    /// An end with which locks end.
    fn settle_linked(&mut self, tx: &mut Tx<'tx>, item: &Settle) -> Fallible<()> {
        limits::check_batch("linked locks", item.unlock.len(), limits::LINKED_LOCKS)?;
        let held = tx.session.held.take(item.token.id);
        match &item.verdict {
            Verdict::Done { result, callbacks } => self.done(tx, item, held, result, callbacks)?,
            _ => self.not_done(tx, item)?,
        }
        unlock_linked(tx, &item.unlock)?;
        Ok(())
    }

    /// A success. Whether the token holds is learned by deleting what it stands for: nothing is
    /// written before that, and nothing can be refused after it.
    fn done(
        &mut self,
        tx: &mut Tx<'tx>,
        item: &Settle,
        held: Option<Held>,
        result: &StoredResult,
        callbacks: &[Draft],
    ) -> Fallible<()> {
        let token = item.token;
        let held = match held {
            Some(held) => Some(held),
            None => find(tx.db, token.id)?,
        };
        let Some(Held { n, ttl }) = held else {
            return Err(lease_lost(self.incarnation, token).into());
        };
        let started = match item.started_at {
            Some(started) => Some(started),
            None => noted_start(tx.db, n)?,
        };
        let held = params![n, token.id.as_bytes(), self.worker, token.claims];
        if self.let_go.execute(held)? == 0 {
            return Err(lease_lost(self.incarnation, token).into());
        }
        let kept = tx
            .now
            .after(ttl.unwrap_or(tx.retention.succeeded))
            .as_millis();
        let (kind, size, payload) = match result {
            StoredResult::None => (None, None, None),
            StoredResult::Value(payload) => {
                (Some(RESULT_VALUE), Some(payload.len()), Some(payload))
            }
            StoredResult::TooLarge { size } => (Some(RESULT_TOO_LARGE), Some(*size), None),
        };
        self.succeed.execute(params![
            n,
            state_code(State::Succeeded),
            token.claims,
            tx.now.as_millis(),
            kept,
            self.worker,
            started.map(Timestamp::as_millis),
            kind,
            size.map(|size| i64::try_from(size).unwrap_or(i64::MAX)),
            payload.and_then(|payload| codec_text(payload.codec())),
            payload.and_then(|payload| inline(payload.bytes())),
        ])?;
        if let Some(payload) = payload {
            bodies::spill(tx.db, n, Body::Result, payload.bytes())?;
        }
        let state = state_code(State::Succeeded);
        self.keep.execute(params![tx.ns, kept, n, state])?;
        tx.rings.add(Topic::Change);
        submit_callbacks(tx, callbacks)
    }

    /// Every end but success.
    fn not_done(&self, tx: &mut Tx<'_>, item: &Settle) -> Fallible<()> {
        let token = item.token;
        let row = match Row::by_id(tx.db, token.id)? {
            Some(row) if row.is_held(self.worker, token) => row,
            _ => return Err(lease_lost(self.incarnation, token).into()),
        };
        let too_often;
        let verdict = if is_one_snooze_too_many(&item.verdict, &row) {
            too_often = snoozed_too_often();
            &too_often
        } else {
            &item.verdict
        };
        let (outcome, error) = match verdict {
            Verdict::Done { .. } => (AttemptOutcome::Done, None),
            Verdict::Retry { error, .. } => (AttemptOutcome::Retried, Some(error)),
            Verdict::Fail { error, .. } => (AttemptOutcome::Failed, Some(error)),
            Verdict::Release => (AttemptOutcome::Released, None),
            Verdict::Snooze { .. } => (AttemptOutcome::Snoozed, None),
        };
        let end = AttemptEnd {
            outcome,
            started: item.started_at.or(row.started),
            error,
        };
        tx.remember(&row, end)?;
        let verb = verdict.verb();
        match verdict {
            Verdict::Retry { after, .. } | Verdict::Snooze { after } => {
                tx.shift_to_wait(row, verb, *after)
            }
            Verdict::Fail { reason, .. } => tx.shift(row, verb, Place::Failed(*reason)),
            Verdict::Done { .. } | Verdict::Release => tx.shift(row, Verb::Release, Place::Ready),
        }
    }
}

fn is_one_snooze_too_many(verdict: &Verdict, row: &Row) -> bool {
    matches!(verdict, Verdict::Snooze { .. }) && row.counters.snoozes >= limits::SNOOZES
}

fn snoozed_too_often() -> Verdict {
    let limit = limits::SNOOZES;
    let text = format!("snoozed {limit} times, which is the limit");
    Verdict::Fail {
        reason: FailReason::Rejected,
        error: AttemptError::new("towpath::Snoozed", text),
    }
}

/// A message that this process does not remember to have claimed.
fn find(db: &Connection, id: MessageId) -> Fallible<Option<Held>> {
    let mut statement = db.prepare_cached("SELECT n, options FROM message WHERE id = ?1")?;
    let mut rows = statement.query([id.as_bytes()])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let columns = Columns(row);
    let n = columns.int(0, "n")?;
    let ttl = bodies::read_options(db, n, columns.maybe_text(1, "options")?)?.result_ttl;
    Ok(Some(Held { n, ttl }))
}

/// When the attempt was known to have started, as heartbeats told it.
fn noted_start(db: &Connection, n: i64) -> Fallible<Option<Timestamp>> {
    let sql = "SELECT started FROM inflight WHERE n = ?1";
    let started: Option<Option<i64>> = db
        .prepare_cached(sql)?
        .query_row([n], |row| row.get(0))
        .optional()?;
    Ok(started.flatten().map(Timestamp::from_millis))
}
