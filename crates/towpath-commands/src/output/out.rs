//! Where the output of a command goes.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Mutex;

use serde::Serialize;

use super::{Table, escape};
use crate::exit::Result;

/// Standard output of a command. Shared by everything that the command does at once; each line is
/// written whole. On a terminal a line is seen at once, elsewhere after a [`flush`](Out::flush) or at
/// the end of the command.
pub(crate) struct Out {
    writer: Mutex<Box<dyn Write + Send>>,
    /// Whether output is meant for programs: one JSON document, or one per line.
    pub(crate) json: bool,
    /// Whether a person looks at it.
    pub(crate) terminal: bool,
}

impl Out {
    /// The standard output of the process.
    pub(crate) fn stdout(json: bool) -> Self {
        Self {
            writer: Mutex::new(Box::new(io::BufWriter::with_capacity(
                64 * 1024,
                io::stdout(),
            ))),
            json,
            terminal: io::stdout().is_terminal(),
        }
    }

    /// Prints a line for people. The caller has escaped what it did not write itself.
    pub(crate) fn line(&self, line: impl std::fmt::Display) -> Result<()> {
        self.write(format!("{line}\n").as_bytes())
    }

    /// Prints a value for programs, on a line of its own.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(value).map_err(io::Error::from)?;
        self.line(escape::json(&line))
    }

    /// Prints a table for people, or `empty` when it has no row.
    pub(crate) fn table(&self, table: &Table, empty: &str) -> Result<()> {
        if table.is_empty() {
            return self.line(empty);
        }
        // A file or a pipe has no width, and what reads it wants whole cells.
        let width = terminal_size::terminal_size().filter(|_| self.terminal);
        self.line(table.render(width.map(|(width, _)| usize::from(width.0))))
    }

    /// Hands everything printed so far to the reader.
    pub(crate) fn flush(&self) -> Result<()> {
        Ok(self.writer().flush()?)
    }

    fn write(&self, bytes: &[u8]) -> Result<()> {
        self.writer().write_all(bytes)?;
        if self.terminal { self.flush() } else { Ok(()) }
    }

    fn writer(&self) -> std::sync::MutexGuard<'_, Box<dyn Write + Send>> {
        // A panic while a line was written leaves at worst half a line behind.
        self.writer
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
