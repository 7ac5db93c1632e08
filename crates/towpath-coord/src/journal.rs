//! A file that only grows: numbered lines, each with its length and its sum, so that what was torn or spoilt is known.
//!
//! ```text
//!   000023 bb50e37b {"seq":7,"entry":{"done":{"of":3}}}⏎
//!   │      │        └ JSON; it never holds a newline of its own
//!   │      └ CRC32C of the JSON, 8 hexadecimal digits
//!   └ bytes of the JSON, 6 hexadecimal digits
//! ```
//!
//! The first line is the [`Header`] and has the number 0; numbers grow from line to line. Read [`read`], which is pure and
//! answers to any bytes, then [`Journal::append`].
//!
//! Who may die where: a line is one write at the end. A process that dies in its midst leaves a tail with no newline, which
//! [`read`] drops and the next [`append`](Journal::append) cuts off: that line was never promised. A write that fails is
//! cut off at once, and where that fails too, before the next line. A spoilt line in the middle costs itself alone.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use towpath_core::{Error, Kind, Result};

use crate::fs::Handle;
use crate::liveness::Identity;
use crate::place::storage;

/// The version of the format that is written, and the newest that is read.
pub const FORMAT: u32 = 1;
/// The longest JSON of one line, in bytes.
pub const LINE_MAX: usize = 1 << 20;
/// The longest journal, in bytes; a line that would pass it is refused.
pub const JOURNAL_MAX: usize = 16 << 20;

/// Length, blank, sum, blank.
const PREFIX: usize = 6 + 1 + 8 + 1;

/// Which death a line outlives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// That of its process. A loss of power may take the last lines.
    #[default]
    Process,
    /// A loss of power too: every line waits for the disk (`fdatasync`), which costs about as much as a hundred lines.
    Power,
}

/// The first line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub format: u32,
    /// The process that began it.
    pub owner: Identity,
}

/// A line as it was found whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its number; greater than those before it.
    pub seq: u64,
    /// What it says.
    pub entry: Value,
}

impl Record {
    /// What it says, in the terms of who wrote it; `None` when it is something else.
    pub fn parse<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(&self.entry).ok()
    }
}

/// What a journal holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// The first line, unless it was spoilt.
    pub header: Option<Header>,
    /// The whole lines behind it, in their order.
    pub records: Vec<Record>,
    /// Lines that end in a newline and are not as they were written.
    pub damaged: usize,
    /// Whether bytes follow the last newline: a write that was cut short.
    pub torn: bool,
    /// Where the next line belongs: the byte behind the last newline.
    pub end: u64,
}

#[derive(Serialize)]
struct Written<'a, T> {
    seq: u64,
    entry: &'a T,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    seq: u64,
    entry: Value,
}

/// Reads a journal, whatever the bytes are: for commands, and for looking at a file that somebody else writes.
///
/// # Examples
///
/// ```
/// let reading = towpath_coord::journal::read(b"not a journal\nand a tail");
/// assert_eq!((reading.damaged, reading.torn), (1, true));
/// assert!(reading.header.is_none() && reading.records.is_empty());
/// ```
pub fn read(bytes: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let (mut rest, mut last) = (bytes, None);
    while let Some(newline) = rest.iter().position(|byte| *byte == b'\n') {
        // A number that does not grow is a line from elsewhere: one of ours that was copied, or moved.
        match line(&rest[..newline]).filter(|found| last.is_none_or(|last| found.seq > last)) {
            Some(found) => {
                last = Some(found.seq);
                keep(&mut reading, found);
            }
            None => reading.damaged += 1,
        }
        rest = &rest[newline + 1..];
    }
    reading.torn = !rest.is_empty();
    reading.end = (bytes.len() - rest.len()) as u64;
    reading
}

fn keep(reading: &mut Reading, found: Found) {
    let Found { seq, entry } = found;
    if seq > 0 {
        return reading.records.push(Record { seq, entry });
    }
    match Header::deserialize(&entry) {
        Ok(header) => reading.header = Some(header),
        Err(_) => reading.damaged += 1,
    }
}

/// One line without its newline.
fn line(bytes: &[u8]) -> Option<Found> {
    let (prefix, json) = bytes.split_at_checked(PREFIX)?;
    // The text is compared and not parsed: there is one way to write a number here.
    (json.len() <= LINE_MAX && prefix == prefix_of(json).as_bytes()).then_some(())?;
    serde_json::from_slice(json).ok()
}

fn prefix_of(json: &[u8]) -> String {
    format!("{:06x} {:08x} ", json.len(), crc32c::crc32c(json))
}

/// The bytes of a line.
fn encode<T: Serialize>(seq: u64, entry: &T) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(&Written { seq, entry })
        .map_err(|error| Error::new(Kind::Codec, format!("cannot write as JSON: {error}")))?;
    if json.len() > LINE_MAX {
        let text = format!(
            "a line of {} bytes is longer than {LINE_MAX}; keep the data in a file and write down its path",
            json.len()
        );
        return Err(Error::invalid(text));
    }
    let mut line = prefix_of(&json).into_bytes();
    line.extend_from_slice(&json);
    line.push(b'\n');
    Ok(line)
}

/// A journal that is being written. Who has it holds the lock of its file, or has another proof to be alone.
#[derive(Debug)]
pub struct Journal {
    file: Box<dyn Handle>,
    /// For messages alone: the file may have got another name, or none.
    path: PathBuf,
    durability: Durability,
    /// Behind the last line that counts.
    end: u64,
    /// Behind the header.
    begin: u64,
    /// Whether there may be bytes behind `end`.
    spoilt: bool,
    /// The number of the next line.
    next: u64,
}

impl Journal {
    /// Begins a journal in an empty file.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] when the header cannot be written.
    pub fn begin(
        file: Box<dyn Handle>,
        path: &Path,
        owner: &Identity,
        durability: Durability,
    ) -> Result<Self> {
        let mut journal = Self::over(file, path, durability);
        let owner = owner.clone();
        journal.append(&Header {
            format: FORMAT,
            owner,
        })?;
        journal.begin = journal.end;
        Ok(journal)
    }

    /// Reads a journal in order to go on with it. Nothing is written: what is torn is cut off before the next line.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] when it cannot be read or is longer than [`JOURNAL_MAX`], [`Kind::Incompatible`] when it is of a
    /// newer format.
    pub fn resume(
        file: Box<dyn Handle>,
        path: &Path,
        durability: Durability,
    ) -> Result<(Self, Reading)> {
        let bytes = file
            .read_at(0, JOURNAL_MAX + 1)
            .map_err(|error| storage(path, "read", error))?;
        if bytes.len() > JOURNAL_MAX {
            let text = format!("{} is longer than {JOURNAL_MAX} bytes", path.display());
            return Err(Error::new(Kind::Storage, text));
        }
        let reading = read(&bytes);
        let format = reading.header.as_ref().map_or(FORMAT, |found| found.format);
        if format > FORMAT {
            let text = format!(
                "{} has format {format}, and this program reads up to {FORMAT}; use a newer one",
                path.display()
            );
            return Err(Error::new(Kind::Incompatible, text));
        }
        let mut journal = Self::over(file, path, durability);
        journal.end = reading.end;
        journal.begin = reading.end;
        journal.spoilt = reading.torn;
        let last = reading.records.last().map_or(0, |record| record.seq);
        // A number from disk may be the last there is; then no line can follow, and `append` says so.
        journal.next = last.saturating_add(1);
        Ok((journal, reading))
    }

    fn over(file: Box<dyn Handle>, path: &Path, durability: Durability) -> Self {
        Self {
            file,
            path: path.to_owned(),
            durability,
            end: 0,
            begin: 0,
            spoilt: false,
            next: 0,
        }
    }

    /// Writes a line, and answers its number once the line is as durable as was asked for.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] when it is longer than [`LINE_MAX`], [`Kind::Codec`] when it cannot be JSON, [`Kind::Storage`]
    /// when the journal or the disk is full or fails. The line is then not in the journal; where even that could not be
    /// seen to, the text says so, and the next line begins with it.
    pub fn append<T: Serialize>(&mut self, entry: &T) -> Result<u64> {
        self.append_up_to(JOURNAL_MAX, entry)
    }

    /// As [`append`](Journal::append), in a journal of at most so many bytes.
    pub(crate) fn append_up_to<T: Serialize>(&mut self, max: usize, entry: &T) -> Result<u64> {
        let seq = self.next;
        let line = encode(seq, entry).map_err(|error| error.about(self.path.display()))?;
        if self.end as usize + line.len() > max || seq == u64::MAX {
            let text = format!(
                "{} is full: there is room for {max} bytes",
                self.path.display()
            );
            return Err(Error::new(Kind::Storage, text));
        }
        self.cut()
            .map_err(|error| storage(&self.path, "cut", error))?;
        self.spoilt = true;
        if let Err(error) = self.write(&line) {
            let error = storage(&self.path, "write to", error);
            return Err(match self.cut() {
                Ok(()) => error,
                Err(_) => error.about("a line that may have been written was not taken back"),
            });
        }
        self.spoilt = false;
        self.end += line.len() as u64;
        self.next += 1;
        Ok(seq)
    }

    /// Drops every line but the header; numbers go on. One operation: it happens or it does not.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] when the file cannot be cut; nothing is then lost.
    pub fn clear(&mut self) -> Result<()> {
        if self.end == self.begin {
            return Ok(());
        }
        self.file
            .set_len(self.begin)
            .map_err(|error| storage(&self.path, "cut", error))?;
        self.end = self.begin;
        self.spoilt = false;
        Ok(())
    }

    /// The file.
    pub fn file(&self) -> &dyn Handle {
        &*self.file
    }

    fn write(&self, line: &[u8]) -> std::io::Result<()> {
        self.file.write_at(line, self.end)?;
        match self.durability {
            Durability::Process => Ok(()),
            Durability::Power => self.file.sync(),
        }
    }

    /// Takes away what is behind the last line.
    fn cut(&mut self) -> std::io::Result<()> {
        if self.spoilt {
            self.file.set_len(self.end)?;
            self.spoilt = false;
        }
        Ok(())
    }
}
