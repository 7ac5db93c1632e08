//! Waits for a program that has our terminal, passing signals on.

use std::future::Future;
use std::process::ExitStatus;

use rustix::process::Signal;

use super::{Child, Signals, exit_of};
use crate::exit::{Exit, Result};

/// How a program in the foreground has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Gone {
    /// By itself.
    Ended(ExitStatus),
    /// After a signal that was passed on to it.
    Signalled(Signal),
    /// It was stopped, because it had to.
    Stopped,
}

impl Gone {
    /// The exit code that passes it on.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Ended(status) => exit_of(status),
            Self::Signalled(signal) => Exit::of_signal(signal.as_raw()),
            Self::Stopped => Exit::Failure,
        }
    }
}

/// Waits for the program's end. It is stopped when `must_stop` comes.
pub(crate) async fn foreground(
    mut child: Child,
    signals: &mut Signals,
    must_stop: impl Future<Output = ()>,
) -> Result<Gone> {
    let mut passed_on = None;
    let mut must_stop = std::pin::pin!(must_stop);
    loop {
        tokio::select! {
            () = child.ended() => break,
            () = &mut must_stop => {
                child.stop(Signal::TERM, signals).await?;
                return Ok(Gone::Stopped);
            }
            signal = signals.next() => {
                if !is_from_keyboard(signal) {
                    child.signal(signal);
                    passed_on = Some(signal);
                }
            }
        }
    }
    let status = child.finish().await?;
    Ok(passed_on.map_or(Gone::Ended(status), Gone::Signalled))
}

/// Whether the program has had it too: what is typed reaches all processes of the terminal's foreground.
fn is_from_keyboard(signal: Signal) -> bool {
    let is_typed = [Signal::INT, Signal::QUIT].contains(&signal);
    let is_in_foreground = || {
        let Ok(terminal) = std::fs::File::open("/dev/tty") else {
            return false;
        };
        let foreground = rustix::termios::tcgetpgrp(&terminal);
        foreground.is_ok_and(|group| group == rustix::process::getpgrp())
    };
    is_typed && is_in_foreground()
}
