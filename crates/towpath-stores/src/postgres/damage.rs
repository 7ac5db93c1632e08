//! What becomes of a message whose record cannot be read: it must not stop the others, nor vanish.

use towpath_core::message::AttemptOutcome;
use towpath_core::{AttemptError, Error, FailReason, MessageId, State, Verb};

use super::attempts::AttemptEnd;
use super::bodies::read_options;
use super::columns::uuid;
use super::error::Fallible;
use super::moves::Place;
use super::statement::statement;
use super::tx::Tx;

/// Makes a dead letter of a message that was claimed and cannot be read, with what is wrong as its error.
/// Options that are not ours any more are kept as text with the error. In a transaction of its own.
pub(super) async fn bury(tx: &Tx<'_>, id: MessageId, error: &Error) -> Fallible<()> {
    tracing::error!(message = %id, %error, "a damaged record was made a dead letter");
    let mut held = tx.hold(None, &[id], true).await?;
    let row = match held.find(id) {
        Ok(row) if row.state == State::Running => row,
        // Somebody else has moved it; or nothing of it can be read, and it is told again by each audit.
        _ => return tx.roll_back().await,
    };
    let mut told = AttemptError::new("towpath::DamagedRecord", error.to_string());
    if read_options(row.options.as_deref()).is_err() {
        let options = row.options.as_deref().unwrap_or_default();
        told = told.with_traceback(format!("options: {options}"));
        tx.query(statement!("reset_options"), &[&uuid(id)]).await?;
    }
    let end = AttemptEnd {
        outcome: AttemptOutcome::Failed,
        started: row.started,
        error: Some(told),
    };
    held.remember(&row, &end)?;
    held.shift(row, Verb::Fail, Place::Failed(FailReason::Rejected));
    held.commit().await
}
