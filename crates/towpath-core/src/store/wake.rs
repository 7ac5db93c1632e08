//! Waking those who wait, instead of letting them poll.

use std::future::Future;
use std::pin::Pin;

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A message may have become ready in a line that had none.
    Work,
    /// A message was scheduled: the next one may be due earlier than was thought.
    Schedule,
    /// A message changed its status or its details.
    Change,
    /// A running message was revoked.
    Revocation,
    /// A lock was released. (One whose time has run out rings nobody.)
    Unlock,
    /// A value was published, in stores where subscribers look for it; others tell it to them.
    Publish,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Topic; 6] = [
        Topic::Work,
        Topic::Schedule,
        Topic::Change,
        Topic::Revocation,
        Topic::Unlock,
        Topic::Publish,
    ];
}

/// One waiter of one topic.
pub trait Watch: Send {
    /// Waits until the topic was rung since this method last returned, or since the watch was made.
    ///
    /// So the order is: make the watch, look, wait, look again; nothing that happens between a look
    /// and the wait is missed. It may also return without reason.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call sees what this one would have seen.
    fn changed(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
