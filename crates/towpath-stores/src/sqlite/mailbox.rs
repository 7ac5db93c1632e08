//! The mailbox of a thread of the store: two lanes of jobs, each with room for so many.
//!
//! Control (claims, settles, the rest of a worker's life) goes before bulk (submits and upkeep), but
//! whoever has waited through one batch of the other lane is first in the next.

use std::collections::VecDeque;
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many jobs wait in a lane at most; who brings one more waits for room.
const ROOM: usize = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Control,
    Bulk,
}

#[derive(Debug)]
pub(super) struct Mailbox<J> {
    /// Written by callers, read by the thread; held for a push or a pop.
    state: Mutex<State<J>>,
    /// Wakes the thread when a job came or the box was closed.
    came: Condvar,
    control_room: Arc<Semaphore>,
    bulk_room: Arc<Semaphore>,
}

#[derive(Debug)]
struct State<J> {
    control: VecDeque<Letter<J>>,
    bulk: VecDeque<Letter<J>>,
    /// Whether the next batch begins with bulk.
    bulk_first: bool,
    closed: bool,
}

/// A job and the room that it takes until it is taken out.
#[derive(Debug)]
struct Letter<J> {
    job: J,
    _room: OwnedSemaphorePermit,
}

/// The mailbox was closed and takes no more jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

impl<J> Mailbox<J> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                control: VecDeque::new(),
                bulk: VecDeque::new(),
                bulk_first: false,
                closed: false,
            }),
            came: Condvar::new(),
            control_room: Arc::new(Semaphore::new(ROOM)),
            bulk_room: Arc::new(Semaphore::new(ROOM)),
        }
    }

    /// Brings a job, waiting for room. Dropped while it waits, it has brought nothing.
    pub(super) async fn bring(&self, lane: Lane, job: J) -> Result<(), Closed> {
        let semaphore = match lane {
            Lane::Control => &self.control_room,
            Lane::Bulk => &self.bulk_room,
        };
        let room = match semaphore.clone().try_acquire_owned() {
            Ok(room) => room,
            Err(_) => semaphore
                .clone()
                .acquire_owned()
                .await
                .map_err(|_| Closed)?,
        };
        let mut state = self.lock();
        if state.closed {
            return Err(Closed);
        }
        let letter = Letter { job, _room: room };
        match lane {
            Lane::Control => state.control.push_back(letter),
            Lane::Bulk => state.bulk.push_back(letter),
        }
        drop(state);
        self.came.notify_one();
        Ok(())
    }

    /// The first job of a batch: waits for one. `None` once the box is closed and empty.
    pub(super) fn first(&self) -> Option<J> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.pop_first() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self
                .came
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// One more job of the batch, if one is there.
    pub(super) fn another(&self) -> Option<J> {
        self.lock().pop()
    }

    /// Ends a batch: if bulk had to stand back for control all the time, it is first in the next.
    pub(super) fn batch_ended(&self, had_bulk: bool) {
        let mut state = self.lock();
        state.bulk_first = !had_bulk && !state.bulk.is_empty();
    }

    /// Takes no more jobs; those that were brought are still to be done.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.control_room.close();
        self.bulk_room.close();
        self.came.notify_all();
    }

    /// Closes the box and drops what is in it: nobody is there to do it.
    pub(super) fn abandon(&self) {
        self.close();
        let mut state = self.lock();
        let left = (take(&mut state.control), take(&mut state.bulk));
        drop(state);
        // Whoever waits for an answer learns that none will come.
        drop(left);
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        // Two queues and two flags: no panic can leave them half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> State<J> {
    fn pop_first(&mut self) -> Option<J> {
        if take(&mut self.bulk_first)
            && let Some(letter) = self.bulk.pop_front()
        {
            return Some(letter.job);
        }
        self.pop()
    }

    fn pop(&mut self) -> Option<J> {
        let letter = self.control.pop_front().or_else(|| self.bulk.pop_front());
        letter.map(|letter| letter.job)
    }
}

/// Waits on a condition for at most so long, whatever becomes of its lock.
pub(super) fn wait_up_to<'a, T>(
    condition: &Condvar,
    guard: MutexGuard<'a, T>,
    time: Duration,
) -> MutexGuard<'a, T> {
    match condition.wait_timeout(guard, time) {
        Ok((guard, _)) => guard,
        Err(poisoned) => poisoned.into_inner().0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn control_goes_first_but_never_twice_past_waiting_bulk() {
        let mailbox = Mailbox::new();
        for (lane, job) in [(Lane::Bulk, 1), (Lane::Control, 2), (Lane::Control, 3)] {
            mailbox.bring(lane, job).await.unwrap();
        }
        assert_eq!(mailbox.first(), Some(2));
        mailbox.batch_ended(false);
        assert_eq!(mailbox.first(), Some(1));
        mailbox.batch_ended(true);
        assert_eq!(mailbox.another(), Some(3));
        assert_eq!(mailbox.another(), None);
    }

    #[tokio::test]
    async fn a_full_lane_makes_its_callers_wait_and_no_others() {
        let mailbox = Mailbox::new();
        for job in 0..ROOM {
            mailbox.bring(Lane::Bulk, job).await.unwrap();
        }
        mailbox.bring(Lane::Control, ROOM + 1).await.unwrap();
        let mut blocked = std::pin::pin!(mailbox.bring(Lane::Bulk, ROOM));
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        assert!(blocked.as_mut().poll(&mut context).is_pending());
        assert_eq!(mailbox.another(), Some(ROOM + 1));
        assert_eq!(mailbox.another(), Some(0));
        assert!(blocked.as_mut().poll(&mut context).is_ready());
    }

    #[tokio::test]
    async fn a_closed_mailbox_gives_out_what_it_has_and_takes_no_more() {
        let mailbox = Mailbox::new();
        mailbox.bring(Lane::Bulk, 1).await.unwrap();
        mailbox.close();
        assert_eq!(mailbox.bring(Lane::Bulk, 2).await, Err(Closed));
        assert_eq!(mailbox.first(), Some(1));
        assert_eq!(mailbox.first(), None);
    }
}
