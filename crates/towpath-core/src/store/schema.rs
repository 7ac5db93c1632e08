//! The schema of a store on a database that somebody looks after: how far it is, and bringing it further.

use super::Answer;

/// How far a schema is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaStatus {
    /// The number of the last migration that was applied; 0 where there is nothing of ours.
    pub applied: u32,
    /// The number of the last that this program knows.
    pub known: u32,
}

impl SchemaStatus {
    /// Whether there is nothing to do.
    pub fn is_current(self) -> bool {
        self.applied == self.known
    }
}

/// The migrations of a store that somebody may want to apply by hand: before a release, or as another user
/// than the one who works with it.
pub trait Schema: Send + Sync {
    /// How far the schema is. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`Kind::Incompatible`](crate::Kind::Incompatible) when it is not ours, or newer than this program;
    /// else as a verb of the store.
    fn status(&self) -> Answer<'_, SchemaStatus>;

    /// Brings the schema up to date in one step; answers how far it was. Safe to repeat, and for many at once.
    ///
    /// # Errors
    ///
    /// As [`status`](Schema::status), and where the user may not.
    fn up(&self) -> Answer<'_, SchemaStatus>;

    /// A script that brings the schema from `applied` to the present, for people and other tools.
    fn sql(&self, applied: u32) -> String;
}
