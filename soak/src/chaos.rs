//! When whom what happens to: kills and freezes by chance.

use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;

use crate::observer::Observer;
use crate::options::Plan;
use crate::process::Part;

/// The next kill, the next freeze, and the end of the present one, by the boot clock.
#[derive(Debug)]
pub struct Chaos {
    rng: Rng,
    kill_every: Duration,
    freeze_every: Duration,
    lease: Duration,
    kill_at: Option<u64>,
    freeze_at: Option<u64>,
    /// Who is frozen, and until when.
    thaw_at: Option<(u16, u64)>,
}

impl Chaos {
    /// The chaos of a plan.
    pub fn new(plan: &Plan, seed: u64, now: u64) -> Self {
        let mut this = Self {
            rng: Rng::with_seed(seed),
            kill_every: plan.kill_every,
            freeze_every: plan.freeze_every,
            lease: plan.lease,
            kill_at: None,
            freeze_at: None,
            thaw_at: None,
        };
        this.kill_at = this.about(this.kill_every, now);
        // The first comes early, or a short soak would see none.
        this.freeze_at = this.about(this.freeze_every / 2, now);
        this
    }

    /// Does what is due.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn step(&mut self, observer: &mut Observer<'_>) -> Result<()> {
        let now = observer.now();
        if self.thaw_at.is_some_and(|(_, at)| at <= now) {
            self.end(observer)?;
        }
        if self.kill_at.is_some_and(|at| at <= now) {
            let victims = observer.alive(None);
            if let Some(victim) = self.rng.choice(victims) {
                observer.kill(victim)?;
            }
            self.kill_at = self.about(self.kill_every, observer.now());
        }
        if self.thaw_at.is_none() && self.freeze_at.is_some_and(|at| at <= now) {
            let victims = observer.alive(Some(Part::Worker));
            if let Some(victim) = self.rng.choice(victims) {
                observer.freeze(victim)?;
                let length = self.lease.mul_f64(1.3 + 0.3 * self.rng.f64());
                self.thaw_at = Some((victim, observer.now() + micros(length)));
            }
            self.freeze_at = self.about(self.freeze_every, observer.now());
        }
        Ok(())
    }

    /// Lets whoever is frozen go on.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn end(&mut self, observer: &mut Observer<'_>) -> Result<()> {
        match self.thaw_at.take() {
            Some((victim, _)) => observer.thaw(victim),
            None => Ok(()),
        }
    }

    /// A time about `every` from now; none where that is zero.
    fn about(&mut self, every: Duration, now: u64) -> Option<u64> {
        let wait = every.mul_f64(0.5 + self.rng.f64());
        (!every.is_zero()).then(|| now + micros(wait))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
