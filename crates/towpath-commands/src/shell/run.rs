//! One run of a program: started, fed, listened to, ended, judged.

use std::io;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, Command};
use tokio::sync::{oneshot, watch};
use towpath_core::{Token, limits};
use towpath_runtime::{Context, TaskError};

use super::capture::{Capture, last_lines};
use super::group::{Group, describe};
use super::request::{ShellRequest, rejected};

/// How long a group may go on after it was asked to end, or after its leader has ended.
const GRACE: Duration = Duration::from_secs(2);

/// How a program ended well: the result of the task `shell`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShellResult {
    /// Always 0: any other code is a failure.
    pub exit_code: i32,
    /// What it printed; above 64 KiB the first and the last half, with a mark between them.
    pub stdout: String,
    /// What it said on standard error, in the same way.
    pub stderr: String,
    /// Whether something of either is missing.
    pub truncated: bool,
    /// How many bytes it printed.
    pub stdout_bytes: u64,
    /// How many bytes it wrote to standard error.
    pub stderr_bytes: u64,
}

/// Which attempt a program is run for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) token: Token,
    pub(super) retries: u32,
}

/// Runs a program to its end. Where `ctx` can promise that it is ended too should this process be killed, it does.
///
/// # Cancel safety
///
/// Dropping the future ends the program and its group in the background, with SIGTERM first.
pub(super) async fn run_command(
    request: ShellRequest,
    attempt: Attempt,
    ctx: Option<Context>,
) -> Result<ShellResult, TaskError> {
    request.check()?;
    let group = spawn(&request, attempt)?;
    if let Some(ctx) = ctx.filter(Context::can_defer) {
        // Where it cannot be written down the group is killed by its guard, and the attempt has failed.
        group.promise_its_end(&ctx, GRACE)?;
    }
    let ShellRequest { argv, stdin, .. } = request;
    // The program has an owner of its own, which outlives this future by the grace time. All that it
    // knows of the attempt is that this sender is dropped with it.
    let (_attempt, called_off) = oneshot::channel::<()>();
    let owner = Owner::new();
    let owner = tokio::spawn(async move {
        let ended = supervise(group, stdin, called_off).await;
        drop(owner);
        ended
    });
    let ended = match owner.await {
        Ok(ended) => ended?,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => return Err(TaskError::msg("the worker ended before the program did")),
    };
    ended.judge(&argv[0])
}

fn spawn(request: &ShellRequest, attempt: Attempt) -> Result<Group, TaskError> {
    let program = request.program();
    let Attempt { token, retries } = attempt;
    let mut command = Command::new(program);
    command
        .args(&request.argv[1..])
        .envs(&request.vars)
        .env("TOWPATH_MESSAGE_ID", token.id.to_string())
        .env("TOWPATH_TOKEN", token.to_string())
        .env("TOWPATH_RETRIES", retries.to_string())
        .stdin(if request.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(cwd) = &request.cwd {
        // Looked at first: the system says "not found" of the program and of its directory alike.
        if !std::path::Path::new(cwd).is_dir() {
            return Err(failed(format!("cwd {cwd:?} is not a directory here")));
        }
        command.current_dir(cwd);
    }
    Group::spawn(&mut command).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound if program.contains('/') => rejected(format!(
            "program {program:?} was not found, or the interpreter that its first line names"
        )),
        io::ErrorKind::NotFound => rejected(format!(
            "program {program:?} was not found in PATH of the worker"
        )),
        io::ErrorKind::ArgumentListTooLong => rejected(format!(
            "program {program:?} was given more arguments than the system allows"
        )),
        _ => failed(format!("program {program:?} could not be started: {error}")),
    })
}

fn failed(text: impl AsRef<str>) -> TaskError {
    TaskError::new(super::NAME, text)
}

/// How many programs of this process have an owner.
static OWNERS: LazyLock<watch::Sender<usize>> = LazyLock::new(watch::Sender::default);

/// Counts one of [`OWNERS`].
struct Owner;

impl Owner {
    fn new() -> Self {
        OWNERS.send_modify(|owners| *owners += 1);
        Self
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        OWNERS.send_modify(|owners| *owners -= 1);
    }
}

/// Waits until all programs of this process have ended, once their attempts have: a process that left
/// before would leave those behind that do not listen to SIGTERM.
pub(crate) async fn all_ended() {
    let mut owners = OWNERS.subscribe();
    let none = owners.wait_for(|owners| *owners == 0);
    // Twice as long as an owner gives its group; what is still there then cannot be killed.
    let _ = tokio::time::timeout(GRACE * 2, none).await;
}

/// A program that has ended.
struct Ended {
    status: ExitStatus,
    stdout: Capture,
    stderr: Capture,
}

/// Owns the program until it has ended, by itself or because its attempt was called off.
///
/// Dropped with the runtime it still kills the group, by the guard in [`Group`].
async fn supervise(
    mut group: Group,
    stdin: Option<String>,
    called_off: oneshot::Receiver<()>,
) -> io::Result<Ended> {
    let (mut stdout, mut stderr) = (Capture::default(), Capture::default());
    let pipes = group.pipes();
    {
        let mut talk = pin!(async {
            tokio::join!(
                feed(pipes.0, stdin),
                listen(pipes.1, &mut stdout),
                listen(pipes.2, &mut stderr),
            )
        });
        let mut silent = false;
        let mut called_off = pin!(called_off);
        loop {
            tokio::select! {
                _ = &mut talk, if !silent => silent = true,
                () = group.ended() => break,
                _ = &mut called_off => {
                    group.terminate();
                    break;
                }
            }
        }
        let end = async {
            if !silent {
                talk.await;
            }
            group.ended().await;
        };
        let _ = tokio::time::timeout(GRACE, end).await;
    }
    let status = group.finish().await?;
    Ok(Ended {
        status,
        stdout,
        stderr,
    })
}

async fn feed(pipe: Option<ChildStdin>, text: Option<String>) {
    if let (Some(mut pipe), Some(text)) = (pipe, text) {
        // A program need not read its input; it says by its exit code whether that was a mistake.
        let _ = pipe.write_all(text.as_bytes()).await;
    }
}

async fn listen(pipe: Option<impl tokio::io::AsyncRead + Unpin>, capture: &mut Capture) {
    if let Some(pipe) = pipe {
        capture.drain(pipe).await;
    }
}

impl Ended {
    fn judge(self, program: &str) -> Result<ShellResult, TaskError> {
        let Self {
            status,
            stdout,
            stderr,
        } = self;
        let truncated = stdout.left_out() + stderr.left_out() > 0;
        let (stdout_bytes, stderr_bytes) = (stdout.total(), stderr.total());
        let (stdout, stderr) = (stdout.text(), stderr.text());
        if status.success() {
            return Ok(ShellResult {
                exit_code: 0,
                stdout,
                stderr,
                truncated,
                stdout_bytes,
                stderr_bytes,
            });
        }
        let what = format!("program {program:?} ended with {}", describe(status));
        let what = limits::cut(&what, limits::NAME_BYTES);
        // Many a tool complains on its standard output.
        let said = if stderr.trim().is_empty() {
            &stdout
        } else {
            &stderr
        };
        let said = last_lines(said, limits::ERROR_TEXT_BYTES - what.len() - 2);
        Err(failed(match said {
            "" => what,
            said => format!("{what}:\n{said}"),
        }))
    }
}
