//! Fills a store, in bulk.

use towpath_core::Draft;
use towpath_runtime::Broker;

use crate::exit::Result;

/// Messages per submit.
pub(super) const BULK: usize = 1_000;

/// Submits `messages` messages, each as `draft` makes it.
pub(super) async fn fill(
    broker: &Broker,
    messages: usize,
    mut draft: impl FnMut(usize) -> towpath_core::Result<Draft>,
) -> Result<()> {
    let mut next = 0;
    while next < messages {
        let end = messages.min(next + BULK);
        let drafts = (next..end).map(&mut draft);
        let drafts: Vec<Draft> = drafts.collect::<towpath_core::Result<_>>()?;
        for answer in broker.submit_many(drafts).await? {
            answer?;
        }
        next = end;
    }
    Ok(())
}
