//! Runs a hook whose panic nobody should pay for.

use super::policy::Boxed;
use crate::app::Shared;
use crate::panics::Catch;

/// Runs an `on_*` hook to its end; a panic is reported and that is all.
pub(crate) async fn run_hook<'a>(
    shared: &Shared,
    name: &'static str,
    hook: impl FnOnce() -> Boxed<'a, ()>,
) {
    let hook = hook();
    let caught = Catch::new(Box::pin(async move {
        hook.await;
        Ok(())
    }));
    if let Err(panic) = caught.await {
        let text = format!("hook {name} panicked: {panic}");
        shared.report(&towpath_core::Error::new(towpath_core::Kind::Failed, text));
    }
}
