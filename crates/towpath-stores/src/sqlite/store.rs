//! The store itself: which thread does which verb, and when they begin and end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use towpath_core::message::Record;
use towpath_core::store::{
    Answer, Audit, Brief, Capabilities, Claim, Cursor, Entry, Finding, KeyRecord, KvStore,
    LeaseKeeper, List, LockRecord, LockRequest, LockStore, LockToken, Locked, Member, Note,
    Promoted, Pruned, QueueRecord, Rescued, ResultRead, Retention, Revoked, Score, SettleRequest,
    Settled, Standing, StateCounts, Store, Subscription, Topic, Ttl, Update, Watch, Window,
    WorkerCard, WorkerRecord,
};
use towpath_core::url::Scheme;
use towpath_core::{
    BucketName, ChannelName, Clock, Draft, Error, IncarnationId, Key, Kind, LockName, Message,
    MessageId, Payload, QueueName, Result, StoreUrl, Timestamp, Token, limits,
};

use super::doorbell::{Bells, Rings};
use super::error::{Fallible, Fault};
use super::flocks::Locks;
use super::keeper::Keeper;
use super::location::Location;
use super::mailbox::{Lane, Mailbox};
use super::reader::{self, Look, LookJob, Memory};
use super::tx::Tx;
use super::writer::{self, WriteJob};
use super::{
    audit, brief, channel, claim, counts, doctor, expire, get, kv, lease, list, lock, note, pause,
    promote, prune, remove, replay, requeue, rescue, results, revoke, sets, settle, standing,
    submit, update, workers,
};

/// A store in one SQLite file, for one process or several on this machine.
///
/// Opening is lazy: the first verb opens the file, and an error then names the URL.
///
/// ```
/// use std::sync::Arc;
/// use towpath_core::{Draft, Payload, Store, StoreUrl, SystemClock, TaskName};
/// use towpath_stores::sqlite::SqliteStore;
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("jobs.db").to_str().unwrap().to_owned();
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let url = StoreUrl::sqlite(path);
/// let store = SqliteStore::open(&url, Arc::new(SystemClock::new()))?;
/// let draft = Draft::new(TaskName::new("greet")?, Payload::json("[]"));
/// store.submit(vec![draft]).await?;
/// store.close().await?;
///
/// let again = SqliteStore::open(&url, Arc::new(SystemClock::new()))?;
/// assert_eq!(again.counts().await?.ready, 1);
/// # Ok::<(), towpath_core::Error>(())
/// # }).unwrap();
/// ```
///
/// # Processes
///
/// After a `fork` only `exec` may follow in the child: neither a store nor a lease keeper that was
/// opened before may be used there.
#[derive(Debug)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    /// Each set when its first verb starts it; says when it has ended.
    writer: OnceLock<Ended>,
    reader: OnceLock<Ended>,
    /// Held while a thread is started, so that two first verbs start one.
    starting: Mutex<()>,
}

/// Closed once a thread has ended.
type Ended = watch::Receiver<()>;

/// What the store, its threads and its keepers share.
pub(super) struct Shared {
    pub(super) url: StoreUrl,
    pub(super) location: Location,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) writes: Mailbox<Box<dyn WriteJob>>,
    pub(super) looks: Mailbox<Box<dyn LookJob>>,
    pub(super) bells: Bells,
    pub(super) locks: Locks,
    retention: Mutex<Retention>,
    closed: Arc<AtomicBool>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("url", &self.url)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn retention(&self) -> Retention {
        *self.lock_retention()
    }

    fn lock_retention(&self) -> MutexGuard<'_, Retention> {
        // A plain value that is written whole: a panic elsewhere cannot have left it half done.
        self.retention
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Says a fault to a caller.
    pub(super) fn error(&self, fault: Fault) -> Error {
        fault.into_error(&self.location.file)
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed(&self.url));
        }
        Ok(())
    }

    /// Why a job was not taken, or not answered.
    pub(super) fn gone(&self) -> Error {
        self.check_open().err().unwrap_or_else(|| {
            let url = &self.url;
            let text = format!("{url}: a thread of the store has panicked; open the store anew");
            Error::new(Kind::Storage, text)
        })
    }
}

/// The answer of every verb after the store was closed.
pub(super) fn closed(url: &StoreUrl) -> Error {
    Error::new(Kind::Stopped, format!("{url}: the store was closed"))
}

impl SqliteStore {
    /// The store that `url` names, told the time by `clock`. Nothing is opened yet.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsupported`] when the URL is not of an SQLite store, [`Kind::Invalid`] when it names no file.
    pub fn open(url: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Self> {
        if url.scheme() != Scheme::Sqlite {
            let text = format!("{url}: this is no URL of an SQLite store; write sqlite:PATH");
            return Err(Error::new(Kind::Unsupported, text));
        }
        url.check()?;
        let location = Location::of(url);
        Ok(Self {
            shared: Arc::new(Shared {
                url: url.clone(),
                clock,
                writes: Mailbox::new(),
                looks: Mailbox::new(),
                bells: Bells::new(location.clone()),
                locks: Locks::new(location.clone()),
                location,
                retention: Mutex::default(),
                closed: Arc::default(),
            }),
            writer: OnceLock::new(),
            reader: OnceLock::new(),
            starting: Mutex::default(),
        })
    }

    /// Does a verb on the writer.
    fn write<T: Send + 'static>(
        &self,
        lane: Lane,
        rows: usize,
        run: impl FnMut(&mut Tx<'_>) -> Fallible<T> + Send + 'static,
    ) -> Answer<'_, T> {
        Box::pin(async move { self.written(lane, writer::verb(rows, run)).await })
    }

    /// Does a verb on the writer that may refuse its call after it has written.
    fn write_whole<T: Send + 'static>(
        &self,
        lane: Lane,
        rows: usize,
        run: impl FnMut(&mut Tx<'_>) -> Fallible<T> + Send + 'static,
    ) -> Answer<'_, T> {
        Box::pin(async move { self.written(lane, writer::whole_verb(rows, run)).await })
    }

    async fn written<T>(
        &self,
        lane: Lane,
        (job, answer): (Box<dyn WriteJob>, oneshot::Receiver<Result<T>>),
    ) -> Result<T> {
        self.start(&self.writer, "towpath-write", |shared| {
            let _abandoned_at_the_end = Abandon(&shared.writes);
            writer::serve(shared);
        })?;
        let brought = self.shared.writes.bring(lane, job).await;
        brought.map_err(|_| self.shared.gone())?;
        answer.await.unwrap_or_else(|_| Err(self.shared.gone()))
    }

    /// Does a verb on the reader.
    async fn look<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Look<'_>, &mut Memory) -> Fallible<T> + Send + 'static,
    ) -> Result<T> {
        self.start(&self.reader, "towpath-read", |shared| {
            let _abandoned_at_the_end = Abandon(&shared.looks);
            reader::serve(shared);
        })?;
        let (job, answer) = reader::look(run);
        let brought = self.shared.looks.bring(Lane::Control, job).await;
        brought.map_err(|_| self.shared.gone())?;
        answer.await.unwrap_or_else(|_| Err(self.shared.gone()))
    }

    /// Starts a thread unless it runs.
    fn start(
        &self,
        thread: &OnceLock<Ended>,
        name: &str,
        serve: impl FnOnce(&Arc<Shared>) + Send + 'static,
    ) -> Result<()> {
        self.shared.check_open()?;
        if thread.get().is_some() {
            return Ok(());
        }
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.get().is_some() {
            return Ok(());
        }
        let (alive, ended) = watch::channel(());
        let shared = self.shared.clone();
        let started = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _dropped_at_the_end = alive;
            serve(&shared);
        });
        started.map_err(|error| {
            let text = format!("{}: the thread {name} cannot be started", self.shared.url);
            Error::new(Kind::Unavailable, text).with_source(error)
        })?;
        let _only_set_here = thread.set(ended);
        Ok(())
    }

    /// Has the threads do what was brought and end.
    fn end(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.writes.close();
        self.shared.looks.close();
    }
}

/// Abandons a mailbox when its thread ends, also by a panic: nobody shall wait for it in vain.
struct Abandon<'a, J>(&'a Mailbox<J>);

impl<J> Drop for Abandon<'_, J> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Drop for SqliteStore {
    /// The threads are not waited for: they end once they have done what was brought.
    fn drop(&mut self) {
        self.end();
    }
}

fn check_batch(what: &str, len: usize) -> Result<()> {
    if len > limits::BATCH {
        let limit = limits::BATCH;
        return Err(Error::invalid(format!(
            "a batch of {len} messages to {what}, the limit is {limit}"
        )));
    }
    Ok(())
}

impl Store for SqliteStore {
    fn url(&self) -> String {
        self.shared.url.to_string()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            shared: true,
            durable: true,
            ordered: true,
            rescue_every: Duration::from_millis(500),
            fallback_poll: Duration::from_millis(500),
        }
    }

    fn now(&self) -> Answer<'_, Timestamp> {
        Box::pin(async {
            self.shared.check_open()?;
            Ok(self.shared.clock.now())
        })
    }

    // ---- queue ----

    fn submit(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Result<()>>> {
        self.write(Lane::Bulk, drafts.len(), move |tx| {
            check_batch("submit", drafts.len())?;
            submit::submit(tx, &drafts)
        })
    }

    fn join(&self, card: WorkerCard, lease: Duration) -> Answer<'_, ()> {
        self.write_whole(Lane::Control, 1, move |tx| lease::join(tx, &card, lease))
    }

    fn leave(&self, incarnation: IncarnationId) -> Answer<'_, ()> {
        self.write_whole(Lane::Control, 1, move |tx| lease::leave(tx, incarnation))
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Vec<Message>> {
        self.write(Lane::Control, claim.max, move |tx| claim::claim(tx, &claim))
    }

    fn settle(&self, request: SettleRequest) -> Answer<'_, Settled> {
        let claimed = request.claim.as_ref().map_or(0, |claim| claim.max);
        let rows = request.items.len().saturating_add(claimed);
        self.write(Lane::Control, rows, move |tx| {
            check_batch("settle", request.items.len())?;
            settle::settle(tx, &request)
        })
    }

    fn note(&self, incarnation: IncarnationId, token: Token, note: Note) -> Answer<'_, ()> {
        self.write(Lane::Control, 1, move |tx| {
            note::note(tx, incarnation, token, &note)
        })
    }

    fn standing(
        &self,
        incarnation: IncarnationId,
        tokens: Vec<Token>,
    ) -> Answer<'_, Vec<Standing>> {
        Box::pin(self.look(move |look, _| standing::standing(look, incarnation, &tokens)))
    }

    fn lease_keeper(&self) -> Result<Box<dyn LeaseKeeper>> {
        self.shared.check_open()?;
        let shared = &self.shared;
        let keeper = Keeper::open(
            &shared.url,
            &shared.location,
            shared.clock.clone(),
            shared.closed.clone(),
        )?;
        Ok(Box::new(keeper))
    }

    fn revoke(&self, ids: Vec<MessageId>, skip_running: bool) -> Answer<'_, Vec<Result<Revoked>>> {
        self.write(Lane::Control, ids.len(), move |tx| {
            revoke::revoke(tx, &ids, skip_running)
        })
    }

    fn update(&self, updates: Vec<(MessageId, Update)>) -> Answer<'_, Vec<Result<()>>> {
        self.write(Lane::Bulk, updates.len(), move |tx| {
            update::update(tx, &updates)
        })
    }

    fn requeue(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Result<()>>> {
        self.write(Lane::Bulk, ids.len(), move |tx| requeue::requeue(tx, &ids))
    }

    fn replay(&self, ids: Vec<(MessageId, MessageId)>) -> Answer<'_, Vec<Result<()>>> {
        self.write(Lane::Bulk, ids.len(), move |tx| replay::replay(tx, &ids))
    }

    fn remove(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Result<()>>> {
        self.write(Lane::Bulk, ids.len(), move |tx| remove::remove(tx, &ids))
    }

    // ---- upkeep: looks first, and writes only when there is something to do ----

    fn promote(&self, max: usize) -> Answer<'_, Promoted> {
        Box::pin(async move {
            let next_due = self.look(|look, _| promote::next_due(look.db)).await?;
            if next_due.is_none_or(|due| due > self.shared.clock.now()) {
                return Ok(Promoted { moved: 0, next_due });
            }
            let promote = move |tx: &mut Tx<'_>| promote::promote(tx, max);
            self.write_whole(Lane::Bulk, max, promote).await
        })
    }

    fn rescue(&self, max: usize) -> Answer<'_, Rescued> {
        Box::pin(async move {
            let suspects = self.look(|look, _| rescue::suspects(look)).await?;
            if suspects.is_empty() {
                return Ok(Rescued::default());
            }
            let rescue = move |tx: &mut Tx<'_>| rescue::rescue(tx, &suspects, max);
            self.write_whole(Lane::Control, max, rescue).await
        })
    }

    fn expire(&self, max: usize) -> Answer<'_, usize> {
        Box::pin(async move {
            let next = self.look(|look, _| expire::next_expiry(look.db)).await?;
            if next.is_none_or(|expires| expires > self.shared.clock.now()) {
                return Ok(0);
            }
            let expire = move |tx: &mut Tx<'_>| expire::expire(tx, max);
            self.write_whole(Lane::Bulk, max, expire).await
        })
    }

    fn prune(&self, max: usize) -> Answer<'_, Pruned> {
        Box::pin(async move {
            let retention = self.shared.retention();
            let bounds = self
                .look(move |look, memory| prune::bounds(look, &mut memory.surplus, retention))
                .await?;
            let Some(bounds) = bounds else {
                return Ok(Pruned::default());
            };
            let prune = move |tx: &mut Tx<'_>| prune::prune(tx, bounds, max);
            self.write_whole(Lane::Bulk, max, prune).await
        })
    }

    fn audit(&self, after: Option<Cursor>, max: usize) -> Answer<'_, Audit> {
        self.write_whole(Lane::Bulk, max, move |tx| {
            audit::audit(tx, after.as_ref(), max)
        })
    }

    fn set_retention(&self, retention: Retention) {
        *self.shared.lock_retention() = retention;
    }

    // ---- look ----

    fn get(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Option<Record>>> {
        Box::pin(self.look(move |look, _| get::get(look, &ids)))
    }

    fn brief(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Brief>> {
        Box::pin(self.look(move |look, _| brief::brief(look, &ids)))
    }

    fn results(&self, ids: Vec<MessageId>, take: bool) -> Answer<'_, Vec<ResultRead>> {
        if take {
            return self.write_whole(Lane::Control, ids.len(), move |tx| results::take(tx, &ids));
        }
        Box::pin(self.look(move |look, _| results::read(look, &ids)))
    }

    fn list(&self, list: List) -> Answer<'_, Window> {
        Box::pin(self.look(move |look, _| list::list(look, &list)))
    }

    fn counts(&self) -> Answer<'_, StateCounts> {
        Box::pin(self.look(|look, memory| {
            let (version, uptime) = (look.version, look.clock.uptime());
            memory.counts.get(version, uptime, || counts::counts(look))
        }))
    }

    fn queues(&self) -> Answer<'_, Vec<QueueRecord>> {
        Box::pin(self.look(|look, memory| {
            let (version, uptime) = (look.version, look.clock.uptime());
            memory.queues.get(version, uptime, || counts::queues(look))
        }))
    }

    fn workers(&self) -> Answer<'_, Vec<WorkerRecord>> {
        Box::pin(self.look(|look, _| workers::workers(look)))
    }

    fn pause(&self, queue: QueueName, paused: bool) -> Answer<'_, bool> {
        self.write(Lane::Control, 1, move |tx| pause::pause(tx, &queue, paused))
    }

    fn doctor(&self) -> Answer<'_, Vec<Finding>> {
        Box::pin(async {
            self.shared.check_open()?;
            let (reply, answer) = oneshot::channel();
            let shared = self.shared.clone();
            // A thread of its own: it reads the whole file.
            let started = thread::Builder::new()
                .name("towpath-doctor".to_owned())
                .spawn(move || reply.send(doctor::examine(&shared.url, &shared.location)));
            started.map_err(|error| {
                let text = format!("{}: the doctor's thread cannot be started", self.shared.url);
                Error::new(Kind::Unavailable, text).with_source(error)
            })?;
            answer.await.unwrap_or_else(|_| Err(self.shared.gone()))
        })
    }

    // ---- wake ----

    fn watch(&self, topic: Topic) -> Box<dyn Watch> {
        self.shared.bells.watch(topic)
    }

    fn kv(&self) -> &dyn KvStore {
        self
    }

    fn locks(&self) -> &dyn LockStore {
        self
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.end();
            for thread in [&self.writer, &self.reader] {
                if let Some(ended) = thread.get() {
                    let mut ended = ended.clone();
                    while ended.changed().await.is_ok() {}
                }
            }
            // Nothing can be settled any more: whoever waits for our workers' end need not wait longer.
            self.shared.locks.let_go();
            // Whoever waits is to look again, and learn that the store was closed.
            self.shared.bells.ring(Rings::ALL);
            Ok(())
        })
    }
}

impl KvStore for SqliteStore {
    fn set(&self, bucket: BucketName, entries: Vec<Entry>) -> Answer<'_, Vec<Result<()>>> {
        self.write(Lane::Bulk, entries.len(), move |tx| {
            kv::set(tx, &bucket, &entries)
        })
    }

    fn get(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<Option<Payload>>> {
        Box::pin(self.look(move |look, _| kv::get(look, &bucket, &keys)))
    }

    fn look(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<Option<KeyRecord>>> {
        Box::pin(self.look(move |look, _| kv::look(look, &bucket, &keys)))
    }

    fn expire(&self, bucket: BucketName, keys: Vec<Key>, ttl: Ttl) -> Answer<'_, Vec<bool>> {
        self.write(Lane::Bulk, keys.len(), move |tx| {
            kv::expire(tx, &bucket, &keys, ttl)
        })
    }

    fn delete(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<bool>> {
        self.write(Lane::Bulk, keys.len(), move |tx| {
            kv::delete(tx, &bucket, &keys)
        })
    }

    fn scan(
        &self,
        bucket: BucketName,
        prefix: String,
        after: Option<Key>,
        max: usize,
    ) -> Answer<'_, Vec<Key>> {
        Box::pin(self.look(move |look, _| kv::scan(look, &bucket, &prefix, after.as_ref(), max)))
    }

    fn count(&self, bucket: BucketName) -> Answer<'_, u64> {
        Box::pin(self.look(move |look, _| kv::count(look, &bucket)))
    }

    fn clear(&self, bucket: BucketName, max: usize) -> Answer<'_, usize> {
        self.write(Lane::Bulk, max, move |tx| kv::clear(tx, &bucket, max))
    }

    fn add(&self, bucket: BucketName, set: Key, members: Vec<Member>) -> Answer<'_, Vec<bool>> {
        self.write(Lane::Bulk, members.len(), move |tx| {
            sets::add(tx, &bucket, &set, &members)
        })
    }

    fn scores(
        &self,
        bucket: BucketName,
        set: Key,
        members: Vec<Key>,
    ) -> Answer<'_, Vec<Option<Score>>> {
        Box::pin(self.look(move |look, _| sets::scores(look, &bucket, &set, &members)))
    }

    fn discard(&self, bucket: BucketName, set: Key, members: Vec<Key>) -> Answer<'_, Vec<bool>> {
        self.write(Lane::Bulk, members.len(), move |tx| {
            sets::discard(tx, &bucket, &set, &members)
        })
    }

    fn range(
        &self,
        bucket: BucketName,
        set: Key,
        after: Option<Member>,
        max: usize,
    ) -> Answer<'_, Vec<Member>> {
        Box::pin(self.look(move |look, _| sets::range(look, &bucket, &set, after.as_ref(), max)))
    }

    fn pop(&self, bucket: BucketName, set: Key, max: usize) -> Answer<'_, Vec<Member>> {
        self.write(Lane::Bulk, max, move |tx| sets::pop(tx, &bucket, &set, max))
    }

    fn len(&self, bucket: BucketName, set: Key) -> Answer<'_, u64> {
        Box::pin(self.look(move |look, _| sets::len(look, &bucket, &set)))
    }

    fn publish(&self, channel: ChannelName, value: Payload) -> Answer<'_, ()> {
        self.write(Lane::Bulk, 1, move |tx| {
            channel::publish(tx, &channel, &value)
        })
    }

    fn subscribe(&self, channel: ChannelName) -> Answer<'_, Box<dyn Subscription>> {
        Box::pin(async move {
            let watch = self.shared.bells.watch(Topic::Publish);
            let of = channel.clone();
            let position = self
                .look(move |look, _| channel::position(look, &of))
                .await?;
            let listener = channel::Listener::new(self.shared.clone(), channel, watch, position);
            Ok(Box::new(listener) as Box<dyn Subscription>)
        })
    }
}

impl LockStore for SqliteStore {
    fn lock(&self, request: LockRequest) -> Answer<'_, Locked> {
        self.write(Lane::Control, 1, move |tx| lock::lock(tx, &request))
    }

    fn renew(&self, renewals: Vec<(LockToken, Option<Duration>)>) -> Answer<'_, Vec<Result<()>>> {
        self.write(Lane::Control, renewals.len(), move |tx| {
            lock::renew(tx.db, tx.ns, tx.clock, &renewals)
        })
    }

    fn unlock(&self, tokens: Vec<LockToken>) -> Answer<'_, Vec<bool>> {
        self.write(Lane::Control, tokens.len(), move |tx| {
            lock::unlock(tx, &tokens)
        })
    }

    fn seize(&self, names: Vec<LockName>) -> Answer<'_, Vec<Option<LockRecord>>> {
        self.write(Lane::Control, names.len(), move |tx| {
            lock::seize(tx, &names)
        })
    }

    fn holders(&self, names: Vec<LockName>) -> Answer<'_, Vec<Option<LockRecord>>> {
        Box::pin(self.look(move |look, _| lock::holders(look, &names)))
    }

    fn list(&self, after: Option<LockName>, max: usize) -> Answer<'_, Vec<LockRecord>> {
        Box::pin(self.look(move |look, _| lock::list(look, after.as_ref(), max)))
    }
}
