//! The syncer: a thread that brings the log to the disk within 100 ms of a commit.
//!
//! With `durability=normal` a commit is in the hands of the operating system when it is answered: safe
//! against the end of any process, not against the loss of power. SQLite then syncs the log only when
//! it is checkpointed, which may be hours later. This thread syncs it soon after, through a descriptor
//! of its own (the log file, unlike the others, has no locks that closing one could take away), so that
//! neither the writer nor any caller waits for the disk.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use towpath_core::{Error, Kind, Result};

use super::location::Location;
use super::mailbox::wait_up_to;

/// How long commits gather before a sync: with the sync itself this stays below 100 ms.
const GATHER: Duration = Duration::from_millis(60);

#[derive(Debug)]
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Something was written that is not synced.
    dirty: bool,
    stopping: bool,
}

impl Syncer {
    pub(super) fn start(location: &Location) -> Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let log = Log {
            path: location.wal(),
            directory: location.directory().to_owned(),
            file: None,
        };
        let thread = thread::Builder::new()
            .name("towpath-sync".to_owned())
            .spawn({
                let shared = shared.clone();
                move || serve(&shared, log)
            })
            .map_err(|error| {
                let text = "the thread that syncs the log cannot be started";
                Error::new(Kind::Unavailable, text).with_source(error)
            })?;
        Ok(Self { shared, thread })
    }

    /// Something was committed.
    pub(super) fn written(&self) {
        let mut state = self.shared.lock();
        if !std::mem::replace(&mut state.dirty, true) {
            drop(state);
            self.shared.changed.notify_one();
        }
    }

    /// Syncs what is left and ends the thread.
    pub(super) fn stop(self) {
        self.shared.lock().stopping = true;
        self.shared.changed.notify_one();
        let _it_has_told_why = self.thread.join();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(shared: &Shared, mut log: Log) {
    let mut state = shared.lock();
    loop {
        if !state.dirty {
            if state.stopping {
                return;
            }
            state = shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        if !state.stopping {
            state = wait_up_to(&shared.changed, state, GATHER);
        }
        state.dirty = false;
        drop(state);
        if let Err(error) = log.sync() {
            // The next commit tries again; whoever must not lose any asks for `durability=full`.
            let path = log.path.display();
            tracing::warn!(%error, "the log {path} could not be synced");
        }
        state = shared.lock();
    }
}

/// The log, once it is there.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    directory: PathBuf,
    file: Option<File>,
}

impl Log {
    fn sync(&mut self) -> std::io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => {
                // The log stays the same file for as long as our own connections are open, but its name
                // has to reach the disk once, too.
                let Some(file) = self.open()? else {
                    return Ok(());
                };
                #[cfg(unix)]
                File::open(&self.directory)?.sync_all()?;
                self.file.insert(file)
            }
        };
        file.sync_data()
    }

    /// The log file; none when the last connection has checkpointed and removed it.
    fn open(&self) -> std::io::Result<Option<File>> {
        match File::options().write(true).open(&self.path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
