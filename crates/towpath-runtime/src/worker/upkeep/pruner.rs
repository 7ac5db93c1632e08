//! Deletes finished messages whose retention has ended.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::store::Pruned;
use towpath_core::{Result, limits};

use super::Upkeep;
use crate::app::Shared;

/// Between two full batches, so that others get the store for several times as long as a batch takes.
const REST: Duration = Duration::from_millis(50);
/// After so many full batches on end the rest is half as long, after twice as many a third, and so on: who
/// falls behind for long must give up manners, or the store would grow for as long as the load lasts.
const PATIENCE: u32 = 8;
/// After the last of what was to be deleted: more ends at the same pace.
const PAUSE: Duration = Duration::from_secs(1);
/// The same when there was more than a batch of it, and the first pause when nothing was to be deleted, which
/// doubles each time. What ends meanwhile is what a store grows by where little is kept.
const SHORT_PAUSE: Duration = Duration::from_millis(100);
/// When nothing has been to be deleted for long.
const LONG_PAUSE: Duration = Duration::from_secs(15);

pub(super) struct Pruner {
    shared: Arc<Shared>,
    rests: Rests,
}

impl Pruner {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let rests = Rests::default();
        Self { shared, rests }
    }
}

impl Upkeep for Pruner {
    const NAME: &'static str = "pruning";

    async fn run_once(&mut self) -> Result<Duration> {
        let pruned = self.shared.store.prune(limits::UPKEEP_ROWS).await?;
        self.shared.metrics.pruned(pruned.removed as u64);
        Ok(self.rests.after(pruned))
    }
}

#[derive(Debug, Default)]
struct Rests {
    /// Full batches on end.
    behind: u32,
    /// Times on end that nothing was to be deleted.
    idle: u32,
}

impl Rests {
    /// How long to rest after a batch.
    fn after(&mut self, pruned: Pruned) -> Duration {
        if pruned.more {
            self.behind = self.behind.saturating_add(1);
            return REST / (1 + self.behind / PATIENCE);
        }
        let was_behind = std::mem::take(&mut self.behind) > 0;
        if pruned.removed == 0 {
            self.idle = self.idle.saturating_add(1);
            let doubled = 2u32.saturating_pow(self.idle - 1);
            return SHORT_PAUSE.saturating_mul(doubled).min(LONG_PAUSE);
        }
        self.idle = 0;
        if was_behind { SHORT_PAUSE } else { PAUSE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pruned(removed: usize, more: bool) -> Pruned {
        Pruned { removed, more }
    }

    #[test]
    fn who_falls_behind_rests_ever_shorter_until_nothing_is_left() {
        let mut rests = Rests::default();
        let behind: Vec<Duration> = (0..400).map(|_| rests.after(pruned(1_000, true))).collect();
        assert_eq!(behind[0], REST);
        assert!(behind.is_sorted_by(|a, b| a >= b));
        assert_eq!(behind[399], REST / 51);
        assert_eq!(rests.after(pruned(7, false)), SHORT_PAUSE);
        assert_eq!(rests.after(pruned(7, false)), PAUSE);
        assert_eq!(rests.after(pruned(1_000, true)), REST, "it begins anew");
    }

    #[test]
    fn who_finds_nothing_looks_ever_more_rarely_until_there_is_something() {
        let mut rests = Rests::default();
        let idle: Vec<Duration> = (0..10).map(|_| rests.after(pruned(0, false))).collect();
        assert_eq!(idle[..3], [1, 2, 4].map(|times| SHORT_PAUSE * times));
        assert_eq!(idle[8..], [LONG_PAUSE; 2]);
        for _ in 0..100 {
            assert_eq!(rests.after(pruned(0, false)), LONG_PAUSE);
        }
        assert_eq!(rests.after(pruned(7, false)), PAUSE);
        assert_eq!(rests.after(pruned(0, false)), SHORT_PAUSE);
    }
}
