//! One request to run a task, seen from both sides: [`Draft`] is what a producer asks for,
//! [`Message`] what a worker is handed, [`Record`] what a reader finds in the store.

mod attempt;
mod draft;
mod options;
mod record;

pub use attempt::{Attempt, AttemptError, AttemptOutcome};
pub use draft::{Draft, Start};
pub use options::{Mechanism, Metadata, Options, TIMEOUT};
pub use record::{Message, Record, ResultRecord};

pub(crate) use options::maybe_millis;
