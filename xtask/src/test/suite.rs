//! The `tests` step: unit and integration tests, by cargo-nextest when it is installed, beside a Redis
//! server, a Redis cluster and a Postgres server that are started for it.
//!
//! A run that finds no test at all fails. Nextest does so by itself; `cargo test` is content with
//! nothing, so its tests are counted first.

use anyhow::{Result, bail};
use towpath_servers::{
    CLUSTER_URL, POSTGRES_URL, PostgresServer, REDIS_URL, RedisCluster, RedisServer,
};

use crate::program::{Echo, Program};

/// Whether servers are started beside the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Servers {
    /// They are, and installed first where they are missing and that is possible.
    Ours,
    /// The tests that need one pass over themselves and say so.
    None,
}

/// Runs all tests, or those that a filterset of nextest selects.
pub(super) fn run(servers: Servers, filter: Option<&str>, echo: Echo) -> Result<String> {
    let servers = match servers {
        Servers::Ours => Some(Started::new()?),
        Servers::None => None,
    };
    let told = |program: Program| match &servers {
        Some(servers) => servers.told_to(program),
        None => program,
    };
    match (Program::cargo("nextest --version").probe(), filter) {
        (true, filter) => by_nextest(told, filter, echo),
        (false, None) => by_cargo_test(told, echo),
        (false, Some(_)) => bail!("a filterset needs cargo-nextest, which is not installed"),
    }
}

/// The servers that the conformance suites share. They end with this.
pub(super) struct Started {
    redis: RedisServer,
    cluster: RedisCluster,
    postgres: PostgresServer,
}

impl Started {
    pub(super) fn new() -> Result<Self> {
        let missing = towpath_servers::missing();
        if !missing.is_empty() {
            towpath_servers::install(&missing)?;
        }
        Ok(Self {
            redis: RedisServer::start()?,
            cluster: RedisCluster::start()?,
            postgres: PostgresServer::start()?,
        })
    }

    /// The URLs of the servers.
    pub(super) fn urls(&self) -> [String; 3] {
        [self.redis.url(), self.cluster.url(), self.postgres.url()]
    }

    fn told_to(&self, program: Program) -> Program {
        program
            .env(REDIS_URL, self.redis.url())
            .env(CLUSTER_URL, self.cluster.url())
            .env(POSTGRES_URL, self.postgres.url())
    }
}

fn by_nextest(
    told: impl Fn(Program) -> Program,
    filter: Option<&str>,
    echo: Echo,
) -> Result<String> {
    let program = Program::cargo("nextest run --workspace --all-features --no-tests=fail");
    let chosen = filter.map_or_else(Vec::new, |filter| vec!["-E", filter]);
    let output = told(program.args(chosen)).run(echo)?;
    Ok(nextest_summary(&output))
}

fn by_cargo_test(told: impl Fn(Program) -> Program, echo: Echo) -> Result<String> {
    const TESTS: &str = "test --workspace --all-features --lib --bins --tests";
    let listed = Program::cargo(&format!("{TESTS} -- --list --format terse")).run(echo)?;
    let count = count_listed(&listed);
    if count == 0 {
        bail!("there is no test at all in the workspace");
    }
    told(Program::cargo(TESTS)).run(echo)?;
    Ok(format!(
        "{count} tests, by cargo test (cargo-nextest is not installed)"
    ))
}

/// The words after the time in `Summary [ 1.2s] 412 tests run: 412 passed, 0 skipped`.
fn nextest_summary(output: &str) -> String {
    let summary = output
        .lines()
        .rev()
        .find(|line| line.trim_start().starts_with("Summary ["));
    let words = summary.and_then(|line| line.split_once(']'));
    words.map_or(String::new(), |(_, words)| words.trim().to_owned())
}

fn count_listed(output: &str) -> usize {
    output
        .lines()
        .filter(|line| line.ends_with(": test"))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_the_words_after_the_time() {
        let output =
            "   PASS [ 0.1s] a\n     Summary [   0.004s] 3 tests run: 3 passed, 0 skipped\n";
        assert_eq!(nextest_summary(output), "3 tests run: 3 passed, 0 skipped");
        assert_eq!(nextest_summary("something else"), "");
    }

    #[test]
    fn only_tests_are_counted() {
        assert_eq!(
            count_listed("backoff::is_capped: test\nbig: benchmark\nretry::once: test\n"),
            2
        );
        assert_eq!(count_listed("   Compiling x v0.1.0\n"), 0);
    }
}
