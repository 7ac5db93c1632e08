//! An application: its store, its tasks, and the data they share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use towpath_core::backoff::{Backoffs, Build};
use towpath_core::store::Retention;
use towpath_core::{Clock, Codec, Codecs, Error, Result, Store, SystemClock, TaskName, limits};

use crate::broker::Broker;
use crate::data::DataMap;
use crate::delivery::ConsumerBuilder;
use crate::locks::Renewer;
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::scopes::AttemptScopes;
use crate::task::{Task, TaskSettings};
use crate::worker::WorkerBuilder;

/// The limits that an app may choose; beyond them a submit is refused before anything is written.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest payload in bytes (1 MiB).
    pub payload_bytes: usize,
    /// Largest result in bytes (1 MiB); a larger one is not kept, and the message has succeeded.
    pub result_bytes: usize,
    /// Longest chain of callbacks (32).
    pub callback_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes: limits::PAYLOAD_BYTES,
            result_bytes: limits::RESULT_BYTES,
            callback_depth: limits::CALLBACK_DEPTH,
        }
    }
}

/// What is told of errors that no caller waits for.
pub(crate) type OnError = Arc<dyn Fn(&Error) + Send + Sync>;

/// All that broker, workers and handlers of one app share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) codecs: Codecs,
    pub(crate) backoffs: Backoffs,
    pub(crate) limits: Limits,
    /// How long a submit waits for a store that is out of reach.
    pub(crate) patience: Duration,
    pub(crate) registry: Registry,
    pub(crate) data: DataMap,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) on_error: Option<OnError>,
    pub(crate) renewer: Arc<Renewer>,
    /// Where attempts promise clean-up.
    pub(crate) scopes: Option<Arc<dyn AttemptScopes>>,
    /// The first thing that went wrong while the app was put together.
    pub(crate) problem: Option<Error>,
}

impl Shared {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Self {
            renewer: Arc::new(Renewer::new(store.clone(), clock.clone())),
            store,
            clock,
            codecs: Codecs::default(),
            backoffs: Backoffs::default(),
            limits: Limits::default(),
            patience: Duration::ZERO,
            registry: Registry::default(),
            data: DataMap::default(),
            metrics: Arc::default(),
            on_error: None,
            scopes: None,
            problem: None,
        }
    }

    /// Reports an error that no caller waits for.
    pub(crate) fn report(&self, error: &Error) {
        self.metrics.errors(1);
        tracing::error!(kind = error.kind().as_str(), "{error}");
        if let Some(on_error) = &self.on_error {
            on_error(error);
        }
    }
}

/// An application: a store, the tasks that its workers run, and the data they share.
///
/// Put together in one chain; what is wrong in it (two tasks of one name, a name out of its limits)
/// is reported by [`check`](App::check) and by everything that starts. Cloning is cheap.
///
/// ```
/// use std::sync::Arc;
/// use towpath_runtime::{App, Context, TaskSettings, from_fn};
/// # use towpath_core::SystemClock; use towpath_stores::memory::MemoryStore;
/// # let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
/// let greet = from_fn(TaskSettings::new("greet"), |name: String, _: Context| async move {
///     Ok::<_, towpath_runtime::TaskError>(format!("Hello, {name}!"))
/// });
/// let app = App::new(store).task(greet);
/// assert!(app.check().is_ok());
/// ```
#[derive(Clone)]
pub struct App {
    shared: Arc<Shared>,
}

impl App {
    /// An app on `store`, without tasks.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            shared: Arc::new(Shared::new(store)),
        }
    }

    /// The same app on another store.
    #[must_use]
    pub fn on(self, store: Arc<dyn Store>) -> Self {
        self.with(|shared| {
            shared.renewer = Arc::new(Renewer::new(store.clone(), shared.clock.clone()));
            shared.store = store;
            Ok(())
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Shared) -> Result<()>) -> Self {
        let shared = Arc::make_mut(&mut self.shared);
        if let Err(problem) = change(shared) {
            shared.problem.get_or_insert(problem);
        }
        self
    }

    /// Adds a task that its workers run.
    #[must_use]
    pub fn task(self, task: impl Task) -> Self {
        self.with(|shared| shared.registry.insert(task))
    }

    /// Adds data that handlers take as [`Data<T>`](crate::Data). A second value of one type replaces
    /// the first.
    #[must_use]
    pub fn data<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.with(|shared| {
            shared.data.insert(Arc::new(value));
            Ok(())
        })
    }

    /// Adds a codec of the user's own; JSON and MessagePack are always there.
    #[must_use]
    pub fn codec(self, codec: impl Codec) -> Self {
        self.with(|shared| shared.codecs.register(Arc::new(codec)))
    }

    /// Adds a backoff formula of the user's own, by the name in its settings.
    #[must_use]
    pub fn backoff(
        self,
        algorithm: &str,
        parameters: &'static [&'static str],
        build: Build,
    ) -> Self {
        self.with(|shared| shared.backoffs.register(algorithm, parameters, build))
    }

    /// Replaces the limits on payloads, results and callbacks.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.with(|shared| {
            shared.limits = limits;
            Ok(())
        })
    }

    /// Says how long finished messages are kept, instead of 24 hours and 7 days.
    #[must_use]
    pub fn retention(self, retention: Retention) -> Self {
        self.shared.store.set_retention(retention);
        self
    }

    /// Calls `f` with every error that no caller waits for: a store out of reach, a settle refused,
    /// a hook that panicked. They are logged in any case.
    #[must_use]
    pub fn on_error(self, f: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.with(|shared| {
            shared.on_error = Some(Arc::new(f));
            Ok(())
        })
    }

    /// Says where attempts promise clean-up that outlives their process ([`Context::defer`](crate::Context::defer)):
    /// a `towpath::deferred::StateDir` (feature `files`). Without it they cannot, and it costs nothing.
    ///
    /// What dead workers have left there is run before a worker of this app claims anything, and every few seconds.
    #[must_use]
    pub fn scopes(self, scopes: impl AttemptScopes) -> Self {
        self.with(|shared| {
            shared.scopes = Some(Arc::new(scopes));
            Ok(())
        })
    }

    /// Whether attempts can promise clean-up.
    pub fn has_scopes(&self) -> bool {
        self.shared.scopes.is_some()
    }

    /// Replaces the clock by which attempts are measured; for tests, together with the store's.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        self.with(|shared| {
            shared.clock = clock;
            Ok(())
        })
    }

    /// Whether the app is put together well: no two tasks of one name, every name and setting within
    /// its limits, all data there that tasks take.
    ///
    /// # Errors
    ///
    /// The first problem: [`Kind::TaskNameCollision`](towpath_core::Kind::TaskNameCollision),
    /// [`Kind::MissingData`](towpath_core::Kind::MissingData), or
    /// [`Kind::Invalid`](towpath_core::Kind::Invalid).
    pub fn check(&self) -> Result<()> {
        if let Some(problem) = &self.shared.problem {
            return Err(problem.clone());
        }
        self.shared.registry.check_data(&self.shared.data)
    }

    /// What producers hold: submits messages and changes them.
    pub fn broker(&self) -> Broker {
        Broker::of(self.shared.clone())
    }

    /// The store of the app.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// The names of its tasks, in order.
    pub fn task_names(&self) -> Vec<TaskName> {
        self.shared
            .registry
            .iter()
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The settings of the task of that name.
    pub fn task_settings(&self, name: &TaskName) -> Option<&TaskSettings> {
        self.shared.registry.get(name).map(|task| task.settings())
    }

    /// The codecs that it knows.
    pub fn codecs(&self) -> &Codecs {
        &self.shared.codecs
    }

    /// The backoff formulas that it knows.
    pub fn backoffs(&self) -> &Backoffs {
        &self.shared.backoffs
    }

    /// What its workers have counted in this process.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// A worker that runs the app's tasks, not yet started.
    pub fn worker(&self) -> WorkerBuilder {
        WorkerBuilder::new(self.shared.clone())
    }

    /// Runs everything that is ready, one message after the other, and ends: no worker, no threads,
    /// no heartbeat. At most `max` attempts; answers how many ran. Scheduled messages that are due
    /// are included.
    ///
    /// For tests and small programs; a [`Worker`](crate::Worker) runs many at once and survives more.
    ///
    /// # Errors
    ///
    /// What [`check`](App::check) finds, and what the store says.
    pub async fn run_ready(&self, max: usize) -> Result<usize> {
        self.check()?;
        crate::worker::run_ready(self.shared.clone(), max).await
    }

    /// A consumer that hands out messages to run by hand, not yet started.
    pub fn consumer(&self) -> ConsumerBuilder {
        ConsumerBuilder::new(self.shared.clone())
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("store", &self.shared.store)
            .field("tasks", &self.task_names())
            .finish_non_exhaustive()
    }
}
