//! Two clocks, handed in: the wall clock for dates, the boot clock for leases and elapsed time.
//!
//! The wall clock may jump; nothing that must hold relies on it. The boot clock never goes back,
//! keeps counting while the machine sleeps, and is the same in every process until the machine
//! restarts, which [`Clock::boot`] tells.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A point of wall-clock time: milliseconds since 1970-01-01 00:00 UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The timestamp of that many milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time that lies `duration` later, or the last one there is.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How much later this is than `earlier`; zero when it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).try_into().unwrap_or(0))
    }

    /// The same time as the standard library says it.
    pub fn to_system_time(self) -> SystemTime {
        match u64::try_from(self.0) {
            Ok(after) => UNIX_EPOCH + Duration::from_millis(after),
            Err(_) => UNIX_EPOCH - Duration::from_millis(self.0.unsigned_abs()),
        }
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(millis(after)),
            Err(before) => Self(-millis(before.duration())),
        }
    }
}

/// Tells the time. Handed to everything that asks for it, so that tests can hand in their own.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Time since the machine started, sleep included; never goes back.
    fn uptime(&self) -> Duration;

    /// Which start of the machine [`uptime`](Clock::uptime) counts from: the same text in every
    /// process until the machine restarts.
    fn boot(&self) -> Arc<str>;
}

/// The clocks of the operating system.
#[derive(Debug, Clone)]
pub struct SystemClock {
    boot: Arc<str>,
}

impl SystemClock {
    /// Reads the id of this boot once and keeps it.
    pub fn new() -> Self {
        Self {
            boot: read_boot_id().into(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn uptime(&self) -> Duration {
        read_uptime()
    }

    fn boot(&self) -> Arc<str> {
        self.boot.clone()
    }
}

#[cfg(target_os = "linux")]
fn read_uptime() -> Duration {
    duration_of(rustix::time::clock_gettime(rustix::time::ClockId::Boottime))
}

#[cfg(all(unix, not(target_os = "linux")))]
fn read_uptime() -> Duration {
    // Elsewhere on Unix the monotonic clock counts from the start of the machine.
    duration_of(rustix::time::clock_gettime(
        rustix::time::ClockId::Monotonic,
    ))
}

#[cfg(unix)]
fn duration_of(time: rustix::time::Timespec) -> Duration {
    let nanos = u32::try_from(time.tv_nsec).expect("nanoseconds of a clock are below 10^9");
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}

#[cfg(not(unix))]
fn read_uptime() -> Duration {
    // No clock since boot without a system crate: the wall clock serves, and leases may then expire
    // early when it is set forward. Fencing holds all the same.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn read_boot_id() -> String {
    // Where the kernel tells none, all boots look alike, and leases of before a restart run out by
    // the clock instead of at once.
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}

/// A clock that stands still until a test moves it.
///
/// ```
/// use std::time::Duration;
/// use towpath_core::{Clock, ManualClock, Timestamp};
/// let clock = ManualClock::new(Timestamp::from_millis(1_000));
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(clock.now(), Timestamp::from_millis(3_000));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    wall_ms: AtomicI64,
    uptime_ms: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self {
            wall_ms: AtomicI64::new(now.as_millis()),
            uptime_ms: AtomicU64::new(1_000_000),
        }
    }

    /// Lets `duration` pass on both clocks.
    pub fn advance(&self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.uptime_ms.fetch_add(millis, Ordering::SeqCst);
        self.step_wall(i64::try_from(millis).unwrap_or(i64::MAX));
    }

    /// Sets the wall clock forward (or back, when negative) by that many milliseconds, as an
    /// operator or a time server would; the boot clock does not notice.
    pub fn step_wall(&self, millis: i64) {
        self.wall_ms.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.wall_ms.load(Ordering::SeqCst))
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.uptime_ms.load(Ordering::SeqCst))
    }

    fn boot(&self) -> Arc<str> {
        "manual".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_saturate_instead_of_wrapping() {
        assert_eq!(
            Timestamp::from_millis(i64::MAX)
                .after(Duration::MAX)
                .as_millis(),
            i64::MAX
        );
        assert_eq!(
            Timestamp::from_millis(5).since(Timestamp::from_millis(9)),
            Duration::ZERO
        );
    }

    #[test]
    fn the_boot_clock_never_goes_back() {
        let clock = SystemClock::new();
        let first = clock.uptime();
        assert!(clock.uptime() >= first);
    }
}
