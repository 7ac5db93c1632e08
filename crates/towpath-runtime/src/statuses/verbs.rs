//! Reading and waiting, one message at a time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use towpath_core::store::{Brief, Finding};
use towpath_core::{Error, Kind, MessageId, Result, Status, Store, limits};

use super::Updates;
use crate::waiter::Waiter;

/// Reads the statuses of messages, waits for them and listens to them.
///
/// Made by [`Broker::statuses`](crate::Broker::statuses), or from any store by a program that only
/// looks. Cloning is cheap. To wait for a *result*, use [`Results`](crate::Results), which waits
/// and reads in one call.
///
/// ```
/// use std::time::Duration;
/// use towpath_runtime::Broker;
/// # use std::sync::Arc;
/// # use towpath_core::{Draft, Kind, Payload, Status, SystemClock, TaskName};
/// # use towpath_stores::MemoryStore;
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// # let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
/// let broker = Broker::new(store);
/// let id = broker.submit(Draft::new(TaskName::new("add")?, Payload::json("[1, 2]"))).await?;
///
/// let statuses = broker.statuses();
/// assert_eq!(statuses.get(id).await?, Status::Submitted);
/// broker.revoke(id, false).await?;
///
/// // What cannot come any more is not waited for.
/// let error = statuses.wait_for(id, &[Status::Succeeded], Duration::MAX).await.unwrap_err();
/// assert_eq!(error.kind(), Kind::WrongState);
/// # Ok::<(), towpath_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Statuses {
    store: Arc<dyn Store>,
}

impl Statuses {
    /// Makes the statuses of the messages in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Returns the status of a message; [`Status::Unknown`] when the store has no record of it.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn get(&self, id: MessageId) -> Result<Status> {
        let brief = self.store.brief(vec![id]).await?.pop();
        Ok(brief.unwrap_or(Brief::UNKNOWN).status)
    }

    /// Tells whether the store has a record of a message, in any state.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn exists(&self, id: MessageId) -> Result<bool> {
        Ok(self.get(id).await? != Status::Unknown)
    }

    /// Waits until a message has one of the `wanted` statuses, and answers which.
    ///
    /// A message that the store does not know yet is waited for. A status that passes between two
    /// looks may be missed: wait for those that last, and name all that will do. To see every
    /// change that can be seen, [`listen`](Statuses::listen). A `timeout` of zero looks once.
    ///
    /// # Errors
    ///
    /// * [`Kind::TimedOut`]: none of them came in time; the text names the last status.
    /// * [`Kind::WrongState`]: the message has come past all of them, so that they cannot come by
    ///   themselves any more. A requeue by hand is not waited for.
    /// * [`Kind::Invalid`]: nothing is wanted.
    /// * What the store says.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub async fn wait_for(
        &self,
        id: MessageId,
        wanted: &[Status],
        timeout: Duration,
    ) -> Result<Status> {
        if wanted.is_empty() {
            return Err(Error::invalid(format!(
                "no status of message {id} to wait for was named"
            )));
        }
        let mut waiter = Waiter::new(&*self.store, timeout);
        let mut status = Status::Unknown;
        loop {
            status = waiter.look(self.get(id)).await?.unwrap_or(status);
            if wanted.contains(&status) {
                return Ok(status);
            }
            if !wanted.iter().any(|wanted| may_come(*wanted, status)) {
                let wanted = names(wanted);
                let text =
                    format!("message {id} is {status} and will not become {wanted} by itself");
                return Err(Error::new(Kind::WrongState, text));
            }
            if waiter.is_late() {
                let wanted = names(wanted);
                let text =
                    format!("message {id} is {status}, not {wanted}, after a wait of {timeout:?}");
                return Err(Error::new(Kind::TimedOut, text));
            }
            waiter.changed().await;
        }
    }

    /// Tells the present status of a message, then every change that is seen.
    ///
    /// With `until_terminal` it ends after the message has succeeded, failed or was revoked;
    /// without, it goes on, should somebody requeue it. In either case it ends with
    /// [`Status::Unknown`] when the store has no record of the message (any more). Changes of the
    /// details count.
    pub fn listen(&self, id: MessageId, until_terminal: bool) -> Updates {
        Updates::new(self.store.clone(), id, until_terminal)
    }

    /// Returns what the handler of a message last said of its progress; `None` when it said
    /// nothing, or the store has no record of the message.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn details(&self, id: MessageId) -> Result<Option<Value>> {
        let record = self.store.get(vec![id]).await?.pop().flatten();
        Ok(record.and_then(|record| record.details))
    }

    /// Deletes the record of a message that has ended, with its result.
    ///
    /// [`Broker::remove`](crate::Broker::remove) deletes those that wait, too.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] unless it has ended, [`Kind::NotFound`], and what the store says.
    pub async fn forget(&self, id: MessageId) -> Result<()> {
        let status = self.get(id).await?;
        if !status.is_terminal() && status != Status::Unknown {
            let text = format!("cannot forget message {id}: it is {status} and has not ended");
            return Err(Error::new(Kind::WrongState, text));
        }
        // A dead letter that somebody requeues in this moment is removed all the same: two people
        // who decide over one dead letter at once get the decision of the last.
        let mut answers = self.store.remove(vec![id]).await?;
        answers.pop().unwrap_or(Ok(()))
    }

    /// Looks at every message of the store for records that nothing leads to any more, mends them,
    /// and answers what it mended. Workers do the same in the background; call it after an
    /// accident.
    ///
    /// # Errors
    ///
    /// What the store says; what was mended before that stays mended.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again; it begins anew then.
    pub async fn scan(&self) -> Result<Vec<Finding>> {
        let mut mended = Vec::new();
        let mut after = None;
        loop {
            let audit = self.store.audit(after, limits::UPKEEP_ROWS).await?;
            mended.extend(audit.mended);
            after = audit.next;
            if after.is_none() {
                return Ok(mended);
            }
        }
    }
}

/// Whether a message that stands at `now` can have the status `wanted` later, without a requeue.
fn may_come(wanted: Status, now: Status) -> bool {
    match wanted {
        // Every record is deleted some day.
        Status::Unknown => true,
        Status::Submitted => now == Status::Unknown,
        _ => !now.is_terminal(),
    }
}

fn names(statuses: &[Status]) -> String {
    let names: Vec<_> = statuses.iter().map(|status| status.as_str()).collect();
    names.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_come_depends_on_where_the_message_stands() {
        use Status::{Failed, Retrying, Revoked, Running, Submitted, Succeeded, Unknown};
        let all = [
            Unknown, Submitted, Running, Retrying, Succeeded, Failed, Revoked,
        ];
        let check = |now: Status, expected: &[Status]| {
            let coming: Vec<_> = all
                .into_iter()
                .filter(|wanted| may_come(*wanted, now))
                .collect();
            assert_eq!(coming, expected, "{now}");
        };
        check(Unknown, &all);
        check(
            Submitted,
            &[Unknown, Running, Retrying, Succeeded, Failed, Revoked],
        );
        check(
            Running,
            &[Unknown, Running, Retrying, Succeeded, Failed, Revoked],
        );
        check(Failed, &[Unknown]);
    }
}
