//! A server's process: started, awaited until it answers, signalled, and ended with its handle.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Longest wait for a server to answer, or to end.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

pub(crate) struct Process {
    child: Child,
    /// What ends it at once.
    kill: Signal,
}

impl Process {
    /// Starts it and waits until `answers` says that it can be used. What it prints goes to the file
    /// `log` in `directory`.
    pub(crate) fn start(
        mut command: Command,
        directory: &Path,
        kill: Signal,
        answers: impl Fn() -> bool,
    ) -> Result<Self> {
        let log_path = directory.join("log");
        let log = File::create(&log_path)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("failed to start {:?}", command.get_program()))?;
        let mut process = Self { child, kill };
        let deadline = Instant::now() + PATIENCE;
        while !answers() {
            let ended = process.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let said = std::fs::read_to_string(&log_path).unwrap_or_default();
                bail!(
                    "{:?} does not answer ({ended:?}); it said:\n{said}",
                    command.get_program()
                );
            }
            std::thread::sleep(PAUSE);
        }
        Ok(process)
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).context("failed to signal a server")
    }

    /// Signals it, and then its children: none is born meanwhile if it is stopped.
    pub(crate) fn signal_family(&self, signal: Signal) -> Result<()> {
        self.signal(signal)?;
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        for child in children.split_whitespace() {
            let pid = child.parse().ok().and_then(Pid::from_raw);
            let pid = pid.context("a child of a server has no number")?;
            // One that has just ended hears nothing.
            let _already_gone = kill_process(pid, signal);
        }
        Ok(())
    }

    /// Sends the signal and waits for the end.
    pub(crate) fn end(mut self, signal: Signal) -> Result<ExitStatus> {
        self.signal(signal)?;
        self.child.wait().context("failed to wait for a server")
    }
}

/// Runs a program that does its work and ends.
pub(crate) fn succeed(mut command: Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let program = Path::new(command.get_program());
        let name = program.file_name().map(OsStr::to_string_lossy);
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed: {said}", name.unwrap_or_default());
    }
    Ok(())
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // One that is frozen hears only this once it goes on.
            let _already_dead = self.signal(self.kill);
            let _already_dead = self.signal(Signal::CONT);
            let _already_dead = self.child.wait();
        }
    }
}
