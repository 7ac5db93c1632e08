//! The bells: how waiters learn that there may be something new.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::watch;
use towpath_core::store::{Topic, Watch};

use super::step::Rings;

/// One channel per topic. It carries nothing but the fact that it was rung, so ringing never blocks
/// and a hundred rings nobody has heard yet are one.
#[derive(Debug)]
pub(super) struct Bells([watch::Sender<()>; Topic::ALL.len()]);

impl Bells {
    pub(super) fn new() -> Self {
        Self(Topic::ALL.map(|_| watch::Sender::new(())))
    }

    pub(super) fn ring(&self, rings: &Rings) {
        for topic in Topic::ALL {
            if rings.contains(topic) {
                self.bell(topic).send_replace(());
            }
        }
    }

    pub(super) fn ring_all(&self) {
        for topic in Topic::ALL {
            self.bell(topic).send_replace(());
        }
    }

    pub(super) fn watch(&self, topic: Topic) -> Box<dyn Watch> {
        Box::new(Listener(self.bell(topic).subscribe()))
    }

    fn bell(&self, topic: Topic) -> &watch::Sender<()> {
        &self.0[topic as usize]
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
