//! Calling off an attempt that runs.

use std::sync::Arc;

use tokio::sync::watch;

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
pub struct Cancellation(watch::Receiver<Option<CancelReason>>);

impl Cancellation {
    /// Why the attempt was called off, if it was.
    pub fn reason(&self) -> Option<CancelReason> {
        *self.0.borrow()
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
        let mut receiver = self.0.clone();
        let reason = receiver
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|reason| *reason);
        match reason {
            Some(reason) => reason,
            // The attempt is over; nobody can call it off any more.
            None => std::future::pending().await,
        }
    }
}

/// The other end: calls the attempt off. The first reason stays.
#[derive(Debug, Clone)]
pub(crate) struct Canceller(Arc<watch::Sender<Option<CancelReason>>>);

impl Canceller {
    pub(crate) fn new() -> (Self, Cancellation) {
        let (sender, receiver) = watch::channel(None);
        (Self(Arc::new(sender)), Cancellation(receiver))
    }

    pub(crate) fn cancel(&self, reason: CancelReason) {
        self.0.send_if_modified(|current| {
            let first = current.is_none();
            current.get_or_insert(reason);
            first
        });
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
}
