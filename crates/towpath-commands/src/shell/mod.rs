//! The task `shell`: runs a program and keeps what it printed.
//!
//! **Payload**, by name: `{"argv": ["program", "argument", …], "cwd"?: "path", "vars"?: {"NAME": "value"},
//! "stdin"?: "text"}`. The program is run directly; no shell reads `argv`. Without `stdin` it reads an
//! empty input. It has the worker's environment, `vars`, and on top of both `TOWPATH_MESSAGE_ID`,
//! `TOWPATH_TOKEN` and `TOWPATH_RETRIES`.
//!
//! **Result**: [`ShellResult`]. Of standard output and error 64 KiB each are kept, the first and the
//! last half; the rest is read and dropped, so a program that prints without end costs no memory.
//! What is not UTF-8 is replaced by `U+FFFD`.
//!
//! **Failures.** An exit code other than 0, or a signal, is a failure that is retried as the message's
//! settings say; its text holds the end of standard error. A program that is not found, and a payload
//! that cannot be run by anybody, are rejected at once.
//!
//! **The end.** The program leads a process group. When the attempt is called off (timeout, revoke,
//! the end of the worker) the group gets SIGTERM, and SIGKILL two seconds later. When the program has
//! ended by itself, what it left running in its group may go on for two seconds if it still holds the
//! output, and is then killed: nothing of the group outlives the attempt, and a worker that stops waits
//! for that. A program that must live on starts a session of its own (`setsid`).
//!
//! When the *worker* is killed, its programs go on without it. With a state directory each is written down when
//! it has started, and ended in the same way by the next worker on that directory, before the message runs again; only a
//! worker that dies in between leaves one that nobody knows. Without one they go on while another worker runs their
//! messages again: let them check `TOWPATH_TOKEN`.
//!
//! **Security.** Who may submit to the store runs programs as the user of the worker. So the task is
//! registered only where that is wanted (`--allow-shell`), and by default only for a store that no
//! other user can write.
//!
//! Read [`ShellRequest`], then `run` for the story; `group` holds what the operating system must do,
//! `capture` what is kept of the output.

mod capture;
mod group;
mod request;
mod run;
#[cfg(all(test, unix))]
mod tests;

pub use request::ShellRequest;
pub use run::ShellResult;
pub(crate) use run::all_ended;

use towpath_runtime::{Context, Task, TaskSettings, from_fn};

/// The name of the task.
pub const NAME: &str = "shell";

/// The task `shell`. Register it only where everybody who can submit may run programs.
///
/// ```
/// use towpath_runtime::Task;
/// let shell = towpath_commands::shell::task();
/// assert_eq!(shell.settings().name()?.as_str(), "shell");
/// # Ok::<(), towpath_core::Error>(())
/// ```
pub fn task() -> impl Task<Args = ShellRequest, Output = ShellResult> {
    from_fn(
        TaskSettings::new(NAME),
        |request: ShellRequest, ctx: Context| {
            let attempt = run::Attempt {
                token: ctx.token(),
                retries: ctx.retries(),
            };
            run::run_command(request, attempt, Some(ctx))
        },
    )
}
