//! `dir lock run`: runs a command under the lock of a directory.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use towpath_coord::{Cancel, EventLock, Holding, Place, Steal, Wait};
use towpath_core::Kind;

use super::in_words;
use crate::blocking;
use crate::child::{Child, Gone, Reach, Signals, command, foreground, not_started};
use crate::env::complain;
use crate::exit::{Exit, Failure, Result};
use crate::output::escape;
use crate::place::PlaceArgs;
use crate::values::duration;

/// How often is looked whether the lock was lost.
const LOOK: Duration = Duration::from_millis(200);
/// Shorter ones would be lost on a machine that is busy.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// Run a command while holding the lock of a directory
///
/// Where the lock is held the exit code is 75, and who holds it is said; --wait waits for it. It is renewed while
/// COMMAND runs, and given up when it ends. Should it be lost all the same, as when somebody releases it, COMMAND gets
/// SIGTERM, and SIGKILL 5 s later. COMMAND finds in TOWPATH_FENCE a number that is larger than that of any holder
/// before it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath dir lock run . -- ./update-index
  towpath dir lock run /data/run-17 --wait=10m -- rsync -a new/ /data/run-17/

Exit codes: 75 another holds the lock; 4 the time of --wait ended; 1 the lock was lost; else as COMMAND ended.")]
pub(crate) struct Args {
    /// The directory; nothing in it is touched but .lock and .towpath.guard
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Wait for the lock, so long or without end
    #[arg(long, value_name = "DURATION", value_parser = duration, num_args = 0..=1, require_equals = true)]
    wait: Option<Option<Duration>>,
    /// Respect a lock also when its holder did not renew it in time
    #[arg(long)]
    no_steal: bool,
    /// How long the lock lasts that is not renewed; it is renewed at a third of it
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1m")]
    timeout: Duration,
    #[command(flatten)]
    place: PlaceArgs,
    /// The command to run; no shell reads its words
    #[arg(value_name = "COMMAND", last = true, required = true)]
    command: Vec<OsString>,
}

pub(super) async fn run(args: Args, program: &str) -> Result {
    if args.timeout < TIMEOUT_MIN {
        return Err(Failure::usage(
            "--timeout is at least 1s: the lock is renewed at a third of it",
        ));
    }
    let place = args.place.open(&args.directory)?;
    let mut signals = Signals::listen()?;
    let wait = match args.wait {
        None => Wait::No,
        Some(None) => Wait::Forever,
        Some(Some(wait)) => Wait::For(wait),
    };
    let steal = if args.no_steal {
        Steal::Never
    } else {
        Steal::Expired
    };
    let lock = EventLock::lasting(place.clone(), args.timeout);
    let holding = match take(lock, wait, steal, &mut signals).await? {
        Taken::Ours(holding) => holding,
        Taken::Interrupted(signal) => return Ok(Exit::of_signal(signal.as_raw())),
        Taken::Held => {
            tell_holder(&place, &args, program);
            let is_over = args.wait.is_some();
            return Ok(if is_over {
                Exit::TimedOut
            } else {
                Exit::NotNow
            });
        }
    };
    let exit = under(&holding, &args.command, &mut signals).await;
    holding.release()?;
    exit
}

enum Taken {
    Ours(Holding),
    Held,
    Interrupted(Signal),
}

async fn take(
    mut lock: EventLock,
    wait: Wait,
    steal: Steal,
    signals: &mut Signals,
) -> Result<Taken> {
    let cancel = Arc::new(Cancel::new());
    let theirs = cancel.clone();
    let mut taking =
        tokio::task::spawn_blocking(move || match lock.acquire_within(wait, steal, &theirs)? {
            true => lock.keep().map(Some),
            false => Ok(None),
        });
    let mut interrupted = None;
    let taken = loop {
        tokio::select! {
            taken = &mut taking => break taken,
            signal = signals.next() => {
                cancel.cancel();
                interrupted = Some(signal);
            }
        }
    };
    match (blocking::joined(taken)?, interrupted) {
        // What was taken by then is given up by its drop.
        (Ok(_), Some(signal)) => Ok(Taken::Interrupted(signal)),
        (Err(error), Some(signal)) if error.kind() == Kind::Stopped => {
            Ok(Taken::Interrupted(signal))
        }
        (taken, _) => Ok(taken?.map_or(Taken::Held, Taken::Ours)),
    }
}

fn tell_holder(place: &Place, args: &Args, program: &str) {
    let shown = args.directory.display();
    let lock = EventLock::lasting(place.clone(), args.timeout);
    let by = match lock.holder() {
        Ok(Some(holder)) => in_words(&holder),
        // Free by now; or the guard cannot be read, of which the one who tries again is told.
        _ => "somebody who has just given it up".to_owned(),
    };
    let word = args.directory.to_string_lossy();
    let show = format!("{program} dir lock show {}", escape::shell_word(&word));
    complain(&format!("the lock of {shown} is held by {by}; see {show}"));
}

async fn under(holding: &Holding, argv: &[OsString], signals: &mut Signals) -> Result {
    let mut command = command(argv);
    command.env("TOWPATH_FENCE", holding.fence().to_string());
    let child = match Child::spawn(&mut command, Reach::Program) {
        Ok(child) => child,
        Err(error) => {
            let (text, exit) = not_started(&argv[0], &error);
            complain(&text);
            return Ok(exit);
        }
    };
    let lost = async {
        while !holding.is_lost() {
            tokio::time::sleep(LOOK).await;
        }
    };
    let gone = foreground(child, signals, lost).await?;
    if matches!(gone, Gone::Stopped) {
        complain(
            "the lock was lost while COMMAND ran, which was stopped: somebody released it, or stole it while this program stood still",
        );
    }
    Ok(gone.exit())
}
