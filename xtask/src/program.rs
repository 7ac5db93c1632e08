//! One child program: what it is called with, what it printed, and how it ended.
//!
//! Its standard output and error go into one pipe, so that they stay in the order in which they were
//! written. What it printed is shown when it fails, or as it comes when [`Echo::Live`] asks for it.

use std::ffi::OsStr;
use std::io::{PipeReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// When the output of a program is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    Live,
    OnFailure,
}

pub(crate) struct Program {
    command: Command,
    /// The command as a person would type it, for messages.
    shown: String,
    time_max: Option<Duration>,
}

impl Program {
    /// The cargo that runs us, with `arguments` split at blanks.
    pub(crate) fn cargo(arguments: &str) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut program = Self::new(&cargo, &format!("cargo {arguments}"));
        program.command.args(arguments.split_whitespace());
        program
    }

    pub(crate) fn new(executable: impl AsRef<OsStr>, shown: &str) -> Self {
        let mut command = Command::new(executable);
        command.stdin(Stdio::null());
        Self {
            command,
            shown: shown.to_owned(),
            time_max: None,
        }
    }

    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn current_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Kills the program, and fails, when it runs for longer than this. Only for programs that start no
    /// others: a grandchild would keep the pipe open.
    pub(crate) fn time_max(mut self, time_max: Duration) -> Self {
        self.time_max = Some(time_max);
        self
    }

    /// Whether the program can be run and ends well; what it prints is thrown away.
    pub(crate) fn probe(mut self) -> bool {
        let status = self
            .command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }

    /// Runs to the end and returns what was printed; fails when the exit code is not 0.
    pub(crate) fn run(mut self, echo: Echo) -> Result<String> {
        let (reader, writer) = std::io::pipe().context("failed to make a pipe")?;
        self.command.stdout(writer.try_clone()?).stderr(writer);
        let mut child = self
            .command
            .spawn()
            .with_context(|| format!("failed to start `{}`", self.shown))?;
        // The command holds our ends of the pipe; while they are open the reader sees no end.
        drop(self.command);

        let printing = thread::spawn(move || read_to_end(reader, echo));
        let status = wait(&mut child, self.time_max)?;
        let output = printing.join().expect("reading a pipe does not panic")?;

        match status {
            Some(status) if status.success() => return Ok(output),
            _ if echo == Echo::OnFailure => eprint!("{output}"),
            _ => {}
        }
        match status {
            Some(status) => bail!("`{}` failed: {status}", self.shown),
            None => bail!(
                "`{}` was killed: it ran for longer than {:?}",
                self.shown,
                self.time_max
            ),
        }
    }
}

fn read_to_end(mut reader: PipeReader, echo: Echo) -> std::io::Result<String> {
    let mut kept = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok(String::from_utf8_lossy(&kept).into_owned());
        }
        kept.extend_from_slice(&buffer[..count]);
        if echo == Echo::Live {
            std::io::stdout().write_all(&buffer[..count])?;
            std::io::stdout().flush()?;
        }
    }
}

/// `None` when the time was up and the child had to be killed.
fn wait(child: &mut Child, time_max: Option<Duration>) -> Result<Option<ExitStatus>> {
    let Some(time_max) = time_max else {
        return Ok(Some(child.wait()?));
    };
    let deadline = Instant::now() + time_max;
    // The standard library cannot wait for a child with a limit; looking 50 times a second is cheap here.
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_what_was_printed() {
        let output = Program::cargo("--version").run(Echo::OnFailure).unwrap();
        assert!(output.starts_with("cargo "), "{output}");
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = Program::cargo("no-such-verb-of-cargo")
            .run(Echo::OnFailure)
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`cargo no-such-verb-of-cargo` failed"),
            "{error}"
        );
    }

    #[test]
    #[cfg(unix)]
    fn a_program_that_never_ends_is_killed() {
        let mut program = Program::new("sleep", "sleep 600").time_max(Duration::from_millis(50));
        program.command.arg("600");
        let error = program.run(Echo::OnFailure).unwrap_err();
        assert!(
            error.to_string().contains("`sleep 600` was killed"),
            "{error}"
        );
    }
}
