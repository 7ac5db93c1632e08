//! How a worker ends: who waits for whom.
//!
//! 1. **Stopping** (first signal, or [`Worker::stop`](super::Worker::stop)): exchanges claim no more
//!    and give back at once what was claimed and not started; no attempt is spent. Upkeep ends.
//!    Attempts that run go on, and are settled as they end.
//! 2. **Ending** (the grace time is over, or a second signal): what still runs is called off and
//!    given back. Async bodies are dropped; blocking ones are told and left behind. Deferred functions are
//!    begun no more, and not waited for: what is left of them stays written down for the next worker.
//! 3. When an exchange has nothing in hand any more it ends. When all have, the incarnation leaves
//!    the store, the heartbeat thread is joined, and hooks that still run get a last short wait.
//!
//! Whoever dies on the way is covered by the lease: what the store still counts as held is rescued.

use tokio::sync::watch;

/// How far a worker is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It claims and runs.
    Running,
    /// It ends what it has begun.
    Stopping,
    /// It calls off what it has begun.
    Ending,
}

/// The phase of one worker. It only ever moves forward.
#[derive(Debug, Clone)]
pub(crate) struct Phases(watch::Sender<Phase>);

impl Phases {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Phase::Running))
    }

    pub(crate) fn advance(&self, to: Phase) {
        self.0.send_if_modified(|phase| {
            let forward = to > *phase;
            if forward {
                *phase = to;
            }
            forward
        });
    }

    pub(crate) fn current(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits until the phase is at least `phase`.
    pub(crate) async fn reached(&self, phase: Phase) {
        let mut receiver = self.0.subscribe();
        // The sender is `self`, so the channel cannot close meanwhile.
        let _ = receiver.wait_for(|current| *current >= phase).await;
    }
}
