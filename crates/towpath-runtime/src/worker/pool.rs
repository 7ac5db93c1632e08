//! The slots of one mechanism: each runs one attempt after the other.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};
use towpath_core::store::{Settle, Verdict};
use towpath_core::{Mechanism, Token};
use tracing::Instrument as _;

use super::attempt::Attempt;
use super::finished::{After, End, Finished};
use super::inbox::{Claimed, Inbox};
use super::shutdown::Phases;
use super::threads::{SlotThread, Threads};
use crate::app::Shared;
use crate::cancel::Canceller;
use crate::context::Context;
use crate::locks::Links;

/// The slots of one mechanism and the messages that wait for them.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    pub(crate) mechanism: Mechanism,
    slots: usize,
    phases: Phases,
    pub(crate) inbox: Inbox,
    threads: Arc<Threads>,
    /// Messages that were claimed and whose end was not yet taken in by the exchange.
    in_hand: Mutex<HashSet<Token>>,
    /// All messages that were ever claimed for it.
    taken_in: AtomicU64,
    finished: mpsc::UnboundedSender<Finished>,
    /// How many have ended that the exchange has not taken, from how many on it wants to be told, and how it is.
    ended: AtomicUsize,
    wanted: AtomicUsize,
    enough_ended: Notify,
}

impl Pool {
    /// A pool, and where its ended attempts come out. Their channel is bounded by what is in hand.
    pub(crate) fn new(
        shared: Arc<Shared>,
        mechanism: Mechanism,
        slots: usize,
        phases: Phases,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Finished>) {
        let (finished, ended) = mpsc::unbounded_channel();
        let threads = Threads::new(slots);
        let (inbox, in_hand, taken_in) = (Inbox::new(), Mutex::default(), AtomicU64::new(0));
        let pool = Self {
            shared,
            mechanism,
            slots,
            phases,
            inbox,
            threads,
            in_hand,
            taken_in,
            finished,
            ended: AtomicUsize::new(0),
            wanted: AtomicUsize::new(1),
            enough_ended: Notify::new(),
        };
        (Arc::new(pool), ended)
    }

    /// Starts the slots; they end when the inbox is closed.
    pub(crate) fn start(self: &Arc<Self>) {
        for slot in 0..self.slots {
            tokio::spawn(self.clone().slot(slot));
        }
    }

    /// How many attempts may run at once: fewer than its slots when blocking bodies were left behind.
    pub(crate) fn capacity(&self) -> usize {
        match self.mechanism {
            Mechanism::Async => self.slots,
            Mechanism::Thread => self.threads.capacity(),
        }
    }

    pub(crate) fn taken_in(&self) -> u64 {
        self.taken_in.load(Ordering::Acquire)
    }

    pub(crate) fn in_hand(&self) -> usize {
        self.known().len()
    }

    /// Takes in what was claimed.
    pub(crate) fn take_in(&self, claimed: Vec<Claimed>) {
        self.known()
            .extend(claimed.iter().map(|claimed| claimed.message.token()));
        self.taken_in
            .fetch_add(claimed.len() as u64, Ordering::AcqRel);
        self.inbox.push(claimed);
    }

    /// How many have ended and were not taken yet.
    pub(crate) fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    /// The exchange has taken these ends: what they were of is no longer in hand.
    pub(super) fn taken(&self, ended: &[Finished]) {
        self.ended.fetch_sub(ended.len(), Ordering::SeqCst);
        self.let_go(ended.iter().map(|one| one.token));
    }

    /// Waits until so many have ended that were not taken yet. For the exchange alone.
    pub(crate) async fn until_ended(&self, count: usize) {
        // Each side writes, then reads what the other has written: so at least one sees both.
        self.wanted.store(count, Ordering::SeqCst);
        while self.ended() < count {
            self.enough_ended.notified().await;
        }
    }

    /// Messages have left, run or not.
    pub(crate) fn let_go(&self, gone: impl IntoIterator<Item = Token>) {
        let mut known = self.known();
        for token in gone {
            known.remove(&token);
        }
    }

    /// Whether a message was claimed under this token and its end not yet taken in.
    pub(crate) fn knows(&self, token: Token) -> bool {
        self.known().contains(&token)
    }

    fn known(&self) -> MutexGuard<'_, HashSet<Token>> {
        // Single insertions and removals: no panic can have left it half changed.
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn slot(self: Arc<Self>, number: usize) {
        let mut thread = SlotThread::new(self.threads.clone());
        loop {
            if self.mechanism == Mechanism::Thread {
                self.threads.admitted(number).await;
            }
            let Some(claimed) = self.inbox.pop().await else {
                return;
            };
            let finished = self.run(claimed, &mut thread).await;
            // Counted first, so that the count is never below what can be taken.
            let ended = self.ended.fetch_add(1, Ordering::SeqCst) + 1;
            // The receiver is the exchange; once it is gone nobody is left to be told.
            let _ = self.finished.send(finished);
            if ended >= self.wanted.load(Ordering::SeqCst) {
                self.enough_ended.notify_one();
            }
        }
    }

    pub(super) async fn run(&self, claimed: Claimed, thread: &mut SlotThread) -> Finished {
        let Claimed { tenure, message } = claimed;
        if tenure.is_lost() {
            return Finished {
                token: message.token(),
                tenure,
                end: End::LeaseLost,
                links: Links::default(),
            };
        }
        let token = message.token();
        let task = self
            .shared
            .registry
            .get(&message.task)
            .filter(|_| tenure.may_start());
        let Some(task) = task else {
            let settle = Settle {
                token,
                started_at: None,
                verdict: Verdict::Release,
                unlock: Vec::new(),
            };
            return Finished {
                token,
                tenure,
                end: End::Settle(settle, After::Released),
                links: Links::default(),
            };
        };
        let (canceller, cancellation) = Canceller::new();
        tenure.started(token, canceller.clone());
        self.shared.metrics.started(1);
        let running = self.shared.metrics.running();
        let span = tracing::info_span!("attempt", task = %message.task, %token);
        let ctx = Context::new(message, tenure.id, cancellation, self.shared.clone());
        let (end, links) = Attempt::new(&self.shared, task, ctx, canceller)
            .run(thread, &self.phases)
            .instrument(span)
            .await;
        drop(running);
        tenure.ended(token);
        Finished {
            token,
            tenure,
            end,
            links,
        }
    }
}
