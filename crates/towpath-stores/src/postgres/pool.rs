//! The pool: a few connections, made when they are needed and kept for the next verb.
//!
//! Our own, because all of it lives on one thread: what a pool from elsewhere brings (sharing between
//! threads, recycling checks, hooks) would be unused, and its waits have no place to give up with an error of
//! ours.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use towpath_core::Result;

use super::connection::{Link, Place, timed_out};

/// Longest wait for a connection that others use.
const PATIENCE: Duration = Duration::from_secs(20);
/// The first and the longest wait before the server is dialled again after it was not reached.
const BACKOFF: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

pub(super) struct Pool {
    place: Place,
    idle: RefCell<Vec<Link>>,
    room: Semaphore,
    /// Whether the schema is known to be up to date.
    migrated: Cell<bool>,
    /// How often in a row the server was not reached, and until when it is left alone.
    failures: Cell<u32>,
    rest_until: Cell<Option<Instant>>,
}

/// A connection in use; room for another when it is dropped.
pub(super) struct Borrowed<'a> {
    pub(super) link: Link,
    _room: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(place: Place, size: usize) -> Self {
        Self {
            place,
            idle: RefCell::default(),
            room: Semaphore::new(size),
            migrated: Cell::new(false),
            failures: Cell::new(0),
            rest_until: Cell::new(None),
        }
    }

    /// A connection that was open a moment ago.
    pub(super) async fn take(&self) -> Result<Borrowed<'_>> {
        let room = tokio::time::timeout(PATIENCE, self.room.acquire()).await;
        let Ok(Ok(room)) = room else {
            return Err(timed_out(&self.place.url).about("all connections of the store are in use"));
        };
        let link = loop {
            let idle = self.idle.borrow_mut().pop();
            match idle {
                Some(link) if link.is_closed() => {}
                Some(link) => break link,
                None => break self.open().await?,
            }
        };
        Ok(Borrowed { link, _room: room })
    }

    /// Takes a connection back that is fit for the next verb.
    pub(super) fn put_back(&self, borrowed: Borrowed<'_>) {
        if !borrowed.link.is_closed() {
            self.idle.borrow_mut().push(borrowed.link);
        }
    }

    /// Connects. After a failure the next attempts come after growing waits, so that a server that comes up
    /// again is not run over; their lengths vary, so that not all come at once.
    async fn open(&self) -> Result<Link> {
        if let Some(until) = self.rest_until.get() {
            tokio::time::sleep_until(until).await;
        }
        let opened = Link::open(&self.place, &self.migrated).await;
        match &opened {
            Ok(_) => {
                self.failures.set(0);
                self.rest_until.set(None);
            }
            Err(_) => {
                let failures = self.failures.get();
                self.failures.set(failures.saturating_add(1));
                let longest = BACKOFF_MAX.min(BACKOFF * 2_u32.saturating_pow(failures.min(10)));
                self.rest_until
                    .set(Some(Instant::now() + longest.mul_f64(fastrand::f64())));
            }
        }
        opened
    }
}
