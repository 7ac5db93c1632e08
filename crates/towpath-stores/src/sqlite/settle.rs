//! Settle: ends attempts under their tokens.

use rusqlite::{CachedStatement, OptionalExtension, params};
use towpath_core::message::AttemptOutcome;
use towpath_core::store::{Settle, SettleRequest, Settled, StoredResult, Topic, Verdict};
use towpath_core::{
    AttemptError, Draft, Error, FailReason, IncarnationId, Kind, Result, State, Timestamp, Token,
    Verb, limits,
};

use super::attempts::AttemptEnd;
use super::bodies::{self, Body, inline};
use super::claim::claim;
use super::columns::{Columns, codec_text, state_code};
use super::error::{Fallible, per_item};
use super::moves::Place;
use super::row::Row;
use super::submit::submit_callbacks;
use super::tx::Tx;

/// What `message.result_kind` says.
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
    find: CachedStatement<'tx>,
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
            find: db.prepare_cached("SELECT n, result_ttl FROM message WHERE id = ?1")?,
            let_go: db.prepare_cached(
                "DELETE FROM inflight WHERE worker = ?1 AND n = ?2 AND claims = ?3",
            )?,
            succeed: db.prepare_cached(include_str!("sql/succeed_message.sql"))?,
            keep: db.prepare_cached(
                "INSERT OR REPLACE INTO finished (ns, dead, kept, n, state) VALUES (?1, 0, ?2, ?3, ?4)",
            )?,
        })
    }

    fn settle_one(&mut self, tx: &mut Tx<'tx>, item: &Settle) -> Fallible<Result<()>> {
        match &item.verdict {
            Verdict::Done { result, callbacks } if callbacks.is_empty() => {
                per_item(self.done(tx, item, result, callbacks))
            }
            Verdict::Done { result, callbacks } => {
                tx.whole(|tx| self.done(tx, item, result, callbacks))
            }
            _ => tx.whole(|tx| self.not_done(tx, item)),
        }
    }

    /// A success. Whether the token holds is learned by deleting what it stands for: nothing is
    /// written before that, and nothing can be refused after it.
    fn done(
        &mut self,
        tx: &mut Tx<'tx>,
        item: &Settle,
        result: &StoredResult,
        callbacks: &[Draft],
    ) -> Fallible<()> {
        let token = item.token;
        let (n, result_ttl) = {
            let mut rows = self.find.query([token.id.as_bytes()])?;
            let Some(row) = rows.next()? else {
                return Err(lease_lost(self.incarnation, token).into());
            };
            let columns = Columns(row);
            (columns.int(0, "n")?, columns.maybe_int(1, "result_ttl")?)
        };
        let started = match item.started_at {
            Some(started) => Some(started),
            None => noted_start(tx, self.worker, n, token.claims)?,
        };
        if self.let_go.execute(params![self.worker, n, token.claims])? == 0 {
            return Err(lease_lost(self.incarnation, token).into());
        }
        let now = tx.now.as_millis();
        let kept = match result_ttl {
            Some(ttl) => now.saturating_add(ttl),
            None => tx.now.after(tx.retention.succeeded).as_millis(),
        };
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
            now,
            started.map(Timestamp::as_millis),
            kept,
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
            Some(row) if self.holds(tx, &row, token)? => row,
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
        let started = match item.started_at {
            Some(started) => Some(started),
            None => noted_start(tx, self.worker, row.n, token.claims)?,
        };
        let end = AttemptEnd {
            outcome,
            started,
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

    fn holds(&self, tx: &Tx<'_>, row: &Row, token: Token) -> Fallible<bool> {
        let says_so =
            row.token() == token && row.state == State::Running && row.worker == Some(self.worker);
        Ok(says_so && is_held(tx.db, self.worker, row.n, token.claims)?)
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

pub(super) fn is_held(
    db: &rusqlite::Connection,
    worker: i64,
    n: i64,
    claims: u32,
) -> Fallible<bool> {
    let sql = "SELECT 1 FROM inflight WHERE worker = ?1 AND n = ?2 AND claims = ?3";
    Ok(db.prepare_cached(sql)?.exists((worker, n, claims))?)
}

/// When the attempt was known to have started, as heartbeats told it.
pub(super) fn noted_start(
    tx: &Tx<'_>,
    worker: i64,
    n: i64,
    claims: u32,
) -> Fallible<Option<Timestamp>> {
    let sql = "SELECT started FROM inflight WHERE worker = ?1 AND n = ?2 AND claims = ?3";
    let started: Option<Option<i64>> = tx
        .db
        .prepare_cached(sql)?
        .query_row((worker, n, claims), |row| row.get(0))
        .optional()?;
    Ok(started.flatten().map(Timestamp::from_millis))
}
