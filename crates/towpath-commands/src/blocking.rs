//! Calls that wait for files or other processes, kept off the thread that listens to signals.

use tokio::task::{JoinError, JoinHandle};

use crate::exit::{Failure, Result};

/// Starts a call.
pub(crate) fn begin<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}

/// Makes a call.
pub(crate) async fn call<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    joined(begin(work).await)
}

/// What came of a call. A panic in it is one here.
pub(crate) fn joined<T>(done: std::result::Result<T, JoinError>) -> Result<T> {
    done.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => {
            let error = std::io::Error::other(error.to_string());
            Failure::system("the program ends before its work does", &error)
        }
    })
}
