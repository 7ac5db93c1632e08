//! The contract of a store: verbs of our domain, each one atomic step.
//!
//! A store keeps messages, leases and results, and its clock alone decides what is due and whose
//! lease has ended. Nobody builds "claim" out of get and set: each verb here is one transaction, one
//! script or one critical section, and takes and answers batches, one answer per item, in order.
//!
//! The rules that hold for every verb:
//!
//! * **All or nothing per item.** An item that is refused changes nothing. When the call itself
//!   fails, no item was applied, or (where the engine cannot tell) the call may simply be repeated.
//! * **Safe to repeat.** A repeated submit answers `AlreadyExists`, a repeated settle `LeaseLost`, a
//!   repeated remove `NotFound`; none of them does a thing twice.
//! * **Moves are those of [`TABLE`](crate::life::TABLE)**, counters included. A verb in a state where
//!   it is not allowed answers `WrongState` and writes nothing.
//! * **Order.** Ready messages stand in lines, one per (queue, task), ordered by (priority, time of
//!   becoming ready on the store's clock, store sequence), never by id. That time never goes back, even
//!   when the wall clock does: whoever joins a line stands behind his equals who are there. The store
//!   sequence is the order of submits where the store keeps [that one](Capabilities::ordered), else the
//!   order of becoming ready; those that one promote, rescue or leave lets become ready are equals there.
//! * **Bounded.** No verb touches more rows than its caller asked for. More than
//!   [`BATCH`](crate::limits::BATCH) messages in one submit or settle are refused whole (`Invalid`); a
//!   claim hands out at most that many, and no more once their payloads have
//!   [`CLAIM_BYTES`](crate::limits::CLAIM_BYTES): then fewer than were asked for does not mean that
//!   nothing is left.
//! * **Cancel safety.** Dropping the future of a verb does not undo it: a verb that has begun runs to
//!   its end, and its answer is lost. A claim whose future is dropped leaves messages with the
//!   incarnation until its lease ends; callers that stop wait for their claims.

mod answers;
mod claim;
mod kv;
mod lease;
mod locks;
mod look;
mod schema;
mod settle;
mod upkeep;
mod wake;
mod yardstick;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use answers::{Brief, ResultRead, Revoked};
pub use claim::{Claim, Selection};
pub use kv::{Entry, Heard, KeyRecord, KvStore, Member, Replace, Score, Subscription, Ttl};
pub use lease::{Extend, LeaseKeeper, Standing, WorkerCard, WorkerRecord};
pub use locks::{LockRecord, LockRequest, LockStore, LockToken, Locked};
pub use look::{Cursor, LineCount, List, QueueRecord, Section, StateCounts, Window};
pub use schema::{Schema, SchemaStatus};
pub use settle::{Settle, SettleRequest, Settled, StoredResult, Verdict};
pub use upkeep::{Audit, Finding, Promoted, Pruned, Rescued, Retention};
pub use wake::{Topic, Watch};
pub use yardstick::{Bare, HotBytes, Yardstick};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{IncarnationId, MessageId, Token};
use crate::life::Verb;
use crate::message::{Draft, Metadata, Record, Start};
use crate::name::QueueName;
use crate::payload::Payload;

/// The future of a verb. Boxed, so that stores are trait objects; batches make it cheap.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// What a store can do and how it likes to be used.
#[derive(Debug, Clone, Copy)]
pub struct Capabilities {
    /// Whether other processes can reach the same messages.
    pub shared: bool,
    /// Whether accepted messages outlive the process.
    pub durable: bool,
    /// How often dead workers should be looked for.
    pub rescue_every: Duration,
    /// Whether the store numbers messages in the order of their submits. Then [`Section::All`] is the
    /// newest first, and of two messages that become ready in one millisecond the first submitted goes
    /// first. Elsewhere [`Section::All`] is one section after the other, and the first to become ready
    /// goes first.
    pub ordered: bool,
    /// How long an idle consumer may rely on being woken before it looks by itself.
    pub fallback_poll: Duration,
}

/// A change to a message that waits. What is `None` stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Update {
    /// Another priority.
    pub priority: Option<u32>,
    /// Another time to start.
    pub start: Option<Start>,
    /// Other metadata, replacing all of the old.
    pub metadata: Option<Metadata>,
    /// Another payload.
    pub payload: Option<Payload>,
}

/// What a running handler leaves with its message, under its lease.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// Its progress, for readers.
    Details(serde_json::Value),
    /// Its own state, for the next attempt.
    Saved(Payload),
}

/// Where messages, results and leases live. See the [module](self) for what every verb keeps.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The URL of this store, without secrets.
    fn url(&self) -> String;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// The store's clock: what decides when a message is due.
    fn now(&self) -> Answer<'_, Timestamp>;

    // ---- queue ----

    /// Accepts messages: each becomes ready, or scheduled when its time has not come.
    ///
    /// Once it answers `Ok` for an item, that message is kept at the durability the URL asks for.
    /// The drafts were checked; the store does not check them again. Answers `AlreadyExists` for an
    /// id that it knows in any state, and for the second of two equal ids in one batch.
    fn submit(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Result<()>>>;

    /// Makes an incarnation known and starts its lease. The same incarnation again is an error
    /// (`AlreadyExists`): incarnations are never reused.
    fn join(&self, card: WorkerCard, lease: Duration) -> Answer<'_, ()>;

    /// Ends an incarnation at once: what it still holds returns to its lines as by release. Unknown
    /// incarnations are fine.
    fn leave(&self, incarnation: IncarnationId) -> Answer<'_, ()>;

    /// Hands out ready messages under the incarnation's lease, in the order of the [`Selection`].
    ///
    /// Never hands out a message of a paused queue, nor one that has expired (that one fails as
    /// `expired` in passing). A message with
    /// [`claimed_alone`](crate::life::Counters::claimed_alone) is the only one of its claim and is
    /// marked as started: a claim that has others already ends before it, and is not filled up with
    /// what stands behind it.
    ///
    /// Fails with `LeaseLost` when the incarnation is not known or was rescued.
    fn claim(&self, claim: Claim) -> Answer<'_, Vec<crate::message::Message>>;

    /// Ends attempts under their tokens, and claims in the same step if asked to.
    ///
    /// Each item moves its message, stores its result, submits its callbacks and ends its lease in
    /// one atomic step. A token under which nothing is held answers `LeaseLost` and changes nothing:
    /// also when the same incarnation holds the same message again under a newer token. A callback
    /// whose id is already known is not submitted again, which is no error.
    ///
    /// When the incarnation itself is gone, every item answers `LeaseLost` and nothing is claimed.
    fn settle(&self, request: SettleRequest) -> Answer<'_, Settled>;

    /// Writes what a handler leaves with its message, if its token still holds (else `LeaseLost`).
    fn note(&self, incarnation: IncarnationId, token: Token, note: Note) -> Answer<'_, ()>;

    /// What has become of these tokens: how a worker learns that an attempt was called off.
    fn standing(&self, incarnation: IncarnationId, tokens: Vec<Token>)
    -> Answer<'_, Vec<Standing>>;

    /// The handle by which the heartbeat thread renews leases. It has its own way to the store,
    /// shares no lock or channel with the other verbs, and blocks its thread.
    ///
    /// # Errors
    ///
    /// As opening the store.
    fn lease_keeper(&self) -> Result<Box<dyn LeaseKeeper>>;

    /// Calls messages off. `skip_running` leaves those alone that are being run (`WrongState`).
    /// A terminal message answers `WrongState`.
    fn revoke(&self, ids: Vec<MessageId>, skip_running: bool) -> Answer<'_, Vec<Result<Revoked>>>;

    /// Changes messages that wait. A new time or priority moves the message within its line.
    fn update(&self, updates: Vec<(MessageId, Update)>) -> Answer<'_, Vec<Result<()>>>;

    /// Puts dead letters back, ready at once. Their claims go on counting, their other counters and
    /// their time to expire start again; the error stays among the attempts.
    fn requeue(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Result<()>>>;

    /// Submits a copy of each finished message under a new id, with `replay_of` set, ready at once.
    /// Each pair is the id of the old message and the id of the new one. Its callbacks keep their ids,
    /// so those that have been submitted are not submitted again.
    fn replay(&self, ids: Vec<(MessageId, MessageId)>) -> Answer<'_, Vec<Result<()>>>;

    /// Deletes messages with their results, in any state but running.
    fn remove(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Result<()>>>;

    // ---- upkeep ----

    /// Moves at most `max` messages whose time has come from scheduled to ready.
    fn promote(&self, max: usize) -> Answer<'_, Promoted>;

    /// Takes at most `max` messages from workers whose lease has ended, or that are known to be dead.
    fn rescue(&self, max: usize) -> Answer<'_, Rescued>;

    /// Fails at most `max` waiting messages whose expiry has passed.
    fn expire(&self, max: usize) -> Answer<'_, usize>;

    /// Deletes at most `max` finished messages whose retention has ended, the oldest beyond the
    /// counts of the [`Retention`] included.
    fn prune(&self, max: usize) -> Answer<'_, Pruned>;

    /// Looks at `max` messages after `after` for records that no structure leads to, and mends them:
    /// what says it waits or runs without standing anywhere becomes ready.
    fn audit(&self, after: Option<Cursor>, max: usize) -> Answer<'_, Audit>;

    /// Sets how long finished messages are kept; holds for this handle.
    fn set_retention(&self, retention: Retention);

    // ---- look ----

    /// All that is known of each message, payload included; `None` where nothing is.
    fn get(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Option<Record>>>;

    /// The little that waiters ask for: status, claims, and whether details changed.
    fn brief(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Brief>>;

    /// The results of messages. With `take` a result that is there is deleted in the same step: of
    /// two takers one gets it.
    fn results(&self, ids: Vec<MessageId>, take: bool) -> Answer<'_, Vec<ResultRead>>;

    /// A window of one section of the store, in that section's own order.
    fn list(&self, list: List) -> Answer<'_, Window>;

    /// How many messages are in each state. May be up to two seconds old.
    fn counts(&self) -> Answer<'_, StateCounts>;

    /// The queues that have ready messages, with their lines, and those that are paused. May be up to
    /// two seconds old.
    fn queues(&self) -> Answer<'_, Vec<QueueRecord>>;

    /// The workers that are known, dead ones included until they are forgotten.
    fn workers(&self) -> Answer<'_, Vec<WorkerRecord>>;

    /// Stops (or starts again) handing out messages of a queue. No message is moved: the lines of a
    /// paused queue are skipped as a whole. Answers whether that changed anything.
    fn pause(&self, queue: QueueName, paused: bool) -> Answer<'_, bool>;

    /// Checks the store itself: that its file is sound, its schema current, its counters consistent.
    /// An empty list is a clean bill.
    fn doctor(&self) -> Answer<'_, Vec<Finding>>;

    // ---- wake ----

    /// How an idle consumer or waiter learns that there may be something new, without polling.
    fn watch(&self, topic: Topic) -> Box<dyn Watch>;

    // ---- beside the queue ----

    /// Values of user code.
    fn kv(&self) -> &dyn KvStore;

    /// Locks of user code.
    fn locks(&self) -> &dyn LockStore;

    /// Finishes what was begun and lets go of files and connections. Verbs after it fail as
    /// `Stopped`. Closing twice is harmless.
    fn close(&self) -> Answer<'_, ()>;
}

/// Which verb of the life table a [`Verdict`] is, given whether the message has to wait.
impl Verdict {
    /// The verb of the life table.
    pub fn verb(&self) -> Verb {
        match self {
            Verdict::Done { .. } => Verb::Done,
            Verdict::Retry { .. } => Verb::Retry,
            Verdict::Fail { .. } => Verb::Fail,
            Verdict::Release => Verb::Release,
            Verdict::Snooze { .. } => Verb::Snooze,
        }
    }
}
