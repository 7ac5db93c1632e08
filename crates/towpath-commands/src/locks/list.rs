//! `locks list`: the locks that are held.

use serde::Serialize;
use towpath_core::name::LockName;
use towpath_core::store::LockRecord;

use crate::env::Env;
use crate::exit::{Exit, Result};
use crate::output::{Table, age, escape};

/// List the locks that are held, by name
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath locks list
  towpath locks list --limit 20 --after nightly-report

With --json: {\"locks\": [{\"name\", \"owner\", \"fence\", \"taken_at_ms\", \"left_ms\"}], \"next\"}; left_ms is
null for a lock without a ttl, and next is what --after takes to go on, or null at the end.")]
pub(crate) struct Args {
    /// At most that many, from 1 to 500
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Begin behind this name
    #[arg(long, value_name = "NAME")]
    after: Option<LockName>,
}

#[derive(Serialize)]
struct View<'a> {
    locks: &'a [LockRecord],
    next: Option<&'a LockName>,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    let limit = usize::from(args.limit);
    let locks = env.broker().locks(args.after, limit).await?;
    let last = locks.last().filter(|_| locks.len() == limit);
    let next = last.map(|lock| &lock.name);
    if env.json() {
        let locks = &locks;
        env.out.json(&View { locks, next })?;
        return Ok(Exit::Ok);
    }
    let now = env.app.store().now().await?;
    let mut table = Table::new(["LOCK", "OWNER", "FENCE", "ENDS", "TAKEN"]);
    for lock in &locks {
        table.row([
            lock.name.to_string(),
            lock.owner.to_string(),
            lock.fence.to_string(),
            ends(lock),
            age::relative(lock.taken_at, now),
        ]);
    }
    env.out.table(&table, "no lock is held")?;
    if let Some(next) = next {
        let more = format!("locks list --after {}", escape::shell_word(next.as_str()));
        env.out
            .line(format_args!("\nmore: {}", env.command(&more)))?;
    }
    Ok(Exit::Ok)
}

/// When a lock ends, unless it is renewed.
pub(super) fn ends(lock: &LockRecord) -> String {
    match lock.left {
        Some(left) => format!("in {} unless renewed", age::about(left)),
        None => "when it is released".to_owned(),
    }
}
