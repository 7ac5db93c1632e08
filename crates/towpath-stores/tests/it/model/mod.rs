//! Random lives: random verbs on a store, and the same verbs on a plain map that follows the life
//! table. What the two say of every message must be the same after every step.
//!
//! `PROPTEST_CASES` sets how many lives are played; a failure is shrunk to few steps.

mod life;
mod plain;
mod step;

use proptest::test_runner::{Config, TestRunner};
use towpath_stores::conformance::Harness;

use crate::stores;
use life::Life;

/// Steps of one life: enough for messages to be lost, retried, buried and dug out again.
const STEPS: std::ops::Range<usize> = 1..60;

fn play<M: Into<Option<Harness>>>(make: fn() -> M, cases: u32) {
    let chosen = std::env::var_os("PROPTEST_CASES").is_some();
    let default = Config::default();
    let config = Config {
        cases: if chosen { default.cases } else { cases },
        // A failure that matters becomes a test with a name, not a file of seeds.
        failure_persistence: None,
        ..default
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime for the test");
    let steps = proptest::collection::vec(step::step(), STEPS);
    let played = TestRunner::new(config).run(&steps, |steps| {
        // Without a server to play on there is nothing to see, and that has been said.
        let Some(harness) = make().into() else {
            return Ok(());
        };
        runtime.block_on(async {
            let mut life = Life::new(harness);
            for step in steps {
                life.take(step).await;
            }
            life.end().await;
        });
        Ok(())
    });
    if let Err(failure) = played {
        panic!("{failure}");
    }
}

#[test]
fn memory() {
    play(stores::memory, 1_000);
}

#[cfg(feature = "sqlite")]
#[test]
fn sqlite() {
    play(stores::sqlite, 60);
}

#[cfg(feature = "redis")]
#[test]
fn redis() {
    play(stores::redis, 60);
}

#[cfg(feature = "postgres")]
#[test]
fn postgres() {
    play(stores::postgres, 10);
}
