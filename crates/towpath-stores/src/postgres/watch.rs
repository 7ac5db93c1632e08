//! The bells: how waiters learn that there may be something new, here and in other processes.
//!
//! Bells here are rung as soon as a verb is done. For the others one NOTIFY is sent behind it, with all that
//! was rung since the last: never inside the verb's transaction, because Postgres lets only one transaction
//! that notifies commit at a time. What is rung while one is on its way waits for the next. A ring that is
//! lost with its process is made up for by the fallback poll.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use tokio::sync::watch;
use towpath_core::store::{Topic, Watch};

use super::driver::Shop;
use super::error::Fallible;

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
    /// Whether a NOTIFY is on its way.
    busy: Cell<bool>,
}

impl Shop {
    /// Rings here, and has the others told.
    pub(super) fn ring(self: &Rc<Self>, rings: Rings) {
        if rings.is_empty() {
            return;
        }
        self.shared.bells.ring(rings);
        self.outgoing.waiting.borrow_mut().0 |= rings.0;
        if !self.outgoing.busy.replace(true) {
            let shop = self.clone();
            tokio::task::spawn_local(async move {
                shop.flush_rings().await;
                shop.outgoing.busy.set(false);
            });
        }
    }

    /// Tells the others until there is nothing more to tell.
    pub(super) async fn flush_rings(&self) {
        loop {
            let rings = self.outgoing.waiting.take();
            if rings.is_empty() {
                return;
            }
            let Ok(borrowed) = self.pool.take().await else {
                // They will look by themselves.
                return;
            };
            if let Err(fault) = notify(&borrowed.link, &self.shared.place.channel(), rings).await {
                tracing::debug!(?fault, "other processes were not told of what is new");
                return;
            }
            self.pool.put_back(borrowed);
        }
    }
}

/// Nothing is lost with a ring, so it does not wait for the disk.
async fn notify(link: &super::connection::Link, channel: &str, rings: Rings) -> Fallible<()> {
    let text = rings.text();
    let sql = format!(
        "BEGIN; SET LOCAL synchronous_commit = off; SELECT pg_notify('{channel}', '{text}'); COMMIT"
    );
    link.execute_plain(&sql).await
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
