//! The signals that ask a command to end, handed to it one by one.

use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Failure, Result};

/// SIGINT, SIGTERM, SIGQUIT and SIGHUP, from now on; none of them ends the process by itself any more.
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    /// `None` where it was ignored when we started, as by `nohup`.
    hang_up: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self> {
        Self::try_listen().map_err(|error| Failure::system("signals cannot be listened to", &error))
    }

    fn try_listen() -> io::Result<Self> {
        let hang_up = match is_ignored(Signal::HUP) {
            true => None,
            false => Some(signal(SignalKind::hangup())?),
        };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            hang_up,
        })
    }

    /// Waits for the next of them. Several of one kind may be one.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Signal {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.quit.recv() => Signal::QUIT,
            _ = hang_up => Signal::HUP,
        }
    }

    /// One of them that has come already.
    pub(crate) async fn come(&mut self) -> Option<Signal> {
        // What the system has delivered is told by the runtime, which looks for it now.
        tokio::task::yield_now().await;
        tokio::select! {
            biased;
            signal = self.next() => Some(signal),
            () = std::future::ready(()) => None,
        }
    }
}

/// Whether a signal is ignored; it is not where that cannot be told.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal.as_raw() - 1)) != 0)
}

/// The name of a signal that people know.
pub(crate) fn name(signal: Signal) -> Option<&'static str> {
    let names = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
    ];
    let found = names.iter().find(|(known, _)| *known == signal);
    found.map(|(_, name)| *name)
}
