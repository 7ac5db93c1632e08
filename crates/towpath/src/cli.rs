//! The commands of `towpath`, for a program of your own: its tasks, its data, its store.
//!
//! ```no_run
//! # #[towpath::task] async fn add(a: i64, b: i64) -> i64 { a + b }
//! #[tokio::main]
//! async fn main() -> towpath::Result<std::process::ExitCode> {
//!     let app = towpath::App::new(towpath::open("sqlite:jobs.db")?).task(add);
//!     Ok(towpath::cli::run(app).await)
//! }
//! ```
//!
//! That program then has `submit add '[1, 2]'`, `worker`, `status`, `result`, `queues`, `messages`,
//! `dead`, `revoke`, `prune`, `doctor` and more, with `--help` on each. `--store` and `TOWPATH_STORE`
//! name another store than the app's own, and `worker --state-dir` a directory for clean-up that outlives its
//! process, with the functions of [`builtin`](crate::deferred::builtin); for functions of its own a program gives
//! its app a [`StateDir`](crate::deferred::StateDir) by [`App::scopes`].

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use towpath_commands::{Program, Setup};
use towpath_core::Result;
use towpath_runtime::{App, AttemptScopes};

/// Runs the command that the arguments of the process ask for, and gives its exit code.
///
/// Must be called within a tokio runtime whose time and I/O drivers are on; [`run_blocking`] brings
/// one.
pub async fn run(app: App) -> ExitCode {
    towpath_commands::run(app, setup(Program::current())).await
}

/// As [`run`], on a runtime of its own: for a `main` that is not async.
///
/// # Panics
///
/// Within an async runtime.
pub fn run_blocking(app: App) -> ExitCode {
    towpath_commands::run_blocking(app, setup(Program::current()))
}

/// The whole `main` of the program `towpath`.
#[doc(hidden)]
pub fn main(version: &str) -> ExitCode {
    let program = Program {
        name: "towpath".to_owned(),
        version: Some(version.to_owned()),
    };
    towpath_commands::main_with(setup(program))
}

fn setup(program: Program) -> Setup {
    Setup {
        open: towpath_stores::open,
        yardstick: towpath_stores::yardstick,
        schema: towpath_stores::schema,
        scopes,
        program,
    }
}

/// A state directory with the functions that are ready made.
#[cfg(unix)]
fn scopes(directory: &Path) -> Result<Arc<dyn AttemptScopes>> {
    use crate::deferred::{StateDir, builtin};
    let state = StateDir::open(directory, builtin())?;
    Ok(Arc::new(state))
}

#[cfg(not(unix))]
fn scopes(_directory: &Path) -> Result<Arc<dyn AttemptScopes>> {
    let text = "there are no state directories on this system";
    Err(towpath_core::Error::new(
        towpath_core::Kind::Unsupported,
        text,
    ))
}
