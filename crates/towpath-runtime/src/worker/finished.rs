//! What a slot hands back when an attempt has ended, and what follows once the store accepted it.

use std::sync::Arc;

use towpath_core::store::Settle;
use towpath_core::{AttemptError, Payload, Token};

use super::tenure::Tenure;
use crate::app::Shared;
use crate::context::Context;
use crate::locks::Links;
use crate::metrics::Metrics;
use crate::task::{ErasedPolicy, run_hook};

/// An attempt that has ended.
pub(crate) struct Finished {
    pub(crate) token: Token,
    pub(crate) tenure: Arc<Tenure>,
    pub(crate) end: End,
    /// The locks that end with it.
    pub(crate) links: Links,
}

/// How it ended, as far as the store is concerned.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every attempt ends in the large one"
)]
pub(crate) enum End {
    /// To be settled; then `After` follows.
    Settle(Settle, After),
    /// Nothing to settle: the message was revoked.
    Revoked(Hooks),
    /// Nothing to settle: the lease was lost.
    LeaseLost,
}

/// What follows an attempt's end, and the locks that end with it.
pub(crate) type Following = (After, Links);

/// What follows a settle that was accepted.
pub(crate) enum After {
    /// Nothing: the message never started, or was given back in the middle of its attempt.
    Released,
    /// Nothing: it asked to be run later.
    Snoozed,
    /// A hook.
    Hook(Hooks, Hook),
}

/// Which hook follows an attempt.
pub(crate) enum Hook {
    Success(Payload),
    Retry(AttemptError),
    Failure(AttemptError),
    Revocation,
}

/// The hooks of one attempt, where its task has any.
#[derive(Clone)]
pub(crate) struct Hooks {
    pub(crate) ctx: Context,
    pub(crate) policy: Option<Arc<dyn ErasedPolicy>>,
}

impl After {
    pub(crate) fn count(&self, metrics: &Metrics) {
        match self {
            After::Released => metrics.released(1),
            After::Snoozed => metrics.snoozed(1),
            After::Hook(_, Hook::Success(_)) => metrics.succeeded(1),
            After::Hook(_, Hook::Retry(_)) => metrics.retried(1),
            After::Hook(_, Hook::Failure(_)) => metrics.failed(1),
            After::Hook(_, Hook::Revocation) => metrics.revoked(1),
        }
    }

    /// The hooks of the attempt, when it had begun.
    pub(crate) fn hooks(self) -> Option<Hooks> {
        match self {
            After::Released | After::Snoozed => None,
            After::Hook(hooks, _) => Some(hooks),
        }
    }
}

impl Hooks {
    /// Runs the hook, if the task has a policy.
    pub(crate) async fn run(self, hook: Hook, shared: Arc<Shared>) {
        let Hooks {
            ctx,
            policy: Some(policy),
        } = self
        else {
            return;
        };
        let name = match &hook {
            Hook::Success(_) => "on_success",
            Hook::Retry(_) => "on_retry",
            Hook::Failure(_) => "on_failure",
            Hook::Revocation => "on_revocation",
        };
        let run = || match &hook {
            Hook::Success(output) => policy.on_success(&ctx, output),
            Hook::Retry(error) => policy.on_retry(&ctx, error),
            Hook::Failure(error) => policy.on_failure(&ctx, error),
            Hook::Revocation => policy.on_revocation(&ctx),
        };
        run_hook(&shared, name, run).await;
    }
}
