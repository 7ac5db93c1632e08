//! The store itself: which function does which verb, and when its threads begin and end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use towpath_core::message::Record;
use towpath_core::store::{
    Answer, Audit, Brief, Capabilities, Claim, Cursor, Finding, KvStore, LeaseKeeper, List,
    LockStore, Note, Promoted, Pruned, QueueRecord, Rescued, ResultRead, Retention, Revoked,
    SettleRequest, Settled, Standing, StateCounts, Store, Topic, Update, Watch, Window, WorkerCard,
    WorkerRecord,
};
use towpath_core::{
    Clock, Draft, Error, IncarnationId, Kind, Message, MessageId, Namespace, QueueName, Result,
    StoreUrl, Timestamp, Token,
};

use super::connection::Place;
use super::driver::{Bounds, Driver};
use super::error::Fallible;
use super::keeper::Keeper;
use super::listener;
use super::tx::Tx;
use super::watch::Bells;
use super::{
    audit, brief, claim, counts, doctor, expire, get, lease, list, note, pause, promote, prune,
    remove, replay, requeue, rescue, results, revoke, settle, standing, submit, update, workers,
};
use crate::gather::Gather;

/// The most connections of one handle, besides those of the heartbeat and of the listener: a verb takes one
/// for a moment only, and more would only have the server switch between them. And the longest time of a
/// verb; the server gives up before.
const BOUNDS: Bounds = Bounds {
    connections: 4,
    patience: Duration::from_secs(45),
};

/// A store in one schema of a Postgres database, for any number of processes on any number of machines.
///
/// Opening is lazy: the first verb connects and brings the schema up to date, and an error then names the
/// URL. The server is Postgres 13 or newer. The user needs the right to create a schema in the database, unless
/// the schema is there; with `migrate=off` in the URL opening changes nothing, and
/// [`migrate`](super::migrate) is for somebody else. A pooler in between has to keep a session to itself.
///
/// ```no_run
/// use towpath_core::{Draft, Payload, Store, StoreUrl, TaskName};
/// use towpath_stores::postgres::PostgresStore;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let url: StoreUrl = "postgres://jobs:secret@db.example.com/app?namespace=mail".parse()?;
/// let store = PostgresStore::open(&url)?;
/// let draft = Draft::new(TaskName::new("greet")?, Payload::json("[]"));
/// store.submit(vec![draft]).await?;
/// store.close().await?;
/// # Ok::<(), towpath_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct PostgresStore {
    shared: Arc<Shared>,
    /// Started by the first verb, taken when the store is closed.
    driver: Mutex<Option<Arc<Driver>>>,
    /// Callers whose messages go out together.
    gather: Arc<Gather<()>>,
    /// Whether somebody has begun to listen for other processes.
    listening: AtomicBool,
}

/// What the store, its driver and its keepers share.
pub(super) struct Shared {
    pub(super) place: Place,
    /// A clock that was handed in; `None` where the server's counts.
    pub(super) clock: Option<Arc<dyn Clock>>,
    pub(super) bells: Bells,
    retention: Mutex<Retention>,
    /// Set once; whoever listens waits for it.
    closed: tokio::sync::watch::Sender<bool>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("url", &self.place.url)
            .field("closed", &*self.closed.borrow())
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

    /// Tells when the store is closed.
    pub(super) fn closed(&self) -> tokio::sync::watch::Receiver<bool> {
        self.closed.subscribe()
    }

    pub(super) fn check_open(&self) -> Result<()> {
        if *self.closed.borrow() {
            let url = &self.place.url;
            return Err(Error::new(
                Kind::Stopped,
                format!("{url}: the store was closed"),
            ));
        }
        Ok(())
    }

    /// Why a verb was not taken, or not answered.
    pub(super) fn gone(&self) -> Error {
        self.check_open().err().unwrap_or_else(|| {
            let url = &self.place.url;
            let text = format!("{url}: a thread of the store has panicked; open the store anew");
            Error::new(Kind::Storage, text)
        })
    }
}

impl PostgresStore {
    /// The store that `url` names, told the time by its server. Nothing is opened yet.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsupported`] when the URL is not of a Postgres store, [`Kind::Invalid`] when its namespace
    /// cannot be the name of a schema.
    pub fn open(url: &StoreUrl) -> Result<Self> {
        Self::new(url, None)
    }

    /// As [`open`](PostgresStore::open), told the time by `clock`: tests move time instead of waiting for it.
    /// All handles on one namespace must be told the same time.
    ///
    /// # Errors
    ///
    /// As [`open`](PostgresStore::open).
    pub fn open_with(url: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::new(url, Some(clock))
    }

    /// The store in the schema `namespace` of the database that `config` leads to: for what a URL cannot say, such as
    /// options of the session, or an application's name. Nothing is opened yet.
    ///
    /// The store has connections of its own and takes none from a pool: each is told how to plan and how long to
    /// wait, and keeps what it has prepared, so a connection that others use as well would be no use to either.
    /// `SslMode::Require` is encrypted and verified with the authorities that the system trusts; with any other mode
    /// nothing is encrypted. What is not set and has a good value, such as the time to connect, is set.
    ///
    /// ```
    /// use towpath_core::{Namespace, Store};
    /// use towpath_stores::postgres::PostgresStore;
    ///
    /// let mut config = tokio_postgres::Config::new();
    /// config.host("db.example.com").user("jobs").password("secret").dbname("app");
    /// config.options("-c search_path=nowhere");
    /// let store = PostgresStore::from_config(config, Namespace::new("mail")?)?;
    /// assert_eq!(store.url(), "postgres://jobs@db.example.com/app?namespace=mail");
    /// # Ok::<(), towpath_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`open`](PostgresStore::open), and [`Kind::Invalid`] when `config` names no host.
    pub fn from_config(config: tokio_postgres::Config, namespace: Namespace) -> Result<Self> {
        Ok(Self::at(Place::of_config(config, namespace)?, None))
    }

    fn new(url: &StoreUrl, clock: Option<Arc<dyn Clock>>) -> Result<Self> {
        Ok(Self::at(Place::of(url)?, clock))
    }

    fn at(place: Place, clock: Option<Arc<dyn Clock>>) -> Self {
        Self {
            shared: Arc::new(Shared {
                place,
                clock,
                bells: Bells::new(),
                retention: Mutex::default(),
                closed: tokio::sync::watch::Sender::new(false),
            }),
            driver: Mutex::default(),
            gather: Arc::new(Gather::new()),
            listening: AtomicBool::new(false),
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Has a verb done on the driver.
    pub(super) fn verb<T: Send + 'static>(
        &self,
        verb: impl AsyncFn(&Tx<'_>) -> Fallible<T> + Send + 'static,
    ) -> Answer<'_, T> {
        Box::pin(async move {
            let driver = self.driver()?;
            let done = driver.run(verb).await;
            done.unwrap_or_else(|| Err(self.shared.gone()))
        })
    }

    /// The driver, started unless it runs.
    pub(super) fn driver(&self) -> Result<Arc<Driver>> {
        let mut driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.check_open()?;
        if let Some(driver) = &*driver {
            return Ok(driver.clone());
        }
        let started = Arc::new(Driver::start(&self.shared, "towpath-postgres", BOUNDS)?);
        *driver = Some(started.clone());
        Ok(started)
    }

    /// Starts to listen for other processes, unless that was done.
    fn listen(&self) {
        if self.listening.swap(true, Ordering::AcqRel) {
            return;
        }
        let begun = self
            .driver()
            .is_ok_and(|driver| driver.attach(|shop| Box::pin(listener::listen(shop))));
        // Else the next watch tries again; until then there is the fallback poll.
        self.listening.store(begun, Ordering::Release);
    }

    /// Lets go of the driver, which ends once it has done what was brought.
    fn end(&self) -> Option<Arc<Driver>> {
        let mut driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.closed.send_replace(true);
        driver.take()
    }
}

impl Drop for PostgresStore {
    /// The thread is not waited for: it ends once it has done what was brought.
    fn drop(&mut self) {
        drop(self.end());
        // Who listens to a channel may outlive the store, and is to learn of it.
        self.shared.bells.ring_all();
    }
}

impl Store for PostgresStore {
    fn url(&self) -> String {
        self.shared.place.url.to_string()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            shared: true,
            durable: true,
            ordered: true,
            rescue_every: Duration::from_secs(1),
            fallback_poll: Duration::from_secs(1),
        }
    }

    fn now(&self) -> Answer<'_, Timestamp> {
        self.verb(async move |tx: &Tx<'_>| tx.wall().await)
    }

    // ---- queue ----

    fn submit(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Result<()>>> {
        Box::pin(async move {
            let driver = self.driver()?;
            let done = submit::gathered(&driver, &self.gather, drafts).await?;
            done.unwrap_or_else(|| Err(self.shared.gone()))
        })
    }

    fn join(&self, card: WorkerCard, lease: Duration) -> Answer<'_, ()> {
        self.verb(async move |tx: &Tx<'_>| lease::join(tx, &card, lease).await)
    }

    fn leave(&self, incarnation: IncarnationId) -> Answer<'_, ()> {
        self.verb(async move |tx: &Tx<'_>| lease::leave(tx, incarnation).await)
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Vec<Message>> {
        self.verb(async move |tx: &Tx<'_>| claim::claim(tx, &claim).await)
    }

    fn settle(&self, request: SettleRequest) -> Answer<'_, Settled> {
        self.verb(async move |tx: &Tx<'_>| settle::settle(tx, &request).await)
    }

    fn note(&self, incarnation: IncarnationId, token: Token, note: Note) -> Answer<'_, ()> {
        self.verb(async move |tx: &Tx<'_>| note::note(tx, incarnation, token, &note).await)
    }

    fn standing(
        &self,
        incarnation: IncarnationId,
        tokens: Vec<Token>,
    ) -> Answer<'_, Vec<Standing>> {
        self.verb(async move |tx: &Tx<'_>| standing::standing(tx, incarnation, &tokens).await)
    }

    fn lease_keeper(&self) -> Result<Box<dyn LeaseKeeper>> {
        self.shared.check_open()?;
        Ok(Box::new(Keeper::start(&self.shared)?))
    }

    fn revoke(&self, ids: Vec<MessageId>, skip_running: bool) -> Answer<'_, Vec<Result<Revoked>>> {
        self.verb(async move |tx: &Tx<'_>| revoke::revoke(tx, &ids, skip_running).await)
    }

    fn update(&self, updates: Vec<(MessageId, Update)>) -> Answer<'_, Vec<Result<()>>> {
        self.verb(async move |tx: &Tx<'_>| update::update(tx, &updates).await)
    }

    fn requeue(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Result<()>>> {
        self.verb(async move |tx: &Tx<'_>| requeue::requeue(tx, &ids).await)
    }

    fn replay(&self, ids: Vec<(MessageId, MessageId)>) -> Answer<'_, Vec<Result<()>>> {
        self.verb(async move |tx: &Tx<'_>| replay::replay(tx, &ids).await)
    }

    fn remove(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Result<()>>> {
        self.verb(async move |tx: &Tx<'_>| remove::remove(tx, &ids).await)
    }

    // ---- upkeep ----

    fn promote(&self, max: usize) -> Answer<'_, Promoted> {
        self.verb(async move |tx: &Tx<'_>| promote::promote(tx, max).await)
    }

    fn rescue(&self, max: usize) -> Answer<'_, Rescued> {
        self.verb(async move |tx: &Tx<'_>| rescue::rescue(tx, max).await)
    }

    fn expire(&self, max: usize) -> Answer<'_, usize> {
        self.verb(async move |tx: &Tx<'_>| expire::expire(tx, max).await)
    }

    fn prune(&self, max: usize) -> Answer<'_, Pruned> {
        self.verb(async move |tx: &Tx<'_>| prune::prune(tx, max).await)
    }

    fn audit(&self, after: Option<Cursor>, max: usize) -> Answer<'_, Audit> {
        self.verb(async move |tx: &Tx<'_>| audit::audit(tx, after.as_ref(), max).await)
    }

    fn set_retention(&self, retention: Retention) {
        *self.shared.lock_retention() = retention;
    }

    // ---- look ----

    fn get(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Option<Record>>> {
        self.verb(async move |tx: &Tx<'_>| get::get(tx, &ids).await)
    }

    fn brief(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Brief>> {
        self.verb(async move |tx: &Tx<'_>| brief::brief(tx, &ids).await)
    }

    fn results(&self, ids: Vec<MessageId>, take: bool) -> Answer<'_, Vec<ResultRead>> {
        self.verb(async move |tx: &Tx<'_>| {
            if take {
                results::take(tx, &ids).await
            } else {
                results::read(tx, &ids).await
            }
        })
    }

    fn list(&self, list: List) -> Answer<'_, Window> {
        self.verb(async move |tx: &Tx<'_>| list::list(tx, &list).await)
    }

    fn counts(&self) -> Answer<'_, StateCounts> {
        self.verb(async move |tx: &Tx<'_>| counts::counts(tx).await)
    }

    fn queues(&self) -> Answer<'_, Vec<QueueRecord>> {
        self.verb(async move |tx: &Tx<'_>| counts::queues(tx).await)
    }

    fn workers(&self) -> Answer<'_, Vec<WorkerRecord>> {
        self.verb(async move |tx: &Tx<'_>| workers::workers(tx).await)
    }

    fn pause(&self, queue: QueueName, paused: bool) -> Answer<'_, bool> {
        self.verb(async move |tx: &Tx<'_>| pause::pause(tx, &queue, paused).await)
    }

    fn doctor(&self) -> Answer<'_, Vec<Finding>> {
        self.verb(async move |tx: &Tx<'_>| doctor::examine(tx).await)
    }

    // ---- wake ----

    fn watch(&self, topic: Topic) -> Box<dyn Watch> {
        self.listen();
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
            if let Some(driver) = self.end() {
                driver.ended().await;
            }
            // Whoever waits is to look again, and learn that the store was closed.
            self.shared.bells.ring_all();
            Ok(())
        })
    }
}
