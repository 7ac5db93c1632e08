//! From the arguments to the exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches as _;
use towpath_core::{Error, Kind};
use towpath_runtime::App;

use crate::args::{Cli, Command, Globals, command_of};
use crate::env::{Env, Scopes, invocation};
use crate::exit::{Exit, Failure, Result};
use crate::output::Out;
use crate::store::{self, Base, Migrations, Open, Yard};
use crate::{
    bench, completions, dead, demo, doctor, locks, log, messages, migrate, prune, queues, result,
    revoke, status, submit, worker, workers,
};
#[cfg(unix)]
use crate::{cleanup, dir, make};

/// What a program hands over besides its app.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How to open a store; this crate can name none.
    pub open: Open,
    /// How to open a bare loop to measure a store beside, where there is one.
    pub yardstick: Yard,
    /// How to reach the migrations of a store, where it has some.
    pub schema: Migrations,
    /// How to open a state directory, where attempts promise clean-up.
    pub scopes: Scopes,
    /// What the program is called.
    pub program: Program,
}

/// What a program is called, in its help and in the commands that it suggests.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// What `--version` tells; without it there is no such flag.
    pub version: Option<String>,
}

impl Program {
    /// The program that was started, by the name of its file.
    pub fn current() -> Self {
        let path = std::env::args_os().next().map(std::path::PathBuf::from);
        let name = path.and_then(|path| Some(path.file_stem()?.to_str()?.to_owned()));
        Self {
            name: name.unwrap_or_else(|| "towpath".to_owned()),
            version: None,
        }
    }
}

/// Runs the command that the arguments of the process ask for, on the tasks, the data and (unless
/// another is named) the store of `app`.
///
/// What is printed, and what the exit code means, is told by `--help`. Must be called within a tokio
/// runtime whose time and I/O drivers are on; [`run_blocking`] brings one.
pub async fn run(app: App, setup: Setup) -> ExitCode {
    run_args(Base::App(Box::new(app)), setup, std::env::args_os()).await
}

/// As [`run`], on a runtime of its own: the whole `main` of a program.
pub fn run_blocking(app: App, setup: Setup) -> ExitCode {
    on_runtime(Base::App(Box::new(app)), setup)
}

/// The whole `main` of the program `towpath`: without an app, its default store a file of the user's.
pub fn main_with(setup: Setup) -> ExitCode {
    on_runtime(Base::StateDirectory, setup)
}

fn on_runtime(base: Base, setup: Setup) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(run_args(base, setup, std::env::args_os()));
            // A body that ignores its end, or a read of standard input, must not hold the process.
            runtime.shutdown_background();
            code
        }
        Err(e) => {
            let text = format!("the threads of the program cannot be started: {e}");
            end(Err(Error::new(Kind::Storage, text).into()))
        }
    }
}

async fn run_args(base: Base, setup: Setup, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = command_of(&setup.program);
    let parsed = command
        .clone()
        .try_get_matches_from(args)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(told) => {
            // Help and version end here too. Who does not read them has gone: no failure.
            let _ = told.print();
            return if told.use_stderr() {
                Exit::Usage
            } else {
                Exit::Ok
            }
            .into();
        }
    };
    log::start(cli.globals.log_level, cli.globals.log_format);
    end(dispatch(base, setup, cli, command).await)
}

async fn dispatch(base: Base, setup: Setup, cli: Cli, command: clap::Command) -> Result {
    let Globals { store, json, .. } = cli.globals;
    let out = Out::stdout(json);
    if let Command::Completions(args) = cli.command {
        return completions::run(&args, command, &out);
    }
    // These make stores of their own, and leave the store of the user alone.
    let command = match cli.command {
        Command::Bench(args) => {
            let run = bench::run(args, setup, store::named(store.as_deref())?, &out);
            return flushed(Box::pin(run).await, &out);
        }
        Command::BenchPeer(args) => {
            let run = bench::run_peer(args, setup, store::named(store.as_deref())?, &out);
            return flushed(Box::pin(run).await, &out);
        }
        #[cfg(unix)]
        Command::Make(args) => return flushed(Box::pin(make::run(args, &out)).await, &out),
        #[cfg(unix)]
        Command::WithCleanup(args) => {
            return Box::pin(cleanup::with_cleanup::run(args)).await;
        }
        #[cfg(unix)]
        Command::Defer(args) => {
            let program = invocation(&setup.program.name, std::env::args_os().next());
            let run = cleanup::defer::run(args, &out, &program);
            return flushed(Box::pin(run).await, &out);
        }
        #[cfg(unix)]
        Command::Dir(args) => {
            let program = invocation(&setup.program.name, std::env::args_os().next());
            return flushed(Box::pin(dir::run(args, &out, &program)).await, &out);
        }
        // Must not open the store, which would migrate it.
        Command::Migrate(args) => {
            let url = base.url(store.as_deref())?;
            return flushed(migrate::run(args, &url, setup.schema, &out).await, &out);
        }
        command => command,
    };
    let (app, store_url) = base.open(store.as_deref(), setup.open)?;
    let env = Env {
        app,
        store_url,
        scopes: setup.scopes,
        program: invocation(&setup.program.name, std::env::args_os().next()),
        out,
    };
    let done = flushed(perform(command, &env).await, &env.out);
    let closed = env.app.store().close().await.map_err(Failure::from);
    let exit = done?;
    closed.map(|()| exit)
}

/// What was printed counts even where the command failed half way.
fn flushed(done: Result, out: &Out) -> Result {
    let flushed = out.flush();
    let exit = done?;
    flushed.map(|()| exit)
}

async fn perform(command: Command, env: &Env) -> Result {
    match command {
        Command::Demo(args) => Box::pin(demo::run(args, env)).await,
        Command::Submit(args) => submit::run(args, env).await,
        Command::Worker(args) => Box::pin(worker::run(args, env)).await,
        Command::Status(args) => status::run(args, env).await,
        Command::Result(args) => result::run(args, env).await,
        Command::Queues(args) => queues::run(args, env).await,
        Command::Messages(args) => messages::run(args, env).await,
        Command::Dead(args) => dead::run(args, env).await,
        Command::Revoke(args) => revoke::run(args, env).await,
        Command::Workers(args) => workers::run(args, env).await,
        Command::Locks(args) => locks::run(args, env).await,
        Command::Prune(args) => prune::run(args, env).await,
        Command::Doctor(args) => doctor::run(args, env).await,
        #[cfg(unix)]
        Command::Make(_) | Command::WithCleanup(_) | Command::Defer(_) | Command::Dir(_) => {
            unreachable!("opens no store and was done before")
        }
        Command::Completions(_)
        | Command::Bench(_)
        | Command::BenchPeer(_)
        | Command::Migrate(_) => {
            unreachable!("opens no store of the user and was done before")
        }
    }
}

fn end(done: Result) -> ExitCode {
    let exit = done.unwrap_or_else(|failure| {
        let report = failure.report();
        if !report.is_empty() {
            // Where standard error is gone too, the exit code has to do.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), report.as_bytes());
        }
        failure.exit()
    });
    exit.into()
}
