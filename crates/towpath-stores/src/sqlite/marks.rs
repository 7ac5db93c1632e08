//! Marks: which lines have messages, so that a claim looks at those alone.
//!
//! A line with messages is always marked; a marked line may be empty, and costs a claim one look. A few
//! lines keep their mark when they become empty, since most are filled again soon: to mark and unmark a
//! line for each message of a quiet queue would be half of what is written for it.

use std::collections::VecDeque;

use rusqlite::OptionalExtension;
use towpath_core::store::Topic;

use super::error::Fallible;
use super::statement::statement;
use super::tx::Tx;

/// How many empty lines keep their mark.
const LINGERING_MAX: usize = 8;

/// The lines that were left marked when they became empty, the first first. They may have been filled since.
#[derive(Debug, Default)]
pub(super) struct Lingering(VecDeque<i64>);

impl Lingering {
    /// Lets one more line keep its mark; answers which is to lose it for that.
    fn add(&mut self, l: i64) -> Option<i64> {
        self.0.push_back(l);
        if self.0.len() > LINGERING_MAX {
            self.0.pop_front()
        } else {
            None
        }
    }
}

impl Tx<'_> {
    /// Marks a line as one that has messages. They may not have been there a moment ago.
    pub(super) fn line_filled(&mut self, l: i64) -> Fallible<()> {
        self.rings.add(Topic::Work);
        if !self.session.known.live.insert(l) {
            return Ok(());
        }
        let mut read = self
            .db
            .prepare_cached("SELECT live FROM line WHERE l = ?1")?;
        let live: Option<i64> = read.query_row([l], |row| row.get(0)).optional()?;
        if live == Some(0) {
            let sql = "UPDATE line SET live = 1 WHERE l = ?1";
            self.db.prepare_cached(sql)?.execute([l])?;
        }
        Ok(())
    }

    /// Notes that a line may be empty now.
    pub(super) fn line_touched(&mut self, l: i64) {
        self.touched.insert(l);
    }

    /// Takes the mark from lines that have become empty, but for the last few. Done once, at the end, so
    /// that a line that is filled again in the same transaction is not looked at twice.
    pub(super) fn unmark_empty_lines(&mut self) -> Fallible<()> {
        if self.touched.is_empty() {
            return Ok(());
        }
        let sql = "SELECT 1 FROM ready WHERE line = ?1";
        let mut has_messages = self.db.prepare_cached(sql)?;
        let lingering = &mut self.session.lingering;
        self.touched.retain(|l| !lingering.0.contains(l));
        for l in self.touched.drain() {
            if has_messages.exists([l])? {
                continue;
            }
            let Some(first) = lingering.add(l) else {
                continue;
            };
            let mut unmark = self.db.prepare_cached(statement!("unmark_empty_line"))?;
            if unmark.execute([first])? > 0 {
                self.session.known.live.remove(&first);
            }
        }
        Ok(())
    }
}
