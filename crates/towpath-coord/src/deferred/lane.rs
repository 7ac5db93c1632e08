//! The threads on which functions are called: one for a row of calls, kept for the next row.
//!
//! A call is often shorter than the waking of a thread. So the thread is woken while the line that goes before a call is
//! written, and both sides look out for each other for a moment before they sleep:
//!
//! ```text
//!   caller   rouse ─ write the line ─ give the call ─ look out, then sleep ─ …  ─ drop: the thread rests
//!   thread       (wakes) ─ look out, then sleep ────── call, tell ─ look out, then sleep ─ …
//! ```

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SendError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use super::call::Job;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread runs a deferred function.
pub(super) fn is_inside() -> bool {
    INSIDE.get()
}

/// How long to look out: about twice what it takes to wake a thread of a virtual machine (25 µs measured). With one
/// processor who looks out keeps the other from coming.
static PATIENCE: LazyLock<Duration> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism();
    match processors.is_ok_and(|processors| processors.get() > 1) {
        true => Duration::from_micros(50),
        false => Duration::ZERO,
    }
});
/// How often is looked between two looks at the clock.
const LOOKS: usize = 64;

/// What has come, when it comes within the patience and somebody wants it.
pub(super) fn look_out<T>(for_what: &Receiver<T>, is_wanted: impl Fn() -> bool) -> Option<T> {
    let until = Instant::now() + *PATIENCE;
    while is_wanted() && Instant::now() < until {
        for _ in 0..LOOKS {
            match for_what.try_recv() {
                Ok(come) => return Some(come),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => std::hint::spin_loop(),
            }
        }
    }
    None
}

/// A thread for calls, one after the other: there from the first of them on, and for others once this is dropped.
#[derive(Default)]
pub(super) struct Lane(Option<Runner>);

impl Lane {
    /// Has the thread wake up, for a call is to come.
    pub(super) fn rouse(&mut self) {
        let runner = self.0.take().or_else(Runner::rested);
        // Where it is gone the call has another one started.
        self.0 = runner.filter(|runner| runner.give(Order::Rise).is_ok());
    }

    /// Begins a call on the thread, which is not in this lane any more.
    pub(super) fn begin(&mut self, job: Job) -> io::Result<Runner> {
        let mut order = Order::Call(job);
        if let Some(runner) = self.0.take() {
            match runner.give(order) {
                Ok(()) => return Ok(runner),
                // It has died of something that cannot be caught.
                Err(SendError(returned)) => order = returned,
            }
        }
        let runner = Runner::spawn()?;
        let given = runner.give(order);
        given.map_err(|_| io::Error::other("it ended at once"))?;
        Ok(runner)
    }

    /// Takes back a thread that has made its call.
    pub(super) fn keep(&mut self, runner: Runner) {
        self.0 = Some(runner);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(runner) = self.0.take() {
            runner.rest();
        }
    }
}

enum Order {
    /// Nothing yet.
    Rise,
    Call(Job),
}

/// Threads that sleep until another call: to start one costs more than most calls do.
static RESTING: Mutex<Pool> = Mutex::new(Pool {
    pid: 0,
    runners: Vec::new(),
});
/// How many rest at most; further ones end.
const RESTING_MAX: usize = 8;

struct Pool {
    /// Whose threads they are: a process that was forked has none of them.
    pid: u32,
    runners: Vec<Runner>,
}

impl Pool {
    /// The threads of the process with this number.
    fn of(&mut self, pid: u32) -> &mut Vec<Runner> {
        if self.pid != pid {
            self.pid = pid;
            // What they wait by may be locked by threads that are not here, so it is not touched any more.
            std::mem::forget(std::mem::take(&mut self.runners));
        }
        &mut self.runners
    }
}

/// The pool, unless somebody has it just now, who may not be in this process.
fn resting() -> Option<MutexGuard<'static, Pool>> {
    match RESTING.try_lock() {
        Ok(pool) => Some(pool),
        Err(TryLockError::Poisoned(pool)) => Some(pool.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// A thread that makes calls until this is dropped.
pub(super) struct Runner {
    orders: SyncSender<Order>,
    /// Whether it is in a lane: then it looks out for the next call before it sleeps.
    is_wanted: Arc<AtomicBool>,
}

impl Runner {
    fn rested() -> Option<Self> {
        let runner = resting()?.of(std::process::id()).pop()?;
        runner.is_wanted.store(true, Ordering::Release);
        Some(runner)
    }

    fn spawn() -> io::Result<Self> {
        // Room for both kinds, so that nobody waits to give one.
        let (orders, given) = sync_channel(2);
        let is_wanted = Arc::new(AtomicBool::new(true));
        let wanted = is_wanted.clone();
        let thread = std::thread::Builder::new().name("deferred".to_owned());
        thread.spawn(move || {
            INSIDE.set(true);
            let is_wanted = || wanted.load(Ordering::Acquire);
            let next = || look_out(&given, is_wanted).or_else(|| given.recv().ok());
            while let Some(order) = next() {
                match order {
                    Order::Rise => {}
                    Order::Call(job) => job.run(),
                }
            }
        })?;
        Ok(Self { orders, is_wanted })
    }

    fn give(&self, order: Order) -> Result<(), SendError<Order>> {
        self.orders.send(order)
    }

    fn rest(self) {
        self.is_wanted.store(false, Ordering::Release);
        let Some(mut pool) = resting() else {
            return;
        };
        let runners = pool.of(std::process::id());
        if runners.len() < RESTING_MAX {
            runners.push(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_the_process_that_was_forked_are_not_taken_for_ours() {
        let mut pool = Pool {
            pid: 0,
            runners: Vec::new(),
        };
        pool.of(7).push(Runner::spawn().expect("a thread"));
        assert_eq!(pool.of(7).len(), 1);
        assert_eq!(pool.of(8).len(), 0);
        assert_eq!(pool.of(8).capacity(), 0);
    }
}
