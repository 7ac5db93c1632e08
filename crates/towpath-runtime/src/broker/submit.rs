//! One message of a known task, on its way into the store.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use towpath_core::message::Start;
use towpath_core::{Draft, Error, Kind, MessageId, QueueName, Result, Retries, Timestamp};

use super::Broker;
use crate::results::Results;
use crate::task::{self, ErasedPolicy, Task};

/// A message of task `T`, not yet submitted: set what differs from the task's defaults, then await
/// it, or take the [`draft`](Submit::draft).
///
/// A value out of its limits is reported when it is awaited; nothing was written then.
#[must_use = "a message is submitted when this is awaited"]
pub struct Submit<'a, T: Task> {
    broker: &'a Broker,
    policy: Option<Arc<dyn ErasedPolicy>>,
    draft: Result<Draft>,
    types: PhantomData<fn(T)>,
}

impl<T: Task> std::fmt::Debug for Submit<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submit")
            .field("draft", &self.draft)
            .finish_non_exhaustive()
    }
}

impl<'a, T: Task> Submit<'a, T> {
    /// A message of `task` with its defaults.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers hand over a fresh tuple"
    )]
    pub fn new(broker: &'a Broker, task: &T, args: T::Args) -> Self {
        let draft = task::draft_with(task, &args, &broker.shared().codecs);
        Self {
            broker,
            policy: task.settings().policy.clone(),
            draft,
            types: PhantomData,
        }
    }

    fn set(mut self, set: impl FnOnce(&mut Draft) -> Result<()>) -> Self {
        self.draft = self
            .draft
            .and_then(|mut draft| set(&mut draft).map(|()| draft));
        self
    }

    /// Puts it into another queue.
    pub fn queue(self, queue: impl AsRef<str>) -> Self {
        self.set(|draft| {
            draft.queue = QueueName::new(queue)?;
            Ok(())
        })
    }

    /// Gives it that priority; lower runs first.
    pub fn priority(self, priority: u32) -> Self {
        self.set(|draft| {
            draft.priority = priority;
            Ok(())
        })
    }

    /// Starts it not before that long after the store accepts it.
    pub fn delay(self, delay: Duration) -> Self {
        self.set(|draft| {
            draft.start = Start::After(delay);
            Ok(())
        })
    }

    /// Starts it not before that time, on the store's clock.
    pub fn at(self, time: impl Into<Timestamp>) -> Self {
        self.set(|draft| {
            draft.start = Start::At(time.into());
            Ok(())
        })
    }

    /// Gives it an id of the caller's: the second submit of one id is refused as
    /// [`Kind::AlreadyExists`]. [`MessageId::from_text`] makes one from any text.
    pub fn id(self, id: MessageId) -> Self {
        self.set(|draft| {
            draft.id = id;
            Ok(())
        })
    }

    /// Attaches a value to it by name.
    pub fn metadata(self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.set(|draft| {
            let value = serde_json::to_value(value)
                .map_err(|e| Error::new(Kind::Codec, format!("the metadata is no JSON: {e}")))?;
            draft.options.metadata.insert(name.into(), value);
            Ok(())
        })
    }

    /// Gives it that many retries.
    pub fn max_retries(self, retries: impl Into<Retries>) -> Self {
        self.set(|draft| {
            draft.options.retries = retries.into();
            Ok(())
        })
    }

    /// Lets one attempt take that long.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set(|draft| {
            draft.options.timeout = timeout;
            Ok(())
        })
    }

    /// Waits like that before each retry.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "reads as the other options do"
    )]
    pub fn backoff(self, backoff: towpath_core::Backoff) -> Self {
        self.set(|draft| {
            draft.options.backoff = Some(Arc::new(backoff.settings()));
            Ok(())
        })
    }

    /// Keeps it and its result that long once it has succeeded.
    pub fn result_ttl(self, ttl: Duration) -> Self {
        self.set(|draft| {
            draft.options.result_ttl = Some(ttl);
            Ok(())
        })
    }

    /// Starts it no later than that long after its submit; then it is a dead letter.
    pub fn expires_in(self, time: Duration) -> Self {
        self.set(|draft| {
            draft.options.expires_in = Some(time);
            Ok(())
        })
    }

    /// Submits `next` in the step in which this message succeeds, with its result as
    /// [`previous_result`](crate::Context::previous_result). `next` may have a callback itself.
    pub fn callback(self, next: Draft) -> Self {
        self.set(|draft| {
            if draft.options.callback.is_some() {
                return Err(Error::invalid(
                    "the message already has a callback; chain them with Draft::chain",
                ));
            }
            draft.options.callback = Some(Box::new(next));
            Ok(())
        })
    }

    /// Hands it the result of a message before it, as a callback gets it.
    pub fn previous_result(self, payload: towpath_core::Payload) -> Self {
        self.set(|draft| {
            draft.previous_result = Some(payload);
            Ok(())
        })
    }

    /// The draft, without submitting it: for callbacks and for [`Broker::submit_many`].
    ///
    /// # Errors
    ///
    /// The first option that was out of its limits.
    pub fn draft(self) -> Result<Draft> {
        let draft = self.draft?;
        draft.check()?;
        Ok(draft)
    }

    async fn submit(self) -> Result<Submitted<T::Output>> {
        let Self {
            broker,
            policy,
            draft,
            ..
        } = self;
        let draft = draft?;
        let known = broker.shared().registry.get(&draft.task).is_some();
        // A task registered in this app has its hook run by the broker.
        let hook = policy
            .filter(|_| !known)
            .map(|policy| (policy, draft.clone()));
        let id = broker.submit(draft).await?;
        if let Some((policy, draft)) = hook {
            let hook = || policy.on_submit(&draft);
            task::run_hook(broker.shared(), "on_submit", hook).await;
        }
        Ok(Submitted {
            id,
            results: broker.results(),
            output: PhantomData,
        })
    }
}

impl<'a, T: Task> IntoFuture for Submit<'a, T> {
    type Output = Result<Submitted<T::Output>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.submit())
    }
}

/// A message that the store has accepted, and the type of its result.
#[derive(Debug, Clone)]
pub struct Submitted<T> {
    id: MessageId,
    results: Results,
    output: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Submitted<T> {
    /// Its id.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Waits for the result, which stays in the store.
    ///
    /// # Errors
    ///
    /// As [`Results::get`].
    pub async fn result(&self, timeout: Duration) -> Result<T> {
        self.results.get(self.id, timeout).await
    }

    /// Waits for the result and deletes it from the store.
    ///
    /// # Errors
    ///
    /// As [`Results::take`].
    pub async fn take(self, timeout: Duration) -> Result<T> {
        self.results.take(self.id, timeout).await
    }
}
