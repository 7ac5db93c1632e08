//! Channels, which are Redis's own: what somebody of this handle listens to, told by the server over the
//! connection of the bells (`bell`) and handed on to those who listen, each with a bound on what waits for
//! him.
//!
//! ```text
//!  subscribe ──► Channels: a new name ──nudge──► hear: SUBSCRIBE … confirmed ──► the answer
//!  PUBLISH ──► hear ──► Channels: the queue of the name ──► every listener
//!  the last listener leaves ──nudge──► hear: UNSUBSCRIBE
//! ```
//!
//! While the connection is lost nobody knows what is published; once it is there again and the server has
//! confirmed, those who listened before are told so (`Lagged(0)`).

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use redis::aio::PubSubSink;
use redis::{RedisResult, Value};
use tokio::sync::{broadcast, watch};
use towpath_core::name::ChannelName;
use towpath_core::store::{Heard, Subscription};
use towpath_core::{Error, Kind, Payload, Result, limits};

use super::bell::Bells;
use super::body::Names;
use super::driver::RESPOND;
use super::error::stopped;
use super::record::read_value;
use super::script::PUBLISH;
use super::settle::value;
use super::store::Shared;

/// What stands before the name of a channel, behind the prefix of the namespace.
const CHANNEL: &str = "channel:";

/// The channels that somebody of this handle listens to.
#[derive(Debug)]
pub(super) struct Channels {
    channels: Mutex<HashMap<ChannelName, Channel>>,
    /// Set once; whoever listens is told.
    closed: watch::Sender<bool>,
}

#[derive(Debug)]
struct Channel {
    values: broadcast::Sender<Told>,
    /// Whether the server has confirmed, on the connection that there is now.
    confirmed: watch::Sender<bool>,
    /// Whether it had on one before.
    was_lost: bool,
}

/// What all who listen to a channel are told.
#[derive(Debug, Clone)]
enum Told {
    Value(Payload),
    /// The connection was lost, and is there again.
    Lost,
}

impl Channels {
    pub(super) fn new() -> Self {
        Self {
            channels: Mutex::default(),
            closed: watch::Sender::new(false),
        }
    }

    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelName, Channel>> {
        // Single insertions and removals: no panic can have left it half changed.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins those who listen; what is told from now on waits in the queue.
    fn join(&self, name: &ChannelName) -> (broadcast::Receiver<Told>, watch::Receiver<bool>) {
        let mut channels = self.lock();
        let channel = channels.entry(name.clone()).or_insert_with(|| Channel {
            values: broadcast::Sender::new(limits::PUBLISHED_KEPT),
            confirmed: watch::Sender::new(false),
            was_lost: false,
        });
        (channel.values.subscribe(), channel.confirmed.subscribe())
    }

    /// The channels that are still listened to; those that nobody listens to any more are forgotten.
    fn wanted(&self) -> HashSet<ChannelName> {
        let mut channels = self.lock();
        channels.retain(|_, channel| channel.values.receiver_count() > 0);
        channels.keys().cloned().collect()
    }

    fn confirm(&self, name: &ChannelName) {
        if let Some(channel) = self.lock().get_mut(name) {
            if std::mem::take(&mut channel.was_lost) {
                let _nobody_listens = channel.values.send(Told::Lost);
            }
            channel.confirmed.send_replace(true);
        }
    }

    /// The connection was lost, and with it all that the server had confirmed.
    pub(super) fn lose(&self) {
        for channel in self.lock().values_mut() {
            channel.was_lost |= channel.confirmed.send_replace(false);
        }
    }

    /// Tells those who listen what the server tells of a channel, named without the prefix.
    pub(super) fn tell(&self, channel: &str, value: &[u8]) {
        let Some(name) = channel.strip_prefix(CHANNEL) else {
            return;
        };
        let told = read_value(Bytes::copy_from_slice(value), &mut Names::default());
        let Ok(payload) = told else {
            tracing::warn!(channel = name, "somebody else publishes here");
            return;
        };
        if let Some(channel) = self.lock().get(name) {
            let _nobody_listens = channel.values.send(Told::Value(payload));
        }
    }
}

/// What the server was asked to tell on one connection.
#[derive(Debug, Default)]
pub(super) struct Subscribed(HashSet<ChannelName>);

impl Subscribed {
    /// Asks for the channels that are wanted now, and no longer for those that are not.
    pub(super) async fn update(
        &mut self,
        channels: &Channels,
        prefix: &str,
        sink: &mut PubSubSink,
    ) -> RedisResult<()> {
        let wanted = channels.wanted();
        let left: Vec<ChannelName> = self.0.difference(&wanted).cloned().collect();
        for name in left {
            sink.unsubscribe(format!("{prefix}{CHANNEL}{name}")).await?;
            self.0.remove(&name);
        }
        for name in wanted {
            if !self.0.contains(&name) {
                sink.subscribe(format!("{prefix}{CHANNEL}{name}")).await?;
            }
            channels.confirm(&name);
            self.0.insert(name);
        }
        Ok(())
    }
}

impl Shared {
    pub(super) async fn publish(&self, channel: &ChannelName, payload: &Payload) -> Result<()> {
        let mut call = self.call_of(&PUBLISH);
        call.text(channel.as_str()).bytes(&value(payload));
        let _how_many_processes_were_told: Value = self.call(call).await?;
        Ok(())
    }

    /// Listens; answers once the server has confirmed.
    pub(super) async fn subscribe(&self, name: ChannelName) -> Result<Box<dyn Subscription>> {
        let driver = self.driver()?;
        let bells = self.bells();
        let (values, mut confirmed) = bells.channels.join(&name);
        let mut listener = Listener {
            values,
            closed: bells.channels.closed.subscribe(),
            stopped: stopped(self.translate.url()),
            _leave: Leave(bells.clone()),
        };
        bells.listen_for_more(driver, self.prefix());
        let confirmed = async move { confirmed.wait_for(|confirmed| *confirmed).await.is_ok() };
        let mut closed = listener.closed.clone();
        let in_time = driver.in_time(RESPOND, confirmed);
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => return Err(listener.stopped.clone()),
            confirmed = in_time => {
                if confirmed != Some(true) {
                    return Err(self.unconfirmed(&name));
                }
            }
        }
        // Whatever waits already is of before the answer, as is the loss of a connection.
        listener.values = listener.values.resubscribe();
        Ok(Box::new(listener))
    }

    fn unconfirmed(&self, name: &ChannelName) -> Error {
        let url = self.translate.url();
        let text = format!(
            "{url}: the server did not confirm in time that it tells of channel {name:?}; try again"
        );
        Error::new(Kind::Unavailable, text)
    }
}

struct Listener {
    values: broadcast::Receiver<Told>,
    /// Of the handle it was made by.
    closed: watch::Receiver<bool>,
    stopped: Error,
    /// The last field, because only who is not counted any more is found to have left.
    _leave: Leave,
}

/// Has the server told when somebody leaves.
struct Leave(Arc<Bells>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.look_again();
    }
}

impl Subscription for Listener {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Heard>> + Send + '_>> {
        Box::pin(async {
            tokio::select! {
                biased;
                _ = self.closed.wait_for(|closed| *closed) => Err(self.stopped.clone()),
                told = self.values.recv() => match told {
                    Ok(Told::Value(value)) => Ok(Heard::Value(value)),
                    Ok(Told::Lost) => Ok(Heard::Lagged(0)),
                    Err(broadcast::error::RecvError::Lagged(missed)) => Ok(Heard::Lagged(missed)),
                    Err(broadcast::error::RecvError::Closed) => Err(self.stopped.clone()),
                },
            }
        })
    }
}
