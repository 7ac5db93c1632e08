//! Channels: what is published is told to those who listen now.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, watch};
use towpath_core::name::ChannelName;
use towpath_core::store::{Heard, Subscription};
use towpath_core::{Error, Payload, Result, limits};

/// The channels that somebody listens to.
#[derive(Debug, Default)]
pub(super) struct Channels(Mutex<HashMap<ChannelName, broadcast::Sender<Payload>>>);

impl Channels {
    pub(super) fn publish(&self, channel: &ChannelName, value: Payload) {
        let mut channels = self.lock();
        let unheard = channels
            .get(channel)
            .is_some_and(|listeners| listeners.send(value).is_err());
        if unheard {
            channels.remove(channel);
        }
    }

    pub(super) fn subscribe(
        &self,
        channel: ChannelName,
        closed: watch::Receiver<bool>,
        stopped: Error,
    ) -> Box<dyn Subscription> {
        let mut channels = self.lock();
        // Whoever has left is forgotten when somebody comes, so the map is no larger than its listeners.
        channels.retain(|_, listeners| listeners.receiver_count() > 0);
        let listeners = channels
            .entry(channel)
            .or_insert_with(|| broadcast::Sender::new(limits::PUBLISHED_KEPT));
        Box::new(Listener {
            values: listeners.subscribe(),
            closed,
            stopped,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelName, broadcast::Sender<Payload>>> {
        // Single insertions and removals: no panic can have left it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Listener {
    values: broadcast::Receiver<Payload>,
    /// Of the handle it was made by.
    closed: watch::Receiver<bool>,
    stopped: Error,
}

impl Subscription for Listener {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Heard>> + Send + '_>> {
        Box::pin(async {
            tokio::select! {
                biased;
                _ = self.closed.wait_for(|closed| *closed) => Err(self.stopped.clone()),
                value = self.values.recv() => match value {
                    Ok(value) => Ok(Heard::Value(value)),
                    Err(broadcast::error::RecvError::Lagged(missed)) => Ok(Heard::Lagged(missed)),
                    Err(broadcast::error::RecvError::Closed) => Err(self.stopped.clone()),
                },
            }
        })
    }
}
