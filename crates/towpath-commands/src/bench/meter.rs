//! One measurement: how many messages, how long, and how much CPU time of this process.

use std::time::{Duration, Instant};

/// What was measured once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) messages: usize,
    pub(super) wall: Duration,
    /// `None` where the system does not tell.
    pub(super) cpu: Option<Duration>,
}

impl Sample {
    pub(super) fn per_second(&self) -> f64 {
        self.messages as f64 / self.wall.as_secs_f64().max(1e-9)
    }

    /// CPU time per message, in microseconds.
    pub(super) fn cpu_us(&self) -> Option<f64> {
        Some(self.cpu?.as_secs_f64() * 1e6 / self.messages.max(1) as f64)
    }
}

/// A measurement under way.
#[derive(Debug)]
pub(super) struct Meter {
    began: Instant,
    cpu: Option<Duration>,
}

impl Meter {
    pub(super) fn start() -> Self {
        Self {
            began: Instant::now(),
            cpu: process_cpu(),
        }
    }

    pub(super) fn stop(&self, messages: usize) -> Sample {
        let (wall, cpu) = (self.began.elapsed(), process_cpu());
        Sample {
            messages,
            wall,
            cpu: cpu
                .zip(self.cpu)
                .map(|(now, then)| now.saturating_sub(then)),
        }
    }
}

/// The CPU time that this process has used, all its threads together.
#[cfg(unix)]
pub(super) fn process_cpu() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Some(Duration::new(seconds.ok()?, nanos.ok()?))
}

#[cfg(not(unix))]
pub(super) fn process_cpu() -> Option<Duration> {
    None
}
