//! A program that a command runs in the foreground, and the signals that reach the command meanwhile.
//!
//! Read [`Child`], then `foreground` and `signals`. The task `shell` has its own, which keeps what its programs print.

mod foreground;
mod signals;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, getppid, kill_process, kill_process_group, waitid,
};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use foreground::{Gone, foreground};
pub(crate) use signals::{Signals, name};

use crate::exit::{Exit, Failure, Result};

/// How long a program may go on after it was asked to end.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Whom a signal to the program reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The program and what it starts: it leads a process group, of which nothing outlives it. It also leads a session,
    /// without a terminal: in ours it would be in the background, and stand still for ever where it asks for a password.
    Group,
    /// The program alone: it stays in our process group, and so with our terminal.
    Program,
}

/// A program that runs. Dropping it kills it.
///
/// It is signalled only while it has not been reaped: until then its number cannot be another's. That is why its end
/// is *looked at* (`waitid` with `WNOWAIT`, whenever SIGCHLD comes) and it is reaped last.
pub(crate) struct Child {
    child: tokio::process::Child,
    reach: Reach,
    /// `None` once it was reaped.
    pid: Option<Pid>,
    /// Rings when any child of this process has ended.
    rings: tokio::signal::unix::Signal,
}

impl Child {
    pub(crate) fn spawn(command: &mut Command, reach: Reach) -> io::Result<Self> {
        // Before the spawn: the first end must not be missed.
        let rings = signal(SignalKind::child())?;
        let parent = getpid();
        // SAFETY: between fork and exec only what is safe in a handler of signals may be called. Both are calls of the
        // system alone, and nothing is allocated.
        unsafe { command.pre_exec(move || attach(reach, parent)) };
        let child = command.kill_on_drop(true).spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Ok(Self {
            child,
            reach,
            pid,
            rings,
        })
    }

    /// Waits until the program has ended; others of its group may still run.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub(crate) async fn ended(&mut self) {
        let Some(pid) = self.pid else { return };
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        // An error means that there is nothing to wait for: somebody else reaped it.
        while let Ok(None) = waitid(WaitId::Pid(pid), look) {
            self.rings.recv().await;
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let Some(pid) = self.pid else { return };
        // The only failure left is that nobody is there any more.
        let _gone = match self.reach {
            Reach::Group => kill_process_group(pid, signal),
            Reach::Program => kill_process(pid, signal),
        };
    }

    /// Tells how the program ended, which it has; what is left of its group is killed.
    pub(crate) async fn finish(mut self) -> Result<ExitStatus> {
        if self.reach == Reach::Group {
            self.signal(Signal::KILL);
        }
        self.pid = None;
        let status = self.child.wait().await;
        status.map_err(|error| Failure::system("COMMAND cannot be waited for", &error))
    }

    /// Asks the program to end by that signal, and kills it after the grace time or when another signal comes.
    pub(crate) async fn stop(mut self, by: Signal, signals: &mut Signals) -> Result<ExitStatus> {
        self.signal(by);
        tokio::select! {
            () = self.ended() => {}
            () = tokio::time::sleep(GRACE) => self.signal(Signal::KILL),
            _ = signals.next() => self.signal(Signal::KILL),
        }
        self.ended().await;
        self.finish().await
    }
}

/// Run by the program's process before it becomes the program.
fn attach(reach: Reach, parent: Pid) -> io::Result<()> {
    // Where we are killed, the program should not go on: others take over what it does. What it has started may.
    // The signal comes when the *thread* ends that has started it, which is that of the whole command.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    // We may have been killed before that.
    if getppid() != Some(parent) {
        return Err(rustix::io::Errno::SRCH.into());
    }
    if reach == Reach::Group {
        rustix::process::setsid()?;
    }
    Ok(())
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// The exit code that passes on how a program ended.
pub(crate) fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(0), _) => Exit::Ok,
        (Some(code), _) => u8::try_from(code).map_or(Exit::Failure, Exit::Program),
        (None, Some(number)) => Exit::of_signal(number),
        (None, None) => Exit::Failure,
    }
}

/// How a program ended, for people.
pub(crate) fn described(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => match Signal::from_named_raw(number).and_then(name) {
            Some(name) => format!("signal {number} ({name})"),
            None => format!("signal {number}"),
        },
        (None, None) => status.to_string(),
    }
}

/// What is said of a program that could not be started, and the exit code that shells have for it.
pub(crate) fn not_started(program: &OsStr, error: &io::Error) -> (String, Exit) {
    let program = program.to_string_lossy();
    match error.kind() {
        io::ErrorKind::NotFound if program.contains('/') => (
            format!(
                "program {program:?} was not found, or the interpreter that its first line names"
            ),
            Exit::Program(127),
        ),
        io::ErrorKind::NotFound => (
            format!("program {program:?} was not found in PATH"),
            Exit::Program(127),
        ),
        _ => (
            format!("program {program:?} could not be started: {error}"),
            Exit::Program(126),
        ),
    }
}

/// A command for a program and its arguments, with our standard input and output.
pub(crate) fn command(argv: &[OsString]) -> Command {
    let mut command = Command::new(argv.first().map_or(OsStr::new(""), OsString::as_os_str));
    command.args(argv.iter().skip(1));
    command
}
