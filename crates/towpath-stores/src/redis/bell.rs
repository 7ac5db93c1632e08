//! The bells: how waiters learn, through the server's publish and subscribe, that there may be something
//! new.
//!
//! A handle listens, on a connection of its own, only to what somebody of it waits for. When that connection
//! was lost nobody knows what was rung meanwhile, so every bell rings once it is there again. The channels of
//! user code (`channel`) come over the same connection. A cluster tells all its nodes what is published, so the
//! connection may be to any of them, and goes to the next where one is lost.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::PubSub;
use redis::{Msg, RedisResult};
use tokio::sync::{mpsc, watch};
use towpath_core::store::{Topic, Watch};

use super::channel::{Channels, Subscribed};
use super::driver::{CONNECT, Driver, RESPOND};
use super::nodes::Nodes;

/// How long to wait before the next try to connect; with as much again by chance, so that all who lost one
/// server do not come back at once.
const PAUSE: Duration = Duration::from_millis(200);

/// One channel of this process per topic. It carries nothing but the fact that it was rung.
#[derive(Debug)]
pub(super) struct Bells {
    bells: [watch::Sender<()>; Topic::ALL.len()],
    /// Which topics somebody waits for.
    wanted: [AtomicBool; Topic::ALL.len()],
    /// Tells the listener that something else is wanted; set once it runs.
    more: OnceLock<mpsc::Sender<()>>,
    pub(super) channels: Channels,
}

/// The letter of a topic in the name of its channel, as the scripts have it.
fn letter(topic: Topic) -> &'static str {
    match topic {
        Topic::Work => "w",
        Topic::Schedule => "s",
        Topic::Change => "c",
        Topic::Revocation => "r",
        Topic::Unlock => "u",
        // Rung by nobody: who listens to a channel is told by the server.
        Topic::Publish => "p",
    }
}

impl Bells {
    pub(super) fn new() -> Self {
        Self {
            bells: Topic::ALL.map(|_| watch::Sender::new(())),
            wanted: Topic::ALL.map(|_| AtomicBool::new(false)),
            more: OnceLock::new(),
            channels: Channels::new(),
        }
    }

    pub(super) fn ring_all(&self) {
        for bell in &self.bells {
            bell.send_replace(());
        }
    }

    fn ring(&self, topic: Topic) {
        self.bells[topic as usize].send_replace(());
    }

    fn hear(&self, prefix: &str, message: &Msg) {
        let Some(channel) = message.get_channel_name().strip_prefix(prefix) else {
            return;
        };
        match channel.strip_prefix("bell:") {
            None => self.channels.tell(channel, message.get_payload_bytes()),
            Some(rung) => {
                for topic in Topic::ALL {
                    if rung == letter(topic) {
                        self.ring(topic);
                    }
                }
            }
        }
    }

    fn wants(&self, topic: Topic) -> bool {
        self.wanted[topic as usize].load(Ordering::Acquire)
    }

    /// A watch of the topic, and the listener at work for it.
    pub(super) fn watch(
        self: &Arc<Self>,
        topic: Topic,
        driver: &Driver,
        prefix: &str,
    ) -> Box<dyn Watch> {
        let listener = Listener(self.bells[topic as usize].subscribe());
        if !self.wanted[topic as usize].swap(true, Ordering::AcqRel) {
            self.listen_for_more(driver, prefix);
        }
        Box::new(listener)
    }

    /// Has the listener, which the first who needs it starts, look what is wanted now.
    pub(super) fn listen_for_more(self: &Arc<Self>, driver: &Driver, prefix: &str) {
        self.more.get_or_init(|| {
            let (more, wanted) = mpsc::channel(1);
            let listening = listen(
                Arc::downgrade(self),
                driver.nodes().clone(),
                prefix.to_owned(),
                wanted,
            );
            driver.spawn(listening);
            more
        });
        self.look_again();
    }

    /// Has the listener look what is wanted now, if there is one.
    pub(super) fn look_again(&self) {
        if let Some(more) = self.more.get() {
            // One that is full already tells the listener to look.
            let _full = more.try_send(());
        }
    }

    /// A watch that never hears anything: of a store that cannot be reached or was closed.
    pub(super) fn deaf(&self, topic: Topic) -> Box<dyn Watch> {
        Box::new(Listener(self.bells[topic as usize].subscribe()))
    }
}

/// Listens until the store is gone, connecting again whenever that is needed.
async fn listen(
    bells: std::sync::Weak<Bells>,
    nodes: Arc<Nodes>,
    prefix: String,
    mut wanted: mpsc::Receiver<()>,
) {
    let mut failures = 0;
    while bells.strong_count() > 0 {
        let client = nodes.to_listen(failures);
        let connected = tokio::time::timeout(CONNECT, client.get_async_pubsub()).await;
        failures += 1;
        if let Ok(Ok(pubsub)) = connected {
            // It ends when the connection does, or when the store is gone.
            let _lost = hear(&bells, pubsub, &prefix, &mut wanted).await;
            failures = 1;
            if let Some(bells) = bells.upgrade() {
                bells.channels.lose();
            }
        }
        let jitter = fastrand::u64(0..=200);
        tokio::time::sleep(PAUSE + Duration::from_millis(jitter)).await;
    }
}

async fn hear(
    bells: &std::sync::Weak<Bells>,
    pubsub: PubSub,
    prefix: &str,
    wanted: &mut mpsc::Receiver<()>,
) -> RedisResult<()> {
    let (mut sink, mut messages) = pubsub.split();
    let mut heard = [false; Topic::ALL.len()];
    let mut subscribed = Subscribed::default();
    loop {
        for topic in Topic::ALL {
            let Some(bells) = bells.upgrade() else {
                return Ok(());
            };
            if bells.wants(topic) && !heard[topic as usize] {
                sink.subscribe(format!("{prefix}bell:{}", letter(topic)))
                    .await?;
                heard[topic as usize] = true;
                // What was rung before is not known; whoever waits is to look.
                bells.ring(topic);
            }
        }
        let Some(channels) = bells.upgrade() else {
            return Ok(());
        };
        let updated = subscribed.update(&channels.channels, prefix, &mut sink);
        let Ok(updated) = tokio::time::timeout(RESPOND, updated).await else {
            return Ok(());
        };
        updated?;
        drop(channels);
        tokio::select! {
            message = messages.next() => {
                let (Some(message), Some(bells)) = (message, bells.upgrade()) else {
                    return Ok(());
                };
                bells.hear(prefix, &message);
            }
            more = wanted.recv() => {
                if more.is_none() {
                    return Ok(());
                }
            }
            () = tokio::time::sleep(RESPOND) => {
                // A connection whose other end is gone without a word would be silent for ever.
                let pong = tokio::time::timeout(RESPOND, sink.ping::<redis::Value>()).await;
                let Ok(pong) = pong else {
                    return Ok(());
                };
                pong?;
            }
        }
    }
}

struct Listener(watch::Receiver<()>);

impl Watch for Listener {
    fn changed(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            if self.0.changed().await.is_err() {
                // The store is gone, and nothing will ever ring again; to return would make whoever
                // waits in a loop spin.
                std::future::pending::<()>().await;
            }
        })
    }
}
