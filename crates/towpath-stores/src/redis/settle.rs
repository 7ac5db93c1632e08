//! Settle: ends attempts under their tokens.

use std::collections::HashSet;
use std::time::Duration;

use redis::Value;
use towpath_core::store::{Claim, Settle, SettleRequest, Settled, StoredResult, Verdict};
use towpath_core::{
    AttemptError, Error, FailReason, IncarnationId, Kind, Message, Payload, Result, Timestamp,
    Token, limits,
};

use super::attempts::put_error;
use super::bytes::{millis, put_i64, put_short};
use super::claim::{CALL_MAX, Wish, put_wish};
use super::record::reason_letter;
use super::reply;
use super::script::{Call, SETTLE, SETTLE_LINKED};
use super::store::{Shared, check_batch};
use super::submit::put_whole;

/// A result up to that many bytes stands in the record of the end; a longer one apart, so that a look at
/// how a message ended does not read it.
const INLINE_BYTES: usize = 256;
/// What an end that is no plain success counts beside one, in what a call may hold: the server does nothing else
/// while a script runs, and those go one by one.
const SLOW_END: usize = 8;
/// Bytes of results after which the next call begins.
const CALL_BYTES: usize = 1024 * 1024;

pub(super) fn not_held(incarnation: IncarnationId, token: Token) -> Error {
    Error::new(
        Kind::LeaseLost,
        format!("worker {incarnation} does not hold message {token} any more"),
    )
}

impl Shared {
    pub(super) async fn settle(&self, request: SettleRequest) -> Result<Settled> {
        check_batch("settle", request.items.len())?;
        let incarnation = request.incarnation;
        let wanted = request.claim.as_ref();
        if let Some(claim) = wanted.filter(|claim| claim.incarnation != incarnation) {
            let other = claim.incarnation;
            return Err(Error::invalid(format!(
                "worker {incarnation} settles, but the claim in the same step is of worker {other}"
            )));
        }
        // Of two ends under one token the second comes too late.
        let mut seen = HashSet::with_capacity(request.items.len());
        let mut is_sent = |item: &Settle| check_linked(item).is_ok() && seen.insert(item.token);
        let first: Vec<bool> = request.items.iter().map(&mut is_sent).collect();
        let sent: Vec<&Settle> = request
            .items
            .iter()
            .zip(&first)
            .filter_map(|(item, first)| first.then_some(item))
            .collect();
        let calls = self.settle_calls(incarnation, &sent, wanted)?;
        let mut accepted = Vec::with_capacity(sent.len());
        let mut claimed = Vec::new();
        for answer in self.calls(calls).await? {
            let (flags, messages) = self.read_settled(answer)?;
            accepted.extend(flags);
            claimed.extend(messages);
        }
        let goes_on =
            |claim: &&Claim| Wish::of(claim, 0, 0).leaves_more(claim, &claimed, claimed.len());
        if let Some(claim) = wanted.filter(goes_on) {
            // What was settled is settled, whatever becomes of the rest of a very large wish.
            let _claims_later = self.claim_on(claim, &mut claimed).await;
        }
        let mut accepted = accepted.into_iter();
        let items = request
            .items
            .iter()
            .zip(first)
            .map(|(item, first)| {
                if first && accepted.next() == Some(true) {
                    Ok(())
                } else {
                    check_linked(item)?;
                    Err(not_held(incarnation, item.token))
                }
            })
            .collect();
        Ok(Settled { items, claimed })
    }

    /// The calls that settle all of these; the last one claims what is wanted.
    pub(super) fn settle_calls(
        &self,
        incarnation: IncarnationId,
        items: &[&Settle],
        wanted: Option<&Claim>,
    ) -> Result<Vec<Call>> {
        let mut calls = Vec::new();
        let mut rest = items;
        loop {
            let (now, later) = rest.split_at(fitting(rest));
            let mut call = self.settle_call(incarnation, now)?;
            match wanted.filter(|_| later.is_empty()) {
                Some(claim) => {
                    call.text("+");
                    put_wish(&mut call, claim, &Wish::of(claim, 0, 0));
                }
                None => {
                    call.text("");
                }
            }
            calls.push(call);
            rest = later;
            if rest.is_empty() {
                return Ok(calls);
            }
        }
    }

    fn settle_call(&self, incarnation: IncarnationId, items: &[&Settle]) -> Result<Call> {
        let retention = self.retention();
        let linked = items.iter().any(|item| !item.unlock.is_empty());
        let mut call = self.call_of(if linked { &SETTLE_LINKED } else { &SETTLE });
        call.bytes(incarnation.as_bytes())
            .number(millis(retention.succeeded))
            .number(millis(retention.dead));
        let letters: Vec<u8> = items.iter().map(|item| letter(item)).collect();
        call.bytes(&letters);
        let ids = items.iter().flat_map(|item| item.token.id.as_bytes());
        call.bytes(&ids.copied().collect::<Vec<u8>>());
        for (item, letter) in items.iter().zip(letters) {
            put_verdict(&mut call, letter, item)?;
        }
        if linked {
            self.put_linked(&mut call, items);
        }
        Ok(call)
    }

    pub(super) fn read_settled(&self, answer: Value) -> Result<(Vec<bool>, Vec<Message>)> {
        let (flags, claimed) = self.read(&SETTLE, answer, |answer| {
            let mut parts = reply::array(answer)?.into_iter();
            let flags = reply::bytes(parts.next().unwrap_or_default())?;
            Ok((flags, parts.next().ok_or(reply::Unexpected)?))
        })?;
        let flags = flags.iter().map(|flag| *flag == b'1').collect();
        Ok((flags, self.read_claimed(&SETTLE, claimed)?))
    }
}

/// Refuses more locks than may end with one attempt.
fn check_linked(item: &Settle) -> Result<()> {
    limits::check_batch("linked locks", item.unlock.len(), limits::LINKED_LOCKS)
}

/// How many of these go into one call.
fn fitting(items: &[&Settle]) -> usize {
    let (mut bytes, mut ends) = (0, 0);
    let over = items.iter().position(|item| {
        ends += if letter(item) == b'D' { 1 } else { SLOW_END };
        bytes += match &item.verdict {
            Verdict::Done { result, callbacks } => {
                let result = match result {
                    StoredResult::Value(payload) => payload.len(),
                    _ => 0,
                };
                let callbacks = callbacks.iter().map(|draft| draft.payload.len());
                result + callbacks.sum::<usize>()
            }
            _ => 0,
        };
        ends > CALL_MAX || bytes > CALL_BYTES
    });
    over.map_or(items.len(), |over| over.max(1))
}

/// The letter of a verdict: of a success, whether anything but the end of its record is to be told.
fn letter(item: &Settle) -> u8 {
    match &item.verdict {
        Verdict::Done { result, callbacks } => {
            let plain = callbacks.is_empty() && item.started_at.is_some() && !stands_apart(result);
            if plain { b'D' } else { b'd' }
        }
        Verdict::Retry { .. } => b'R',
        Verdict::Fail { .. } => b'F',
        Verdict::Release => b'L',
        Verdict::Snooze { .. } => b'S',
    }
}

fn stands_apart(result: &StoredResult) -> bool {
    matches!(result, StoredResult::Value(payload) if payload.len() > INLINE_BYTES)
}

/// What follows a letter, see `lua/verdicts.lua`.
fn put_verdict(call: &mut Call, letter: u8, item: &Settle) -> Result<()> {
    let mut tail = Vec::with_capacity(48);
    tail.extend_from_slice(&item.token.claims.to_be_bytes());
    put_i64(&mut tail, item.started_at.map_or(-1, Timestamp::as_millis));
    match &item.verdict {
        Verdict::Done { result, callbacks } => {
            if letter == b'd' {
                call.count(callbacks.len());
                for (place, callback) in callbacks.iter().enumerate() {
                    put_whole(call, place, callback)?;
                }
            }
            let apart = put_result(&mut tail, result);
            call.bytes(&tail);
            if let Some(payload) = apart {
                call.bytes(&value(payload));
            }
            return Ok(());
        }
        Verdict::Retry { after, error } => {
            put_set_back(&mut tail, FailReason::Exhausted, *after, Some(error));
        }
        Verdict::Fail { reason, error } => {
            put_set_back(&mut tail, *reason, Duration::ZERO, Some(error));
        }
        Verdict::Release => {
            put_set_back(&mut tail, FailReason::Exhausted, Duration::ZERO, None);
        }
        Verdict::Snooze { after } => {
            let text = format!("snoozed {0} times, which is the limit", limits::SNOOZES);
            let error = AttemptError::new("towpath::Snoozed", text);
            put_set_back(&mut tail, FailReason::Rejected, *after, Some(&error));
        }
    }
    call.bytes(&tail);
    Ok(())
}

fn put_set_back(
    head: &mut Vec<u8>,
    reason: FailReason,
    after: Duration,
    error: Option<&AttemptError>,
) {
    head.push(reason_letter(reason));
    put_i64(head, millis(after));
    if let Some(error) = error {
        put_error(head, error);
    }
}

/// Writes what is kept of a result; answers it if it stands apart.
fn put_result<'a>(tail: &mut Vec<u8>, result: &'a StoredResult) -> Option<&'a Payload> {
    let size = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
    match result {
        StoredResult::None => tail.push(0),
        StoredResult::TooLarge { size: bytes } => {
            tail.push(1);
            put_i64(tail, size(*bytes));
        }
        StoredResult::Value(payload) if !stands_apart(result) => {
            tail.push(2);
            tail.extend_from_slice(&value(payload));
        }
        StoredResult::Value(payload) => {
            tail.push(3);
            put_i64(tail, size(payload.len()));
            return Some(payload);
        }
    }
    None
}

/// A value with its codec's name before it.
pub(super) fn value(payload: &Payload) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + payload.len());
    put_short(&mut out, payload.codec().as_str().as_bytes());
    out.extend_from_slice(payload.bytes());
    out
}
