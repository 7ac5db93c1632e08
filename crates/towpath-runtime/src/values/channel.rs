//! Channels.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use towpath_core::codec::JSON;
use towpath_core::name::ChannelName;
use towpath_core::store::{Heard, Subscription};
use towpath_core::{Codecs, Error, Result, limits};

use crate::app::Shared;

/// A channel: what is published there is heard, at most once, by those who listen just then.
///
/// Made by [`Broker::channel`](crate::Broker::channel). Values are JSON of at most 64 KiB. Use it to tell
/// programs of something they could also look up; what must arrive is a message.
///
/// ```
/// # use std::sync::Arc;
/// # use towpath_runtime::Broker;
/// # use towpath_core::SystemClock; use towpath_stores::MemoryStore;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let broker = Broker::new(Arc::new(MemoryStore::new(Arc::new(SystemClock::new()))));
/// let settings = broker.channel("settings")?;
/// let mut subscriber = settings.subscribe().await?;
/// settings.publish(&["colour", "size"]).await?;
/// assert_eq!(subscriber.next::<Vec<String>>().await?, Ok(vec!["colour".into(), "size".into()]));
/// # Ok::<(), towpath_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Channel {
    shared: Arc<Shared>,
    name: ChannelName,
}

impl Channel {
    pub(crate) fn new(shared: Arc<Shared>, name: ChannelName) -> Self {
        Self { shared, name }
    }

    /// The name of the channel.
    pub fn name(&self) -> &ChannelName {
        &self.name
    }

    /// Tells a value to those who listen now. The values of one publisher are heard in their order.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`](towpath_core::Kind::Invalid) over 64 KiB,
    /// [`Kind::Codec`](towpath_core::Kind::Codec) when the value is no JSON, and what the store says.
    pub async fn publish<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        let value = self.shared.codecs.encode(&JSON, value)?;
        let (name, size, limit) = (&self.name, value.len(), limits::PUBLISHED_BYTES);
        if size > limit {
            return Err(Error::invalid(format!(
                "a value for channel {name:?} has {size} bytes, the limit is {limit}"
            )));
        }
        self.shared.store.kv().publish(name.clone(), value).await
    }

    /// Listens: what is published after the answer is heard.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn subscribe(&self) -> Result<Subscriber> {
        let subscription = self.shared.store.kv().subscribe(self.name.clone()).await?;
        Ok(Subscriber {
            subscription,
            codecs: self.shared.codecs.clone(),
            name: self.name.clone(),
        })
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Somebody who listens to a channel; made by [`Channel::subscribe`].
pub struct Subscriber {
    subscription: Box<dyn Subscription>,
    codecs: Codecs,
    name: ChannelName,
}

/// So many values (at least) were missed, because the subscriber was more than a thousand behind or the
/// connection was lost; 0 where the number is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged(pub u64);

impl Subscriber {
    /// Waits for the next value, or for the news that some were missed.
    ///
    /// # Errors
    ///
    /// [`Kind::Codec`](towpath_core::Kind::Codec) when it is not a `T`: the next call goes on behind it.
    /// [`Kind::Stopped`](towpath_core::Kind::Stopped) once the store was closed, and what the store says.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Result<T, Lagged>> {
        match self.subscription.next().await? {
            Heard::Value(value) => self.codecs.decode(&value).map(Ok),
            Heard::Lagged(missed) => Ok(Err(Lagged(missed))),
        }
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("channel", &self.name)
            .finish_non_exhaustive()
    }
}
