//! One process of the soak, and the signals it gets.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It submits.
    Producer,
    /// It runs.
    Worker,
}

/// One process, killed at the latest with the observer.
#[derive(Debug)]
pub struct Process {
    /// Its number; no two processes of a soak have the same.
    pub number: u16,
    /// What it is.
    pub part: Part,
    /// Since when it is stopped, by the boot clock.
    pub frozen_since: Option<u64>,
    child: Child,
}

impl Process {
    /// Starts `program` with `arguments` and one variable of its environment; what it prints goes to the
    /// file `said`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn start(
        program: &Path,
        arguments: &[String],
        (variable, value): (&str, &str),
        said: &Path,
        (part, number): (Part, u16),
    ) -> Result<Self> {
        let said =
            File::create(said).with_context(|| format!("failed to make {}", said.display()))?;
        let child = Command::new(program)
            .args(arguments)
            .env(variable, value)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .with_context(|| format!("failed to start {}", program.display()))?;
        Ok(Self {
            number,
            part,
            frozen_since: None,
            child,
        })
    }

    /// SIGKILL, and waits until the process is gone.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill().context("failed to kill a process")?;
        self.child.wait().context("failed to wait for a process")
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).context("failed to signal a process")
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("failed to look at a process")
    }

    /// Waits for its end; `None` when it had to be killed after `bound`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn wait(&mut self, bound: Duration) -> Result<Option<ExitStatus>> {
        let until = Instant::now() + bound;
        // The standard library cannot wait for a child with a limit.
        while Instant::now() < until {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill()?;
        Ok(None)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_waited_for = self.child.wait();
    }
}
