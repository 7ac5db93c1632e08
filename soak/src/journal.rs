//! What one process saw, in a file of its own: fixed records of 32 bytes, one `write` each, so that a
//! kill can tear at most the last one. Nothing is synced: the processes die, the machine does not.
//!
//! Times are microseconds of the boot clock, which is the same in every process.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use towpath::{Clock, MessageId, SystemClock};

use crate::mix::Mix;

/// The size of one record.
pub const RECORD_BYTES: usize = 32;

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A submit was acknowledged: `since` is when the message was to arrive, `number` how many
    /// microseconds the calls took.
    Accepted = 1,
    /// A submit was refused for good.
    Refused,
    /// A handler began under the token (message, `number`).
    Began,
    /// A handler came to its end; its success is about to be settled.
    Ended,
    /// A handler asked to be repeated.
    AskedRetry,
    /// The store accepted a success (`on_success`).
    Settled,
    /// The store accepted a retry (`on_retry`).
    Retried,
    /// The store accepted a failure for good (`on_failure`).
    Failed,
    /// A call of the store failed for the moment, and was or will be repeated.
    Trouble,
    /// The worker's count of ends refused for a lost lease is now `number`.
    LeaseLost,
}

const KINDS: [Kind; 10] = [
    Kind::Accepted,
    Kind::Refused,
    Kind::Began,
    Kind::Ended,
    Kind::AskedRetry,
    Kind::Settled,
    Kind::Retried,
    Kind::Failed,
    Kind::Trouble,
    Kind::LeaseLost,
];

/// A message's name: the number of its producer's process, then the number it has there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Name(pub u64);

impl Name {
    /// The message of that number of that producer.
    pub fn of(producer: u16, sequence: u64) -> Self {
        Self(u64::from(producer) << 48 | sequence)
    }

    /// The message's id in the store.
    pub fn id(self, run: u64) -> MessageId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&run.to_be_bytes());
        bytes[8..].copy_from_slice(&self.0.to_be_bytes());
        MessageId::from_bytes(bytes)
    }

    /// The name of the message of that id.
    pub fn from_id(id: MessageId) -> Self {
        let mut name = [0; 8];
        name.copy_from_slice(&id.as_bytes()[8..]);
        Self(u64::from_be_bytes(name))
    }
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "see `Kind` for what each field says there")]
pub struct Event {
    pub name: Name,
    pub kind: Kind,
    pub mix: Mix,
    pub process: u16,
    pub number: u32,
    pub at: u64,
    pub since: u64,
}

impl Event {
    fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[0] = self.kind as u8;
        bytes[1] = self.mix as u8;
        bytes[2..4].copy_from_slice(&self.process.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.number.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.name.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.at.to_le_bytes());
        bytes[24..].copy_from_slice(&self.since.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let long = |at: usize| {
            let mut long = [0; 8];
            long.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(long)
        };
        Some(Self {
            kind: *KINDS.get(usize::from(bytes[0]).checked_sub(1)?)?,
            mix: Mix::from_number(bytes[1])?,
            process: u16::from_le_bytes([bytes[2], bytes[3]]),
            number: u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            name: Name(long(8)),
            at: long(16),
            since: long(24),
        })
    }
}

/// Microseconds of the boot clock.
#[derive(Debug, Clone)]
pub struct Ticks(SystemClock);

impl Ticks {
    /// The clock of this machine.
    #[expect(clippy::new_without_default, reason = "it reads a file")]
    pub fn new() -> Self {
        Self(SystemClock::new())
    }

    /// Now.
    pub fn now(&self) -> u64 {
        u64::try_from(self.0.uptime().as_micros()).unwrap_or(u64::MAX)
    }
}

/// The journal of this process.
#[derive(Debug)]
pub struct Journal {
    file: File,
    process: u16,
    /// Times of all records.
    pub ticks: Ticks,
}

impl Journal {
    /// Begins a journal; there must be none yet.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn create(path: &Path, process: u16) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)?;
        let ticks = Ticks::new();
        Ok(Self {
            file,
            process,
            ticks,
        })
    }

    /// Writes that this was seen now.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn write(
        &self,
        kind: Kind,
        mix: Mix,
        name: Name,
        number: u32,
        since: u64,
    ) -> io::Result<()> {
        let (process, at) = (self.process, self.ticks.now());
        let event = Event {
            name,
            kind,
            mix,
            process,
            number,
            at,
            since,
        };
        (&self.file).write_all(&event.to_bytes())
    }
}

/// Hands every whole record of a journal to `each`.
///
/// # Errors
///
/// What the file system says, and a record that is none.
pub fn read(path: &Path, mut each: impl FnMut(Event)) -> io::Result<()> {
    let file = match File::open(path) {
        // The process was killed before it began one.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let mut bytes = [0; RECORD_BYTES];
    loop {
        match reader.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let event = Event::from_bytes(&bytes).ok_or_else(|| {
            io::Error::other(format!("{} has a record that is none", path.display()))
        })?;
        each(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back_and_a_torn_one_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let journal = Journal::create(&path, 7).unwrap();
        let name = Name::of(3, 9);
        journal
            .write(Kind::Accepted, Mix::Large, name, 5, 11)
            .unwrap();
        journal
            .write(Kind::LeaseLost, Mix::Quick, name, 1, 0)
            .unwrap();
        (&journal.file).write_all(&[1, 2, 3]).unwrap();
        let mut found = Vec::new();
        read(&path, |event| found.push(event)).unwrap();
        assert_eq!(found.len(), 2);
        let first = found[0];
        assert_eq!(
            (first.kind, first.mix, first.name),
            (Kind::Accepted, Mix::Large, name)
        );
        assert_eq!((first.process, first.number, first.since), (7, 5, 11));
        assert!(found[1].at >= first.at);
    }

    #[test]
    fn names_are_half_of_ids() {
        let name = Name::of(12, 345);
        assert_eq!(Name::from_id(name.id(99)), name);
        assert!(name.id(1) < name.id(2));
    }
}
