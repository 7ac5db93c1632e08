//! The task `demo.sleep`: does nothing for a while, and says how far it is.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};
use towpath_runtime::{Context, Task, TaskError, TaskSettings, from_fn};

const NAME: &str = "demo.sleep";
/// The longest sleep.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// In so many steps it sleeps, and tells of each; but never more often than once in 100 ms.
const STEPS: u32 = 10;

/// How long to sleep: `{"ms": 2000}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sleep {
    ms: u64,
}

/// How far a sleep is: its details, and in the end its result.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Slept {
    slept_ms: u64,
    of_ms: u64,
    /// How often the message has been claimed: 2 when the first worker died.
    claims: u32,
}

/// The task.
pub(super) fn task() -> impl Task<Args = Sleep, Output = Slept> {
    let settings = TaskSettings::new(NAME)
        .queue(super::QUEUE)
        .timeout(LONGEST * 2)
        .result_ttl(Duration::from_secs(60 * 60));
    from_fn(settings, |Sleep { ms }, ctx: Context| async move {
        let total = Duration::from_millis(ms);
        if total > LONGEST {
            return Err(TaskError::fail(format!(
                "to sleep for {ms} ms is too long, the limit is {} ms",
                LONGEST.as_millis()
            )));
        }
        let began = Instant::now();
        for until in steps(total) {
            sleep_until(began + until).await;
            // Who cannot tell how far it is can go on all the same.
            let _ = ctx.progress(slept(until, total, &ctx)).await;
        }
        Ok(slept(total, total, &ctx))
    })
}

fn slept(time: Duration, of: Duration, ctx: &Context) -> Slept {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Slept {
        slept_ms: millis(time),
        of_ms: millis(of),
        claims: ctx.token().claims,
    }
}

/// The ends of the steps.
fn steps(total: Duration) -> impl Iterator<Item = Duration> {
    let step = (total / STEPS).max(Duration::from_millis(100));
    let between = (1..STEPS)
        .map(move |n| step * n)
        .take_while(move |until| *until < total);
    between.chain([total])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_has_at_most_ten_steps_of_at_least_100_ms() {
        let check = |total: u64, expected: &[u128]| {
            let steps: Vec<_> = steps(Duration::from_millis(total))
                .map(|until| until.as_millis())
                .collect();
            assert_eq!(steps, expected, "{total} ms");
        };
        check(0, &[0]);
        check(50, &[50]);
        check(250, &[100, 200, 250]);
        check(
            2_000,
            &[200, 400, 600, 800, 1_000, 1_200, 1_400, 1_600, 1_800, 2_000],
        );
    }
}
