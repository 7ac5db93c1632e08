//! A command line as a message of the task `shell`.

use towpath_core::{Draft, Payload, TaskName};
use towpath_runtime::Task as _;

use crate::env::Env;
use crate::exit::{Failure, Result};
use crate::shell::{self, ShellRequest};

/// A message that runs `argv` in the present directory.
pub(super) fn draft(argv: &[String], env: &Env) -> Result<Draft> {
    drafts_in(&present_directory()?, env)(argv.to_vec())
}

/// Makes messages that run command lines in `directory`.
pub(super) fn drafts_in<'a>(
    directory: &'a str,
    env: &'a Env,
) -> impl Fn(Vec<String>) -> Result<Draft> + use<'a> {
    let name = TaskName::new(shell::NAME).expect("a constant name");
    // A program may have a task `shell` of its own, with its own defaults.
    let settings = env
        .app
        .task_settings(&name)
        .cloned()
        .unwrap_or_else(|| shell::task().settings().clone());
    move |argv| {
        let request = ShellRequest {
            argv,
            cwd: Some(directory.to_owned()),
            ..ShellRequest::default()
        };
        let json = serde_json::to_vec(&request)
            .map_err(|e| Failure::usage(format!("the command cannot be written as JSON: {e}")))?;
        Ok(settings.draft(Payload::json(json))?)
    }
}

/// The present directory, where the command is to run.
pub(super) fn present_directory() -> Result<String> {
    let directory = std::env::current_dir()
        .map_err(|e| Failure::usage(format!("the present directory cannot be read: {e}")))?;
    directory.into_os_string().into_string().map_err(|path| {
        Failure::usage(format!(
            "the path of the present directory is not UTF-8: {}",
            path.display()
        ))
    })
}
