//! Promote: what was scheduled becomes ready when its time has come.

use towpath_core::store::Promoted;
use towpath_core::{Result, Timestamp};

use super::reply::{self, Unexpected};
use super::script::PROMOTE;
use super::store::Shared;

/// Most messages of one call: each is a few commands, and the server does nothing else meanwhile.
const CALL_MAX: usize = 200;

impl Shared {
    pub(super) async fn promote(&self, max: usize) -> Result<Promoted> {
        let mut moved = 0;
        loop {
            let asked = (max - moved).min(CALL_MAX);
            let promoted = self.promote_some(asked).await?;
            moved += promoted.moved;
            if promoted.moved < asked || moved == max {
                return Ok(Promoted { moved, ..promoted });
            }
        }
    }

    async fn promote_some(&self, max: usize) -> Result<Promoted> {
        let mut call = self.call_of(&PROMOTE);
        call.count(max);
        let answer = self.call(call).await?;
        self.read(&PROMOTE, answer, |answer| {
            let parts = reply::array(answer)?;
            Ok(Promoted {
                moved: reply::count(parts.first().ok_or(Unexpected)?)?,
                next_due: match parts.get(1) {
                    Some(due) => reply::maybe_number(due)?.map(Timestamp::from_millis),
                    None => None,
                },
            })
        })
    }
}
