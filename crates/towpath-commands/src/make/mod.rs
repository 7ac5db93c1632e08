//! `make`: runs a command that makes files, once among any number of contenders.
//!
//! `turn` waits for the right to make them, `attempt` runs the command, `verdict` tells what became of it. Who may die
//! where, and what is then on disk, stands at the head of `towpath_coord`'s checkout.

mod attempt;
mod outs;
mod turn;
mod verdict;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use towpath_coord::{Checkout, CoolDownParams};

use crate::child::Signals;
use crate::exit::{Failure, Result};
use crate::output::Out;
use crate::place::PlaceArgs;
use crate::values::{cooldown, duration};
use attempt::Attempt;
use outs::Outs;
use turn::Turn;
use verdict::Verdict;

/// Shorter claims would be lost on a machine that is busy.
const CLAIM_MIN: Duration = Duration::from_secs(1);

/// Run a command that makes files, once, whoever else asks for the same
///
/// Of all who ask for the same files at one time, one runs COMMAND. It writes to private files, whose paths it is
/// given as {out} in its arguments and as TOWPATH_OUT in its environment; with several files as {out1}, {out2}…
/// and TOWPATH_OUT_1, TOWPATH_OUT_2…, in the order in which they are named. Where it ends with 0, they get their
/// names, all of them or none. Where it fails, nothing is seen of it.
///
/// If all files are there already, nothing is done. While another makes them, or the last failure is too
/// recent, the exit code is 75 and what is in the way is said; --wait waits instead. A maker that is killed is
/// found dead at once, and the next one begins anew; its COMMAND gets SIGTERM then.
///
/// COMMAND leads a process group of its own, of which nothing outlives it. It has our standard input unless that is a
/// terminal, and cannot ask for a password. Ctrl-C and SIGTERM end it, and the attempt has failed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath make --out sky.fits -- curl -fsS -o {out} https://example.org/sky.fits
  towpath make --out sky.png sky.json --wait --timeout 10m -- ./render --image {out1} --meta {out2}
  towpath make --out index.gz --cooldown 60s,60s,1h -- sh -c 'gzip -c < index > \"$TOWPATH_OUT\"'

Exit codes: 0 made, or already there; 75 another makes them, they cool down, or their directory is locked; 4 the \
time of --wait ended; 124 COMMAND ran for longer than --timeout; 1 COMMAND ended with 0 and did not make a file, or \
the right to make them was lost meanwhile; else as COMMAND ended.

With --json: {\"outcome\": \"made\"|\"already_made\"|\"failed\"|\"refused\", \"files\", \"reason\"?, \"exit_code\"?, \
\"signal\"?, \"remaining_ms\"?, \"ran_ms\"?}; reason is exited, killed, timed_out, not_made, not_started, lost or \
interrupted where it failed, claimed, cooling, busy or interrupted where it was refused. What COMMAND prints then \
goes to standard error.")]
pub(crate) struct Args {
    /// The files that COMMAND makes, in one directory; may be given more than once
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    out: Vec<PathBuf>,
    /// Make them although they are there; until then everybody sees the old ones
    #[arg(long, visible_alias = "force")]
    again: bool,
    /// Wait while another makes the files or they cool down, so long or without end; then make them if need be
    #[arg(long, value_name = "DURATION", value_parser = duration, num_args = 0..=1, require_equals = true)]
    wait: Option<Option<Duration>>,
    /// End COMMAND when it takes longer; the attempt has failed
    ///
    /// Its process group gets SIGTERM, and SIGKILL 5 s later.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// How long nobody tries again after a failure [default: not at all]
    ///
    /// After the first failure BASE, after each further one in a row INCREMENT more, at most MAXIMUM. A success
    /// ends it.
    #[arg(long, value_name = "BASE,INCREMENT,MAXIMUM", value_parser = cooldown)]
    cooldown: Option<CoolDownParams>,
    /// For how long the files are claimed at a time; renewed at a third of it while COMMAND runs
    ///
    /// Counts where a maker cannot be told dead: on another machine, in another container, or standing still.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1m")]
    claim: Duration,
    #[command(flatten)]
    place: PlaceArgs,
    /// The command that makes them; no shell reads its words
    #[arg(value_name = "COMMAND", last = true, required = true)]
    command: Vec<OsString>,
}

pub(crate) async fn run(args: Args, out: &Out) -> Result {
    let outs = Outs::of(&args.out)?;
    // What is wrong with a placeholder is said before anything is claimed.
    outs::filled(&args.command, &args.out)?;
    if args.claim < CLAIM_MIN {
        return Err(Failure::usage(
            "--claim is at least 1s: the claim is renewed at a third of it",
        ));
    }
    let place = args.place.open(&outs.directory)?;
    let mut checkout = Checkout::new(place.clone(), outs.manifest.clone()).claim(args.claim);
    if let Some(params) = args.cooldown {
        checkout = checkout.cooldown(params);
    }
    let mut signals = Signals::listen()?;
    let asked = turn::Asked {
        checkout: &checkout,
        place: &place,
        outs: &outs,
        again: args.again,
        wait: args.wait,
    };
    let verdict = match asked.turn(&mut signals).await? {
        Turn::Ours(generating) => {
            let attempt = Attempt {
                outs: &outs,
                argv: &args.command,
                timeout: args.timeout,
                json: out.json,
            };
            attempt.run(*generating, &mut signals).await?
        }
        Turn::AlreadyMade => Verdict::AlreadyMade,
        Turn::Refused(refused) => Verdict::Refused(refused),
    };
    verdict.tell(&outs, &place, args.cooldown, out)
}
