//! What becomes of a message whose record cannot be read: it must not stop the others, nor vanish.

use rusqlite::params;
use towpath_core::message::AttemptOutcome;
use towpath_core::store::Topic;
use towpath_core::{AttemptError, Error, FailReason, State};

use super::attempts::AttemptEnd;
use super::bodies::{self, Body};
use super::columns::Columns;
use super::error::{Fallible, Fault};
use super::row::Row;
use super::statement::statement;
use super::tx::Tx;

impl Tx<'_> {
    /// Makes a dead letter of a message whose record is damaged, with what is wrong as its error. It
    /// has been taken from where it stood. What cannot be read of it is put in order, so that people
    /// can look at it; options that are not ours any more are kept as text with the error.
    pub(super) fn bury(&mut self, n: i64, error: &Error) -> Fallible<()> {
        tracing::error!(message = n, %error, "a damaged record was made a dead letter");
        let lost_options = self.unreadable_options(n)?;
        self.db
            .prepare_cached(statement!("bury_message"))?
            .execute(params![n, self.now.as_millis(), lost_options.is_some()])?;
        // Whoever held it does so no more.
        self.db
            .prepare_cached("DELETE FROM inflight WHERE n = ?1")?
            .execute([n])?;
        let row = match Row::by_n(self.db, n) {
            Ok(row) => row,
            Err(Fault::Refused(_)) => {
                // What is said of its end is damaged, too.
                self.db
                    .prepare_cached("DELETE FROM outcome WHERE n = ?1")?
                    .execute([n])?;
                Row::by_n(self.db, n)?
            }
            Err(engine) => return Err(engine),
        };
        // One that had ended is in order again now; of one that is not there, nothing is left to do.
        let Some(row) = row.filter(|row| !row.state.is_terminal()) else {
            return Ok(());
        };
        let row = Row {
            state: State::Failed,
            kept: Some(self.now.after(self.retention.dead)),
            ..row
        };
        self.end(&row, Some(FailReason::Rejected))?;
        let mut told = AttemptError::new("towpath::DamagedRecord", error.to_string());
        if let Some(options) = &lost_options {
            told = told.with_traceback(format!("options: {options}"));
        }
        let end = AttemptEnd {
            outcome: AttemptOutcome::Failed,
            started: None,
            error: Some(&told),
        };
        self.add_attempt(n, i64::from(row.counters.claims), None, end)?;
        self.rings.add(Topic::Change);
        Ok(())
    }

    /// The text of options that cannot be read.
    fn unreadable_options(&self, n: i64) -> Fallible<Option<String>> {
        let mut statement = self
            .db
            .prepare_cached("SELECT options FROM message WHERE n = ?1")?;
        let mut rows = statement.query([n])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let columns = Columns(row);
        let text = columns.maybe_text(0, "options");
        if let Ok(text) = &text
            && bodies::read_options(self.db, n, *text).is_ok()
        {
            return Ok(None);
        }
        Ok(Some(match text {
            Ok(Some("")) => bodies::fetch(self.db, n, Body::Options)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default(),
            Ok(text) => text.unwrap_or_default().to_owned(),
            Err(_) => String::new(),
        }))
    }
}
