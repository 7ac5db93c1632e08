//! What becomes of a message whose record cannot be read: it must not stop the others, nor vanish.

use rusqlite::{OptionalExtension, params};
use towpath_core::message::AttemptOutcome;
use towpath_core::store::Topic;
use towpath_core::{AttemptError, Error, FailReason, State};

use super::attempts::AttemptEnd;
use super::bodies::{self, Body};
use super::columns::{Columns, reason_code, state_code};
use super::error::Fallible;
use super::tx::Tx;

impl Tx<'_> {
    /// Makes a dead letter of a message whose record is damaged, with what is wrong as its error. It
    /// has been taken from where it stood. What cannot be read of it is put in order, so that people
    /// can look at it; options that are not ours any more are kept as text with the error.
    pub(super) fn bury(&mut self, n: i64, error: &Error) -> Fallible<()> {
        tracing::error!(message = n, %error, "a damaged record was made a dead letter");
        let lost_options = self.unreadable_options(n)?;
        let kept = self.now.after(self.retention.dead);
        self.db
            .prepare_cached(include_str!("sql/bury_message.sql"))?
            .execute(params![
                n,
                state_code(State::Failed),
                reason_code(FailReason::Rejected),
                self.now.as_millis(),
                kept.as_millis(),
                lost_options.is_some(),
            ])?;
        let sql =
            "INSERT OR REPLACE INTO finished (ns, dead, kept, n, state) VALUES (?1, 1, ?2, ?3, ?4)";
        let state = state_code(State::Failed);
        let ns = self.namespace_of_message(n)?;
        self.db
            .prepare_cached(sql)?
            .execute((ns, kept.as_millis(), n, state))?;
        let mut told = AttemptError::new("towpath::DamagedRecord", error.to_string());
        if let Some(options) = &lost_options {
            told = told.with_traceback(format!("options: {options}"));
        }
        let end = AttemptEnd {
            outcome: AttemptOutcome::Failed,
            started: None,
            error: Some(&told),
        };
        self.add_attempt(n, 0, None, end)?;
        self.rings.add(Topic::Change);
        Ok(())
    }

    fn namespace_of_message(&mut self, n: i64) -> Fallible<i64> {
        let sql = "SELECT line FROM message WHERE n = ?1";
        let line: Option<i64> = self
            .db
            .prepare_cached(sql)?
            .query_row([n], |row| row.get(0))
            .optional()?;
        match line {
            Some(line) => self.namespace_of(line),
            None => Ok(self.ns),
        }
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
