//! Calling off an attempt that runs.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

/// Why an attempt is called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// Its message was revoked.
    Revoked,
    /// Its worker lost the lease: somebody else may run the message by now.
    LeaseLost,
    /// Its worker stops and the grace time is over.
    Stopping,
    /// It took longer than its timeout.
    TimedOut,
}

/// Tells a handler that its attempt was called off.
///
/// An async handler is dropped when that happens and need not look. A blocking one cannot be
/// dropped: let it look now and then, or its thread is lost until it returns.
#[derive(Debug, Clone)]
pub struct Cancellation(Arc<Call>);

/// Shared by both ends: one allocation, because every attempt has one.
#[derive(Debug, Default)]
struct Call {
    /// Set before the bell is rung.
    reason: OnceLock<CancelReason>,
    bell: Notify,
}

impl Cancellation {
    /// Why the attempt was called off, if it was.
    pub fn reason(&self) -> Option<CancelReason> {
        self.0.reason.get().copied()
    }

    /// Whether the attempt was called off.
    pub fn is_cancelled(&self) -> bool {
        self.reason().is_some()
    }

    /// Waits until the attempt is called off; for ever if that never happens.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub async fn cancelled(&self) -> CancelReason {
        loop {
            // From here on a ring is heard; so what is looked at next cannot be missed.
            let rung = self.0.bell.notified();
            if let Some(reason) = self.reason() {
                return reason;
            }
            rung.await;
        }
    }
}

/// The other end: calls the attempt off. The first reason stays.
#[derive(Debug, Clone)]
pub(crate) struct Canceller(Arc<Call>);

impl Canceller {
    pub(crate) fn new() -> (Self, Cancellation) {
        let call = Arc::<Call>::default();
        (Self(call.clone()), Cancellation(call))
    }

    pub(crate) fn cancel(&self, reason: CancelReason) {
        if self.0.reason.set(reason).is_ok() {
            self.0.bell.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_stays() {
        let (canceller, cancellation) = Canceller::new();
        assert!(!cancellation.is_cancelled());
        canceller.cancel(CancelReason::Revoked);
        canceller.cancel(CancelReason::Stopping);
        assert_eq!(cancellation.cancelled().await, CancelReason::Revoked);
    }

    #[tokio::test]
    async fn who_waits_is_told_and_who_comes_later_too() {
        let (canceller, cancellation) = Canceller::new();
        let waiting = tokio::spawn({
            let cancellation = cancellation.clone();
            async move { cancellation.cancelled().await }
        });
        tokio::task::yield_now().await;
        canceller.cancel(CancelReason::Stopping);
        assert_eq!(waiting.await.unwrap(), CancelReason::Stopping);
        assert_eq!(cancellation.cancelled().await, CancelReason::Stopping);
    }
}
