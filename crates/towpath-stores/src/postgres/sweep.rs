//! The sweep: has the server forget the places in lines that claims have left.
//!
//! A row that was deleted stays in the index until a vacuum, and whoever reads a line from its head steps over
//! all that has been taken from it since. The server's own vacuum comes once a minute at most, which at some
//! thousand messages a second is a long way. So a handle that claims much asks for one by itself. It waits
//! for nobody and nobody for it; where the user may not, the server's own has to do.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use towpath_core::Result;

use super::connection::timed_out;
use super::driver::Shop;

/// After how many claimed messages: to step over so many costs about what a claim of a few costs anyway.
pub(super) const EVERY: usize = 20_000;

/// Longest time of a sweep. The server gives up before.
const PATIENCE: Duration = Duration::from_secs(30);

/// The index is cleaned however small a part of the table it is about; and a file that would be made shorter
/// now is made longer again at once.
pub(super) const VACUUM: &str =
    "VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE OFF) ready, inflight, delayed, expiring";

/// How much was claimed since the last sweep.
#[derive(Debug, Default)]
pub(super) struct Swept {
    since: Cell<usize>,
    called: Notify,
}

impl Swept {
    pub(super) fn add(&self, claimed: usize) {
        self.since.set(self.since.get().saturating_add(claimed));
        if self.since.get() >= EVERY {
            self.since.set(0);
            self.called.notify_one();
        }
    }
}

/// Sweeps whenever it is due, until it is dropped with its driver.
pub(super) async fn sweep(shop: Rc<Shop>) {
    loop {
        shop.swept.called.notified().await;
        if let Err(error) = sweep_once(&shop).await {
            tracing::debug!(%error, "the lines were not swept");
        }
    }
}

async fn sweep_once(shop: &Shop) -> Result<()> {
    let borrowed = shop.pool.take().await?;
    let swept = tokio::time::timeout(PATIENCE, borrowed.link.execute_plain(VACUUM)).await;
    let swept = swept.map_err(|_| timed_out(&shop.shared.place.url))?;
    swept.map_err(|fault| fault.into_error(&shop.shared.place.url))?;
    shop.pool.put_back(borrowed);
    Ok(())
}
