//! Pause: stops handing out messages of a queue, or starts again.

use towpath_core::{QueueName, Result};

use super::reply;
use super::script::PAUSE;
use super::store::Shared;

impl Shared {
    pub(super) async fn pause(&self, queue: QueueName, paused: bool) -> Result<bool> {
        let mut call = self.call_of(&PAUSE);
        call.text(queue.as_str())
            .text(if paused { "1" } else { "0" });
        Ok(reply::yes(&self.call(call).await?))
    }
}
