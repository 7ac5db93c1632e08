//! Work that blocks, on a thread of its own.
//!
//! Not on those that tokio keeps for such work: the end of a runtime waits for them, and a worker that is told to end at once
//! must not wait for a function that cleans up. What it promised is written down, and run by the next one.

use std::thread;

use tokio::sync::oneshot;
use towpath_core::{Error, Kind, Result};

/// Runs it to its end.
///
/// # Cancel safety
///
/// Dropping the future leaves the work going on its thread.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (tell, told) = oneshot::channel();
    let thread = thread::Builder::new().name("towpath-clean-up".to_owned());
    let started = thread.spawn(move || {
        // Nobody listens any more when the worker has ended.
        let _nobody = tell.send(work());
    });
    started.map_err(|error| {
        let text = format!("cannot start a thread to clean up: {error}");
        Error::new(Kind::Storage, text).with_source(error)
    })?;
    told.await
        .map_err(|_| Error::new(Kind::Failed, "what cleans up has panicked"))
}
