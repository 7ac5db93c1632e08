//! How fast attempts end.

use std::time::{Duration, Instant};

/// Attempts per second, smoothed.
pub(super) struct Pace {
    per_second: f64,
    noted: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            per_second: 0.0,
            noted: Instant::now(),
        }
    }

    /// So many have ended since the last note.
    pub(super) fn note(&mut self, ended: usize) {
        let elapsed = self.noted.elapsed().as_secs_f64().max(1e-6);
        self.noted = Instant::now();
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let sample = ended as f64 / elapsed;
        self.per_second = 0.7 * self.per_second + 0.3 * sample;
    }

    /// How many attempts end within so long.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates at 0 and usize::MAX"
    )]
    pub(super) fn within(&self, time: Duration) -> usize {
        (self.per_second * time.as_secs_f64()) as usize
    }
}
