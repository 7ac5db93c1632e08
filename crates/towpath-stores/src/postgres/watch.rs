//! The bells: how waiters learn that there may be something new, here and in other processes.
//!
//! Bells here are rung as soon as a verb is done. For the others one NOTIFY is sent behind it, with all that
//! was rung since the last: never inside the verb's transaction, because Postgres lets only one transaction
//! that notifies commit at a time. What is rung while one is on its way, or shortly after, waits for the next.
//! A ring that is lost with its process is made up for by the fallback poll.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use towpath_core::Result;
use towpath_core::store::{Topic, Watch};

use super::connection::timed_out;
use super::driver::Shop;
use super::tx::Params;

/// The least time between two rings to other processes, and the longest that one may take.
const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(5);

/// Some topics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rings(u8);

impl Rings {
    pub(super) fn add(&mut self, topic: Topic) {
        self.0 |= 1 << topic as u8;
    }

    fn contains(self, topic: Topic) -> bool {
        self.0 & (1 << topic as u8) != 0
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is sent of them, and what of a text that somebody sent is one.
    fn text(self) -> String {
        self.0.to_string()
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

/// One channel per topic. It carries nothing but the fact that it was rung, so ringing never blocks and a
/// hundred rings nobody has heard yet are one.
#[derive(Debug)]
pub(super) struct Bells([watch::Sender<()>; Topic::ALL.len()]);

impl Bells {
    pub(super) fn new() -> Self {
        Self(Topic::ALL.map(|_| watch::Sender::new(())))
    }

    pub(super) fn ring(&self, rings: Rings) {
        for topic in Topic::ALL {
            if rings.contains(topic) {
                self.0[topic as usize].send_replace(());
            }
        }
    }

    pub(super) fn ring_one(&self, topic: Topic) {
        self.0[topic as usize].send_replace(());
    }

    pub(super) fn ring_all(&self) {
        self.ring(Rings(u8::MAX));
    }

    pub(super) fn watch(&self, topic: Topic) -> Box<dyn Watch> {
        Box::new(Listener(self.0[topic as usize].subscribe()))
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

/// What is still to be told to other processes.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    waiting: RefCell<Rings>,
    called: Notify,
    /// Set when no verb will ring any more.
    ending: Cell<bool>,
}

impl Outgoing {
    fn add(&self, rings: Rings) {
        self.waiting.borrow_mut().0 |= rings.0;
        self.called.notify_one();
    }

    /// Lets [`tell_others`] come to its end.
    pub(super) fn end(&self) {
        self.ending.set(true);
        self.called.notify_one();
    }
}

impl Shop {
    /// Rings here, and has the others told.
    pub(super) fn ring(&self, rings: Rings) {
        if !rings.is_empty() {
            self.shared.bells.ring(rings);
            self.outgoing.add(rings);
        }
    }
}

/// Tells other processes what is rung here, until there is an end to it.
pub(super) async fn tell_others(shop: Rc<Shop>) {
    let outgoing = &shop.outgoing;
    loop {
        let rings = outgoing.waiting.take();
        if !rings.is_empty() {
            if let Err(error) = tell(&shop, rings).await {
                // They will look by themselves.
                tracing::debug!(%error, "other processes were not told of what is new");
            }
            tokio::time::sleep(PAUSE).await;
        } else if outgoing.ending.get() {
            return;
        } else {
            outgoing.called.notified().await;
        }
    }
}

/// Sends one NOTIFY. Nothing is lost with a ring, so it does not wait for the disk.
async fn tell(shop: &Shop, rings: Rings) -> Result<()> {
    let place = &shop.shared.place;
    let sql = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)";
    let borrowed = shop.pool.take().await?;
    let params: Params<'_> = &[&place.channel(), &rings.text()];
    let told = tokio::time::timeout(PATIENCE, borrowed.link.query(sql, params)).await;
    let told = told.map_err(|_| timed_out(&place.url))?;
    told.map_err(|fault| fault.into_error(&place.url))?;
    shop.pool.put_back(borrowed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_rung_is_read_again_and_nonsense_is_not() {
        let mut rings = Rings::default();
        rings.add(Topic::Work);
        rings.add(Topic::Revocation);
        let read = Rings::parse(&rings.text()).unwrap();
        assert_eq!(read, rings);
        assert!(read.contains(Topic::Work) && !read.contains(Topic::Change));
        assert_eq!(Rings::parse("work"), None);
        assert_eq!(Rings::parse("256"), None);
    }
}
