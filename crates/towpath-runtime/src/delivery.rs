//! Messages handed out to be run by hand.

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use towpath_core::retry::{self, Next};
use towpath_core::store::{
    Claim, Note, Selection, Settle, SettleRequest, Standing, StoredResult, Topic, Verdict,
};
use towpath_core::{
    AttemptError, Backoff, FailReason, Message, Payload, Record, Result, TaskName, Timestamp,
    Token, limits,
};

use crate::app::Shared;
use crate::cancel::Canceller;
use crate::locks::{Linked, LockGuard};
use crate::worker::doubt::{Doubt, give_back_unknown};
use crate::worker::{Heartbeat, Listen, Phase, Phases, Tenancy, Tenure, check_lease};

/// A consumer that is being set up: for programs that run messages in their own way.
///
/// Most programs want a [`Worker`](crate::Worker), which does all of this by itself.
#[derive(Clone)]
pub struct ConsumerBuilder {
    shared: Arc<Shared>,
    listen: Listen,
    tasks: Vec<TaskName>,
    buffer: usize,
    lease: Duration,
    beat: Duration,
}

impl fmt::Debug for ConsumerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerBuilder")
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl ConsumerBuilder {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let tasks = shared
            .registry
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        let (lease, beat) = (limits::LEASE, limits::HEARTBEAT);
        Self {
            shared,
            listen: Listen::All,
            tasks,
            buffer: 1,
            lease,
            beat,
        }
    }

    /// What to listen to (all queues).
    #[must_use]
    pub fn listen(mut self, listen: Listen) -> Self {
        self.listen = listen;
        self
    }

    /// Which tasks to take (those of the app). They need no handler here.
    #[must_use]
    pub fn tasks(mut self, tasks: Vec<TaskName>) -> Self {
        self.tasks = tasks;
        self
    }

    /// How many messages to claim at once (1). Those that wait in the stream are held under the lease.
    #[must_use]
    pub fn buffer(mut self, buffer: usize) -> Self {
        self.buffer = buffer.clamp(1, limits::BATCH);
        self
    }

    /// How long the lease lasts without renewal (10 s), and how often it is renewed (2.5 s).
    #[must_use]
    pub fn lease(mut self, lease: Duration, renew_every: Duration) -> Self {
        (self.lease, self.beat) = (lease, renew_every);
        self
    }

    /// Starts to claim. Leases are renewed for as long as the stream lives.
    ///
    /// # Errors
    ///
    /// [`Kind::NoTasks`](towpath_core::Kind::NoTasks) without a task to take,
    /// [`Kind::Invalid`](towpath_core::Kind::Invalid) for settings out of their limits, and what the
    /// store says.
    pub async fn stream(self) -> Result<Deliveries> {
        if let Some(problem) = &self.shared.problem {
            return Err(problem.clone());
        }
        check_lease(self.lease, self.beat)?;
        let selection = self.listen.selection(&self.tasks).ok_or_else(|| {
            towpath_core::Error::new(
                towpath_core::Kind::NoTasks,
                "the consumer has no task to take",
            )
        })?;
        let (tenancy, heartbeat) = Tenancy::begin(
            self.shared.clone(),
            self.listen.describe(),
            self.lease,
            self.beat,
        )
        .await?;
        let phases = Phases::new();
        let (sender, receiver) = mpsc::channel(self.buffer);
        tokio::spawn(tenancy.clone().keep(phases.clone()));
        let feed = Feed {
            tenancy: tenancy.clone(),
            phases: phases.clone(),
            sender,
            buffer: self.buffer,
            known: Arc::default(),
        };
        tokio::spawn(feed.run(Arc::new(selection)));
        Ok(Deliveries {
            receiver,
            tenancy,
            phases,
            heartbeat: Some(heartbeat),
        })
    }
}

/// Claims what the stream has room for.
struct Feed {
    tenancy: Arc<Tenancy>,
    phases: Phases,
    sender: mpsc::Sender<Delivery>,
    buffer: usize,
    known: Arc<Known>,
}

/// What was claimed and has not ended, as the feed and its deliveries know it.
#[derive(Default)]
struct Known {
    /// Held for one insertion or removal.
    tokens: Mutex<HashSet<Token>>,
    /// Whether the store may say that something is held that is not known here any more.
    in_doubt: AtomicBool,
}

impl Known {
    fn tokens(&self) -> MutexGuard<'_, HashSet<Token>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A delivery is over, as far as this side can tell.
    fn ended<T>(&self, token: Token, told: &Result<T>) {
        self.tokens().remove(&token);
        if told.as_ref().is_err_and(towpath_core::Error::is_transient) {
            self.in_doubt.store(true, Ordering::Release);
        }
    }
}

impl Feed {
    async fn run(self, selection: Arc<Selection>) {
        let shared = self.tenancy.shared().clone();
        let mut watch = shared.store.watch(Topic::Work);
        let mut turn = 0;
        let mut doubt = Doubt::default();
        while self.phases.current() == Phase::Running {
            let tenure = self.tenancy.good().await;
            if self.known.in_doubt.swap(false, Ordering::AcqRel) {
                doubt.raise();
            }
            if doubt.is_due() {
                self.look_for_unknown(&tenure, &mut doubt).await;
            }
            // Waits for room first: what is claimed is handed on at once.
            let Ok(permits) = self.sender.reserve_many(self.buffer).await else {
                return;
            };
            turn += 1;
            let (incarnation, max, selection) = (tenure.id, self.buffer, selection.clone());
            match shared
                .store
                .claim(Claim {
                    incarnation,
                    max,
                    enough: max,
                    selection,
                    turn,
                })
                .await
            {
                Ok(claimed) if claimed.is_empty() => {
                    drop(permits);
                    tokio::select! {
                        () = watch.changed() => {}
                        () = tokio::time::sleep(shared.store.capabilities().fallback_poll) => {}
                        () = self.phases.reached(Phase::Stopping) => {}
                        () = self.sender.closed() => return,
                    }
                }
                Ok(claimed) => {
                    let deliveries = claimed
                        .into_iter()
                        .map(|m| Delivery::new(&shared, &tenure, &self.known, m));
                    permits
                        .zip(deliveries)
                        .for_each(|(permit, delivery)| permit.send(delivery));
                }
                Err(error) => {
                    drop(permits);
                    shared.report(&error.clone().about("claiming"));
                    if error.kind() == towpath_core::Kind::LeaseLost {
                        tenure.lose();
                        doubt.settle();
                    } else if error.is_transient() {
                        doubt.raise();
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }
}

impl Feed {
    /// Gives back what a claim handed out whose answer was lost. Nothing is being claimed meanwhile.
    async fn look_for_unknown(&self, tenure: &Tenure, doubt: &mut Doubt) {
        let is_unknown = |record: &Record| !self.known.tokens().contains(&record.token());
        let shared = self.tenancy.shared();
        match give_back_unknown(shared, tenure, is_unknown).await {
            Ok(_) => doubt.looked(),
            Err(error) => {
                shared.report(&error.about("looking for what a lost claim handed out"));
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Messages as they are claimed: a [`Stream`](futures_core::Stream), and
/// [`next`](Deliveries::next) for those who need no combinators.
///
/// Dropping it gives back what waits in it, and leaves the store.
pub struct Deliveries {
    receiver: mpsc::Receiver<Delivery>,
    tenancy: Arc<Tenancy>,
    phases: Phases,
    heartbeat: Option<Heartbeat>,
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").finish_non_exhaustive()
    }
}

impl Deliveries {
    /// The next message; waits for one. `None` only after the consumer was stopped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Delivery> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<Delivery>> {
        let next = std::task::ready!(self.receiver.poll_recv(cx));
        // Counts as started from here: the caller has it now.
        Poll::Ready(next.inspect(Delivery::start))
    }

    /// Stops claiming and leaves the store; deliveries that are still held lose their lease.
    ///
    /// # Errors
    ///
    /// What the store says to the farewell.
    pub async fn stop(mut self) -> Result<()> {
        self.phases.advance(Phase::Stopping);
        self.receiver.close();
        while self.receiver.recv().await.is_some() {}
        let farewell = self.tenancy.leave().await;
        if let Some(mut heartbeat) = self.heartbeat.take() {
            let _ = tokio::task::spawn_blocking(move || heartbeat.stop()).await;
        }
        farewell
    }
}

impl futures_core::Stream for Deliveries {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Delivery>> {
        self.poll(cx)
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.phases.advance(Phase::Stopping);
    }
}

/// One message, held under a lease until it is settled. Dropping it gives it back.
///
/// It has no scope for deferred functions, as the [`Context`](crate::Context) of an attempt has: a program that runs messages by
/// hand opens one by itself, with a `towpath::deferred::Manager`.
pub struct Delivery {
    shared: Arc<Shared>,
    tenure: Arc<Tenure>,
    /// Where it stands until it has ended.
    known: Arc<Known>,
    message: Message,
    started_at: Timestamp,
    linked: Linked,
    settled: bool,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("token", &self.token())
            .finish_non_exhaustive()
    }
}

impl Delivery {
    fn new(
        shared: &Arc<Shared>,
        tenure: &Arc<Tenure>,
        known: &Arc<Known>,
        message: Message,
    ) -> Self {
        let started_at = shared.clock.now();
        known.tokens().insert(message.token());
        Self {
            shared: shared.clone(),
            tenure: tenure.clone(),
            known: known.clone(),
            message,
            started_at,
            linked: Linked::default(),
            settled: false,
        }
    }

    fn start(&self) {
        self.tenure.started(self.token(), Canceller::new().0);
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Proof of this claim.
    pub fn token(&self) -> Token {
        self.message.token()
    }

    /// Its arguments.
    ///
    /// # Errors
    ///
    /// [`Kind::Codec`](towpath_core::Kind::Codec) when they are not a `T`.
    pub fn args<T: DeserializeOwned>(&self) -> Result<T> {
        self.shared.codecs.decode(&self.message.draft.payload)
    }

    /// Whether the lease is still good as far as this side can tell.
    pub fn is_held(&self) -> bool {
        !self.tenure.is_lost() && !self.tenure.has_run_out()
    }

    /// Asks the store whether it is still held. The lease is renewed by itself for as long as the
    /// stream lives; ask before a step that cannot be taken back.
    ///
    /// # Errors
    ///
    /// [`Kind::LeaseLost`](towpath_core::Kind::LeaseLost) when it is not, and what the store says.
    pub async fn extend(&self) -> Result<()> {
        let token = self.token();
        let standing = self
            .shared
            .store
            .standing(self.tenure.id, vec![token])
            .await?;
        if standing == [Standing::Held] {
            return Ok(());
        }
        let text = format!("message {token} is not held any more");
        Err(towpath_core::Error::new(
            towpath_core::Kind::LeaseLost,
            text,
        ))
    }

    /// Tells readers how far it has come, and that it is being worked on.
    ///
    /// # Errors
    ///
    /// [`Kind::LeaseLost`](towpath_core::Kind::LeaseLost) when it is no longer held.
    pub async fn progress(&self, details: serde_json::Value) -> Result<()> {
        self.shared
            .store
            .note(self.tenure.id, self.token(), Note::Details(details))
            .await
    }

    /// Has a lock end with this delivery: it is renewed until then, and released in the same step in which
    /// the store accepts the end, whatever that is.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`](towpath_core::Kind::Invalid) for more than 16 locks; this one is released then.
    pub fn link_lock(&self, guard: LockGuard) -> Result<()> {
        self.linked.add(guard)
    }

    /// Ends it as succeeded, with this result, and submits its callback in the same step.
    ///
    /// # Errors
    ///
    /// [`Kind::LeaseLost`](towpath_core::Kind::LeaseLost) when it is no longer held: somebody else
    /// may have run it. What the store says; the message is then still held, and is given back once the
    /// store serves again.
    pub async fn ack(self, result: impl Serialize) -> Result<()> {
        let output = self
            .shared
            .codecs
            .encode(self.message.draft.payload.codec(), &result)?;
        let limit = self.shared.limits.result_bytes;
        let verdict = done(&self.message, output, limit);
        self.settle(verdict).await
    }

    /// Ends it as failed for good: it becomes a dead letter.
    ///
    /// # Errors
    ///
    /// As [`ack`](Delivery::ack).
    pub async fn fail(self, error: AttemptError) -> Result<()> {
        self.settle(Verdict::Fail {
            reason: FailReason::Rejected,
            error,
        })
        .await
    }

    /// Ends it as failed, to be tried again as its settings say, or after `wait` if one is named;
    /// failed for good when its retries are spent.
    ///
    /// # Errors
    ///
    /// As [`ack`](Delivery::ack).
    pub async fn retry(self, wait: Option<Duration>, error: AttemptError) -> Result<()> {
        let (retries, spent) = (self.message.options.retries, self.message.counters.retries);
        let settings = self.message.options.backoff.as_deref();
        let backoff =
            settings.map_or_else(|| Ok(Backoff::default()), |s| self.shared.backoffs.build(s));
        let verdict = match retry::next(retries, spent, &backoff?, wait, fastrand::f64()) {
            Next::Retry(after) => Verdict::Retry { after, error },
            Next::Exhausted => Verdict::Fail {
                reason: FailReason::Exhausted,
                error,
            },
        };
        self.settle(verdict).await
    }

    /// Asks for it again later, without spending a retry.
    ///
    /// # Errors
    ///
    /// As [`ack`](Delivery::ack).
    pub async fn snooze(self, after: Duration) -> Result<()> {
        self.settle(Verdict::Snooze {
            after: after.min(limits::LONGEST),
        })
        .await
    }

    /// Gives it back at once.
    ///
    /// # Errors
    ///
    /// As [`ack`](Delivery::ack).
    pub async fn release(self) -> Result<()> {
        self.settle(Verdict::Release).await
    }

    async fn settle(mut self, verdict: Verdict) -> Result<()> {
        self.settled = true;
        self.tenure.ended(self.token());
        let links = self.linked.take();
        let item = Settle {
            token: self.token(),
            started_at: Some(self.started_at),
            verdict,
            unlock: links.tokens(),
        };
        let settled = settle_one(&self.shared, &self.tenure, item).await;
        self.known.ended(self.token(), &settled);
        settled?;
        links.settled();
        Ok(())
    }
}

async fn settle_one(shared: &Shared, tenure: &Tenure, item: Settle) -> Result<()> {
    let request = SettleRequest {
        incarnation: tenure.id,
        items: vec![item],
        claim: None,
    };
    let mut settled = shared.store.settle(request).await?;
    settled.items.pop().expect("one answer per item")
}

/// The verdict of a success: the result if it is within `limit`, and the callback.
pub(crate) fn done(message: &Message, output: Payload, limit: usize) -> Verdict {
    let size = output.len();
    let fits = size <= limit;
    let callback = message.draft.next_in_chain(fits.then(|| output.clone()));
    let result = if fits {
        StoredResult::Value(output)
    } else {
        StoredResult::TooLarge { size }
    };
    Verdict::Done {
        result,
        callbacks: callback.into_iter().collect(),
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.settled || self.tenure.is_lost() {
            self.known.tokens().remove(&self.token());
            return;
        }
        self.tenure.ended(self.token());
        // Outside a runtime nobody can send the release; the feed finds it and does.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            self.known.tokens().remove(&self.token());
            self.known.in_doubt.store(true, Ordering::Release);
            return;
        };
        let (shared, tenure) = (self.shared.clone(), self.tenure.clone());
        let (known, token) = (self.known.clone(), self.token());
        let links = self.linked.take();
        let item = Settle {
            token: self.token(),
            started_at: None,
            verdict: Verdict::Release,
            unlock: links.tokens(),
        };
        runtime.spawn(async move {
            let settled = settle_one(&shared, &tenure, item).await;
            known.ended(token, &settled);
            match settled {
                Ok(()) => links.settled(),
                Err(error) => tracing::debug!("giving back a dropped delivery: {error}"),
            }
        });
    }
}
