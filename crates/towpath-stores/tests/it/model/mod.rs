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
use step::Step;
#[cfg(feature = "redis")]
use {
    std::time::Duration,
    step::{New, Wish},
};

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
    let steps = proptest::collection::vec(step::step(), STEPS);
    let played = TestRunner::new(config).run(&steps, |steps| {
        // Without a server to play on there is nothing to see, and that has been said.
        let Some(harness) = make().into() else {
            return Ok(());
        };
        live(harness, steps);
        Ok(())
    });
    if let Err(failure) = played {
        panic!("{failure}");
    }
}

fn live(harness: Harness, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime for the test");
    runtime.block_on(async {
        let mut life = Life::new(harness);
        for step in steps {
            life.take(step).await;
        }
        life.end().await;
    });
}

/// The later submitted was due first, and one call promotes both: a store that keeps no order of submits
/// may hand out either first. The plain map once knew only one of the two orders.
#[cfg(feature = "redis")]
#[test]
fn those_that_one_call_lets_become_ready_are_equals() {
    let Some(harness) = stores::redis() else {
        return;
    };
    let delayed = |seconds| {
        Step::Submit(New {
            queue: 0,
            task: 0,
            priority: 0,
            delay: Some(Duration::from_secs(seconds)),
            expires_in: None,
            result_ttl: None,
        })
    };
    let claim = Step::Claim {
        slot: 0,
        max: 2,
        wish: Wish::Queues([0, 1]),
    };
    let steps = vec![
        delayed(20),
        delayed(10),
        Step::Advance(Duration::from_secs(30)),
        Step::Promote,
        claim,
    ];
    live(harness, steps);
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
