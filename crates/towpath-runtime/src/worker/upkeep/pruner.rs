//! Deletes finished messages whose retention has ended.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::{Result, limits};

use super::Upkeep;
use crate::app::Shared;

/// Between two full batches, so that others get the store for several times as long as a batch takes.
const REST: Duration = Duration::from_millis(50);
/// After so many full batches on end the rest is half as long, after twice as many a third, and so on: who
/// falls behind for long must give up manners, or the store would grow for as long as the load lasts.
const PATIENCE: u32 = 40;
/// When nothing more is to be deleted.
const PAUSE: Duration = Duration::from_secs(15);

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
        Ok(self.rests.after(pruned.more))
    }
}

#[derive(Debug, Default)]
struct Rests {
    /// Full batches on end.
    behind: u32,
}

impl Rests {
    /// How long to rest after a batch, when there is more to delete or not.
    fn after(&mut self, more: bool) -> Duration {
        if !more {
            self.behind = 0;
            return PAUSE;
        }
        self.behind = self.behind.saturating_add(1);
        REST / (1 + self.behind / PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_falls_behind_rests_ever_shorter_until_nothing_is_left() {
        let mut rests = Rests::default();
        let behind: Vec<Duration> = (0..400).map(|_| rests.after(true)).collect();
        assert_eq!(behind[0], REST);
        assert!(behind.is_sorted_by(|a, b| a >= b));
        assert_eq!(behind[399], REST / 11);
        assert_eq!(rests.after(false), PAUSE);
        assert_eq!(rests.after(true), REST, "it begins anew");
    }
}
