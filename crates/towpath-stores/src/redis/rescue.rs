//! Rescue: takes messages from workers whose lease has ended.

use std::time::Duration;

use towpath_core::store::Rescued;
use towpath_core::{Backoff, Result, limits};

use super::bytes::millis;
use super::reply::{self, Unexpected};
use super::script::RESCUE;
use super::store::Shared;

/// The first loss is most likely none of the message's doing; from the second on it waits.
fn wait_after(losses: u32) -> Duration {
    if losses < 2 {
        return Duration::ZERO;
    }
    Backoff::default().get(losses)
}

impl Shared {
    pub(super) async fn rescue(&self, max: usize) -> Result<Rescued> {
        let mut call = self.lease_call(&RESCUE);
        call.count(max).number(millis(self.retention().dead));
        for losses in 1..=limits::LOSSES {
            call.number(millis(wait_after(losses)));
        }
        let answer = self.call(call).await?;
        self.read(&RESCUE, answer, |answer| {
            let counts: Vec<usize> = reply::array(answer)?
                .iter()
                .map(reply::count)
                .collect::<std::result::Result<_, _>>()?;
            let [returned, given_up, workers] = counts[..] else {
                return Err(Unexpected);
            };
            Ok(Rescued {
                returned,
                given_up,
                workers,
            })
        })
    }
}
