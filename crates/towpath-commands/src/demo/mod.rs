//! `towpath demo [DIR]`: real work on the store, for the first minute with Towpath.
//!
//! One message per file of a directory, run by a worker in this process; each counts and hashes its
//! file. One message more names a file that is not there, to show what becomes of a failure. The demo
//! has a queue of its own and listens to nothing else, so it disturbs nobody on a store that is in use.
//!
//! [`run`] is the story: `walk` finds the files, `batch` submits their messages and collects the
//! results, `report` shows them. The tasks are in `count` and `sleep`.

mod batch;
mod count;
mod dead;
mod file_path;
mod interrupt;
mod next;
mod paint;
mod progress;
mod report;
mod sleep;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use towpath_core::QueueName;
use towpath_runtime::{App, Listen, Worker};

use crate::env::Env;
use crate::exit::{Exit, Failure, Result};

use self::batch::Batch;
use self::interrupt::Interrupt;
use self::progress::Progress;
use self::report::Report;
use self::walk::Walk;

/// The queue of the demo.
pub(crate) const QUEUE: &str = "demo";
/// A file that is not there.
const UNREADABLE: &str = ".towpath-demo-unreadable";

/// Count and hash the files of a directory, one message per file.
///
/// Walks DIR (without .git, target and symbolic links), submits a message per file to the queue `demo`
/// and runs them on a worker in this process. One message more names a file that cannot be read: it is
/// retried twice and ends in the dead letters. Ends with three commands to go on with.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory whose files are counted
    #[arg(default_value = ".", value_name = "DIR")]
    directory: PathBuf,

    /// Take at most that many files
    #[arg(long, value_name = "N", default_value_t = 20_000,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    max_files: usize,
}

/// Adds the tasks of the demo: `demo.count_file` and `demo.sleep`.
pub(crate) fn tasks(app: App) -> App {
    app.task(count::task()).task(sleep::task())
}

/// Runs the demo.
pub(crate) async fn run(args: Args, env: &Env) -> Result<Exit> {
    let directory = directory(&args.directory)?;
    let interrupt = Arc::new(Interrupt::listen()?);
    let walk = find(&directory, args.max_files, &interrupt).await?;

    let app = tasks(env.app.clone());
    let worker = start_worker(&app).await?;
    let progress = Progress::new(env.json(), walk.files.len() + 1);
    let unreadable = unreadable(&directory);
    let mut batch = Batch::new(app.broker(), &walk.files, unreadable);
    let ended = tokio::select! {
        ended = batch.run(&progress) => ended.map(|()| true),
        () = interrupt.wait() => Ok(false),
    };
    progress.clear();
    // Before anything is said about it: what the demo has claimed is given back even if it failed.
    worker.stop().await?;
    let report = Report {
        env,
        directory: &directory,
        walk: &walk,
        batch: &batch,
    };
    if ended? {
        report.done()
    } else {
        report.interrupted()
    }
}

/// The directory as an absolute path: a worker that was started elsewhere must find the files too.
fn directory(path: &Path) -> Result<PathBuf> {
    let shown = file_path::shown(path);
    let refuse = |why: String| Failure::usage(format!("directory {shown}: {why}"));
    let metadata = std::fs::metadata(path).map_err(|e| refuse(e.to_string()))?;
    if !metadata.is_dir() {
        return Err(refuse("it is not a directory".to_owned()).hint("name a directory to walk"));
    }
    std::path::absolute(path).map_err(|e| refuse(e.to_string()))
}

async fn find(directory: &Path, files_max: usize, interrupt: &Arc<Interrupt>) -> Result<Walk> {
    let (root, interrupt) = (directory.to_owned(), interrupt.clone());
    let walking =
        tokio::task::spawn_blocking(move || walk::walk(&root, files_max, || interrupt.is_set()));
    let walk = walking
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    walk.map_err(|e| {
        Failure::usage(format!(
            "directory {} cannot be read: {e}",
            file_path::shown(directory)
        ))
    })
}

/// A worker for the messages of the demo and for nothing else, not even for its slow ones, which wait
/// for `worker --demo`.
async fn start_worker(app: &App) -> Result<Worker> {
    let queue = QueueName::new(QUEUE)?;
    let subset = vec![(queue, vec![count::name()?])];
    Ok(app
        .worker()
        .listen(Listen::Tasks(subset))
        .grace(interrupt::GRACE)
        .start()
        .await?)
}

/// The path of a file that is not there.
fn unreadable(directory: &Path) -> PathBuf {
    let numbered = (2..).map(|n| directory.join(format!("{UNREADABLE}-{n}")));
    let mut candidates = std::iter::once(directory.join(UNREADABLE)).chain(numbered);
    let free = candidates.find(|path| path.symlink_metadata().is_err());
    free.expect("the numbers do not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unreadable_file_is_never_one_that_exists() {
        let dir = tempfile::tempdir().unwrap();
        let first = unreadable(dir.path());
        assert_eq!(first, dir.path().join(".towpath-demo-unreadable"));
        std::fs::write(&first, "").unwrap();
        assert_eq!(
            unreadable(dir.path()),
            dir.path().join(".towpath-demo-unreadable-2")
        );
    }
}
