//! The way from plain threads to async code.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use towpath_core::{Error, Kind, Result};

/// Runs futures to their end on the calling thread.
///
/// Timers, and whatever tasks a store starts, live on one background thread: a runtime driven only
/// while somebody waits would let a store's connections starve in between. The thread starts at the
/// first call and ends with the last clone.
#[derive(Clone, Default)]
pub(super) struct Bridge(Arc<OnceLock<Result<Background>>>);

struct Background {
    handle: Handle,
    /// Never sent: the background thread ends when this is dropped.
    _alive: oneshot::Sender<()>,
}

impl Bridge {
    /// Runs `future` to its end.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsupported`] on a thread of an async runtime, and what the future says.
    pub(super) fn run<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        // Asked first, because `block_on` would panic there.
        if Handle::try_current().is_ok() {
            return Err(Error::new(
                Kind::Unsupported,
                "towpath::blocking cannot wait on a thread of an async runtime, whose tasks it would \
                 hold up; await the async API there, or call it from a plain thread",
            ));
        }
        let background = self.0.get_or_init(Background::start).as_ref();
        background.map_err(Clone::clone)?.handle.block_on(future)
    }
}

impl Background {
    fn start() -> Result<Self> {
        let failed = |error: std::io::Error| {
            let text = format!("cannot start the background thread of towpath::blocking: {error}");
            Error::new(Kind::Storage, text).with_source(error)
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel();
        thread::Builder::new()
            .name("towpath-blocking".to_owned())
            // The runtime is dropped here too: in an async context that would panic.
            .spawn(move || drop(runtime.block_on(ended)))
            .map_err(failed)?;
        Ok(Self {
            handle,
            _alive: alive,
        })
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bridge")
    }
}
