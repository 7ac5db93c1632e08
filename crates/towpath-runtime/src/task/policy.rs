//! Hooks around an attempt, and a task's own decisions about retry and callback.

use std::future::Future;
use std::pin::Pin;

use towpath_core::{AttemptError, Draft, Payload};

use super::TaskError;
use crate::context::Context;

/// Hooks and decisions of a task. Every method has an empty default; implement what you need.
///
/// The order around one attempt: `pre_op`, the body, `post_op`, then `do_retry` or `do_callback`,
/// then the settle, and after the store accepted it exactly one of the `on_*` hooks. After a lost
/// lease none of them runs; a revoked attempt gets `on_revocation` alone.
///
/// What goes wrong inside: an error or panic in `pre_op` or `post_op` fails the attempt; a panic in
/// `do_retry` or `do_callback` counts as the default (yes); one in an `on_*` hook is logged.
///
/// # Cancel safety
///
/// `pre_op` and `post_op` count against the timeout of the attempt and are dropped with it. `on_*`
/// hooks are at most once: a worker that dies after the settle never runs them.
pub trait Policy: Send + Sync + 'static {
    /// Runs before the body. An error fails the attempt without running it.
    fn pre_op(&self, ctx: &Context) -> impl Future<Output = Result<(), TaskError>> + Send {
        let _ = ctx;
        async { Ok(()) }
    }

    /// Runs after the body, with its output if it succeeded. An error fails the attempt.
    fn post_op(
        &self,
        ctx: &Context,
        output: Option<&Payload>,
    ) -> impl Future<Output = Result<(), TaskError>> + Send {
        let _ = (ctx, output);
        async { Ok(()) }
    }

    /// Whether a failed attempt that has retries left is retried.
    fn do_retry(&self, ctx: &Context, error: &TaskError) -> bool {
        let _ = (ctx, error);
        true
    }

    /// Whether the callback of a succeeded message is submitted.
    fn do_callback(&self, ctx: &Context, output: &Payload) -> bool {
        let _ = (ctx, output);
        true
    }

    /// Runs in the producer after the store accepted the message.
    fn on_submit(&self, draft: &Draft) -> impl Future<Output = ()> + Send {
        let _ = draft;
        async {}
    }

    /// Runs after the store accepted a retry.
    fn on_retry(&self, ctx: &Context, error: &AttemptError) -> impl Future<Output = ()> + Send {
        let _ = (ctx, error);
        async {}
    }

    /// Runs after the store accepted that the message failed for good.
    fn on_failure(&self, ctx: &Context, error: &AttemptError) -> impl Future<Output = ()> + Send {
        let _ = (ctx, error);
        async {}
    }

    /// Runs after the store accepted the success.
    fn on_success(&self, ctx: &Context, output: &Payload) -> impl Future<Output = ()> + Send {
        let _ = (ctx, output);
        async {}
    }

    /// Runs when the attempt was dropped because its message was revoked.
    fn on_revocation(&self, ctx: &Context) -> impl Future<Output = ()> + Send {
        let _ = ctx;
        async {}
    }
}

pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Policy`] as a trait object.
pub(crate) trait ErasedPolicy: Send + Sync {
    fn pre_op<'a>(&'a self, ctx: &'a Context) -> Boxed<'a, Result<(), TaskError>>;
    fn post_op<'a>(
        &'a self,
        ctx: &'a Context,
        output: Option<&'a Payload>,
    ) -> Boxed<'a, Result<(), TaskError>>;
    fn do_retry(&self, ctx: &Context, error: &TaskError) -> bool;
    fn do_callback(&self, ctx: &Context, output: &Payload) -> bool;
    fn on_submit<'a>(&'a self, draft: &'a Draft) -> Boxed<'a, ()>;
    fn on_retry<'a>(&'a self, ctx: &'a Context, error: &'a AttemptError) -> Boxed<'a, ()>;
    fn on_failure<'a>(&'a self, ctx: &'a Context, error: &'a AttemptError) -> Boxed<'a, ()>;
    fn on_success<'a>(&'a self, ctx: &'a Context, output: &'a Payload) -> Boxed<'a, ()>;
    fn on_revocation<'a>(&'a self, ctx: &'a Context) -> Boxed<'a, ()>;
}

impl<P: Policy> ErasedPolicy for P {
    fn pre_op<'a>(&'a self, ctx: &'a Context) -> Boxed<'a, Result<(), TaskError>> {
        Box::pin(Policy::pre_op(self, ctx))
    }
    fn post_op<'a>(
        &'a self,
        ctx: &'a Context,
        output: Option<&'a Payload>,
    ) -> Boxed<'a, Result<(), TaskError>> {
        Box::pin(Policy::post_op(self, ctx, output))
    }
    fn do_retry(&self, ctx: &Context, error: &TaskError) -> bool {
        Policy::do_retry(self, ctx, error)
    }
    fn do_callback(&self, ctx: &Context, output: &Payload) -> bool {
        Policy::do_callback(self, ctx, output)
    }
    fn on_submit<'a>(&'a self, draft: &'a Draft) -> Boxed<'a, ()> {
        Box::pin(Policy::on_submit(self, draft))
    }
    fn on_retry<'a>(&'a self, ctx: &'a Context, error: &'a AttemptError) -> Boxed<'a, ()> {
        Box::pin(Policy::on_retry(self, ctx, error))
    }
    fn on_failure<'a>(&'a self, ctx: &'a Context, error: &'a AttemptError) -> Boxed<'a, ()> {
        Box::pin(Policy::on_failure(self, ctx, error))
    }
    fn on_success<'a>(&'a self, ctx: &'a Context, output: &'a Payload) -> Boxed<'a, ()> {
        Box::pin(Policy::on_success(self, ctx, output))
    }
    fn on_revocation<'a>(&'a self, ctx: &'a Context) -> Boxed<'a, ()> {
        Box::pin(Policy::on_revocation(self, ctx))
    }
}
