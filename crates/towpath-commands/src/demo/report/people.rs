//! The report on a terminal: a table, what it does not hold, what failed, and how to go on.

use indicatif::{BinaryBytes, HumanCount};
use unicode_width::UnicodeWidthStr as _;

use super::{FILES, Report, Sum};
use crate::demo::file_path::shown;
use crate::demo::paint::{Paint, Style};
use crate::demo::{dead, next};
use crate::exit::Result;
use crate::output::{Table, escape};

/// Of what could not be read, so much is named.
const NAMED: usize = 3;
/// So much of a hash tells files apart.
const HASH: usize = 10;
/// How wide the columns of numbers are, and the space behind each.
const NUMBERS: [usize; 3] = [10, 10, 10];
const GAP: usize = 2;
/// Narrower than that the report need not be.
const WIDTH: usize = 80;

impl Report<'_> {
    pub(super) fn show(&self) -> Result<()> {
        let out = &self.env.out;
        self.table()?;
        self.extensions_line()?;
        self.notes()?;
        out.line("")?;
        self.summary()?;
        self.dead_letter()
    }

    pub(super) fn show_interrupted(&self) -> Result<()> {
        let out = &self.env.out;
        let (ended, all) = (self.ended(), self.batch.submitted());
        out.line(format!(
            "stopped: {} of {} messages have ended",
            count(ended),
            count(all)
        ))?;
        if all > ended && !self.is_in_memory() {
            out.line("The others wait in the store. To run them:")?;
            out.line(format!("    {}", self.env.command("worker --demo --drain")))?;
        }
        Ok(())
    }

    /// A store in memory is gone with this process: there is nothing to go on with.
    fn is_in_memory(&self) -> bool {
        self.env.app.store().url().starts_with("memory:")
    }

    fn table(&self) -> Result<()> {
        let out = &self.env.out;
        out.line(format!(
            "Every file of {} was a message; a worker counted and hashed it.",
            shown(self.directory)
        ))?;
        out.line("")?;
        let files = self.files();
        let (top, rest) = files.split_at(files.len().min(FILES));
        let mut table = Table::new(["      SIZE", "     LINES", "     WORDS", "SHA-256", "FILE"]);
        let mut add = |sum: Sum, hash: &str, what: String| {
            let numbers = [
                BinaryBytes(sum.bytes).to_string(),
                HumanCount(sum.lines).to_string(),
                HumanCount(sum.words).to_string(),
            ];
            let [size, lines, words] =
                std::array::from_fn(|i| format!("{:>width$}", numbers[i], width = NUMBERS[i]));
            table.row([size, lines, words, hash.to_owned(), what]);
        };
        for file in top {
            let (path, count) = file;
            let name = short(&shown(self.relative(path)), self.room());
            add(Sum::of(&[*file]), &count.sha256[..HASH], name);
        }
        if !rest.is_empty() {
            add(
                Sum::of(rest),
                "",
                format!("{} more files", count(rest.len())),
            );
        }
        add(
            Sum::of(&files),
            "",
            format!("all {} files", count(files.len())),
        );
        out.table(&table, "")
    }

    /// How wide the name of a file may be.
    fn room(&self) -> Option<usize> {
        let taken = NUMBERS.iter().map(|width| width + GAP).sum::<usize>() + HASH + GAP;
        let size = terminal_size::terminal_size().filter(|_| self.env.out.terminal);
        size.map(|(width, _)| usize::from(width.0).saturating_sub(taken))
    }

    fn extensions_line(&self) -> Result<()> {
        let mut line = String::from("Most of it:");
        for (extension, sum) in self.extensions() {
            let name = if extension.is_empty() {
                "no extension"
            } else {
                &extension
            };
            let part = format!("  {name} {}", BinaryBytes(sum.bytes));
            if line.width() + part.width() < WIDTH {
                line.push_str(&part);
            }
        }
        self.env
            .out
            .line(Paint::of(self.env).with(Style::Dim, &line))
    }

    /// What the table does not hold.
    fn notes(&self) -> Result<()> {
        let out = &self.env.out;
        if self.walk.more {
            let taken = count(self.walk.files.len());
            out.line(format!(
                "There are more files; {taken} were taken (--max-files)."
            ))?;
        }
        let not_walked = self.walk.unreadable_names.iter().take(NAMED);
        for (path, error) in not_walked.clone() {
            out.line(format!(
                "Not walked: {}: {error}",
                shown(self.relative(path))
            ))?;
        }
        let unnamed = self.walk.unreadable - not_walked.count();
        if unnamed > 0 {
            out.line(format!("Not walked: {} more directories", count(unnamed)))?;
        }
        let not_read = self.batch.failed.iter().take(NAMED);
        for (path, error) in not_read.clone() {
            let why = escape::line(&error.to_string()).into_owned();
            out.line(format!("Not read: {}: {why}", shown(self.relative(path))))?;
        }
        let unnamed = self.batch.failed.len() - not_read.count();
        if unnamed > 0 {
            out.line(format!("Not read: {} more files", count(unnamed)))?;
        }
        Ok(())
    }

    fn summary(&self) -> Result<()> {
        let mark = Paint::of(self.env).with(Style::Good, "✓");
        self.env.out.line(format!(
            "{mark} {} messages in {:.2} s: {} a second, kept on disk until done",
            count(self.batch.counted.len()),
            self.batch.elapsed.as_secs_f64(),
            HumanCount(self.messages_per_second()),
        ))
    }

    fn dead_letter(&self) -> Result<()> {
        let out = &self.env.out;
        let paint = Paint::of(self.env);
        let file = shown(self.relative(self.batch.unreadable()));
        let Some(record) = self
            .batch
            .dead
            .as_ref()
            .filter(|record| record.reason.is_some())
        else {
            return out.line(format!(
                "{file} was to fail, but somebody has made it meanwhile."
            ));
        };
        let mark = paint.with(Style::Bad, "✗");
        out.line(format!(
            "{mark} 1 message failed, on purpose: there is no file {file}"
        ))?;
        for line in dead::story(record) {
            out.line(paint.with(Style::Dim, &format!("    {line}")))?;
        }
        if self.is_in_memory() {
            return Ok(());
        }
        out.line("")?;
        out.line(paint.with(Style::Bold, "Go on; each of these can be pasted."))?;
        for step in next::steps(self.env, record.id) {
            out.line("")?;
            out.line(step.what)?;
            for line in step.lines {
                out.line(format!("    {line}"))?;
            }
        }
        Ok(())
    }
}

fn count(count: usize) -> HumanCount {
    HumanCount(count as u64)
}

/// The end of a path, from the start of one of its names, in so many columns of a terminal.
fn short(path: &str, room: Option<usize>) -> String {
    let Some(room) = room.filter(|room| path.width() > *room) else {
        return path.to_owned();
    };
    let mut ends = path.match_indices('/').map(|(at, _)| &path[at..]);
    let fitting = ends.find(|end| end.width() < room);
    // The table cuts what has no shorter form.
    fitting.map_or_else(|| path.to_owned(), |end| format!("…{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_path_the_end_is_shown() {
        let check = |room: Option<usize>, expected: &str| {
            assert_eq!(short("crates/core/src/lib.rs", room), expected);
        };
        check(None, "crates/core/src/lib.rs");
        check(Some(22), "crates/core/src/lib.rs");
        check(Some(21), "…/core/src/lib.rs");
        check(Some(12), "…/src/lib.rs");
        check(Some(11), "…/lib.rs");
        check(Some(3), "crates/core/src/lib.rs");
    }

    #[test]
    fn the_head_of_the_table_is_as_wide_as_its_numbers() {
        assert_eq!(
            NUMBERS,
            ["      SIZE", "     LINES", "     WORDS"].map(str::len)
        );
    }
}
