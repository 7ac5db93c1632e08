//! Where there are no process groups: the program alone is ended, not what it started.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use towpath_runtime::Context;

/// A program. Dropping it kills it.
pub(in crate::shell) struct Group {
    child: Child,
}

impl Group {
    /// Starts the program.
    pub(in crate::shell) fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.kill_on_drop(true).spawn()?;
        Ok(Self { child })
    }

    /// Nobody could find it again.
    pub(in crate::shell) fn promise_its_end(
        &self,
        _ctx: &Context,
        _grace: Duration,
    ) -> towpath_core::Result<()> {
        Ok(())
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

    /// Waits until the program has ended.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub(in crate::shell) async fn ended(&mut self) {
        let _ = self.child.wait().await;
    }

    /// There is no gentle way to ask.
    pub(in crate::shell) fn terminate(&self) {}

    /// Kills the program if it still runs, and tells how it ended.
    pub(in crate::shell) async fn finish(mut self) -> io::Result<ExitStatus> {
        let _ = self.child.start_kill();
        self.child.wait().await
    }
}

/// How a program ended, for people.
pub(in crate::shell) fn describe(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}
