//! What becomes of a message whose record cannot be read: it must not stop the others, nor vanish.

use towpath_core::message::AttemptOutcome;
use towpath_core::{AttemptError, Error, FailReason, MessageId, State, Verb, limits};
use uuid::Uuid;

use super::attempts::{AttemptEnd, encode_error};
use super::bodies::read_options;
use super::columns::{Columns, millis, uuid};
use super::error::Fallible;
use super::moves::Place;
use super::statement::statement;
use super::tx::{Params, Tx};

/// What the error of such a message is called.
const NAME: &str = "towpath::DamagedRecord";

/// What is wrong with records, to be said as the error of their messages.
#[derive(Debug, Default)]
pub(super) struct Damaged {
    ids: Vec<Uuid>,
    errors: Vec<String>,
}

impl Damaged {
    pub(super) fn add(&mut self, id: MessageId, error: &Error) -> Fallible<()> {
        tracing::error!(message = %id, %error, "a damaged record is taken from a dead worker");
        let told = AttemptError::new(NAME, error.to_string());
        self.ids.push(uuid(id));
        self.errors.push(encode_error(&told)?);
        Ok(())
    }

    /// Takes them from their dead workers, within the transaction in which they were locked; answers how many
    /// of them became dead letters.
    pub(super) async fn bury(&self, tx: &Tx<'_>) -> Fallible<usize> {
        if self.ids.is_empty() {
            return Ok(0);
        }
        let keep = millis(tx.retention.dead.min(limits::LONGEST));
        let sql = "SELECT bury($1, $2, $3, $4) AS buried";
        let params: Params<'_> = &[&tx.now(), &self.ids, &self.errors, &keep];
        let row = tx.query_one(sql, params).await?;
        let buried: Vec<Uuid> = Columns(&row).get("buried")?;
        if !buried.is_empty() {
            tx.ring_for(State::Failed);
        }
        Ok(buried.len())
    }
}

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
    let mut told = AttemptError::new(NAME, error.to_string());
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
