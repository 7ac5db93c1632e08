//! What a soak may be told.

use std::time::Duration;

use clap::Parser;

use crate::role::Role;

/// Loads, kills and freezes real Towpath processes, and verifies what became of every message.
///
/// Producers submit at an open rate: the schedule of arrivals is kept however long the store takes to
/// answer. Workers run a mix of tasks. About every --kill-every one of all these processes gets
/// SIGKILL and is replaced; about every --freeze-every a worker gets SIGSTOP for longer than its lease.
/// Each process keeps a journal of what it saw, apart from the store. At the end the workers drain the
/// store, and every accepted message is looked up.
///
/// The report names what must be 0: messages lost, settles undone, runs that nothing explains, runs at
/// the same time, findings of the doctor. The exit code is 1 when one of these is not 0, and the files
/// are kept then.
#[derive(Debug, Parser)]
#[command(
    name = "towpath-soak",
    bin_name = "cargo xtask soak",
    version,
    max_term_width = 100
)]
#[command(subcommand_negates_reqs = true, disable_help_subcommand = true)]
pub struct Arguments {
    /// How the soak goes.
    #[command(flatten)]
    pub plan: Plan,
    /// Print the report as JSON, for programs.
    #[arg(long)]
    pub json: bool,
    /// What a process of the soak is to be; nothing for people.
    #[command(subcommand)]
    pub role: Option<Role>,
}

/// How a soak goes.
#[derive(Debug, Clone, clap::Args)]
pub struct Plan {
    /// How long messages are submitted; draining and verifying come after that.
    #[arg(long, value_name = "N", default_value_t = 3.0)]
    pub minutes: f64,
    /// How many messages arrive in a second, over all producers.
    #[arg(long, value_name = "R", default_value_t = 1_000.0)]
    pub rate: f64,
    /// One process is killed about every D; 0s for none.
    #[arg(long, value_name = "D", default_value = "3s", value_parser = humantime::parse_duration)]
    pub kill_every: Duration,
    /// One worker is frozen about every D; 0s for none.
    #[arg(long, value_name = "D", default_value = "45s", value_parser = humantime::parse_duration)]
    pub freeze_every: Duration,
    /// How long a lease lasts. Freezes last 1.3 to 1.6 times as long.
    #[arg(long, value_name = "D", default_value = "10s", value_parser = humantime::parse_duration)]
    pub lease: Duration,
    /// How many worker processes there are at a time.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub workers: usize,
    /// How many producer processes there are at a time.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub producers: usize,
    /// The store, in which nobody else works meanwhile; `redis` or `postgres` for a server that is
    /// started for the soak [default: a file in a directory of its own].
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// From which arrivals, mix and kills follow [default: another one each time; the report tells it].
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Keep the journals and the store also when all is well.
    #[arg(long)]
    pub keep: bool,
}

impl Plan {
    /// How long messages are submitted.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64((self.minutes * 60.0).clamp(0.0, 1e7))
    }

    /// Refuses what no soak can be made of.
    ///
    /// # Errors
    ///
    /// Each names the option, what it may be, and what it was.
    pub fn check(&self) -> anyhow::Result<()> {
        for (name, count) in [("--workers", self.workers), ("--producers", self.producers)] {
            anyhow::ensure!(
                (1..=100).contains(&count),
                "{name} is {count}; it must be 1 to 100"
            );
        }
        let rate = self.rate;
        anyhow::ensure!(
            (0.1..=1e6).contains(&rate),
            "--rate is {rate}; it must be 0.1 to 1000000"
        );
        let lease = self.lease;
        let leases = Duration::from_millis(500)..=Duration::from_secs(600);
        anyhow::ensure!(
            leases.contains(&lease),
            "--lease is {lease:?}; it must be 500ms to 10m"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let refused = |argument: &str| {
            let plan = Arguments::parse_from(["soak", argument]).plan;
            plan.check().unwrap_err().to_string()
        };
        assert!(refused("--workers=0").starts_with("--workers is 0"));
        assert!(refused("--rate=0").starts_with("--rate is 0"));
        assert!(refused("--lease=1ms").starts_with("--lease is 1ms"));
    }
}
