//! Bare loops over an engine: what a store is measured beside.

use std::time::Duration;

use crate::error::Result;
use crate::ids::MessageId;

/// Which bare loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bare {
    /// The store's own statements or scripts, with no runtime, no channel and no thread between. What
    /// a store loses against it is the cost of our code.
    Own,
    /// The leanest layout of a queue on the same engine that is known, with nothing that only our
    /// promises need. What `Own` loses against it is the cost of our layout.
    Limit,
}

/// How large is what an engine rewrites with every message: where messages stand, not what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotBytes {
    /// Of the tables.
    pub tables: u64,
    /// Of their indexes.
    pub indexes: u64,
}

/// A bare loop on a fresh store of its own: no order, no lease, no refusal, nothing but the engine.
///
/// One call is one transaction. Messages are of one task in one queue, and succeed with `null`.
pub trait Yardstick: Send {
    /// Writes these messages, each with that payload.
    ///
    /// # Errors
    ///
    /// What the engine says.
    fn submit(&mut self, ids: &[MessageId], payload: &[u8]) -> Result<()>;

    /// Settles what was claimed before, and claims at most `max` messages more. Answers how many.
    ///
    /// # Errors
    ///
    /// What the engine says.
    fn exchange(&mut self, max: usize) -> Result<usize>;

    /// As [`submit`](Yardstick::submit) of each of these batches; all of them under way at once, where the
    /// engine is at the other end of a wire.
    ///
    /// # Errors
    ///
    /// What the engine says.
    fn submit_many(&mut self, batches: &[&[MessageId]], payload: &[u8]) -> Result<()> {
        batches.iter().try_for_each(|ids| self.submit(ids, payload))
    }

    /// As that many calls of [`exchange`](Yardstick::exchange), each of which settles what one of those
    /// before it claimed; all of them under way at once, where the engine is at the other end of a wire.
    ///
    /// # Errors
    ///
    /// What the engine says.
    fn exchange_many(&mut self, max: usize, times: usize) -> Result<usize> {
        (0..times).map(|_| self.exchange(max)).sum()
    }

    /// From now on a success is deleted at once, not kept. Does nothing where there is no such choice.
    fn keep_nothing(&mut self) {}

    /// The CPU time that the server has used so far; `None` where there is none, or it does not tell.
    ///
    /// # Errors
    ///
    /// What the server says.
    fn server_cpu(&mut self) -> Result<Option<Duration>> {
        Ok(None)
    }

    /// How large the tables are that are never at rest; `None` where there are none apart from the others, or the
    /// engine does not tell.
    ///
    /// # Errors
    ///
    /// What the engine says.
    fn hot_bytes(&mut self) -> Result<Option<HotBytes>> {
        Ok(None)
    }

    /// From now on somebody sees the store as it is at this moment, as a long report or a backup does, and keeps
    /// the engine from forgetting what is taken meanwhile. `None` where no reader has this power.
    ///
    /// # Errors
    ///
    /// What the engine says.
    fn hold_snapshot(&mut self) -> Result<Option<()>> {
        Ok(None)
    }

    /// Ends what [`hold_snapshot`](Yardstick::hold_snapshot) began.
    ///
    /// # Errors
    ///
    /// What the engine says.
    fn drop_snapshot(&mut self) -> Result<()> {
        Ok(())
    }

    /// The bytes that the server has taken for data and buffers; `None` where there is none, or it does not
    /// tell.
    ///
    /// # Errors
    ///
    /// What the server says.
    fn server_memory(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// How many commands clients have sent to the server so far, each script as one; this question itself
    /// does not count. `None` where there is none, or it does not tell.
    ///
    /// # Errors
    ///
    /// What the server says.
    fn server_commands(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// The longest script of anybody since the first call of this, on the server's clock; a millisecond where
    /// none was as long. To be called once a second meanwhile, because a server does not remember everything.
    /// `None` where there are no scripts, or the server does not time them.
    ///
    /// # Errors
    ///
    /// What the server says.
    fn longest_script(&mut self) -> Result<Option<Duration>> {
        Ok(None)
    }

    /// Deletes all that is in the namespace that the URL named. Does nothing where the store is a file,
    /// which goes as a whole.
    ///
    /// # Errors
    ///
    /// What the engine says.
    fn clear(&mut self) -> Result<()> {
        Ok(())
    }
}
