//! The store itself: which script each verb calls, and with what.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use redis::{Client, Cmd, ConnectionAddr, Value};
use towpath_core::message::Record;
use towpath_core::store::{
    Answer, Audit, Brief, Capabilities, Claim, Cursor, Finding, KvStore, LeaseKeeper, List,
    LockStore, Note, Promoted, Pruned, QueueRecord, Rescued, ResultRead, Retention, Revoked,
    SettleRequest, Settled, Standing, StateCounts, Store, Topic, Update, Watch, Window, WorkerCard,
    WorkerRecord,
};
use towpath_core::url::Scheme;
use towpath_core::{
    Clock, Draft, Error, IncarnationId, Kind, Message, MessageId, Namespace, QueueName, Result,
    StoreUrl, Timestamp, Token, limits,
};

use super::bell::Bells;
use super::bytes::millis;
use super::driver::{Alive, Driver};
use super::error::{Translate, stopped};
use super::keeper::Keeper;
use super::nodes::Nodes;
use super::reply::{self, Unexpected};
use super::route::Route;
use super::script::{Call, NOW, Script};
use super::submit::Line;
use crate::gather::Gather;

/// A store on a Redis or Valkey server, shared by all who name the same server, database and namespace.
///
/// The server's clock alone counts. Nothing is connected before the first verb; a connection that was
/// lost is made again, and what was under way on it fails as
/// [`Kind::Unavailable`](towpath_core::Kind::Unavailable).
#[derive(Debug)]
pub struct RedisStore {
    pub(super) shared: Arc<Shared>,
}

/// What the verbs, the heartbeat and the bells of one handle share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The beginning of every key.
    prefix: String,
    /// A clock that was handed in; nothing for the server's.
    clock: Option<Arc<dyn Clock>>,
    nodes: Arc<Nodes>,
    pub(super) translate: Translate,
    /// Its thread is started by the first verb, and never twice.
    driver: OnceLock<Driver>,
    starting: Mutex<()>,
    bells: Arc<Bells>,
    /// Callers whose messages go out together.
    pub(super) gather: Arc<Gather<Line>>,
    /// Of this handle alone, as the contract says.
    retention: Mutex<Retention>,
    closed: AtomicBool,
}

impl RedisStore {
    /// The store that `url` names, by the server's clock. Nothing is connected yet.
    ///
    /// A URL that names several hosts is of a cluster, and those some of its nodes; a URL that names one is of a
    /// single server.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsupported`] when the URL is not of Redis; [`Kind::Invalid`] when it names a database of a
    /// cluster, or its certificates cannot be read.
    pub fn open(url: &StoreUrl) -> Result<Self> {
        Self::open_by(url, None)
    }

    /// As [`open`](RedisStore::open), with a clock that is handed in instead of the server's: tests move
    /// time instead of waiting for it.
    ///
    /// # Errors
    ///
    /// As [`open`](RedisStore::open).
    pub fn open_with(url: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::open_by(url, Some(clock))
    }

    /// The store in `namespace` of the server that `client` is for: for programs that have a client already, or
    /// one with settings that no URL can say. With a URL, see [`open`](RedisStore::open).
    ///
    /// The client is of the crate `redis`, version 1. Connections are the store's own, and nothing is connected
    /// yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use towpath_core::{Namespace, Store as _};
    /// use towpath_stores::redis::RedisStore;
    ///
    /// let client = redis::Client::open("redis://jobs:secret@127.0.0.1/2")?;
    /// let store = RedisStore::from_client(client, &Namespace::new("mail")?);
    /// assert_eq!(store.url(), "redis://127.0.0.1:6379/2?namespace=mail");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_client(client: Client, namespace: &Namespace) -> Self {
        let translate = Translate::new(place(&client, namespace));
        Self::on(Nodes::One(Box::new(client)), translate, namespace, None)
    }

    fn open_by(url: &StoreUrl, clock: Option<Arc<dyn Clock>>) -> Result<Self> {
        let server = url.server().filter(|_| url.scheme() == Scheme::Redis);
        let Some(server) = server else {
            let text = format!("{url}: this is no URL of Redis; write redis://HOST");
            return Err(Error::new(Kind::Unsupported, text));
        };
        let translate = match server.hosts().len() {
            1 => Translate::new(url.to_string()),
            _ => Translate::of_cluster(url.to_string()),
        };
        let nodes = Nodes::of(url, server, &translate)?;
        Ok(Self::on(nodes, translate, url.namespace(), clock))
    }

    fn on(
        nodes: Nodes,
        translate: Translate,
        namespace: &Namespace,
        clock: Option<Arc<dyn Clock>>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                prefix: prefix(namespace.as_str()),
                clock,
                nodes: Arc::new(nodes),
                translate,
                driver: OnceLock::new(),
                starting: Mutex::default(),
                bells: Arc::new(Bells::new()),
                gather: Arc::new(Gather::new()),
                retention: Mutex::default(),
                closed: AtomicBool::new(false),
            }),
        }
    }
}

/// Where a client connects to, without secrets.
fn place(client: &Client, namespace: &Namespace) -> String {
    let info = client.get_connection_info();
    let host = |host: &str| match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let mut place = match info.addr() {
        ConnectionAddr::Tcp(name, port) => format!("redis://{}:{port}", host(name)),
        ConnectionAddr::TcpTls {
            host: name, port, ..
        } => format!("rediss://{}:{port}", host(name)),
        socket => format!("redis+unix:{socket}"),
    };
    match info.redis_settings().db() {
        0 => {}
        database => place.push_str(&format!("/{database}")),
    }
    if *namespace != Namespace::default() {
        let name = namespace.as_str().replace('%', "%25").replace('&', "%26");
        place.push_str(&format!("?namespace={name}"));
    }
    place
}

/// The beginning of the keys of a namespace. Its closing brace ends the hash tag, so one in the name is
/// written differently, or a key of one namespace could be one of another.
fn prefix(namespace: &str) -> String {
    let escaped = namespace.replace('%', "%25").replace('}', "%7D");
    format!("{{towpath:{escaped}}}:")
}

#[cfg(feature = "yardstick")]
impl RedisStore {
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Shared {
    pub(super) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    pub(super) fn bells(&self) -> &Arc<Bells> {
        &self.bells
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn retention(&self) -> Retention {
        // A plain value that is written whole: a panic elsewhere cannot have left it half done.
        *self
            .retention
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A call of a script, by the clock of this handle.
    pub(super) fn call_of(&self, script: &'static Script) -> Call {
        let now = self.clock.as_ref().map(|clock| clock.now().as_millis());
        Call::new(script, &self.prefix, now)
    }

    /// A call of a script that reads the clock of leases too.
    pub(super) fn lease_call(&self, script: &'static Script) -> Call {
        let mut call = self.call_of(script);
        call.maybe(self.uptime());
        call
    }

    /// The clock of leases that was handed in; nothing for the server's.
    pub(super) fn uptime(&self) -> Option<i64> {
        self.clock.as_ref().map(|clock| millis(clock.uptime()))
    }

    pub(super) async fn call(&self, call: Call) -> Result<Value> {
        self.driver()?.call(call).await
    }

    pub(super) async fn calls(&self, calls: Vec<Call>) -> Result<Vec<Value>> {
        self.driver()?.calls(calls).await
    }

    /// As [`calls`](Shared::calls), for somebody who has begun before the store may have been closed.
    pub(super) async fn calls_of(&self, calls: Vec<Call>, alive: &Alive) -> Result<Vec<Value>> {
        let driver = self
            .driver
            .get()
            .ok_or_else(|| stopped(self.translate.url()))?;
        driver.calls_of(calls, alive.clone()).await
    }

    /// A plain command.
    pub(super) async fn command(&self, command: Cmd) -> Result<Value> {
        let translate = self.translate.clone();
        let work = move |mut route: Route| async move {
            let answer = route.send(&command).await;
            answer.map_err(|error| translate.error(&error))
        };
        self.driver()?.run(work).await
    }

    /// What a script answered, taken apart by `read`.
    pub(super) fn read<T>(
        &self,
        script: &Script,
        answer: Value,
        read: impl FnOnce(Value) -> Result<T, Unexpected>,
    ) -> Result<T> {
        read(answer).map_err(|Unexpected| self.translate.answer(script.name))
    }

    pub(super) fn driver(&self) -> Result<&Driver> {
        if self.closed.load(Ordering::Acquire) {
            return Err(stopped(self.translate.url()));
        }
        if let Some(driver) = self.driver.get() {
            return Ok(driver);
        }
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(driver) = self.driver.get() {
            return Ok(driver);
        }
        let started = Driver::start(self.nodes.clone(), &self.prefix, self.translate.clone())?;
        Ok(self.driver.get_or_init(|| started))
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if let Some(driver) = self.driver.get() {
            driver.close();
        }
        // Whoever waits is to look again, and learn that the store was closed.
        self.bells.ring_all();
        self.bells.channels.close();
    }

    async fn now(&self) -> Result<Timestamp> {
        let answer = self.call(self.call_of(&NOW)).await?;
        let now = self.read(&NOW, answer, |answer| reply::number(&answer))?;
        Ok(Timestamp::from_millis(now))
    }
}

pub(super) fn check_batch(what: &str, len: usize) -> Result<()> {
    if len > limits::BATCH {
        let limit = limits::BATCH;
        return Err(Error::invalid(format!(
            "a batch of {len} messages to {what}, the limit is {limit}"
        )));
    }
    Ok(())
}

impl Store for RedisStore {
    fn url(&self) -> String {
        self.shared.translate.url().to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            shared: true,
            durable: true,
            ordered: false,
            rescue_every: Duration::from_secs(1),
            fallback_poll: Duration::from_millis(2_500),
        }
    }

    fn now(&self) -> Answer<'_, Timestamp> {
        Box::pin(self.shared.now())
    }

    fn submit(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Result<()>>> {
        Box::pin(self.shared.submit(drafts))
    }

    fn join(&self, card: WorkerCard, lease: Duration) -> Answer<'_, ()> {
        Box::pin(self.shared.join(card, lease))
    }

    fn leave(&self, incarnation: IncarnationId) -> Answer<'_, ()> {
        Box::pin(self.shared.leave(incarnation))
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Vec<Message>> {
        Box::pin(self.shared.claim(claim))
    }

    fn settle(&self, request: SettleRequest) -> Answer<'_, Settled> {
        Box::pin(self.shared.settle(request))
    }

    fn note(&self, incarnation: IncarnationId, token: Token, note: Note) -> Answer<'_, ()> {
        Box::pin(self.shared.note(incarnation, token, note))
    }

    fn standing(
        &self,
        incarnation: IncarnationId,
        tokens: Vec<Token>,
    ) -> Answer<'_, Vec<Standing>> {
        Box::pin(self.shared.standing(incarnation, tokens))
    }

    fn lease_keeper(&self) -> Result<Box<dyn LeaseKeeper>> {
        Ok(Box::new(Keeper::new(self.shared.clone())))
    }

    fn revoke(&self, ids: Vec<MessageId>, skip_running: bool) -> Answer<'_, Vec<Result<Revoked>>> {
        Box::pin(self.shared.revoke(ids, skip_running))
    }

    fn update(&self, updates: Vec<(MessageId, Update)>) -> Answer<'_, Vec<Result<()>>> {
        Box::pin(self.shared.update(updates))
    }

    fn requeue(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Result<()>>> {
        Box::pin(self.shared.requeue(ids))
    }

    fn replay(&self, ids: Vec<(MessageId, MessageId)>) -> Answer<'_, Vec<Result<()>>> {
        Box::pin(self.shared.replay(ids))
    }

    fn remove(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Result<()>>> {
        Box::pin(self.shared.remove(ids))
    }

    fn promote(&self, max: usize) -> Answer<'_, Promoted> {
        Box::pin(self.shared.promote(max))
    }

    fn rescue(&self, max: usize) -> Answer<'_, Rescued> {
        Box::pin(self.shared.rescue(max))
    }

    fn expire(&self, max: usize) -> Answer<'_, usize> {
        Box::pin(self.shared.expire(max))
    }

    fn prune(&self, max: usize) -> Answer<'_, Pruned> {
        Box::pin(self.shared.prune(max))
    }

    fn audit(&self, after: Option<Cursor>, max: usize) -> Answer<'_, Audit> {
        Box::pin(self.shared.audit(after, max))
    }

    fn set_retention(&self, retention: Retention) {
        let mut kept = self
            .shared
            .retention
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = retention;
    }

    fn get(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Option<Record>>> {
        Box::pin(self.shared.get(ids))
    }

    fn brief(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Brief>> {
        Box::pin(self.shared.brief(ids))
    }

    fn results(&self, ids: Vec<MessageId>, take: bool) -> Answer<'_, Vec<ResultRead>> {
        Box::pin(self.shared.results(ids, take))
    }

    fn list(&self, list: List) -> Answer<'_, Window> {
        Box::pin(self.shared.list(list))
    }

    fn counts(&self) -> Answer<'_, StateCounts> {
        Box::pin(self.shared.counts())
    }

    fn queues(&self) -> Answer<'_, Vec<QueueRecord>> {
        Box::pin(self.shared.queues())
    }

    fn workers(&self) -> Answer<'_, Vec<WorkerRecord>> {
        Box::pin(self.shared.workers())
    }

    fn pause(&self, queue: QueueName, paused: bool) -> Answer<'_, bool> {
        Box::pin(self.shared.pause(queue, paused))
    }

    fn doctor(&self) -> Answer<'_, Vec<Finding>> {
        Box::pin(self.shared.doctor())
    }

    fn watch(&self, topic: Topic) -> Box<dyn Watch> {
        let shared = &self.shared;
        match shared.driver() {
            Ok(driver) => shared.bells.watch(topic, driver, &shared.prefix),
            Err(_) => shared.bells.deaf(topic),
        }
    }

    fn kv(&self) -> &dyn KvStore {
        self
    }

    fn locks(&self) -> &dyn LockStore {
        self
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.shared.close();
            Ok(())
        })
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.shared.close();
    }
}
