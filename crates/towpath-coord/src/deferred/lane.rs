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
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
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
static RESTING: Mutex<Vec<Runner>> = Mutex::new(Vec::new());
/// How many rest at most; further ones end.
const RESTING_MAX: usize = 8;

/// A thread that makes calls until this is dropped.
pub(super) struct Runner {
    orders: SyncSender<Order>,
    /// Whether it is in a lane: then it looks out for the next call before it sleeps.
    is_wanted: Arc<AtomicBool>,
}

impl Runner {
    fn rested() -> Option<Self> {
        let runner = RESTING.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(runner) = &runner {
            runner.is_wanted.store(true, Ordering::Release);
        }
        runner
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
        let mut resting = RESTING.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.len() < RESTING_MAX {
            resting.push(self);
        }
    }
}
