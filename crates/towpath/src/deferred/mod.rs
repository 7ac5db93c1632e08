//! Clean-up that outlives its process, for attempts: [`Context::defer`](crate::Context::defer) and the [`StateDir`] in
//! which it is written down.
//!
//! A deferred function is promised by name with plain data, before the work that it cleans up after. It is run at the end
//! of the attempt, however that ends; where the process is killed in the midst of it, the next worker on the same
//! directory runs it before it claims anything. Use it for what a `Drop` cannot do because the process is gone: scratch
//! files, mounts, processes that were started, machines that were rented.
//!
//! ```
//! use std::path::PathBuf;
//! use std::time::Duration;
//! use towpath::deferred::{RemovePath, StateDir, builtin};
//! use towpath::{App, Context, TaskError, task};
//!
//! /// Counts the words of a text, by way of a file.
//! #[task]
//! async fn count(ctx: Context, scratch: PathBuf, text: String) -> Result<usize, TaskError> {
//!     // First the promise, then the deed.
//!     ctx.defer("remove_path", &RemovePath { path: scratch.clone() })?;
//!     std::fs::write(&scratch, &text)?;
//!     Ok(std::fs::read_to_string(&scratch)?.split_whitespace().count())
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> towpath::Result<()> {
//! # let directory = tempfile::tempdir().unwrap();
//! # let (state, scratch) = (directory.path().join("state"), directory.path().join("scratch.txt"));
//! let mut functions = builtin();
//! functions.add("greet", |_call, whom: String| {
//!     println!("goodbye, {whom}");
//!     Ok::<(), String>(())
//! })?;
//! let app = App::new(towpath::open("memory:")?)
//!     .task(count)
//!     .scopes(StateDir::open(state, functions)?);
//! let worker = app.worker().start().await?;
//! let counted = count.submit(&app.broker(), (scratch.clone(), "to and fro".to_owned())).await?;
//! assert_eq!(counted.result(Duration::from_secs(30)).await?, 3);
//! // The function was run before the message counted as done.
//! assert!(!scratch.exists());
//! worker.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Without a queue, use a [`Manager`] and its [`Scope`] directly.

mod state_dir;

pub use state_dir::StateDir;
pub use towpath_coord::deferred::*;

/// A registry that has `remove_path`, `kill_process_group` and `run_command`, for [`RemovePath`], [`KillProcessGroup`]
/// and [`RunCommand`]. Start with [`Registry::new`] instead to allow none of them.
///
/// ```
/// assert!(towpath::deferred::builtin().knows("remove_path"));
/// ```
pub fn builtin() -> Registry {
    let mut registry = Registry::new();
    registry
        .add_builtin(&towpath_coord::World::new())
        .expect("no name is taken in an empty registry");
    registry
}
