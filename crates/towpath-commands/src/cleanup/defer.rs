//! `defer`: promises clean-up within `with-cleanup`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use towpath_coord::deferred::{RemovePath, RunCommand};
use towpath_core::Kind;

use super::line::{VARIABLE, Wish, ask};
use crate::exit::{Exit, Failure, Result};
use crate::output::Out;
use crate::values::duration;

/// Within `with-cleanup`: promise a command, or the removal of a path, for the end
///
/// Call it before what is to be cleaned up is made. Once it has ended with 0 the promise is written down, and kept
/// at least once, even if everything is killed. Promises are kept in the order in which they were made.
///
/// The command is run in the present directory, with no input, with the environment of whoever runs it, and what it
/// prints goes to standard error; no shell reads its words. It has failed unless it ends with 0; then it is tried
/// again, three times in all.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath defer --remove scratch && mkdir scratch
  towpath defer -- docker rm -f \"build-$$\"
  towpath defer -- sh -c 'umount mnt && rmdir mnt'

Outside of with-cleanup it is an error: exit code 2. Exit code 5 when with-cleanup does not answer; the \
text says whether nothing was promised then, or whether that is not known.

With --json: {\"deferred\": {\"run_command\": {\"argv\", \"directory\", \"deadline_ms\"}}} or \
{\"deferred\": {\"remove_path\": {\"path\"}}}")]
pub(crate) struct Args {
    /// Remove a file, a link, or a directory with all that is in it; that it is not there is fine
    #[arg(long, value_name = "PATH", conflicts_with_all = ["command", "deadline"])]
    remove: Option<PathBuf>,
    /// Kill the command when it takes longer; the --deadline of with-cleanup counts too
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    deadline: Option<Duration>,
    /// The command that cleans up
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<OsString>,
}

#[derive(Serialize)]
struct View<'a> {
    deferred: &'a Wish,
}

pub(crate) async fn run(args: Args, out: &Out, program: &str) -> Result {
    let Some(socket) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
        let text = format!("defer is for use within with-cleanup, and {VARIABLE} is not set here");
        return Err(Failure::usage(text).hint(format!("{program} with-cleanup -- COMMAND")));
    };
    let directory = std::env::current_dir()
        .map_err(|e| Failure::usage(format!("the present directory cannot be read: {e}")))?;
    if args.remove.is_none() && args.command.is_empty() {
        return Err(Failure::usage("there is nothing to promise")
            .hint("write a command after --, or --remove PATH"));
    }
    let wish = match args.remove {
        Some(path) => Wish::RemovePath(RemovePath {
            path: removable(&directory, &path)?,
        }),
        None => Wish::RunCommand(RunCommand {
            argv: args
                .command
                .into_iter()
                .map(text)
                .collect::<Result<_, _>>()?,
            directory,
            deadline_ms: args.deadline.map_or(u64::MAX, millis),
        }),
    };
    ask(Path::new(&socket), &wish).await.map_err(|error| {
        let is_unheard = error.kind() == Kind::Unavailable;
        let failure = Failure::from(error);
        match is_unheard {
            true => {
                failure.hint("it may have ended: what is started in the background can outlive it")
            }
            false => failure,
        }
    })?;
    if out.json {
        out.json(&View { deferred: &wish })?;
    }
    Ok(Exit::Ok)
}

/// The path in full, as it is now: links in it may lead elsewhere later.
fn removable(directory: &Path, path: &Path) -> Result<PathBuf> {
    let full = directory.join(path);
    let refused = |why: &str| {
        let shown = path.display();
        Failure::usage(format!("{shown} cannot be promised to be removed: {why}"))
    };
    let Some(name) = full.file_name() else {
        return Err(refused("it ends in .., or is /"));
    };
    let parent = full.parent().unwrap_or(Path::new("/"));
    let is_plain = |component| !matches!(component, std::path::Component::ParentDir);
    if parent.components().all(is_plain) {
        // Without the dots that stand for nothing.
        return Ok(full.components().collect());
    }
    let parent = parent.canonicalize();
    parent
        .map(|parent| parent.join(name))
        .map_err(|error| refused(&format!("where its .. leads is not known: {error}")))
}

fn text(arg: OsString) -> Result<String> {
    arg.into_string().map_err(|arg| {
        let shown = arg.display();
        Failure::usage(format!("the argument {shown} is not UTF-8"))
            .hint("put the command into a script")
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_whole_before_they_are_promised() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let check = |path: &str, expected: &str| {
            let found = removable(&root, Path::new(path)).unwrap();
            assert_eq!(found.as_os_str(), root.join(expected).as_os_str(), "{path}");
        };
        check("a", "a");
        check("./a/./b/", "a/b");
        std::fs::create_dir(root.join("sub")).unwrap();
        check("sub/../a", "a");
        let absolute = removable(&root, Path::new("/x/y")).unwrap();
        assert_eq!(absolute, Path::new("/x/y"));
        for wrong in ["..", "/", "none/../a", "sub/.."] {
            assert!(removable(&root, Path::new(wrong)).is_err(), "{wrong}");
        }
    }
}
