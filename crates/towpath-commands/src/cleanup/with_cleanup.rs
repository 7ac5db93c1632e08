//! `with-cleanup`: runs a command, and then what was promised within it.

use std::ffi::OsString;
use std::future::pending;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use rustix::process::Signal;
use towpath_coord::deferred::{
    Config, Manager, Order, Registry, RemovePath, Report, Scope, TakeOver,
};
use towpath_coord::{Place, World};
use towpath_core::{Error, Kind};

use super::line::{Door, VARIABLE};
use super::report::{Dead, tell_trouble};
use super::state;
use crate::blocking;
use crate::child::{Child, Reach, Signals, command, foreground, not_started};
use crate::env::{complain, note};
use crate::exit::{Exit, Failure, Result};
use crate::output::counted;
use crate::place::PlaceArgs;
use crate::values::duration;

/// Run a command, and when it ends what it has promised by `defer`, come what may
///
/// Within COMMAND, `defer` promises commands to be run and paths to be removed. They are kept when COMMAND has
/// ended: well, badly, or by a signal. What this program could not do because it was killed itself, the next
/// with-cleanup on the same state directory does before it starts its own command, or `dir deferred run`; COMMAND gets SIGTERM then.
///
/// COMMAND has our standard input and output and our terminal. SIGTERM, SIGHUP and SIGINT are passed on to it, and the
/// clean-up begins when it has ended. Ctrl-C reaches it by itself. A second one during the clean-up leaves the
/// rest to the next run. One that comes before COMMAND is started has it not started.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath with-cleanup -- ./build.sh
  towpath with-cleanup --state-dir /var/lib/jobs --order last-in --deadline 5m -- ./job

In build.sh:
  towpath defer --remove scratch && mkdir scratch
  towpath defer -- docker rm -f \"build-$$\"

The exit code is COMMAND's; 128 and the number of the signal that was passed on to it; 70 where COMMAND has \
succeeded and something of the clean-up was given up, or had to be left.")]
pub(crate) struct Args {
    /// Where promises are written down [env: TOWPATH_STATE_DIR]
    ///
    /// A directory on a disk of this machine, made with mode 0700 unless it is there. Without it: what the variable
    /// TOWPATH_STATE_DIR names, then towpath in $XDG_STATE_HOME (~/.local/state).
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Which promise is kept first: the first one that was made, or the last
    #[arg(long, value_name = "first-in|last-in", value_enum, default_value_t = OrderArg::FirstIn, hide_possible_values = true)]
    order: OrderArg,
    /// How long one of them may take; then it is killed, and has failed
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1m")]
    deadline: Duration,
    #[command(flatten)]
    place: PlaceArgs,
    /// The command to run; no shell reads its words
    #[arg(value_name = "COMMAND", last = true, required = true)]
    command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OrderArg {
    FirstIn,
    LastIn,
}

/// Where COMMAND succeeded and the clean-up did not: EX_SOFTWARE of sysexits.h.
const UNCLEAN: Exit = Exit::Program(70);

pub(crate) async fn run(args: Args) -> Result {
    let place = state::open(args.state_dir, &args.place)?;
    let config = Config {
        order: match args.order {
            OrderArg::FirstIn => Order::FirstIn,
            OrderArg::LastIn => Order::LastIn,
        },
        deadline: args.deadline,
        // What others have left is run before COMMAND, and its troubles are not those of our own promises.
        take_over: TakeOver::OnRequest,
        ..Config::default()
    };
    let mut signals = Signals::listen()?;
    let (manager, scope, called_off) = begin(&place, config, &mut signals).await?;
    let door = Door::new();
    // Promised before it is made, so that nothing is left of it either.
    let path = door.directory().to_owned();
    scope.defer("remove_path", &RemovePath { path })?;
    let listening = door.open(scope.registrar()).map_err(|error| {
        let text = format!(
            "the socket {} cannot be made: {error}",
            door.socket().display()
        );
        Failure::from(Error::new(Kind::Storage, text))
            .hint("set TMPDIR to a directory of this machine")
    })?;
    let mut command = command(&args.command);
    command.env(VARIABLE, door.socket());
    let exit = match called_off.or(signals.come().await) {
        Some(signal) => Exit::of_signal(signal.as_raw()),
        None => match Child::spawn(&mut command, Reach::Program) {
            Ok(child) => foreground(child, &mut signals, pending()).await?.exit(),
            Err(error) => {
                let (text, exit) = not_started(&args.command[0], &error);
                complain(&text);
                exit
            }
        },
    };
    listening.abort();
    let is_clean = end(&place, manager, scope, &mut signals, exit).await?;
    Ok(match exit {
        Exit::Ok if !is_clean => UNCLEAN,
        exit => exit,
    })
}

/// Runs what others have left, and begins to take promises; answers the signal that came meanwhile, too.
async fn begin(
    place: &Place,
    config: Config,
    signals: &mut Signals,
) -> Result<(Manager, Scope, Option<Signal>)> {
    let mut registry = Registry::new();
    registry.add_builtin(&World::new())?;
    let (theirs, dead) = (place.clone(), Dead::before(place));
    let begun = blocking::begin(move || {
        let manager = Manager::open(&theirs, registry, config)?;
        let orphans = manager.run_orphans()?;
        let scope = manager.scope()?;
        Ok::<_, Error>((manager, scope, orphans))
    });
    let (begun, signal) = uninterrupted(begun, signals, None).await?;
    let (manager, scope, report) = begun?;
    if report.taken > 0 {
        let runs = counted(report.taken as u64, "run");
        note(&format!(
            "the promises of {runs} that had been killed were kept first"
        ));
    }
    dead.tell_new(place);
    tell_trouble(&report);
    Ok((manager, scope, signal))
}

/// Keeps what was promised; answers whether all of it was.
async fn end(
    place: &Place,
    manager: Manager,
    scope: Scope,
    signals: &mut Signals,
    exit: Exit,
) -> Result<bool> {
    let dead = Dead::before(place);
    let ended = blocking::begin(move || {
        let report = scope.end();
        (report, manager.close())
    });
    let ((report, closed), _): ((Report, _), _) = uninterrupted(ended, signals, Some(exit)).await?;
    dead.tell_new(place);
    let is_troubled = tell_trouble(&report);
    if let Err(error) = &closed {
        complain(&format!("clean-up: {error}"));
    }
    Ok(!is_troubled && closed.is_ok())
}

/// Waits for work that a first signal does not end, and answers that signal too. After the second this process is gone, and the next one does the rest.
async fn uninterrupted<T>(
    mut work: tokio::task::JoinHandle<T>,
    signals: &mut Signals,
    exit: Option<Exit>,
) -> Result<(T, Option<Signal>)> {
    let mut first = None;
    loop {
        tokio::select! {
            done = &mut work => return Ok((blocking::joined(done)?, first)),
            signal = signals.next() => {
                if first.is_some() {
                    let code = exit.filter(|exit| *exit != Exit::Ok);
                    let code = code.unwrap_or(Exit::of_signal(signal.as_raw())).code();
                    std::process::exit(i32::from(code));
                }
                let again = match io::stderr().is_terminal() {
                    true => "Ctrl-C once more",
                    false => "a second signal",
                };
                note(&format!("clean-up is under way; {again} leaves the rest to the next run"));
                first = Some(signal);
            }
        }
    }
}
