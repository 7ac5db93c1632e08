//! Pause: stops handing out messages of a queue, or starts again.

use towpath_core::QueueName;
use towpath_core::store::Topic;

use super::step::Step;

impl Step<'_> {
    pub(super) fn pause(&mut self, queue: QueueName, paused: bool) -> bool {
        if paused {
            return self.table.paused.insert(queue);
        }
        let was_paused = self.table.paused.remove(&queue);
        if was_paused {
            self.rings.add(Topic::Work);
        }
        was_paused
    }
}
