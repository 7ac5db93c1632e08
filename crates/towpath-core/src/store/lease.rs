//! Leases: who works, until when, and what has become of what he holds.

use std::time::Duration;

use serde::Serialize;

use super::LockToken;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{IncarnationId, Token};
use crate::name::TaskName;

/// How a worker introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerCard {
    /// This life of the worker.
    pub incarnation: IncarnationId,
    /// Its name for people: host and process.
    pub name: String,
    /// What it listens to, for people.
    pub listens: String,
    /// The tasks it knows, so that readers can be told which messages nobody will run.
    pub tasks: Vec<TaskName>,
}

/// What a store knows of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerRecord {
    /// This life of the worker.
    pub incarnation: IncarnationId,
    /// Host and process.
    pub name: String,
    /// What it listens to.
    pub listens: String,
    /// The tasks it knows.
    pub tasks: Vec<TaskName>,
    /// When it joined.
    #[serde(rename = "joined_at_ms")]
    pub joined_at: Timestamp,
    /// How much of its lease is left; `None` once it left or was found dead.
    #[serde(
        rename = "lease_left_ms",
        serialize_with = "crate::message::maybe_millis::serialize"
    )]
    pub lease_left: Option<Duration>,
    /// How many messages it holds.
    pub held: usize,
}

/// One heartbeat.
#[derive(Debug, Clone, Copy)]
pub struct Extend<'a> {
    /// Whose lease.
    pub incarnation: IncarnationId,
    /// How long from now, on the store's clock.
    pub lease: Duration,
    /// Attempts that have started since they were claimed, at most 256. Only a started attempt
    /// counts as a loss when its worker dies.
    pub started: &'a [Token],
}

/// Renews leases from a thread of its own.
pub trait LeaseKeeper: Send {
    /// Renews the lease of one incarnation and notes which attempts have started.
    ///
    /// # Errors
    ///
    /// [`Kind::LeaseLost`](crate::Kind::LeaseLost) when the incarnation left or was rescued; it must
    /// never be used again. A transient error leaves the lease as it was.
    fn extend(&mut self, extend: Extend<'_>) -> Result<()>;

    /// Lets locks hold that long from now, as [`LockStore::renew`](super::LockStore::renew) does.
    ///
    /// # Errors
    ///
    /// What the store says; the locks are then as they were, or as they were to be.
    fn renew(&mut self, renewals: &[(LockToken, Option<Duration>)]) -> Result<Vec<Result<()>>>;
}

/// What has become of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Still held.
    Held,
    /// The message was revoked.
    Revoked,
    /// Somebody else holds it, or it is gone.
    Lost,
}
