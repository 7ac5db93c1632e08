//! What a worker listens to and how much it runs at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use towpath_core::store::Selection;
use towpath_core::{Error, Kind, Mechanism, QueueName, Result, TaskName, limits};

use super::clean_up;
use super::exchange::Exchange;
use super::handle::Worker;
use super::pool::Pool;
use super::shutdown::Phases;
use super::tenancy::Tenancy;
use super::upkeep::{self, UpkeepConfig};
use crate::app::Shared;

/// What a worker or consumer listens to. Names match exactly.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Listen {
    /// Every queue, the non-empty ones in turn.
    #[default]
    All,
    /// These queues, in strict order of preference.
    Queues(Vec<QueueName>),
    /// These tasks of these queues: strict by queue, then by the order of the tasks, then priority.
    Tasks(Vec<(QueueName, Vec<TaskName>)>),
}

impl Listen {
    /// For people: what is listened to.
    pub(crate) fn describe(&self) -> String {
        let join = |names: &[TaskName]| {
            names
                .iter()
                .map(TaskName::as_str)
                .collect::<Vec<_>>()
                .join("+")
        };
        let text = match self {
            Listen::All => "all queues".to_owned(),
            Listen::Queues(queues) => queues
                .iter()
                .map(QueueName::as_str)
                .collect::<Vec<_>>()
                .join(", "),
            Listen::Tasks(subset) => {
                let one = |(queue, tasks): &(QueueName, Vec<TaskName>)| {
                    format!("{queue}={}", join(tasks))
                };
                subset.iter().map(one).collect::<Vec<_>>().join(", ")
            }
        };
        limits::cut(&text, limits::NAME_BYTES)
    }

    /// The part of it that concerns `tasks`; `None` when nothing is left.
    pub(crate) fn selection(&self, tasks: &[TaskName]) -> Option<Selection> {
        if tasks.is_empty() {
            return None;
        }
        match self {
            Listen::All => Some(Selection::Any {
                tasks: tasks.to_vec(),
            }),
            Listen::Queues(queues) => Some(Selection::Queues {
                queues: queues.clone(),
                tasks: tasks.to_vec(),
            }),
            Listen::Tasks(subset) => {
                let known = |wanted: &Vec<TaskName>| -> Vec<TaskName> {
                    wanted
                        .iter()
                        .filter(|name| tasks.contains(name))
                        .cloned()
                        .collect()
                };
                let subset = subset
                    .iter()
                    .map(|(queue, wanted)| (queue.clone(), known(wanted)));
                let subset: Vec<_> = subset.filter(|(_, tasks)| !tasks.is_empty()).collect();
                (!subset.is_empty()).then_some(Selection::Tasks(subset))
            }
        }
    }

    /// Refuses doubles, and tasks that the app does not have.
    pub(crate) fn check(&self, shared: &Shared) -> Result<()> {
        let queues: Vec<&QueueName> = match self {
            Listen::All => return Ok(()),
            Listen::Queues(queues) => queues.iter().collect(),
            Listen::Tasks(subset) => subset.iter().map(|(queue, _)| queue).collect(),
        };
        if queues.is_empty() {
            return Err(Error::invalid(
                "the list of queues is empty; name one, or listen to all",
            ));
        }
        if let Some((i, twice)) = queues
            .iter()
            .enumerate()
            .find(|(i, q)| queues[..*i].contains(q))
        {
            return Err(Error::invalid(format!(
                "queue {twice:?} stands twice in the list (again at {})",
                i + 1
            )));
        }
        let Listen::Tasks(subset) = self else {
            return Ok(());
        };
        let mut wanted = subset.iter().flat_map(|(_, tasks)| tasks);
        match wanted.find(|name| shared.registry.get(name).is_none()) {
            Some(unknown) => Err(Error::invalid(format!(
                "task {unknown:?} is not one of this program"
            ))),
            None => Ok(()),
        }
    }
}

/// A worker that is being set up. [`start`](WorkerBuilder::start) sets it going.
#[derive(Clone)]
pub struct WorkerBuilder {
    shared: Arc<Shared>,
    listen: Listen,
    concurrency: usize,
    threads: usize,
    prefetch: usize,
    lease: Duration,
    beat: Duration,
    grace: Duration,
    upkeep: UpkeepConfig,
}

impl std::fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("listen", &self.listen)
            .field("concurrency", &self.concurrency)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl WorkerBuilder {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            listen: Listen::All,
            concurrency: 64,
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            prefetch: 500,
            lease: limits::LEASE,
            beat: limits::HEARTBEAT,
            grace: Duration::from_secs(30),
            upkeep: UpkeepConfig::default(),
        }
    }

    /// What to listen to (all queues).
    #[must_use]
    pub fn listen(mut self, listen: Listen) -> Self {
        self.listen = listen;
        self
    }

    /// Listens to these queues, in strict order of preference.
    ///
    /// # Panics
    ///
    /// When a name is out of its limits; use [`listen`](WorkerBuilder::listen) for names from outside.
    #[must_use]
    pub fn queues<Q: AsRef<str>>(self, queues: impl IntoIterator<Item = Q>) -> Self {
        let name = |queue: Q| QueueName::new(queue).unwrap_or_else(|e| panic!("{e}"));
        self.listen(Listen::Queues(queues.into_iter().map(name).collect()))
    }

    /// How many attempts of async tasks run at once (64). Each costs a little memory, no thread.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// How many attempts of blocking tasks run at once (as many as there are cores). Each has a
    /// thread of its own.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// How many messages may be claimed beyond what runs (500): an upper limit, the worker claims
    /// only as far ahead as it got through in the last 50 ms. With 0 messages run in the exact order
    /// of the store, at the price of one step of the store per message.
    #[must_use]
    pub fn prefetch(mut self, prefetch: usize) -> Self {
        self.prefetch = prefetch;
        self
    }

    /// How long a lease lasts without renewal (10 s), and how often it is renewed (2.5 s). A dead
    /// worker's messages run elsewhere within the lease and a second; a heartbeat is one write.
    #[must_use]
    pub fn lease(mut self, lease: Duration, renew_every: Duration) -> Self {
        (self.lease, self.beat) = (lease, renew_every);
        self
    }

    /// How long running attempts may go on when the worker stops (30 s); then they are given back.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How often the store's records are checked against its structures, and mended (1 hour); `None`
    /// never.
    #[must_use]
    pub fn audit_every(mut self, interval: Option<Duration>) -> Self {
        self.upkeep.audit_every = interval;
        self
    }

    fn check(&self) -> Result<()> {
        if let Some(problem) = &self.shared.problem {
            return Err(problem.clone());
        }
        self.shared.registry.check_data(&self.shared.data)?;
        self.listen.check(&self.shared)?;
        for (what, count) in [
            ("concurrency", self.concurrency),
            ("number of threads", self.threads),
        ] {
            if !(1..=100_000).contains(&count) {
                return Err(Error::invalid(format!(
                    "the {what} is {count}; it must be 1 to 100000"
                )));
            }
        }
        check_lease(self.lease, self.beat)
    }

    /// Starts the worker: runs the deferred functions that dead workers have left, joins the store, and claims from then on.
    ///
    /// Must be called within a tokio runtime that has its time driver on.
    ///
    /// # Errors
    ///
    /// [`Kind::NoTasks`] when the app has no task that is listened to; what [`App::check`] finds;
    /// [`Kind::Invalid`] for settings out of their limits; what the state directory and the store say.
    ///
    /// [`App::check`]: crate::App::check
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave an incarnation behind in the store, which holds nothing and
    /// ends with its lease.
    pub async fn start(self) -> Result<Worker> {
        self.check()?;
        let phases = Phases::new();
        let pools = self.pools(&phases)?;
        clean_up::orphans(&self.shared).await?;
        let (tenancy, heartbeat) = Tenancy::begin(
            self.shared.clone(),
            self.listen.describe(),
            self.lease,
            self.beat,
        )
        .await?;
        let mut exchanges = JoinSet::new();
        let mut probes = Vec::new();
        let mut started = Vec::new();
        for (pool, ended, selection) in pools {
            pool.start();
            started.push(pool.clone());
            let (tenancy, phases) = (tenancy.clone(), phases.clone());
            let exchange = Exchange::new(tenancy, pool, ended, selection, self.prefetch, phases);
            probes.push(exchange.probe());
            exchanges.spawn(exchange.run());
        }
        let mut upkeep = upkeep::start(&tenancy, &started, &phases, &self.upkeep);
        upkeep.spawn(tenancy.clone().keep(phases.clone()));
        Ok(Worker::new(
            tenancy, heartbeat, phases, exchanges, upkeep, started, probes, self.grace,
        ))
    }

    /// One pool per mechanism that has tasks to listen to.
    #[expect(
        clippy::type_complexity,
        reason = "the parts of one exchange, taken apart at once"
    )]
    fn pools(
        &self,
        phases: &Phases,
    ) -> Result<
        Vec<(
            Arc<Pool>,
            tokio::sync::mpsc::UnboundedReceiver<super::finished::Finished>,
            Arc<Selection>,
        )>,
    > {
        let tasks_of = |mechanism: Mechanism| -> Vec<TaskName> {
            let tasks = self.shared.registry.iter();
            let of = tasks.filter(|(_, task)| task.settings().get_mechanism() == mechanism);
            of.map(|(name, _)| name.clone()).collect()
        };
        let sizes = [
            (Mechanism::Async, self.concurrency),
            (Mechanism::Thread, self.threads),
        ];
        let pools: Vec<_> = sizes
            .into_iter()
            .filter_map(|(mechanism, slots)| {
                let selection = self.listen.selection(&tasks_of(mechanism))?;
                let (pool, ended) =
                    Pool::new(self.shared.clone(), mechanism, slots, phases.clone());
                Some((pool, ended, Arc::new(selection)))
            })
            .collect();
        if pools.is_empty() {
            return Err(Error::new(
                Kind::NoTasks,
                "the worker has no task to run; add one with .task(…)",
            ));
        }
        Ok(pools)
    }
}

pub(crate) fn check_lease(lease: Duration, beat: Duration) -> Result<()> {
    if beat.is_zero() || lease < beat * 2 || lease > Duration::from_secs(3_600) {
        return Err(Error::invalid(format!(
            "the lease is {lease:?}, renewed every {beat:?}; it must be at least twice as long as that and at most 1 hour"
        )));
    }
    Ok(())
}
