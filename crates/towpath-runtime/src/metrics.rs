//! What the workers of a process have done, counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Counters of one process. They only grow; read them with [`snapshot`](Metrics::snapshot).
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($name: AtomicU64,)+
            running: AtomicU64,
            handler_micros: AtomicU64,
        }

        /// The counters at one moment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct MetricsSnapshot {
            $($(#[$doc])* pub $name: u64,)+
            /// Attempts that run at this moment.
            pub running: u64,
            /// Time spent in handlers, summed over all of them.
            pub handler_time: Duration,
        }

        impl Metrics {
            $(pub(crate) fn $name(&self, by: u64) {
                self.$name.fetch_add(by, Ordering::Relaxed);
            })+

            /// The counters at this moment.
            pub fn snapshot(&self) -> MetricsSnapshot {
                MetricsSnapshot {
                    $($name: self.$name.load(Ordering::Relaxed),)+
                    running: self.running.load(Ordering::Relaxed),
                    handler_time: Duration::from_micros(self.handler_micros.load(Ordering::Relaxed)),
                }
            }
        }

        impl MetricsSnapshot {
            /// Every counter as Prometheus text (exposition format 0.0.4).
            #[cfg(feature = "metrics")]
            pub fn to_prometheus(self) -> String {
                use std::fmt::Write as _;
                let mut text = String::new();
                let mut one = |name: &str, kind: &str, value: f64| {
                    writeln!(text, "# TYPE towpath_{name} {kind}\ntowpath_{name} {value}")
                        .expect("writing to a string does not fail");
                };
                #[expect(clippy::cast_precision_loss, reason = "exposition values are floats")]
                {
                    $(one(concat!(stringify!($name), "_total"), "counter", self.$name as f64);)+
                    one("running", "gauge", self.running as f64);
                }
                one("handler_seconds_total", "counter", self.handler_time.as_secs_f64());
                text
            }
        }
    };
}

counters! {
    /// Messages submitted through a broker.
    submitted,
    /// Messages claimed.
    claimed,
    /// Attempts that started.
    started,
    /// Attempts that succeeded.
    succeeded,
    /// Attempts that failed and are repeated.
    retried,
    /// Messages that became dead letters.
    failed,
    /// Attempts that asked to be run later.
    snoozed,
    /// Messages given back without an attempt.
    released,
    /// Attempts dropped because their message was revoked.
    revoked,
    /// Attempts whose end was refused because the lease was lost.
    lease_lost,
    /// Attempts that took longer than their timeout.
    timed_out,
    /// Steps in which attempts were settled or messages claimed.
    exchanges,
    /// Messages taken from dead workers.
    rescued,
    /// Scheduled messages that became ready.
    promoted,
    /// Finished messages deleted.
    pruned,
    /// Deferred functions that have ended well.
    deferred_done,
    /// Attempts at deferred functions that have failed.
    deferred_failed,
    /// Errors that no caller waited for.
    errors,
}

impl Metrics {
    pub(crate) fn handler_ran(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.handler_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Counts one running attempt for as long as the guard lives.
    pub(crate) fn running(&self) -> impl Drop + '_ {
        struct Running<'a>(&'a AtomicU64);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(&self.running)
    }
}

#[cfg(all(test, feature = "metrics"))]
mod tests {
    use super::*;

    #[test]
    fn prometheus_text_has_a_line_per_counter() {
        let metrics = Metrics::default();
        metrics.succeeded(3);
        let text = metrics.snapshot().to_prometheus();
        assert!(
            text.contains("# TYPE towpath_succeeded_total counter\ntowpath_succeeded_total 3\n")
        );
        assert!(text.contains("towpath_running 0\n"));
    }
}
