//! Settle: ends attempts under their tokens.
//!
//! Plain successes (no callbacks, no linked locks), which is nearly all there is, go through one function that neither locks nor writes the
//! messages' own rows. All other ends are decided here under locks, in the same transaction.

use std::collections::HashSet;

use futures_util::future::try_join4;
use tokio_postgres::Row as Raw;
use towpath_core::message::AttemptOutcome;
use towpath_core::store::{Claim, Settle, SettleRequest, Settled, Topic, Verdict};
use towpath_core::{
    AttemptError, Draft, Error, FailReason, IncarnationId, Kind, MessageId, Result, Timestamp,
    Token, Verb, limits,
};
use uuid::Uuid;

use super::attempts::AttemptEnd;
use super::bodies::keep_millis;
use super::claim::{self, CLAIM};
use super::columns::uuid;
use super::error::Fallible;
use super::lock::{check_linked, release_linked};
use super::moved::ResultColumns;
use super::moves::{Held, Place, check_batch};
use super::row::Row;
use super::submit::insert;
use super::tx::Tx;

pub(super) const SUCCEED: &str = "SELECT succeed($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

pub(super) async fn settle(tx: &Tx<'_>, request: &SettleRequest) -> Fallible<Settled> {
    let incarnation = request.incarnation;
    check_batch("settle", request.items.len())?;
    if let Some(claim) = &request.claim
        && claim.incarnation != incarnation
    {
        let other = claim.incarnation;
        return Err(Error::invalid(format!(
            "worker {incarnation} settles, but the claim in the same step is of worker {other}"
        ))
        .into());
    }
    let (plain, other) = parted(&request.items);
    let mut ending = Ending {
        tx,
        incarnation,
        answers: request
            .items
            .iter()
            .map(|item| Err(lease_lost(incarnation, item.token)))
            .collect(),
        items: &request.items,
    };
    let stretches = ending.stretches(plain);
    let claim = request.claim.as_ref();
    let claimed = match (&stretches[..], &other[..]) {
        ([], []) => match claim {
            Some(claim) => claim::ask(tx, claim).await?,
            None => Vec::new(),
        },
        ([stretch], []) => ending.at_once(stretch, claim).await?,
        _ => ending.by_and_by(&stretches, &other, claim).await?,
    };
    let answers = ending.answers;
    if answers.iter().any(Result::is_ok) {
        tx.ring(Topic::Change);
    }
    let claimed = match claim {
        Some(claim) => claim::read_with_settle(tx, claim, claimed).await?,
        None => Vec::new(),
    };
    Ok(Settled {
        items: answers,
        claimed,
    })
}

/// The answer under a token that does not hold.
pub(super) fn lease_lost(incarnation: IncarnationId, token: Token) -> Error {
    Error::new(
        Kind::LeaseLost,
        format!("worker {incarnation} does not hold message {token} any more"),
    )
}

/// The places of plain successes, in the order of their ids; and of all others. Where a message is named
/// twice the order of the items matters, so then none counts as plain.
fn parted(items: &[Settle]) -> (Vec<usize>, Vec<usize>) {
    let mut seen = HashSet::with_capacity(items.len());
    if !items.iter().all(|item| seen.insert(item.token.id)) {
        return (Vec::new(), (0..items.len()).collect());
    }
    let is_plain = |at: &usize| {
        let item = &items[*at];
        let ends_alone =
            matches!(&item.verdict, Verdict::Done { callbacks, .. } if callbacks.is_empty());
        ends_alone && item.unlock.is_empty()
    };
    let (mut plain, other): (Vec<usize>, Vec<usize>) = (0..items.len()).partition(is_plain);
    plain.sort_unstable_by_key(|at| items[*at].token.id);
    (plain, other)
}

/// Attempts of one worker that end.
struct Ending<'a, 's> {
    tx: &'a Tx<'s>,
    incarnation: IncarnationId,
    items: &'a [Settle],
    /// At first that the token does not hold.
    answers: Vec<Result<()>>,
}

/// Plain successes as one array per column, as many as one statement should carry.
#[derive(Default)]
struct Stretch<'a> {
    places: Vec<usize>,
    ids: Vec<Uuid>,
    claims: Vec<i64>,
    starts: Vec<Option<i64>>,
    results: ResultColumns<'a>,
}

impl<'a> Ending<'a, '_> {
    fn stretches(&self, plain: Vec<usize>) -> Vec<Stretch<'a>> {
        let mut stretches: Vec<Stretch<'a>> = Vec::new();
        for at in plain {
            let item = &self.items[at];
            let Verdict::Done { result, .. } = &item.verdict else {
                continue;
            };
            if stretches.last().is_none_or(|last| last.results.is_full()) {
                stretches.push(Stretch::default());
            }
            if let Some(last) = stretches.last_mut() {
                last.places.push(at);
                last.ids.push(uuid(item.token.id));
                last.claims.push(item.token.claims.into());
                last.starts.push(item.started_at.map(Timestamp::as_millis));
                last.results.push(result);
            }
        }
        stretches
    }

    /// Plain successes and the claim, in one round trip.
    async fn at_once(
        &mut self,
        stretch: &Stretch<'_>,
        claim: Option<&Claim>,
    ) -> Fallible<Vec<Raw>> {
        let tx = self.tx;
        let Some(claim) = claim else {
            let held = self.succeed(stretch).await?;
            self.accept(stretch, &held)?;
            return Ok(Vec::new());
        };
        // What is known to the connection is sent when it is first polled, and so in this order, one behind
        // the other. When one fails the server passes over the rest, and the end undoes what was done.
        tx.prepare(&[SUCCEED, CLAIM]).await?;
        let (_, held, claimed, _) = try_join4(
            tx.execute_plain("BEGIN"),
            self.succeed(stretch),
            claim::ask(tx, claim),
            tx.execute_plain("COMMIT"),
        )
        .await?;
        self.accept(stretch, &held)?;
        Ok(claimed)
    }

    async fn succeed(&self, stretch: &Stretch<'_>) -> Fallible<Raw> {
        let tx = self.tx;
        let who = Uuid::from_bytes(*self.incarnation.as_bytes());
        let results = &stretch.results;
        tx.query_one(
            SUCCEED,
            &[
                &tx.now(),
                &who,
                &stretch.ids,
                &stretch.claims,
                &stretch.starts,
                &results.kinds,
                &results.sizes,
                &results.codecs,
                &results.bodies,
                &keep_millis(tx.retention.succeeded),
            ],
        )
        .await
    }

    /// Those of a stretch whose token held.
    fn accept(&mut self, stretch: &Stretch<'_>, held: &Raw) -> Fallible<()> {
        let held: Vec<Uuid> = held.try_get(0)?;
        let held: HashSet<Uuid> = held.into_iter().collect();
        for (at, id) in stretch.places.iter().zip(&stretch.ids) {
            if held.contains(id) {
                self.answers[*at] = Ok(());
            }
        }
        Ok(())
    }

    /// Any ends, in a transaction of several steps.
    async fn by_and_by(
        &mut self,
        stretches: &[Stretch<'_>],
        other: &[usize],
        claim: Option<&Claim>,
    ) -> Fallible<Vec<Raw>> {
        let tx = self.tx;
        let callbacks = self.callbacks(other);
        let drafts: Vec<Draft> = callbacks
            .iter()
            .map(|(_, draft)| (*draft).clone())
            .collect();
        // Before the transaction, because lines are made for good.
        let lines = tx.lines_of(&drafts).await?;
        let ids: Vec<MessageId> = other.iter().map(|at| self.items[*at].token.id).collect();
        let mut held = tx.hold(Some(self.incarnation), &ids, false).await?;
        for at in other {
            self.answers[*at] = end_one(&mut held, self.incarnation, &self.items[*at])?;
        }
        held.write().await?;
        for stretch in stretches {
            let succeeded = self.succeed(stretch).await?;
            self.accept(stretch, &succeeded)?;
        }
        let (drafts, lines): (Vec<Draft>, Vec<i32>) = callbacks
            .into_iter()
            .zip(lines)
            .filter(|((at, _), _)| self.answers[*at].is_ok())
            .map(|((_, draft), line)| (draft.clone(), line))
            .unzip();
        // One that is known already is passed over: the attempt that first submitted it was repeated.
        insert(tx, &drafts, &lines).await?;
        let ended = other.iter().filter(|at| self.answers[**at].is_ok());
        release_linked(tx, ended.map(|at| &self.items[*at])).await?;
        let claimed = match claim {
            Some(claim) => claim::ask(tx, claim).await?,
            None => Vec::new(),
        };
        tx.commit().await?;
        Ok(claimed)
    }

    /// What the successes among these submit, each with the place of its item.
    fn callbacks(&self, places: &[usize]) -> Vec<(usize, &'a Draft)> {
        let mut all = Vec::new();
        for at in places {
            if let Verdict::Done { callbacks, .. } = &self.items[*at].verdict {
                all.extend(callbacks.iter().map(|draft| (*at, draft)));
            }
        }
        all
    }
}

/// Decides on one end.
fn end_one(
    held: &mut Held<'_, '_>,
    incarnation: IncarnationId,
    item: &Settle,
) -> Fallible<Result<()>> {
    let token = item.token;
    if let Err(refused) = check_linked(item) {
        return Ok(Err(refused));
    }
    let lost = Ok(Err(lease_lost(incarnation, token)));
    let (Some(worker), Ok(mut row)) = (held.alive, held.find(token.id)) else {
        return lost;
    };
    if !row.is_held(worker, token) {
        return lost;
    }
    row.started = item.started_at.or(row.started);
    let verdict = bounded(&item.verdict, &row);
    let (outcome, error) = match &verdict {
        // Told by how the message ended.
        Verdict::Done { result, .. } => {
            held.shift(row, Verb::Done, Place::Succeeded(result.clone()));
            return Ok(Ok(()));
        }
        Verdict::Retry { error, .. } => (AttemptOutcome::Retried, Some(error.clone())),
        Verdict::Fail { error, .. } => (AttemptOutcome::Failed, Some(error.clone())),
        Verdict::Release => (AttemptOutcome::Released, None),
        Verdict::Snooze { .. } => (AttemptOutcome::Snoozed, None),
    };
    let started = row.started;
    held.remember(
        &row,
        &AttemptEnd {
            outcome,
            started,
            error,
        },
    )?;
    let verb = verdict.verb();
    match verdict {
        Verdict::Retry { after, .. } | Verdict::Snooze { after } => {
            held.shift_to_wait(row, verb, after);
        }
        Verdict::Fail { reason, .. } => held.shift(row, verb, Place::Failed(reason)),
        Verdict::Done { .. } | Verdict::Release => held.shift(row, Verb::Release, Place::Ready),
    }
    Ok(Ok(()))
}

/// The verdict, unless it is one snooze too many.
fn bounded(verdict: &Verdict, row: &Row) -> Verdict {
    let snoozes = row.counters.snoozes;
    if !matches!(verdict, Verdict::Snooze { .. }) || snoozes < limits::SNOOZES {
        return verdict.clone();
    }
    let text = format!("snoozed {snoozes} times, which is the limit");
    Verdict::Fail {
        reason: FailReason::Rejected,
        error: AttemptError::new("towpath::Snoozed", text),
    }
}
