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
//! name another store than the app's own.

use std::process::ExitCode;

use towpath_commands::{Program, Setup};
use towpath_runtime::App;

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
        program,
    }
}
