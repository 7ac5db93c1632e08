//! The `tests` step: unit and integration tests, by cargo-nextest when it is installed; with
//! `--servers` a Redis and a Postgres server stand beside them.
//!
//! A run that finds no test at all fails. Nextest does so by itself; `cargo test` is content with
//! nothing, so its tests are counted first.

use anyhow::{Result, bail};
use towpath_servers::{POSTGRES_URL, PostgresServer, REDIS_URL, RedisServer};

use crate::program::{Echo, Program};

/// Without servers the tests that need one pass over themselves and say so.
pub(super) fn without_servers(echo: Echo) -> Result<String> {
    tests(None, echo)
}

/// Installs the servers where they are missing and it may.
pub(super) fn with_servers(echo: Echo) -> Result<String> {
    let missing = towpath_servers::missing();
    if !missing.is_empty() {
        towpath_servers::install(&missing)?;
    }
    let servers = Servers {
        redis: RedisServer::start()?,
        postgres: PostgresServer::start()?,
    };
    tests(Some(&servers), echo)
}

fn tests(servers: Option<&Servers>, echo: Echo) -> Result<String> {
    let told = |program: Program| match servers {
        Some(servers) => servers.told_to(program),
        None => program,
    };
    if Program::cargo("nextest --version").probe() {
        by_nextest(told, echo)
    } else {
        by_cargo_test(told, echo)
    }
}

/// The servers that the conformance suites share. They end with this.
struct Servers {
    redis: RedisServer,
    postgres: PostgresServer,
}

impl Servers {
    fn told_to(&self, program: Program) -> Program {
        program
            .env(REDIS_URL, self.redis.url())
            .env(POSTGRES_URL, self.postgres.url())
    }
}

fn by_nextest(told: impl Fn(Program) -> Program, echo: Echo) -> Result<String> {
    let program = Program::cargo("nextest run --workspace --all-features --no-tests=fail");
    let output = told(program).run(echo)?;
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
