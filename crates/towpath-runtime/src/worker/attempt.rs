//! One attempt, from payload to verdict, as a chain of named steps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use towpath_core::retry::{self, Next};
use towpath_core::store::{LockToken, Settle, Verdict};
use towpath_core::{Backoff, FailReason, Mechanism, Message, Payload, limits};

use super::clean_up;
use super::finished::{After, End, Hook, Hooks};
use super::shutdown::Phases;
use super::threads::SlotThread;
use crate::app::Shared;
use crate::cancel::{CancelReason, Canceller};
use crate::context::Context;
use crate::delivery::done;
use crate::locks::Links;
use crate::panics::{self, Catch};
use crate::registry::AnyTask;
use crate::task::{self, Body, BodyResult, Outcome, TaskError};

/// One attempt that is being run.
pub(crate) struct Attempt<'a> {
    shared: &'a Shared,
    task: &'a Arc<dyn AnyTask>,
    hooks: Hooks,
    canceller: Canceller,
}

/// How the body ended, before anybody judged it.
enum Ended {
    Body(BodyResult<Payload>),
    Cancelled(CancelReason),
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        task: &'a Arc<dyn AnyTask>,
        ctx: Context,
        canceller: Canceller,
    ) -> Self {
        let policy = task.settings().policy.clone();
        Self {
            shared,
            task,
            hooks: Hooks { ctx, policy },
            canceller,
        }
    }

    /// Runs the attempt to its end.
    pub(crate) async fn run(self, thread: &mut SlotThread, phases: &Phases) -> (End, Links) {
        clean_up::orphans_of_lost(self.ctx()).await;
        let began = Instant::now();
        let ended = self.perform(thread).await;
        self.shared.metrics.handler_ran(began.elapsed());
        // The body is gone, or left behind; nothing is settled yet, and the locks still hold.
        clean_up::at_end(self.ctx(), phases).await;
        let links = self.ctx().take_links();
        let unlock = links.tokens();
        (self.judge(ended, unlock), links)
    }

    fn ctx(&self) -> &Context {
        &self.hooks.ctx
    }

    fn message(&self) -> &Message {
        self.ctx().message()
    }

    /// The steps under the clock: all of them together have the message's timeout.
    async fn perform(&self, thread: &mut SlotThread) -> Ended {
        let limit = self.message().options.timeout;
        let cancellation = self.ctx().cancellation().clone();
        tokio::select! {
            biased;
            reason = cancellation.cancelled() => Ended::Cancelled(reason),
            steps = tokio::time::timeout(limit, self.steps(thread)) => {
                Ended::Body(steps.unwrap_or_else(|_| Err(self.timed_out(limit))))
            }
        }
    }

    async fn steps(&self, thread: &mut SlotThread) -> BodyResult<Payload> {
        self.pre_op().await?;
        let ended = match self.decode() {
            Ok(body) => self.body(body, thread).await,
            Err(error) => Err(error),
        };
        self.post_op(&ended).await?;
        ended
    }

    async fn pre_op(&self) -> Result<(), TaskError> {
        match &self.hooks.policy {
            Some(policy) => Catch::new(policy.pre_op(self.ctx())).await,
            None => Ok(()),
        }
    }

    /// A payload that cannot be read now cannot be read later: no retry.
    fn decode(&self) -> Result<Body<Payload>, TaskError> {
        let payload = &self.message().draft.payload;
        let body = panics::catch(|| self.task.body(payload, &self.shared.codecs, self.ctx()))?;
        body.map_err(|e| TaskError::from(e).final_())
    }

    async fn body(&self, body: Body<Payload>, thread: &mut SlotThread) -> BodyResult<Payload> {
        match (body, self.task.settings().get_mechanism()) {
            (Body::Async(future), Mechanism::Async) => Catch::new(future).await,
            (Body::Async(future), Mechanism::Thread) => {
                let runtime = tokio::runtime::Handle::current();
                self.on_thread(thread, move || runtime.block_on(future))
                    .await
            }
            (Body::Blocking(call), Mechanism::Async) => panics::catch(call).and_then(|ended| ended),
            (Body::Blocking(call), Mechanism::Thread) => self.on_thread(thread, call).await,
        }
    }

    async fn on_thread(
        &self,
        thread: &mut SlotThread,
        call: impl FnOnce() -> BodyResult<Payload> + Send + 'static,
    ) -> BodyResult<Payload> {
        let held = self.ctx().held();
        let body = move || {
            let ended = panics::catch(call).and_then(|ended| ended);
            drop(held);
            ended
        };
        thread.run(body).await
    }

    async fn post_op(&self, ended: &BodyResult<Payload>) -> Result<(), TaskError> {
        let Some(policy) = &self.hooks.policy else {
            return Ok(());
        };
        let output = match ended {
            Ok(Outcome::Done(output)) => Some(output),
            _ => None,
        };
        Catch::new(policy.post_op(self.ctx(), output)).await
    }

    fn timed_out(&self, limit: Duration) -> TaskError {
        self.shared.metrics.timed_out(1);
        // A blocking body that was left behind may look at this and end.
        self.canceller.cancel(CancelReason::TimedOut);
        TaskError::new(
            "timeout",
            format!("the attempt took longer than its timeout of {limit:?}"),
        )
    }

    /// Turns the end of the body into what the store is told.
    fn judge(self, ended: Ended, unlock: Vec<LockToken>) -> End {
        let (verdict, after) = match ended {
            Ended::Cancelled(CancelReason::Revoked) => return End::Revoked(self.hooks),
            Ended::Cancelled(CancelReason::LeaseLost) => return End::LeaseLost,
            Ended::Cancelled(_) => (Verdict::Release, After::Released),
            Ended::Body(Ok(Outcome::Done(output))) => self.done(output),
            Ended::Body(Ok(Outcome::Snooze(after))) => (
                Verdict::Snooze {
                    after: after.min(limits::LONGEST),
                },
                After::Snoozed,
            ),
            Ended::Body(Ok(Outcome::Fail(error))) => self.failed(error.final_()),
            Ended::Body(Ok(Outcome::Retry { after, mut error })) => {
                error.next = after.map_or(task::Next::Settings, task::Next::RetryAfter);
                self.failed(error)
            }
            Ended::Body(Err(error)) => self.failed(error),
        };
        let started_at = Some(self.ctx().started_at());
        End::Settle(
            Settle {
                token: self.ctx().token(),
                started_at,
                verdict,
                unlock,
            },
            after,
        )
    }

    fn done(&self, output: Payload) -> (Verdict, After) {
        let limit = self.shared.limits.result_bytes;
        let mut verdict = done(self.message(), output.clone(), limit);
        if let Verdict::Done { callbacks, .. } = &mut verdict
            && !callbacks.is_empty()
            && !self.do_callback(&output)
        {
            callbacks.clear();
        }
        (
            verdict,
            After::Hook(self.hooks.clone(), Hook::Success(output)),
        )
    }

    fn do_callback(&self, output: &Payload) -> bool {
        let Some(policy) = &self.hooks.policy else {
            return true;
        };
        self.decide("do_callback", || policy.do_callback(self.ctx(), output))
    }

    fn do_retry(&self, error: &TaskError) -> bool {
        let Some(policy) = &self.hooks.policy else {
            return true;
        };
        self.decide("do_retry", || policy.do_retry(self.ctx(), error))
    }

    /// A decision that panics counts as the default.
    fn decide(&self, name: &str, decision: impl FnOnce() -> bool) -> bool {
        panics::catch(decision).unwrap_or_else(|panic| {
            let text = format!("{name} of task {:?} panicked: {panic}", self.message().task);
            self.shared
                .report(&towpath_core::Error::new(towpath_core::Kind::Failed, text));
            true
        })
    }

    fn failed(&self, error: TaskError) -> (Verdict, After) {
        let asked = match error.next {
            task::Next::Fail => return self.fail(FailReason::Rejected, error),
            task::Next::RetryAfter(wait) => Some(wait.min(limits::LONGEST)),
            task::Next::Settings => None,
        };
        let message = self.message();
        let (retries, spent) = (message.options.retries, message.counters.retries);
        match retry::next(retries, spent, &self.backoff(), asked, fastrand::f64()) {
            Next::Exhausted => self.fail(FailReason::Exhausted, error),
            Next::Retry(_) if !self.do_retry(&error) => self.fail(FailReason::Rejected, error),
            Next::Retry(after) => {
                let error = error.error;
                let verdict = Verdict::Retry {
                    after,
                    error: error.clone(),
                };
                (verdict, After::Hook(self.hooks.clone(), Hook::Retry(error)))
            }
        }
    }

    fn fail(&self, reason: FailReason, error: TaskError) -> (Verdict, After) {
        let error = error.error;
        let verdict = Verdict::Fail {
            reason,
            error: error.clone(),
        };
        (
            verdict,
            After::Hook(self.hooks.clone(), Hook::Failure(error)),
        )
    }

    /// The message's own backoff; the default where its name is unknown here, which is reported and
    /// costs the message nothing.
    fn backoff(&self) -> Backoff {
        let Some(settings) = &self.message().options.backoff else {
            return Backoff::default();
        };
        self.shared
            .backoffs
            .build(settings)
            .unwrap_or_else(|error| {
                self.shared
                    .report(&error.about(self.message().draft.summary()));
                Backoff::default()
            })
    }
}
