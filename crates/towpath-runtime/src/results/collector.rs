//! Collects the results of many messages in little work.
//!
//! An id goes through three queues: *outstanding* (not known to have ended), *ended* (known to
//! have, its result not read yet) and *ready* (read, not given yet). What is looked at is the brief
//! of a message, a few bytes; results are read only of messages that have ended, and only as many
//! at a time as are soon given, so memory is bounded by the ids and [`READ`] results.
//!
//! The bell rings for every change in the store, and looking at every outstanding id at every ring
//! would cost the square of their number. So:
//!
//! * **Given order.** Only the front counts: a look is at the next [`READ`] ids, and what has ended
//!   among them without a gap is read.
//! * **As completed.** Messages mostly end in about the order of their submits, so a ring makes us
//!   look at the first [`WINDOW`] ids outstanding. A *full pass* over all of them, window by
//!   window, finds the others: it begins at most 100 ms after a ring, and rests after it as long as
//!   it took, so that 100,000 ids keep the store busy for half the time at most. What a window of
//!   the pass finds is given before the pass goes on.

use std::collections::VecDeque;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::Instant;
use towpath_core::limits::WINDOW;
use towpath_core::store::Brief;
use towpath_core::{Error, MessageId, Result, Status};

use super::Results;
use super::ending::{has_ended, timed_out};
use super::verbs::Access;
use crate::unfold::Step;
use crate::waiter::Waiter;

/// Most results that are read in one step and held until they are given.
const READ: usize = 64;
/// The longest time between a ring and a full pass, unless the last pass took longer.
const PASS_EVERY: Duration = Duration::from_millis(100);

/// In which order results are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Given,
    Completed,
}

type Item<T> = (MessageId, Result<T>);

/// Finds what has ended, reads it and gives it.
pub(super) struct Collector<T> {
    results: Results,
    access: Access,
    order: Order,
    waiter: Waiter,
    /// Turned round window by window during a full pass, and back in its order at the end of it.
    outstanding: VecDeque<MessageId>,
    ended: VecDeque<MessageId>,
    ready: VecDeque<Item<T>>,
    /// As completed: what had not ended when the time was up; given last.
    late: VecDeque<(MessageId, Status)>,
    pass: Pass,
    /// What made the store unusable; ends every item that is left.
    broken: Option<Error>,
}

/// A full pass over the outstanding ids.
struct Pass {
    /// How many ids it has not looked at yet; zero when none is under way.
    left: usize,
    /// How long it has looked for; what the reader of the stream does meanwhile does not count.
    took: Duration,
    /// When the next one may begin.
    due: Instant,
}

/// What a look has seen.
enum Seen {
    /// An end, or there is more to be looked at.
    GoOn,
    /// No end: wait for a ring, or until a full pass is due.
    Nothing { look_at: Option<Instant> },
}

impl<T: DeserializeOwned + Send + 'static> Step for Collector<T> {
    type Item = Item<T>;

    async fn step(&mut self) -> Option<Item<T>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(self.give(item).await);
            }
            if let Some(error) = self.broken.clone() {
                return self.abandon_next(&error);
            }
            if self.outstanding.is_empty() && self.ended.is_empty() {
                let (id, status) = self.late.pop_front()?;
                return Some((id, Err(timed_out(id, status, self.waiter.timeout()))));
            }
            if let Err(error) = self.advance().await {
                self.broken = Some(error);
            }
        }
    }
}

impl<T: DeserializeOwned> Collector<T> {
    pub(super) fn new(
        results: Results,
        ids: Vec<MessageId>,
        access: Access,
        order: Order,
        timeout: Duration,
    ) -> Self {
        let waiter = Waiter::new(&*results.shared().store, timeout);
        Self {
            results,
            access,
            order,
            waiter,
            outstanding: ids.into(),
            ended: VecDeque::new(),
            ready: VecDeque::new(),
            late: VecDeque::new(),
            pass: Pass {
                left: 0,
                took: Duration::ZERO,
                due: Instant::now(),
            },
            broken: None,
        }
    }

    /// Ends the next item with `error`.
    pub(super) fn abandon_next(&mut self, error: &Error) -> Option<Item<T>> {
        let id = (self.ready.pop_front().map(|(id, _)| id))
            .or_else(|| self.ended.pop_front())
            .or_else(|| self.outstanding.pop_front())
            .or_else(|| self.late.pop_front().map(|(id, _)| id))?;
        Some((id, Err(error.clone())))
    }

    async fn give(&mut self, (id, result): Item<T>) -> Item<T> {
        match (result, self.access) {
            // Deleted now and not when it was read: what is read and never given stays in the
            // store.
            (Ok(value), Access::Take) => (id, self.results.delete(id).await.map(|()| value)),
            (result, _) => (id, result),
        }
    }

    /// One step towards the next item: reads what has ended, or looks for it, or waits.
    async fn advance(&mut self) -> Result<()> {
        if !self.ended.is_empty() {
            return self.read().await;
        }
        if self.waiter.is_late() {
            return self.time_out().await;
        }
        let seen = match self.order {
            Order::Given => self.look_at_next().await?,
            Order::Completed if self.pass_is_due() => self.pass_on().await?,
            Order::Completed => self.look_at_first().await?,
        };
        if let Seen::Nothing { look_at } = seen {
            self.waiter.changed_or_at(look_at).await;
        }
        Ok(())
    }

    /// Reads results of messages that have ended.
    async fn read(&mut self) -> Result<()> {
        let ids: Vec<_> = self.ended.iter().take(READ).copied().collect();
        let reads = self.results.shared().store.results(ids.clone(), false);
        let Some(reads) = self.waiter.look(reads).await? else {
            self.waiter.changed().await;
            return Ok(());
        };
        for (id, read) in ids.into_iter().zip(reads) {
            let Some(ending) = self.results.ending(id, read) else {
                // A dead letter that was put back meanwhile: it is waited for again, and so, to
                // keep the order, is what stands behind it.
                while let Some(id) = self.ended.pop_back() {
                    self.outstanding.push_front(id);
                }
                break;
            };
            self.ended.pop_front();
            let result = ending.and_then(|found| self.results.decode(id, &found));
            self.ready
                .push_back((id, result.map(|result| result.value)));
        }
        Ok(())
    }

    /// Given order: looks at the next ids.
    async fn look_at_next(&mut self) -> Result<Seen> {
        let Some(briefs) = self.look(READ).await? else {
            return Ok(Seen::Nothing { look_at: None });
        };
        let ended = briefs.iter().take_while(|brief| has_ended(**brief)).count();
        self.ended.extend(self.outstanding.drain(..ended));
        Ok(if ended > 0 {
            Seen::GoOn
        } else {
            Seen::Nothing { look_at: None }
        })
    }

    /// As completed: looks at the first ids outstanding.
    async fn look_at_first(&mut self) -> Result<Seen> {
        let look_at = (self.outstanding.len() > WINDOW).then_some(self.pass.due);
        let Some(briefs) = self.look(WINDOW).await? else {
            return Ok(Seen::Nothing { look_at });
        };
        let waiting = self.sort_out(&briefs);
        for (id, _) in waiting.into_iter().rev() {
            self.outstanding.push_front(id);
        }
        Ok(if self.ended.is_empty() {
            Seen::Nothing { look_at }
        } else {
            Seen::GoOn
        })
    }

    fn pass_is_due(&self) -> bool {
        self.pass.left > 0 || (self.outstanding.len() > WINDOW && Instant::now() >= self.pass.due)
    }

    /// As completed: looks at the next window of a full pass.
    async fn pass_on(&mut self) -> Result<Seen> {
        if self.pass.left == 0 {
            self.pass.left = self.outstanding.len();
            self.pass.took = Duration::ZERO;
        }
        let began = Instant::now();
        let Some(briefs) = self.look(WINDOW.min(self.pass.left)).await? else {
            return Ok(Seen::Nothing { look_at: None });
        };
        self.pass.took += began.elapsed();
        let waiting = self.sort_out(&briefs);
        self.outstanding
            .extend(waiting.into_iter().map(|(id, _)| id));
        self.pass.left = (self.pass.left - briefs.len()).min(self.outstanding.len());
        if self.pass.left > 0 {
            return Ok(Seen::GoOn);
        }
        self.pass.due = Instant::now() + PASS_EVERY.max(self.pass.took);
        Ok(if self.ended.is_empty() {
            Seen::Nothing { look_at: None }
        } else {
            Seen::GoOn
        })
    }

    /// Takes the ids that were looked at from the front: those that have ended are read next, the
    /// others are returned.
    fn sort_out(&mut self, briefs: &[Brief]) -> Vec<(MessageId, Status)> {
        let looked_at = self.outstanding.drain(..briefs.len());
        let mut waiting = Vec::with_capacity(briefs.len());
        for (id, brief) in looked_at.zip(briefs) {
            if has_ended(*brief) {
                self.ended.push_back(id);
            } else {
                waiting.push((id, brief.status));
            }
        }
        waiting
    }

    /// The time is up: what has ended all the same is still given, the rest is not waited for.
    async fn time_out(&mut self) -> Result<()> {
        let Some(briefs) = self.look(WINDOW).await? else {
            return Ok(());
        };
        if self.order == Order::Completed {
            let late = self.sort_out(&briefs);
            self.late.extend(late);
            return Ok(());
        }
        // Up to where the ended and the others change places, so that the given order is kept.
        let ended = briefs.first().copied().is_some_and(has_ended);
        let alike = briefs
            .into_iter()
            .take_while(|brief| has_ended(*brief) == ended);
        for (brief, id) in alike.zip(self.outstanding.iter()) {
            if ended {
                self.ended.push_back(*id);
            } else {
                let error = timed_out(*id, brief.status, self.waiter.timeout());
                self.ready.push_back((*id, Err(error)));
            }
        }
        // One of the two is empty: nothing that has ended is left here, and nothing was ready.
        self.outstanding
            .drain(..self.ended.len() + self.ready.len());
        Ok(())
    }

    /// Looks at the first `max` ids outstanding.
    async fn look(&mut self, max: usize) -> Result<Option<Vec<Brief>>> {
        let ids: Vec<_> = self.outstanding.iter().take(max).copied().collect();
        let briefs = self.results.shared().store.brief(ids);
        self.waiter.look(briefs).await
    }
}
