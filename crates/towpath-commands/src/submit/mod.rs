//! `submit`: puts messages into the store.

mod command;
mod each;
mod options;

use serde::Serialize;
use towpath_core::{Draft, Kind, MessageId, Payload, TaskName};

pub(crate) use options::start;

use crate::env::Env;
use crate::exit::{Exit, Failure, Result};
use crate::values::JsonArg;
use options::DraftArgs;

/// Submit a message: one run of a task
///
/// Prints the id of the message once the store has it. TASK runs on any worker that knows it; its
/// arguments are a JSON array (in order) or object (by name).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath submit add '[1, 2]'
  towpath submit report - --id report-2026-03 --delay 10m < args.json
  towpath submit --shell -- convert in.png out.jpg
  ls *.png | towpath submit --shell --each -- convert {} {}.jpg

With --json: {\"id\"}, and with --each one per line.")]
pub(crate) struct Args {
    /// The task to run, by its exact name
    #[arg(value_name = "TASK")]
    task: Option<TaskName>,
    /// Its arguments as a JSON array or object, at most 1 MiB; - reads them from standard input
    #[arg(value_name = "JSON", default_value = "[]", hide_default_value = true)]
    arguments: JsonArg,
    /// Run a command line instead: the task `shell`, in the present directory
    ///
    /// A worker runs it only with --allow-shell, or from an SQLite store in a directory that is the
    /// caller's own (mode 0700). No shell reads the words: for pipes write -- sh -c '…'.
    #[arg(long)]
    shell: bool,
    /// Submit one message per line of standard input; {} in the command stands for the line
    ///
    /// Empty lines are skipped. Messages are submitted while the input is read.
    #[arg(long, requires = "shell", conflicts_with = "id")]
    each: bool,
    /// The command line to run with --shell
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<String>,
    #[command(flatten)]
    options: DraftArgs,
}

/// How it is called, in the help of `program`.
pub(crate) fn usage(program: &str) -> String {
    format!(
        "{program} submit [OPTIONS] TASK [JSON|-]\n       \
         {program} submit [OPTIONS] --shell -- COMMAND…\n       \
         {program} submit [OPTIONS] --shell --each -- COMMAND…"
    )
}

/// A message that was submitted, for programs.
#[derive(Serialize)]
struct View {
    id: MessageId,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    let Args {
        task,
        arguments,
        shell,
        each,
        options,
        command,
    } = args;
    if !shell {
        if !command.is_empty() {
            return Err(Failure::usage("a command line after -- needs --shell"));
        }
        let Some(task) = task else {
            return Err(Failure::usage("no task is named")
                .hint("submit TASK '[ARGUMENTS]', or submit --shell -- COMMAND"));
        };
        return one(draft_of(task, arguments.read()?, env)?, options, env).await;
    }
    if task.is_some() {
        return Err(Failure::usage(
            "--shell takes no task; write the command after --",
        ));
    }
    if command.is_empty() {
        return Err(Failure::usage("--shell needs a command")
            .hint("write it after --, as in: submit --shell -- make test"));
    }
    if each {
        return each::run(&command, options, env).await;
    }
    one(command::draft(&command, env)?, options, env).await
}

async fn one(draft: Draft, options: DraftArgs, env: &Env) -> Result {
    let draft = options.apply(draft, env).await?;
    let id = draft.id;
    env.broker().submit(draft).await.map_err(|error| {
        let known = error.kind() == Kind::AlreadyExists;
        let failure = Failure::from(error);
        let hint = || env.command(&format!("messages show {id}"));
        if known {
            failure.hint(format!("see it: {}", hint()))
        } else {
            failure
        }
    })?;
    if env.json() {
        env.out.json(&View { id })?;
    } else {
        env.out.line(id)?;
    }
    Ok(Exit::Ok)
}

/// A draft with the defaults of its task, if this program has that task.
fn draft_of(task: TaskName, payload: Payload, env: &Env) -> Result<Draft> {
    let Some(settings) = env.app.task_settings(&task) else {
        // The program `towpath` knows no tasks; one that has some may have been misspelt.
        if !env.app.task_names().is_empty() {
            env.note(&format!(
                "this program has no task {task:?}; the message waits for a worker that has"
            ));
        }
        return Ok(Draft::new(task, payload));
    };
    if settings.is_named_only() && payload.bytes().first() == Some(&b'[') && payload.len() > 2 {
        return Err(Failure::usage(format!(
            "task {task:?} takes its arguments by name only; write a JSON object"
        )));
    }
    Ok(settings.draft(payload)?)
}
