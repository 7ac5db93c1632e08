//! Renews the worker's lease from a thread of its own.
//!
//! Handlers may block the async runtime for minutes; this thread does not notice. It has its own way
//! to the store ([`LeaseKeeper`]) and takes no lock that the data path can hold: the list of started
//! attempts is only tried, and a heartbeat goes without it when it is taken.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use towpath_core::store::{Extend, LeaseKeeper};
use towpath_core::{Error, Kind, Result};

use super::tenancy::Tenancy;

/// How soon a renewal that failed is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// The heartbeat thread of one worker.
pub(crate) struct Heartbeat {
    /// Dropping it ends the thread at its next wait.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    pub(crate) fn start(tenancy: Arc<Tenancy>, mut keeper: Box<dyn LeaseKeeper>) -> Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let beat = move || {
            let mut wait = tenancy.beat;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(wait) {
                wait = run_once(&tenancy, &mut *keeper);
            }
        };
        let thread = std::thread::Builder::new()
            .name("towpath-heartbeat".to_owned())
            .spawn(beat)
            .map_err(|e| {
                Error::new(
                    Kind::Storage,
                    format!("the heartbeat thread did not start: {e}"),
                )
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Ends the thread and waits for it. Doing so twice is harmless.
    pub(crate) fn stop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the heartbeat thread panicked");
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        // Without waiting: a worker may be dropped on a thread that must not block.
        self.stop = None;
    }
}

/// Renews once; answers how long to wait before the next time.
fn run_once(tenancy: &Tenancy, keeper: &mut dyn LeaseKeeper) -> Duration {
    let tenure = tenancy.current();
    if tenure.is_lost() {
        return RETRY;
    }
    let started = tenure.untold();
    let began = tenancy.shared().clock.uptime();
    let extend = Extend {
        incarnation: tenure.id,
        lease: tenancy.lease,
        started: &started,
    };
    match keeper.extend(extend) {
        Ok(()) => {
            tenure.renewed(began);
            tenure.told(&started);
            tenancy.beat
        }
        Err(error) if error.kind() == Kind::LeaseLost => {
            tenure.lose();
            RETRY
        }
        Err(error) => {
            tenancy.shared().report(&error.about("renewing the lease"));
            if tenure.has_run_out() {
                tenure.lose();
            }
            RETRY
        }
    }
}
