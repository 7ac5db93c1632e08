//! When deferred functions are run: those of an attempt at its end, those of dead workers before anything else.
//!
//! ```text
//!   start ─► orphans ─► join the store, claim ─► … ─► attempt ─► its functions ─► settle
//!                 └─ again every few seconds (upkeep), and before an attempt of a message whose worker left it
//! ```
//!
//! The heartbeat keeps the lease all the while, so nobody else runs the message before they have been run. Two are not
//! waited for: a body on a thread that was left behind, whose functions are run when it returns; and functions of any
//! kind once the worker is to end at once (`Phase::Ending`). Those that have not begun then stay written down.

use std::sync::Arc;

use towpath_core::{Error, Kind, Result};

use super::aside::aside;
use super::shutdown::{Phase, Phases};
use crate::app::Shared;
use crate::context::Context;
use crate::scopes::CleanedUp;

/// Runs what dead workers have left.
pub(super) async fn orphans(shared: &Arc<Shared>) -> Result<()> {
    let Some(scopes) = shared.scopes.clone() else {
        return Ok(());
    };
    const ABOUT: &str = "running what dead workers have left";
    let cleaned = aside(move || scopes.orphans()).await;
    let cleaned = cleaned.and_then(|cleaned| cleaned);
    tell(shared, ABOUT, &cleaned.map_err(|error| error.about(ABOUT))?);
    Ok(())
}

/// The same before an attempt of a message one of whose claims did not end by itself: its worker was lost, or had to end
/// at once, and it may be that one's clean-up which is due.
pub(super) async fn orphans_of_lost(ctx: &Context) {
    let (shared, counters) = (ctx.shared(), ctx.message().counters);
    // Those that were retried or snoozed had their functions run before that was settled.
    let settled = counters.retries.saturating_add(counters.snoozes);
    if shared.scopes.is_none() || counters.claims.saturating_sub(1) <= settled {
        return;
    }
    let cancellation = ctx.cancellation().clone();
    let run = tokio::select! {
        _ = cancellation.cancelled() => return,
        run = orphans(shared) => run,
    };
    if let Err(error) = run {
        shared.report(&error);
    }
}

/// Ends the promises of an attempt: runs them, and returns when that is done or is not waited for.
pub(super) async fn at_end(ctx: &Context, phases: &Phases) {
    let (shared, deferrals) = (ctx.shared(), ctx.deferrals());
    if shared.scopes.is_none() {
        return;
    }
    deferrals.close();
    if !deferrals.let_go() || !deferrals.is_entered() {
        return;
    }
    let ending = phases.current() == Phase::Ending;
    let (theirs, span) = (ctx.clone(), tracing::Span::current());
    let work = move || {
        span.in_scope(|| match ending {
            true => drop(theirs.deferrals().take()),
            false => theirs.clean_up(),
        });
    };
    tokio::select! {
        done = aside(work) => {
            if let Err(error) = done {
                shared.report(&error.about(format!("cleaning up after attempt {}", ctx.token())));
            }
        }
        () = phases.reached(Phase::Ending), if !ending => {}
    }
}

/// Counts what came of it, and reports what went wrong.
pub(crate) fn tell(shared: &Shared, about: &str, cleaned: &CleanedUp) {
    shared.metrics.deferred_done(cleaned.done);
    shared.metrics.deferred_failed(cleaned.failed);
    let CleanedUp { done, given_up, .. } = *cleaned;
    if done > 0 || given_up > 0 {
        tracing::debug!(done, given_up, left = cleaned.left, "{about}");
    }
    for trouble in &cleaned.troubles {
        shared.report(&Error::new(Kind::Failed, trouble).about(about));
    }
}
