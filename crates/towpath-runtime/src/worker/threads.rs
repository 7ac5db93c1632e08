//! Threads for bodies that block.
//!
//! A blocking body cannot be stopped from outside. One that outlives its attempt (timeout, revoke,
//! shutdown) is left behind on its thread, and its slot gets a new one, while at most as many bodies
//! are left behind as the pool has slots. Beyond that each further one takes a slot away until it
//! returns; with no slot left the pool claims nothing and its worker is unhealthy.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use tokio::sync::{Notify, oneshot};

use crate::task::TaskError;

/// The bodies of one pool that were left behind.
#[derive(Debug)]
pub(crate) struct Threads {
    slots: usize,
    lost: AtomicUsize,
    /// A body that was left behind has returned.
    returned: Notify,
}

impl Threads {
    pub(crate) fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self {
            slots,
            lost: AtomicUsize::new(0),
            returned: Notify::new(),
        })
    }

    /// How many slots may run.
    pub(crate) fn capacity(&self) -> usize {
        let beyond = self.lost.load(Ordering::Acquire).saturating_sub(self.slots);
        self.slots.saturating_sub(beyond)
    }

    /// Waits until the slot of that number may run.
    pub(crate) async fn admitted(&self, slot: usize) {
        loop {
            let returned = self.returned.notified();
            if slot < self.capacity() {
                return;
            }
            returned.await;
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// The thread of one slot, started when it is first needed.
pub(crate) struct SlotThread {
    threads: Arc<Threads>,
    jobs: Option<mpsc::Sender<Job>>,
}

const RUNNING: u8 = 0;
const RETURNED: u8 = 1;
const LEFT: u8 = 2;

impl SlotThread {
    pub(crate) fn new(threads: Arc<Threads>) -> Self {
        Self {
            threads,
            jobs: None,
        }
    }

    /// Runs `body` on the thread.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the body behind on its thread; the slot starts a new one next time.
    pub(crate) async fn run<T: Send + 'static>(
        &mut self,
        body: impl FnOnce() -> Result<T, TaskError> + Send + 'static,
    ) -> Result<T, TaskError> {
        let state = Arc::new(AtomicU8::new(RUNNING));
        let (answer, answered) = oneshot::channel();
        let job: Job = {
            let (state, threads) = (state.clone(), self.threads.clone());
            Box::new(move || {
                let result = crate::panics::catch(body).and_then(|result| result);
                if state.swap(RETURNED, Ordering::AcqRel) == LEFT {
                    threads.lost.fetch_sub(1, Ordering::AcqRel);
                    threads.returned.notify_waiters();
                }
                let _ = answer.send(result);
            })
        };
        let jobs = self.jobs.take().map_or_else(start_thread, Ok)?;
        jobs.send(job)
            .map_err(|_| TaskError::msg("the thread of the slot has ended"))?;
        let mut left = LeaveBehind {
            state,
            threads: &self.threads,
            armed: true,
        };
        let result = answered.await;
        left.armed = false;
        drop(left);
        self.jobs = Some(jobs);
        result.unwrap_or_else(|_| Err(TaskError::msg("the thread of the slot has ended")))
    }
}

/// Counts the body as left behind when the future that waits for it is dropped.
struct LeaveBehind<'a> {
    state: Arc<AtomicU8>,
    threads: &'a Threads,
    armed: bool,
}

impl Drop for LeaveBehind<'_> {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        // Counted before the swap: the body's own decrement can then never come first.
        self.threads.lost.fetch_add(1, Ordering::AcqRel);
        if self.state.swap(LEFT, Ordering::AcqRel) == RETURNED {
            self.threads.lost.fetch_sub(1, Ordering::AcqRel);
            // Who has looked in between waits for what will not come.
            self.threads.returned.notify_waiters();
        }
    }
}

fn start_thread() -> Result<mpsc::Sender<Job>, TaskError> {
    let (jobs, waiting) = mpsc::channel::<Job>();
    std::thread::Builder::new()
        .name("towpath-slot".to_owned())
        .spawn(move || waiting.iter().for_each(|job| job()))?;
    Ok(jobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_runs_and_its_panic_is_an_error() {
        let mut slot = SlotThread::new(Threads::new(1));
        assert_eq!(slot.run(|| Ok(7)).await.unwrap(), 7);
        let error = slot.run::<()>(|| panic!("boom")).await.unwrap_err();
        assert_eq!(error.attempt_error().text, "boom");
        assert_eq!(slot.run(|| Ok(8)).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn bodies_left_behind_beyond_the_slots_shrink_the_pool_until_they_return() {
        let threads = Threads::new(1);
        let mut releases = Vec::new();
        for lost in 1..=2 {
            let (release, wait) = mpsc::channel::<()>();
            let (running, is_running) = oneshot::channel();
            let mut slot = SlotThread::new(threads.clone());
            let body = move || {
                let _ = running.send(());
                let _ = wait.recv();
                Ok(())
            };
            tokio::select! {
                biased;
                _ = slot.run(body) => unreachable!("the body waits"),
                _ = is_running => {}
            }
            assert_eq!(threads.lost.load(Ordering::Acquire), lost);
            releases.push(release);
        }
        assert_eq!(threads.capacity(), 0);
        drop(releases);
        threads.admitted(0).await;
        assert_eq!(threads.capacity(), 1);
    }
}
