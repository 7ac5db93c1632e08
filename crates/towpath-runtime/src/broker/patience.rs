//! Waiting for a store that is out of reach, where a producer asks for it.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use towpath_core::{Draft, Kind, Result};

use super::Broker;

/// The pauses between two tries: from so long, doubled with jitter, to so long.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

impl Broker {
    /// Hands drafts to the store; one answer each. A try that failed may have been accepted all the same:
    /// then the next one finds the ids there.
    pub(super) async fn accept(&self, drafts: Vec<Draft>) -> Result<Vec<Result<()>>> {
        let shared = self.shared();
        if shared.patience.is_zero() {
            return shared.store.submit(drafts).await;
        }
        let deadline = Instant::now().checked_add(shared.patience);
        let mut pause = PAUSE_MIN;
        let mut again = false;
        loop {
            // Payloads are shared, not copied.
            match shared.store.submit(drafts.clone()).await {
                Ok(answers) if again => return Ok(answers.into_iter().map(there).collect()),
                Ok(answers) => return Ok(answers),
                Err(error) if !error.is_transient() => return Err(error),
                Err(error) => {
                    let left = deadline.map_or(PAUSE_MAX, |at| at - Instant::now().min(at));
                    if left.is_zero() {
                        let waited = shared.patience;
                        return Err(error.about(format!("after waiting for {waited:?}")));
                    }
                    sleep(pause.mul_f64(0.5 + fastrand::f64()).min(left)).await;
                }
            }
            again = true;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

fn there(answer: Result<()>) -> Result<()> {
    match answer {
        Err(error) if error.kind() == Kind::AlreadyExists => Ok(()),
        answer => answer,
    }
}
