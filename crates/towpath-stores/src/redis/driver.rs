//! The way to the server: a thread of the store's own, on whose runtime all connections live.
//!
//! A verb is spawned there, so one that has begun runs to its end although its future is dropped, and
//! a program that blocks its own runtime does not keep what it sent from being read. All verbs share one
//! connection: what many callers send at a time goes out together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use redis::{RedisError, RedisResult, ServerErrorKind, Value};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{OnceCell, mpsc, oneshot};
use towpath_core::{Error, Result};

use super::doctor;
use super::error::{Translate, stopped};
use super::nodes::Nodes;
use super::route::Route;
use super::script::Call;

/// How long a connection may take to come about.
pub(super) const CONNECT: Duration = Duration::from_secs(3);
/// How long the server may take to answer. A script takes milliseconds; behind a server that loads or saves
/// its data they are seconds.
pub(super) const RESPOND: Duration = Duration::from_secs(10);
/// How long it may take to answer a heartbeat: so that after one that was lost there is time for others.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(3);
/// The pauses between two tries to connect: from so long, doubled with jitter, to so long.
pub(super) const PAUSE_MIN: Duration = Duration::from_millis(20);
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often one caller's command tries to connect before it says that the server is out of reach.
pub(super) const TRIES: usize = 3;

#[derive(Debug)]
pub(super) struct Driver {
    handle: Handle,
    nodes: Arc<Nodes>,
    /// The beginning of every key.
    prefix: Arc<str>,
    translate: Translate,
    /// Made on the first command. One on which an answer did not come in time may be dead without having been
    /// told, so another takes its place.
    route: Arc<Slot>,
    /// Whether the server was asked how it is set up, as it is once it has answered for the first time.
    examined: Arc<AtomicBool>,
    /// Every verb at work holds a copy. When the last is gone the thread ends: after the store was closed
    /// and what was begun is done.
    alive: Mutex<Option<Alive>>,
}

/// The driver's thread does not end before this is dropped.
pub(super) type Alive = mpsc::Sender<()>;

impl Driver {
    /// Starts the thread. Nothing is connected yet.
    pub(super) fn start(nodes: Arc<Nodes>, prefix: &str, translate: Translate) -> Result<Self> {
        let (alive, mut last_gone) = mpsc::channel::<()>(1);
        let started = Builder::new_current_thread()
            .enable_all()
            .build()
            .and_then(|runtime| {
                let handle = runtime.handle().clone();
                thread::Builder::new()
                    .name("towpath-redis".to_owned())
                    .spawn(move || runtime.block_on(last_gone.recv()))
                    .map(|_| handle)
            });
        let handle = started.map_err(|error| translate.thread(error))?;
        Ok(Self {
            handle,
            nodes,
            prefix: prefix.into(),
            translate,
            route: Arc::default(),
            examined: Arc::default(),
            alive: Mutex::new(Some(alive)),
        })
    }

    /// Calls a script; answers what it answers.
    pub(super) async fn call(&self, call: Call) -> Result<Value> {
        let mut answers = self.calls(vec![call]).await?;
        Ok(answers.pop().unwrap_or(Value::Nil))
    }

    /// Calls scripts one after the other, in their order; stops at the first that fails.
    pub(super) async fn calls(&self, calls: Vec<Call>) -> Result<Vec<Value>> {
        self.calls_of(calls, self.begin()?).await
    }

    /// The same for somebody who has begun already.
    pub(super) async fn calls_of(&self, calls: Vec<Call>, alive: Alive) -> Result<Vec<Value>> {
        let translate = self.translate.clone();
        self.run_of(alive, move |mut route| async move {
            let mut answers = Vec::with_capacity(calls.len());
            for call in &calls {
                let answer = evaluate(&mut route, call).await;
                answers.push(answer.map_err(|error| translate.error(&error))?);
            }
            Ok(answers)
        })
        .await
    }

    /// Does `work` with the connection, on the driver's thread.
    pub(super) async fn run<T, F>(
        &self,
        work: impl FnOnce(Route) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        self.run_of(self.begin()?, work).await
    }

    async fn run_of<T, F>(
        &self,
        alive: Alive,
        work: impl FnOnce(Route) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let (slot, nodes, prefix) = (self.route.clone(), self.nodes.clone(), self.prefix.clone());
        let examined = self.examined.clone();
        let (translate, lost) = (self.translate.clone(), self.translate.clone());
        let (answered, answer) = oneshot::channel();
        self.handle.spawn(async move {
            let _until_it_is_done = alive;
            let made = in_slot(&slot).clone();
            let route = made.get_or_try_init(|| async { Route::new(nodes, &prefix) });
            let done = match route.await.cloned() {
                Ok(route) => work(route).await,
                Err(error) => Err(translate.error(&error)),
            };
            if done.as_ref().is_err_and(is_unanswered) {
                replace(&slot, &made);
            }
            let first = done.is_ok() && !examined.swap(true, Ordering::Relaxed);
            // Nobody hears it when the caller has gone away.
            let _gone = answered.send(done);
            if let Some(mut route) = made.get().filter(|_| first).cloned() {
                doctor::warn(&mut route, &translate).await;
            }
        });
        answer.await.unwrap_or_else(|_| Err(stopped(lost.url())))
    }

    /// Has a loop run on the driver's thread for as long as the store is open.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }

    /// Waits on the driver's thread, so that the caller needs no timer of a runtime; `None` when it took
    /// longer, or the store was closed.
    pub(super) async fn in_time<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let bounded = async move { tokio::time::timeout(patience, work).await };
        self.handle.spawn(bounded).await.ok()?.ok()
    }

    pub(super) fn nodes(&self) -> &Arc<Nodes> {
        &self.nodes
    }

    /// Lets the thread end once what was begun is done.
    pub(super) fn close(&self) {
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        drop(alive.take());
    }

    /// Begins something: the store, if it is closed, waits for it.
    ///
    /// # Errors
    ///
    /// When it was closed before.
    pub(super) fn begin(&self) -> Result<Alive> {
        // A plain value that is replaced whole.
        let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        alive.clone().ok_or_else(|| stopped(self.translate.url()))
    }
}

type Slot = Mutex<Arc<OnceCell<Route>>>;

fn in_slot(slot: &Slot) -> MutexGuard<'_, Arc<OnceCell<Route>>> {
    // A plain value that is replaced whole.
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts another connection in the place of this one, unless somebody has.
fn replace(slot: &Slot, old: &Arc<OnceCell<Route>>) {
    let mut route = in_slot(slot);
    if Arc::ptr_eq(&route, old) {
        *route = Arc::default();
    }
}

/// Whether no answer came in time. The client goes on with such a connection, as with one on which the
/// server is only slow.
fn is_unanswered(error: &Error) -> bool {
    let source = std::error::Error::source(error);
    let said = source.and_then(|source| source.downcast_ref::<RedisError>());
    said.is_some_and(RedisError::is_timeout)
}

/// Calls the script by its hash; a server that does not know it (it was restarted, or flushed its scripts)
/// is sent the whole of it.
async fn evaluate(route: &mut Route, call: &Call) -> RedisResult<Value> {
    match route.send(&call.command).await {
        Err(error) if error.kind() == ServerErrorKind::NoScript.into() => {
            route.send(&call.whole()).await
        }
        answer => answer,
    }
}
