//! Prune: deletes finished messages whose retention has ended, or that are too many.

use towpath_core::Result;
use towpath_core::store::Pruned;

use super::reply::{self, Unexpected};
use super::script::PRUNE;
use super::store::Shared;

impl Shared {
    pub(super) async fn prune(&self, max: usize) -> Result<Pruned> {
        let retention = self.retention();
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let mut call = self.call_of(&PRUNE);
        call.count(max)
            .number(count(retention.succeeded_count))
            .number(count(retention.dead_count));
        let answer = self.call(call).await?;
        self.read(&PRUNE, answer, |answer| {
            let parts = reply::array(answer)?;
            Ok(Pruned {
                removed: reply::count(parts.first().ok_or(Unexpected)?)?,
                more: parts.get(1).is_some_and(reply::yes),
            })
        })
    }
}
