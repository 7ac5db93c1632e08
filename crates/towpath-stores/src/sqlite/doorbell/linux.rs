//! The shared file on Linux: a mapped page of counters, and a futex in it.
//!
//! ```text
//! word 0        rings of any topic; the futex
//! words 1..=4   rings of each topic
//! words 9..=12  how many listeners sleep on the futex for each topic
//! ```
//!
//! A listener registers, reads word 0, looks whether anything was rung, and sleeps only while word 0 is
//! still what it read; whoever rings counts up first and then looks for listeners. So either the ringer
//! sees the listener or the listener sees the ring. A listener that is killed stays registered, which
//! costs the ringers a system call each and nothing else.

use std::fs::OpenOptions;
use std::io;
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::thread::futex;

use super::{Location, TOPICS};

const PAGE: usize = 4096;
const ANY: usize = 0;
const COUNTS: usize = 1;
const LISTENERS: usize = 9;
/// The bit by which a process wakes its own listener, and at worst those of a few others.
const NUDGES: u32 = 8;

#[derive(Debug)]
pub(super) struct SharedFile {
    page: NonNull<AtomicU32>,
    /// For which topics our own listener is registered. Locked while that changes and while ringers
    /// look for listeners, so that they never take another's registration for ours.
    registered: Mutex<u32>,
}

// SAFETY: the page is shared memory that is only ever reached through atomics.
unsafe impl Send for SharedFile {}
// SAFETY: as above.
unsafe impl Sync for SharedFile {}

impl SharedFile {
    pub(super) fn open(path: &Path, location: &Location) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(location.mode())
            .open(path)?;
        if file.metadata()?.len() < PAGE as u64 {
            // Only ever grown: to cut it off would kill whoever has it mapped.
            file.set_len(PAGE as u64)?;
        }
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let page = unsafe {
            mmap(
                std::ptr::null_mut(),
                PAGE,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &file,
                0,
            )?
        };
        let page = NonNull::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            page,
            registered: Mutex::new(0),
        })
    }

    fn word(&self, at: usize) -> &AtomicU32 {
        debug_assert!(at < PAGE / size_of::<AtomicU32>());
        // SAFETY: within the page, aligned as the page is, and mapped as long as `self` lives.
        unsafe { self.page.add(at).as_ref() }
    }

    /// How often a topic was rung, modulo 2^32.
    pub(super) fn count(&self, topic: usize) -> u32 {
        self.word(COUNTS + topic).load(Ordering::SeqCst)
    }

    /// Counts a ring; answers the count before it.
    pub(super) fn count_up(&self, topic: usize) -> u32 {
        self.word(COUNTS + topic).fetch_add(1, Ordering::SeqCst)
    }

    /// Wakes the listeners of other processes to these topics.
    pub(super) fn wake(&self, topics: u32) {
        self.word(ANY).fetch_add(1, Ordering::SeqCst);
        let heard = {
            let ours = *self.registered();
            (0..TOPICS).any(|topic| {
                let listeners = self.word(LISTENERS + topic).load(Ordering::SeqCst);
                topics & 1 << topic != 0 && listeners > (ours >> topic & 1)
            })
        };
        if heard && let Some(mask) = NonZeroU32::new(topics) {
            let flags = futex::Flags::empty();
            let _woke = futex::wake_bitset(self.word(ANY), flags, i32::MAX as u32, mask);
        }
    }

    /// Sleeps until one of these topics is rung, for at most `time`, unless `go_on` says no.
    pub(super) fn listen(&self, topics: u32, time: Duration, go_on: impl Fn() -> bool) {
        self.register(topics);
        let seen = self.word(ANY).load(Ordering::SeqCst);
        if go_on() {
            self.sleep(seen, topics, time);
        }
        self.register(0);
    }

    fn register(&self, topics: u32) {
        let mut registered = self.registered();
        for topic in 0..TOPICS {
            let change = (topics >> topic & 1).wrapping_sub(*registered >> topic & 1);
            if change != 0 {
                self.word(LISTENERS + topic)
                    .fetch_add(change, Ordering::SeqCst);
            }
        }
        *registered = topics;
    }

    fn registered(&self) -> MutexGuard<'_, u32> {
        self.registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, seen: u32, topics: u32, time: Duration) {
        // This kind of wait takes the time at which it ends.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let Ok(until) = rustix::time::Timespec::try_from(time).map(|time| now + time) else {
            return;
        };
        let mask = NonZeroU32::new(topics | nudge_bit()).expect("the nudge is a bit");
        let flags = futex::Flags::empty();
        // Woken, out of time, rung before it began, interrupted: each is a reason to look again.
        let _why = futex::wait_bitset(self.word(ANY), flags, seen, Some(&until), mask);
    }

    /// Wakes our own listener.
    pub(super) fn nudge(&self) {
        self.word(ANY).fetch_add(1, Ordering::SeqCst);
        let mask = NonZeroU32::new(nudge_bit()).expect("it is a bit");
        let _woke =
            futex::wake_bitset(self.word(ANY), futex::Flags::empty(), i32::MAX as u32, mask);
    }
}

fn nudge_bit() -> u32 {
    1 << (NUDGES + std::process::id() % (u32::BITS - NUDGES))
}

impl Drop for SharedFile {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nobody has a reference into it any more.
        let _unmapped = unsafe { munmap(self.page.as_ptr().cast(), PAGE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_mappings_of_one_file_see_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let location = Location {
            file: directory.path().join("jobs.db"),
        };
        let open = || SharedFile::open(&location.doorbell(), &location).unwrap();
        let (one, two) = (open(), open());
        assert_eq!(one.count_up(1), 0);
        assert_eq!((two.count(0), two.count(1), two.count(2)), (0, 1, 0));
        let found = std::fs::metadata(location.doorbell()).unwrap();
        assert_eq!(found.len(), PAGE as u64);
    }

    #[test]
    fn a_ring_between_look_and_sleep_is_not_slept_through() {
        let directory = tempfile::tempdir().unwrap();
        let location = Location {
            file: directory.path().join("jobs.db"),
        };
        let file = SharedFile::open(&location.doorbell(), &location).unwrap();
        let hour = Duration::from_secs(3600);
        file.listen(0b001, hour, || {
            file.count_up(0);
            file.wake(0b001);
            true
        });
        assert_eq!(file.count(0), 1);
        let listeners = file.word(LISTENERS).load(Ordering::SeqCst);
        assert_eq!(listeners, 0, "it is registered only while it listens");
    }
}
