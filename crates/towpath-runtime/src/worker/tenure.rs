//! One incarnation of a worker: its lease as the worker sees it, and the attempts that run under it.
//!
//! The store decides whose lease has ended; this side only ever gives up earlier. Until 0.8 of the
//! lease has passed since the last renewal attempts may start; at 1.0 what runs is called off.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use towpath_core::{Clock, IncarnationId, MessageId, Token, limits};

use crate::cancel::{CancelReason, Canceller};

/// One incarnation of a worker.
#[derive(Debug)]
pub(crate) struct Tenure {
    pub(crate) id: IncarnationId,
    clock: Arc<dyn Clock>,
    lease: Duration,
    /// Uptime in milliseconds at which the last successful renewal began. Written by the heartbeat
    /// thread, read by slots before each start: an atomic, so neither can hold the other up.
    renewed_ms: AtomicU64,
    /// Becomes true once and stays: the store took the lease away, or it was not renewed in time.
    lost: watch::Sender<bool>,
    /// The attempts that run. Slots hold it for one insertion or removal; the heartbeat thread only
    /// tries it and goes without when it is taken.
    running: Mutex<HashMap<MessageId, Running>>,
}

#[derive(Debug)]
struct Running {
    claims: u32,
    canceller: Canceller,
    /// Whether a heartbeat has told the store that it started.
    told: bool,
}

impl Tenure {
    pub(crate) fn new(id: IncarnationId, lease: Duration, clock: Arc<dyn Clock>) -> Self {
        let tenure = Self {
            id,
            lease,
            renewed_ms: AtomicU64::new(0),
            lost: watch::Sender::new(false),
            running: Mutex::default(),
            clock,
        };
        tenure.renewed(tenure.clock.uptime());
        tenure
    }

    fn running(&self) -> MutexGuard<'_, HashMap<MessageId, Running>> {
        // Whoever panicked while holding it left the map whole: single insertions and removals.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lease was renewed by a call that began at `uptime`.
    pub(crate) fn renewed(&self, uptime: Duration) {
        self.renewed_ms.store(millis(uptime), Ordering::Release);
    }

    fn since_renewal(&self) -> Duration {
        let renewed = self.renewed_ms.load(Ordering::Acquire);
        Duration::from_millis(millis(self.clock.uptime()).saturating_sub(renewed))
    }

    /// Whether an attempt may start: the lease is surely good for a while.
    pub(crate) fn may_start(&self) -> bool {
        !self.is_lost() && self.since_renewal() < self.lease.mul_f64(0.8)
    }

    /// Whether the lease has run out as far as this side can tell.
    pub(crate) fn has_run_out(&self) -> bool {
        self.since_renewal() >= self.lease
    }

    pub(crate) fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// The lease is gone: calls off everything that runs under it.
    pub(crate) fn lose(&self) {
        self.lost.send_replace(true);
        self.cancel_all(CancelReason::LeaseLost);
    }

    pub(crate) async fn until_lost(&self) {
        let _ = self.lost.subscribe().wait_for(|lost| *lost).await;
    }

    pub(crate) fn started(&self, token: Token, canceller: Canceller) {
        let running = Running {
            claims: token.claims,
            canceller,
            told: false,
        };
        self.running().insert(token.id, running);
        // A lease lost between the check and this line has called off everything but this attempt.
        if self.is_lost() {
            self.cancel(token, CancelReason::LeaseLost);
        }
    }

    pub(crate) fn ended(&self, token: Token) {
        let mut running = self.running();
        if running
            .get(&token.id)
            .is_some_and(|held| held.claims == token.claims)
        {
            running.remove(&token.id);
        }
    }

    pub(crate) fn cancel_all(&self, reason: CancelReason) {
        self.running()
            .values()
            .for_each(|running| running.canceller.cancel(reason));
    }

    pub(crate) fn cancel(&self, token: Token, reason: CancelReason) {
        let running = self.running();
        if let Some(held) = running
            .get(&token.id)
            .filter(|held| held.claims == token.claims)
        {
            held.canceller.cancel(reason);
        }
    }

    /// The tokens of all attempts that run.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        self.running()
            .iter()
            .map(|(id, held)| Token {
                id: *id,
                claims: held.claims,
            })
            .collect()
    }

    /// Attempts that started and that no heartbeat has told of yet, at most 256; none when the data
    /// path holds the map right now: the next heartbeat will tell.
    pub(crate) fn untold(&self) -> Vec<Token> {
        let Ok(running) = self.running.try_lock() else {
            return Vec::new();
        };
        let untold = running.iter().filter(|(_, held)| !held.told);
        let tokens = untold.map(|(id, held)| Token {
            id: *id,
            claims: held.claims,
        });
        tokens.take(limits::STARTED_PER_HEARTBEAT).collect()
    }

    /// A heartbeat has told of these.
    pub(crate) fn told(&self, tokens: &[Token]) {
        let Ok(mut running) = self.running.try_lock() else {
            return;
        };
        for token in tokens {
            if let Some(held) = running
                .get_mut(&token.id)
                .filter(|h| h.claims == token.claims)
            {
                held.told = true;
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use towpath_core::{ManualClock, Timestamp};

    fn tenure() -> (Arc<ManualClock>, Tenure) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let tenure = Tenure::new(IncarnationId::new(), Duration::from_secs(10), clock.clone());
        (clock, tenure)
    }

    #[test]
    fn nothing_starts_after_0_8_of_the_lease_and_all_is_lost_after_1_0() {
        let (clock, tenure) = tenure();
        assert!(tenure.may_start());
        clock.advance(Duration::from_millis(7_999));
        assert!(tenure.may_start());
        clock.advance(Duration::from_millis(1));
        assert!(!tenure.may_start());
        assert!(!tenure.has_run_out());
        clock.advance(Duration::from_secs(2));
        assert!(tenure.has_run_out());
        tenure.renewed(clock.uptime());
        assert!(tenure.may_start());
    }

    #[test]
    fn a_wall_clock_that_jumps_changes_nothing() {
        let (clock, tenure) = tenure();
        clock.step_wall(3_600_000);
        assert!(tenure.may_start());
    }

    #[test]
    fn losing_the_lease_calls_off_what_runs_and_what_starts_at_that_moment() {
        let (_, tenure) = tenure();
        let start = |claims| {
            let (canceller, cancellation) = Canceller::new();
            tenure.started(
                Token {
                    id: MessageId::new(),
                    claims,
                },
                canceller,
            );
            cancellation
        };
        let before = start(1);
        tenure.lose();
        assert_eq!(before.reason(), Some(CancelReason::LeaseLost));
        assert_eq!(start(1).reason(), Some(CancelReason::LeaseLost));
        assert!(!tenure.may_start());
    }

    #[test]
    fn heartbeats_tell_of_each_start_once() {
        let (_, tenure) = tenure();
        let token = Token {
            id: MessageId::new(),
            claims: 3,
        };
        tenure.started(token, Canceller::new().0);
        assert_eq!(tenure.untold(), [token]);
        tenure.told(&[token]);
        assert_eq!(tenure.untold(), []);
        tenure.ended(Token { claims: 2, ..token });
        assert_eq!(
            tenure.tokens(),
            [token],
            "an older attempt ended, not this one"
        );
    }
}
