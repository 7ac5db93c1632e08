//! `locks release`: takes a lock from its owner.

use serde::Serialize;
use towpath_core::name::LockName;
use towpath_core::store::{LockRecord, LockToken};

use super::show::free;
use crate::env::Env;
use crate::exit::{Exit, Failure, Result};
use crate::output::escape;

/// Release a lock, whoever holds it
///
/// For a lock whose owner is gone. An owner that lives on is told at its next renewal; what it does until
/// then it does without the lock, so make sure that it is gone, or that what it writes to checks fences.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath locks release nightly-report --fence 17

Exit code 3 when nobody holds it, or not under that fence.

With --json: {\"released\": {\"name\", \"owner\", \"fence\", \"taken_at_ms\", \"left_ms\"}}")]
pub(crate) struct Args {
    /// The lock, by its exact name
    name: LockName,
    /// Only if it is held under this number, as `locks show` tells it
    #[arg(long, value_name = "NUMBER")]
    fence: Option<u64>,
}

#[derive(Serialize)]
struct View<'a> {
    released: &'a LockRecord,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    let lock = env.broker().lock(&args.name)?;
    let released = match args.fence {
        None => lock.seize().await?,
        Some(fence) => {
            let holder = lock.holder().await?.filter(|holder| holder.fence == fence);
            let name = args.name.clone();
            let token = LockToken { name, fence };
            let unlocked = env.app.store().locks().unlock(vec![token]).await?;
            holder.filter(|_| unlocked == [true])
        }
    };
    let Some(released) = released else {
        let show = format!("locks show {}", escape::shell_word(args.name.as_str()));
        let failure = Failure::from(match args.fence {
            None => free(&args.name),
            Some(fence) => free(&args.name).about(format!("fence {fence}")),
        });
        return Err(failure.hint(env.command(&show)));
    };
    if env.json() {
        let released = &released;
        env.out.json(&View { released })?;
        return Ok(Exit::Ok);
    }
    let (name, owner) = (escape::line(released.name.as_str()), &released.owner);
    let owner = escape::line(owner.as_str());
    env.out
        .line(format_args!("lock {name} is free; {owner} held it"))?;
    Ok(Exit::Ok)
}
