//! Locks: taken, renewed, released, by the clock of leases. (How they end with an attempt is in
//! `lua/settle.lua`.)

use std::time::Duration;

use redis::Value;
use towpath_core::limits::{self, LOCK_BATCH, WINDOW};
use towpath_core::name::{LockName, LockOwner};
use towpath_core::store::{Answer, LockRecord, LockRequest, LockStore, LockToken, Locked, Settle};
use towpath_core::{Error, Kind, Result};

use super::bytes::{Damaged, Reader, millis};
use super::kv::excluded;
use super::reply::{self, Unexpected};
use super::script::{Call, HOLDERS, LOCK, LOCK_LIST, RENEW, Script, UNLOCK};
use super::store::{RedisStore, Shared};

impl Shared {
    async fn lock(&self, request: LockRequest) -> Result<Locked> {
        let LockRequest { name, owner, ttl } = request;
        let mut call = self.lease_call(&LOCK);
        call.text(name.as_str())
            .text(owner.as_str())
            .maybe(ttl.map(millis));
        match self.call(call).await? {
            Value::Int(fence) => {
                let fence = u64::try_from(fence);
                let fence = fence.map_err(|_| self.translate.answer(LOCK.name))?;
                Ok(Locked::Taken(LockToken { name, fence }))
            }
            held => {
                let mut pair = self.read(&LOCK, held, |held| reply::pairs(held, 1))?;
                let held = pair
                    .pop()
                    .map(|(lock, left)| self.read_lock(&LOCK, name, lock, &left));
                let held = held.transpose()?.flatten();
                held.map(Locked::Held)
                    .ok_or_else(|| self.translate.answer(LOCK.name))
            }
        }
    }

    /// The call that renews; the heartbeat makes it over a connection of its own.
    pub(super) fn renewal(&self, renewals: &[(LockToken, Option<Duration>)]) -> Result<Call> {
        limits::check_batch("locks", renewals.len(), LOCK_BATCH)?;
        let mut call = self.lease_call(&RENEW);
        for (token, ttl) in renewals {
            call.bytes(&token_bytes(token)).maybe(ttl.map(millis));
        }
        Ok(call)
    }

    pub(super) fn read_renewed(
        &self,
        renewals: &[(LockToken, Option<Duration>)],
        answer: Value,
    ) -> Result<Vec<Result<()>>> {
        let renewed = self.read(&RENEW, answer, |answer| {
            reply::flags(answer, renewals.len())
        })?;
        let answer = |((token, _), renewed): (&(LockToken, _), bool)| {
            if renewed { Ok(()) } else { Err(lost(token)) }
        };
        Ok(renewals.iter().zip(renewed).map(answer).collect())
    }

    async fn renew(&self, renewals: Vec<(LockToken, Option<Duration>)>) -> Result<Vec<Result<()>>> {
        let answer = self.call(self.renewal(&renewals)?).await?;
        self.read_renewed(&renewals, answer)
    }

    async fn unlock(&self, tokens: Vec<LockToken>) -> Result<Vec<bool>> {
        limits::check_batch("locks", tokens.len(), LOCK_BATCH)?;
        let mut call = self.lease_call(&UNLOCK);
        for token in &tokens {
            call.bytes(&token_bytes(token));
        }
        self.flags(&UNLOCK, call, tokens.len()).await
    }

    /// Who holds these locks; with `release` nobody any more.
    async fn who_holds(
        &self,
        names: Vec<LockName>,
        release: bool,
    ) -> Result<Vec<Option<LockRecord>>> {
        limits::check_batch("locks", names.len(), LOCK_BATCH)?;
        let mut call = self.lease_call(&HOLDERS);
        call.text(if release { "1" } else { "" }).names(&names);
        let answer = self.call(call).await?;
        let pairs = self.read(&HOLDERS, answer, |answer| reply::pairs(answer, names.len()))?;
        let record = |(name, (lock, left))| self.read_lock(&HOLDERS, name, lock, &left);
        names.into_iter().zip(pairs).map(record).collect()
    }

    /// Looks at one window after the other, because one may hold only locks whose time has run out.
    async fn list_locks(&self, after: Option<LockName>, max: usize) -> Result<Vec<LockRecord>> {
        let max = max.min(WINDOW);
        let mut from = after.map_or_else(
            || b"-".to_vec(),
            |after| excluded(after.as_str().as_bytes()),
        );
        let mut records = Vec::new();
        while records.len() < max {
            let mut call = self.lease_call(&LOCK_LIST);
            call.bytes(&from).count(max);
            let answer = self.call(call).await?;
            let (more, found) = self.read(&LOCK_LIST, answer, reply::stretch)?;
            let mut found = found.into_iter();
            while let (Some(name), Some(lock), Some(left)) =
                (found.next(), found.next(), found.next())
            {
                let name = self.read(&LOCK_LIST, name, reply::bytes)?;
                let name = self.read_name(&name, LockName::new)?;
                records.extend(self.read_lock(&LOCK_LIST, name, lock, &left)?);
            }
            match more {
                Some(last) => from = excluded(&last),
                None => break,
            }
        }
        records.truncate(max);
        Ok(records)
    }

    /// The lock that a script has told, if it has; and how long it still holds.
    fn read_lock(
        &self,
        script: &Script,
        name: LockName,
        lock: Value,
        left: &Value,
    ) -> Result<Option<LockRecord>> {
        let Some(lock) = self.read(script, lock, reply::maybe_bytes)? else {
            return Ok(None);
        };
        let left = reply::maybe_number(left);
        let left = left.map_err(|Unexpected| self.translate.answer(script.name))?;
        let mut reader = Reader::new(lock);
        let mut read = || Ok((reader.i64()?, reader.time()?));
        let unreadable = |why: &str| {
            let what = format_args!("lock {name:?}");
            self.translate.unreadable(what, format_args!("it {why}"))
        };
        let (fence, taken_at) = read().map_err(|Damaged(why)| unreadable(why))?;
        let owner = String::from_utf8_lossy(&reader.rest()).into_owned();
        Ok(Some(LockRecord {
            owner: LockOwner::new(owner).map_err(|_| unreadable("has an owner that is none"))?,
            fence: u64::try_from(fence).map_err(|_| unreadable("has a fence below zero"))?,
            taken_at,
            left: left.map(|left| Duration::from_millis(u64::try_from(left).unwrap_or(0))),
            name,
        }))
    }

    /// Writes which locks end with these attempts.
    pub(super) fn put_linked(&self, call: &mut Call, items: &[&Settle]) {
        let linked: usize = items.iter().map(|item| item.unlock.len()).sum();
        call.maybe(self.uptime()).count(linked);
        for (place, item) in (1_u32..).zip(items) {
            for token in &item.unlock {
                let token = token_bytes(token);
                call.bytes(&[&place.to_be_bytes()[..], &token].concat());
            }
        }
    }
}

/// A token, as the scripts read it.
fn token_bytes(token: &LockToken) -> Vec<u8> {
    [&token.fence.to_be_bytes(), token.name.as_str().as_bytes()].concat()
}

fn lost(token: &LockToken) -> Error {
    let LockToken { name, fence } = token;
    let text = format!("lock {name:?} is not held any more under its number {fence}");
    Error::new(Kind::LeaseLost, text)
}

impl LockStore for RedisStore {
    fn lock(&self, request: LockRequest) -> Answer<'_, Locked> {
        Box::pin(self.shared.lock(request))
    }

    fn renew(&self, renewals: Vec<(LockToken, Option<Duration>)>) -> Answer<'_, Vec<Result<()>>> {
        Box::pin(self.shared.renew(renewals))
    }

    fn unlock(&self, tokens: Vec<LockToken>) -> Answer<'_, Vec<bool>> {
        Box::pin(self.shared.unlock(tokens))
    }

    fn seize(&self, names: Vec<LockName>) -> Answer<'_, Vec<Option<LockRecord>>> {
        Box::pin(self.shared.who_holds(names, true))
    }

    fn holders(&self, names: Vec<LockName>) -> Answer<'_, Vec<Option<LockRecord>>> {
        Box::pin(self.shared.who_holds(names, false))
    }

    fn list(&self, after: Option<LockName>, max: usize) -> Answer<'_, Vec<LockRecord>> {
        Box::pin(self.shared.list_locks(after, max))
    }
}
