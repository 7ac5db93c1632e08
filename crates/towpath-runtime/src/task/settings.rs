//! The name and the defaults of a task.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use towpath_core::{
    Backoff, BackoffSettings, CodecName, Draft, Mechanism, Options, Payload, QueueName, Result,
    Retries, TaskName,
};

use super::{ErasedPolicy, Policy};

/// The name of a task and the defaults of its messages.
///
/// Built in one chain; a value out of its limits is reported when the task is registered or first
/// submitted, so the chain itself never fails.
#[derive(Clone)]
pub struct TaskSettings {
    name: Result<TaskName>,
    queue: Result<QueueName>,
    pub(crate) codec: Option<CodecName>,
    codec_problem: Option<towpath_core::Error>,
    timeout: Duration,
    retries: Retries,
    backoff: Option<Arc<BackoffSettings>>,
    mechanism: Mechanism,
    priority: u32,
    result_ttl: Option<Duration>,
    named_only: bool,
    pub(crate) policy: Option<Arc<dyn ErasedPolicy>>,
}

impl TaskSettings {
    /// A task of that name, with every default of the library: queue `default`, 3 retries with
    /// exponential backoff, a timeout of 1 hour, mechanism async.
    pub fn new(name: impl AsRef<str>) -> Self {
        let defaults = Options::default();
        Self {
            name: TaskName::new(name),
            queue: Ok(QueueName::default()),
            codec: None,
            codec_problem: None,
            timeout: defaults.timeout,
            retries: defaults.retries,
            backoff: None,
            mechanism: defaults.mechanism,
            priority: 0,
            result_ttl: None,
            named_only: false,
            policy: None,
        }
    }

    /// The queue its messages stand in.
    #[must_use]
    pub fn queue(mut self, queue: impl AsRef<str>) -> Self {
        self.queue = QueueName::new(queue);
        self
    }

    /// How long one attempt may take (1 hour).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many retries a message has (3); [`Retries::Unlimited`] for as many as it takes.
    #[must_use]
    pub fn max_retries(mut self, retries: impl Into<Retries>) -> Self {
        self.retries = retries.into();
        self
    }

    /// How long to wait before each retry.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "reads as the other settings do"
    )]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(Arc::new(backoff.settings()));
        self
    }

    /// Whether its body waits (async) or blocks (thread).
    #[must_use]
    pub fn mechanism(mut self, mechanism: Mechanism) -> Self {
        self.mechanism = mechanism;
        self
    }

    /// The priority of its messages (0); lower runs first.
    #[must_use]
    pub fn priority(mut self, priority: u32) -> Self {
        self.priority = priority;
        self
    }

    /// How long a succeeded message and its result are kept, instead of the store's retention.
    #[must_use]
    pub fn result_ttl(mut self, ttl: Duration) -> Self {
        self.result_ttl = Some(ttl);
        self
    }

    /// The codec of its payloads and results (`json`).
    #[must_use]
    pub fn codec(mut self, codec: impl AsRef<str>) -> Self {
        match CodecName::new(codec) {
            Ok(codec) => self.codec = Some(codec),
            Err(problem) => self.codec_problem = Some(problem),
        }
        self
    }

    /// Its arguments are passed by name only: an array is refused.
    #[must_use]
    pub fn named_only(mut self) -> Self {
        self.named_only = true;
        self
    }

    /// Its hooks and its decisions about retry and callback.
    #[must_use]
    pub fn policy(mut self, policy: impl Policy) -> Self {
        self.policy = Some(Arc::new(policy));
        self
    }

    /// The task's name.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`](towpath_core::Kind::Invalid) when the name was out of its limits.
    pub fn name(&self) -> Result<&TaskName> {
        self.name.as_ref().map_err(Clone::clone)
    }

    /// How its body is run.
    pub fn get_mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Whether its arguments are passed by name only.
    pub fn is_named_only(&self) -> bool {
        self.named_only
    }

    /// A draft of this task with these arguments and the task's defaults.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`](towpath_core::Kind::Invalid) when a setting was out of its limits.
    pub fn draft(&self, payload: Payload) -> Result<Draft> {
        if let Some(problem) = &self.codec_problem {
            return Err(problem.clone());
        }
        let mut draft = Draft::new(self.name()?.clone(), payload);
        draft.queue = self.queue.clone()?;
        draft.priority = self.priority;
        draft.options = Options {
            timeout: self.timeout,
            retries: self.retries,
            backoff: self.backoff.clone(),
            mechanism: self.mechanism,
            result_ttl: self.result_ttl,
            ..Options::default()
        };
        Ok(draft)
    }
}

impl fmt::Debug for TaskSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSettings")
            .field("name", &self.name)
            .field("queue", &self.queue)
            .field("mechanism", &self.mechanism)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}
