//! Replay: submits copies of finished messages.

use towpath_core::{Error, Kind, MessageId, Result};

use super::bodies;
use super::columns::Columns;
use super::error::{Fallible, Fault};
use super::row::Row;
use super::statement::statement;
use super::submit::{Intake, copy_of};
use super::tx::Tx;

pub(super) fn replay(tx: &mut Tx<'_>, ids: &[(MessageId, MessageId)]) -> Fallible<Vec<Result<()>>> {
    ids.iter()
        .map(|(id, new_id)| tx.whole(|tx| replay_one(tx, *id, *new_id)))
        .collect()
}

fn replay_one(tx: &mut Tx<'_>, id: MessageId, new_id: MessageId) -> Fallible<()> {
    let row = tx.find(id)?;
    let state = row.state;
    if !state.is_terminal() {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "message {id}: cannot replay a message that is {state} \
                 (it must be succeeded, failed, revoked)"
            ),
        )
        .into());
    }
    let draft = draft_of(tx, &row).map_err(|fault| fault.about(format_args!("message {id}")))?;
    Intake::new(tx)?.accept(tx, &copy_of(draft, new_id))
}

fn draft_of(tx: &mut Tx<'_>, row: &Row) -> Fallible<towpath_core::Draft> {
    let missing = || Fault::damaged("line", "leads to no line");
    let line = tx.line(row.line)?.ok_or_else(missing)?.clone();
    let mut statement = tx.db.prepare_cached(statement!("claim_message"))?;
    let mut rows = statement.query([row.n])?;
    let found = rows
        .next()?
        .ok_or_else(|| Fault::damaged("n", "has no row"))?;
    let message = bodies::read_message(tx.db, &Columns(found), row.n, &line)?;
    Ok(message.draft)
}
