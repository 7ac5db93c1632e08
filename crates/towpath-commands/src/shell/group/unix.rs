//! Process groups and signals.
//!
//! A group is signalled only while its leader has not been reaped. Until then its number cannot be
//! given to another process, so no signal can ever hit a stranger. That is why the end of the leader
//! is *looked at* (`waitid` with `WNOWAIT`, whenever SIGCHLD comes) and the leader reaped last.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};
use towpath_coord::deferred::KillProcessGroup;
use towpath_coord::liveness::System;
use towpath_core::{Kind, SystemClock};
use towpath_runtime::Context;

pub(in crate::shell) use crate::child::described as describe;

/// A program that leads a process group. Dropping it kills the whole group.
pub(in crate::shell) struct Group {
    child: Child,
    /// `None` once the leader was reaped, and the number may be another's.
    leader: Option<Pid>,
    /// Rings when any child of this process has ended.
    ended: tokio::signal::unix::Signal,
}

impl Group {
    /// Starts the program as the leader of a new group.
    pub(in crate::shell) fn spawn(command: &mut Command) -> io::Result<Self> {
        // Before the spawn: the first end must not be missed.
        let ended = signal(SignalKind::child())?;
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let leader = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Ok(Self {
            child,
            leader,
            ended,
        })
    }

    /// Writes down that the group is to be ended with its attempt, for whoever is there then. A state directory that
    /// does not know how is left alone.
    pub(in crate::shell) fn promise_its_end(
        &self,
        ctx: &Context,
        grace: Duration,
    ) -> towpath_core::Result<()> {
        let number = self
            .leader
            .and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
        let system = System::new(&SystemClock::new());
        // One that has ended already needs nobody.
        let Some(leader) = number.and_then(|number| system.of(number)) else {
            return Ok(());
        };
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let args = KillProcessGroup { leader, grace_ms };
        match ctx.defer("kill_process_group", &args) {
            Err(error) if error.kind() == Kind::Invalid => Ok(()),
            promised => promised,
        }
    }

    /// Its pipes, each once.
    pub(in crate::shell) fn pipes(
        &mut self,
    ) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        (
            self.child.stdin.take(),
            self.child.stdout.take(),
            self.child.stderr.take(),
        )
    }

    /// Waits until the program has ended; others of its group may still run.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub(in crate::shell) async fn ended(&mut self) {
        let Some(leader) = self.leader else { return };
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        // An error means that there is nothing to wait for: somebody else reaped it.
        while let Ok(None) = waitid(WaitId::Pid(leader), look) {
            self.ended.recv().await;
        }
    }

    /// Asks the whole group to end.
    pub(in crate::shell) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Kills what is left of the group, and tells how the program ended.
    pub(in crate::shell) async fn finish(mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.leader = None;
        self.child.wait().await
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            // The only failure left is that nobody of the group is there any more.
            let _ = kill_process_group(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
