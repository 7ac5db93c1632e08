//! Locks: what one owner at a time may do, across processes and machines.
//!
//! A lock is a name. Whoever takes it gets a [`LockToken`], whose number is greater than that of every lock
//! taken in the namespace before; with it, what the lock protects can refuse somebody who was frozen while
//! his lock ran out and went to another. A lock with a ttl ends by itself unless it is renewed, on the
//! clock that leases have too; one without stays until it is released.

use std::time::Duration;

use serde::Serialize;

use super::Answer;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::name::{LockName, LockOwner};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRequest {
    /// Which lock.
    pub name: LockName,
    /// For whom.
    pub owner: LockOwner,
    /// How long it holds without being renewed; `None` until it is released.
    pub ttl: Option<Duration>,
}

/// Proof of one holding of a lock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct LockToken {
    /// The lock.
    pub name: LockName,
    /// The fence: greater than that of every holding of any lock of the namespace before.
    pub fence: u64,
}

/// One lock that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockRecord {
    /// The lock.
    pub name: LockName,
    /// Who holds it.
    pub owner: LockOwner,
    /// The number of this holding.
    pub fence: u64,
    /// Since when.
    #[serde(rename = "taken_at_ms")]
    pub taken_at: Timestamp,
    /// How long it still holds without being renewed; `None` until it is released.
    #[serde(
        rename = "left_ms",
        serialize_with = "crate::message::maybe_millis::serialize"
    )]
    pub left: Option<Duration>,
}

impl LockRecord {
    /// The proof of this holding.
    pub fn token(&self) -> LockToken {
        LockToken {
            name: self.name.clone(),
            fence: self.fence,
        }
    }
}

/// The answer to a [`LockRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locked {
    /// It was free, and is the asker's now.
    Taken(LockToken),
    /// Somebody holds it: another, or the asker himself. Nothing was changed.
    Held(LockRecord),
}

/// The locks of a namespace.
///
/// As for every verb of a [`Store`](super::Store): each is one atomic step, and safe to repeat. More than
/// [`LOCK_BATCH`](crate::limits::LOCK_BATCH) tokens or names in one call are refused whole (`Invalid`).
pub trait LockStore: Send + Sync {
    /// Takes a lock, if nobody holds it.
    ///
    /// A lock whose ttl has run out is free. A taker whose answer was lost finds the lock [`Held`](Locked)
    /// by himself.
    fn lock(&self, request: LockRequest) -> Answer<'_, Locked>;

    /// Lets locks hold that long from now. `LeaseLost` for one that is not held under its token, be it
    /// that it ran out and nobody has taken it since.
    fn renew(&self, renewals: Vec<(LockToken, Option<Duration>)>) -> Answer<'_, Vec<Result<()>>>;

    /// Releases locks; rings [`Topic::Unlock`](super::Topic::Unlock). Answers whether each was held
    /// under its token.
    fn unlock(&self, tokens: Vec<LockToken>) -> Answer<'_, Vec<bool>>;

    /// Releases locks whoever holds them; rings as [`unlock`](LockStore::unlock). Answers who held each.
    fn seize(&self, names: Vec<LockName>) -> Answer<'_, Vec<Option<LockRecord>>>;

    /// Who holds these locks; `None` where nobody does.
    fn holders(&self, names: Vec<LockName>) -> Answer<'_, Vec<Option<LockRecord>>>;

    /// The locks that are held, in the order of the bytes of their names, those after `after` if it is
    /// given, and at most `max`, which is at most [`WINDOW`](crate::limits::WINDOW). Fewer than `max`
    /// means that there are no more.
    fn list(&self, after: Option<LockName>, max: usize) -> Answer<'_, Vec<LockRecord>>;
}
