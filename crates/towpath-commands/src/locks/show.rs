//! `locks show`: who holds one lock.

use towpath_core::name::LockName;
use towpath_core::store::LockRecord;
use towpath_core::{Error, Kind};

use super::list::ends;
use crate::env::Env;
use crate::exit::{Exit, Result};
use crate::output::{age, escape};

/// Show who holds a lock
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath locks show nightly-report

Exit code 3 when nobody holds it.

With --json: {\"name\", \"owner\", \"fence\", \"taken_at_ms\", \"left_ms\"}; left_ms is null for a lock without a
ttl.")]
pub(crate) struct Args {
    /// The lock, by its exact name
    name: LockName,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    let holder = env.broker().lock(&args.name)?.holder().await?;
    let lock = holder.ok_or_else(|| free(&args.name))?;
    if env.json() {
        env.out.json(&lock)?;
        return Ok(Exit::Ok);
    }
    let now = env.app.store().now().await?;
    let LockRecord {
        name, owner, fence, ..
    } = &lock;
    let line = |label: &str, text: &str| {
        let text = escape::line(text);
        env.out.line(format_args!("{label:<7}{text}"))
    };
    line("lock", name.as_str())?;
    line("owner", owner.as_str())?;
    line("fence", &fence.to_string())?;
    line("taken", &age::full(lock.taken_at, now))?;
    line("ends", &ends(&lock))?;
    Ok(Exit::Ok)
}

/// What is said of a lock that nobody holds.
pub(super) fn free(name: &LockName) -> Error {
    Error::new(Kind::NotFound, format!("nobody holds lock {name:?}"))
}
