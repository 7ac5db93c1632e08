//! One run of the command that makes the files, and its end: published or not.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use towpath_coord::{Generating, Making};
use towpath_core::Kind;

use super::outs::{Outs, filled, variables};
use super::verdict::{Failed, Verdict};
use crate::blocking;
use crate::child::{Child, Reach, Signals, command, not_started};
use crate::env::{complain, note};
use crate::exit::{Exit, Result};

/// How often is looked whether the claim was lost.
const LOOK: Duration = Duration::from_millis(200);

pub(super) struct Attempt<'a> {
    pub(super) outs: &'a Outs,
    pub(super) argv: &'a [OsString],
    pub(super) timeout: Option<Duration>,
    pub(super) json: bool,
}

/// Why the command was ended, or that it has ended.
enum Cause {
    Ended,
    TimedOut,
    Lost,
    Interrupted(Signal),
}

impl Attempt<'_> {
    pub(super) async fn run(
        &self,
        generating: Generating,
        signals: &mut Signals,
    ) -> Result<Verdict> {
        let began = Instant::now();
        let making = generating.keep()?;
        let parts = self.parts(&making);
        let child = match self.spawn(&parts) {
            Ok(child) => child,
            Err(error) => {
                let (text, exit) = not_started(&self.argv[0], &error);
                return Ok(self
                    .failed(making, Failed::NotStarted { text, exit }, began, signals)
                    .await);
            }
        };
        let (cause, status) = self.supervise(child, &making, signals).await?;
        let failed = match cause {
            Cause::Ended if status.success() => self.not_made(&parts),
            Cause::Ended => Some(Failed::Ended(status)),
            Cause::TimedOut => Some(Failed::TimedOut),
            Cause::Lost => Some(Failed::Lost),
            Cause::Interrupted(signal) => Some(Failed::Interrupted(signal)),
        };
        if let Some(failed) = failed {
            return Ok(self.failed(making, failed, began, signals).await);
        }
        let ran = began.elapsed();
        match settled(signals, move || making.commit()).await? {
            Ok(()) => Ok(Verdict::Made { ran }),
            Err(error) if error.kind() == Kind::LeaseLost => {
                let why = Failed::Lost;
                Ok(Verdict::Failed { why, ran })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Where to write, in the order of the files.
    fn parts(&self, making: &Making) -> Vec<PathBuf> {
        let names = self.outs.names.iter();
        names.filter_map(|name| making.part(name)).collect()
    }

    fn spawn(&self, parts: &[PathBuf]) -> io::Result<Child> {
        let argv = filled(self.argv, parts).map_err(|_| io::Error::other("a placeholder"))?;
        let mut command = command(&argv);
        if self.json {
            // Our output is one document.
            command.stdout(io::stderr().as_fd().try_clone_to_owned()?);
        }
        command.envs(variables(parts));
        if io::IsTerminal::is_terminal(&io::stdin()) {
            // The terminal is not the command's, which would take away what is typed for others.
            command.stdin(Stdio::null());
        }
        Child::spawn(&mut command, Reach::Group)
    }

    /// Waits for the command's end, and brings it about where it must not go on.
    async fn supervise(
        &self,
        mut child: Child,
        making: &Making,
        signals: &mut Signals,
    ) -> Result<(Cause, ExitStatus)> {
        let lost = async {
            while !making.is_lost() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let late = async {
            match self.timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let cause = tokio::select! {
            () = child.ended() => Cause::Ended,
            () = late => Cause::TimedOut,
            () = lost => Cause::Lost,
            signal = signals.next() => Cause::Interrupted(signal),
        };
        let status = match cause {
            Cause::Ended => child.finish().await?,
            Cause::TimedOut | Cause::Lost => child.stop(Signal::TERM, signals).await?,
            Cause::Interrupted(signal) => child.stop(signal, signals).await?,
        };
        Ok((cause, status))
    }

    /// The first file that was not made.
    fn not_made(&self, parts: &[PathBuf]) -> Option<Failed> {
        let is_file = |part: &PathBuf| part.symlink_metadata().is_ok_and(|found| found.is_file());
        let missing = parts.iter().position(|part| !is_file(part))?;
        Some(Failed::NotMade {
            file: self.outs.shown[missing].clone(),
            placeholder: match parts.len() {
                1 => "{out}".to_owned(),
                _ => format!("{{out{}}}", missing + 1),
            },
        })
    }

    async fn failed(
        &self,
        making: Making,
        why: Failed,
        began: Instant,
        signals: &mut Signals,
    ) -> Verdict {
        let ran = began.elapsed();
        // The claim then lapses with this process.
        match settled(signals, move || making.fail()).await {
            Ok(Err(error)) => complain(&error.to_string()),
            Err(error) => complain(error.report().trim_end()),
            Ok(Ok(())) => {}
        }
        Verdict::Failed { why, ran }
    }
}

/// Waits for a step under the lock of the directory, which somebody may hold for long. A first signal is answered by
/// what goes on; after the second this process is gone, and the next who asks for the files finds its claim dead.
async fn settled<T: Send + 'static>(
    signals: &mut Signals,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let mut work = blocking::begin(work);
    let mut is_told = false;
    loop {
        tokio::select! {
            done = &mut work => return blocking::joined(done),
            signal = signals.next() => {
                if is_told {
                    std::process::exit(i32::from(Exit::of_signal(signal.as_raw()).code()));
                }
                note("the lock of the directory is waited for, to end the attempt; one more signal ends this at once");
                is_told = true;
            }
        }
    }
}
