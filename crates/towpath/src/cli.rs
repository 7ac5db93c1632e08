//! The commands of `towpath`, for a program of your own: its tasks, its store, its data.
//!
//! ```no_run
//! # #[towpath::task] async fn add(a: i64, b: i64) -> i64 { a + b }
//! fn main() -> towpath::Result<std::process::ExitCode> {
//!     let app = towpath::App::new(towpath::open("sqlite:jobs.db")?).task(add);
//!     Ok(towpath::cli::run(app))
//! }
//! ```
//!
//! That program then has `submit add '[1, 2]'`, `worker`, `status`, `result`, `queues`, `messages`,
//! `dead`, `revoke`, `prune`, `doctor`, with `--help` on each.
