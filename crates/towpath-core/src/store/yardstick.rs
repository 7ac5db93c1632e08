//! Bare loops over an engine: what a store is measured beside.

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
}
