//! The guard of a directory: a file that is never unlinked, under whose lock every transition happens, and the record of
//! who holds the directory.
//!
//! The record has a number, the *fence*. It grows with every taking and never falls, so that what somebody does under an
//! old one can be refused.
//!
//! ```text
//!   byte 0                    1024                   2048
//!   ├── slot 0 ───────────────┼── slot 1 ────────────┤
//!   CRC32C, 8 hex digits; space; JSON; spaces; newline
//! ```
//!
//! The slots are written in turn, and of those that can be read the later counts. Who dies before a write leaves the record
//! as it was. Who dies within one has spoilt the slot that did not count; the other says what was. Where both are spoilt,
//! by a disk or a hand, and in a new file, nobody is known to hold the directory and the next fence is the wall clock in
//! microseconds, which no counter has reached. Who dies holding the lock of the file loses it with the process: nothing is
//! to be undone. Only where he has forked meanwhile, without starting another program, does his child keep it, and
//! everybody waits until that one ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use towpath_core::{Error, Kind, Result};

use crate::fs::{FileId, Handle, Lock, Open};
use crate::liveness::Identity;
use crate::place::{Place, storage};
use crate::wait::{Pace, Patience};

/// Bytes of a slot.
const SLOT: usize = 1024;
/// How often a guard file may be found to have been replaced while it was being locked.
const REOPENED_MAX: usize = 16;

/// Who holds the directory, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Random, new with every taking.
    pub(crate) token: String,
    pub(crate) owner: Identity,
    /// On the boot clock of `owner.boot`, in milliseconds.
    pub(crate) expires_uptime: u64,
    /// On the wall clock, in milliseconds since 1970; for those on another machine.
    pub(crate) expires_wall: i64,
    /// The directory that stands for the lock, once it was made: its device, number, and when it was touched, in
    /// nanoseconds since 1970.
    pub(crate) directory: Option<(u64, u64, u64)>,
}

/// What the guard file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// How many records were written before it.
    turn: u64,
    pub(crate) fence: u64,
    pub(crate) holder: Option<Holder>,
}

/// A guard file whose lock is held, until this is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    file: Box<dyn Handle>,
    pub(crate) record: Record,
}

impl Guard {
    /// Waits for the lock of the guard file, which others hold for the time of a transition.
    ///
    /// # Errors
    ///
    /// [`Kind::TimedOut`] when it was not free in time: a process stands still in the midst of a transition.
    pub(crate) fn enter(place: &Place, name: &str, patience: &Patience<'_>) -> Result<Self> {
        let path = place.path(name);
        let cannot = |error| storage(&path, "lock", error);
        for _ in 0..REOPENED_MAX {
            let file = place.world.fs.open(&path, Open::Create).map_err(cannot)?;
            let mut pace = Pace::new();
            while !file.try_lock(Lock::Exclusive).map_err(cannot)? {
                if !pace.wait(&*place.world.clock, patience, std::thread::sleep)? {
                    let text = format!(
                        "{} is locked by a process that stands still",
                        path.display()
                    );
                    return Err(Error::new(Kind::TimedOut, text));
                }
            }
            // Somebody may have removed it by hand: then the next to come locks another file of that name.
            let is_there = place.world.fs.stat(&path).map(|found| found.id);
            if is_there.is_ok_and(|id| file.stat().is_ok_and(|ours| ours.id == id)) {
                let bytes = file.read_at(0, 2 * SLOT).map_err(cannot)?;
                let record = latest(&bytes).unwrap_or_else(|| first(place, &bytes));
                return Ok(Self { file, record });
            }
        }
        let text = format!("{} is replaced again and again", path.display());
        Err(Error::new(Kind::Storage, text))
    }

    /// The fence of the next taking.
    pub(crate) fn next_fence(&self) -> u64 {
        self.record.fence + 1
    }

    /// Writes another record into the slot that does not count, in one operation.
    pub(crate) fn write(
        &mut self,
        place: &Place,
        fence: u64,
        holder: Option<Holder>,
    ) -> Result<()> {
        let record = Record {
            turn: self.record.turn + 1,
            fence,
            holder,
        };
        let slot = written(&record)?;
        let offset = (record.turn % 2) * SLOT as u64;
        let write = self.file.write_at(&slot, offset);
        write.map_err(|error| storage(place.directory(), "write the guard file in", error))?;
        self.record = record;
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // To close the file is not enough: a child that another thread has just forked has it too, until it starts its
        // program.
        let _closed_at_least = self.file.unlock();
    }
}

/// A slot with this record.
fn written(record: &Record) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(record)
        .map_err(|error| Error::invalid(format!("a lease cannot be written: {error}")))?;
    let mut slot = format!("{:08x} ", crc32c::crc32c(&json)).into_bytes();
    slot.extend_from_slice(&json);
    if slot.len() >= SLOT {
        let text = format!(
            "a lease of {} bytes, the limit is {SLOT}: the name of the host is too long",
            slot.len()
        );
        return Err(Error::invalid(text));
    }
    slot.resize(SLOT - 1, b' ');
    slot.push(b'\n');
    Ok(slot)
}

/// The later of the records that can be read.
fn latest(bytes: &[u8]) -> Option<Record> {
    let slots = bytes.chunks(SLOT).filter_map(read);
    slots.max_by_key(|record| record.turn)
}

fn read(slot: &[u8]) -> Option<Record> {
    let (sum, json) = slot.split_at_checked(9)?;
    let sum = u32::from_str_radix(std::str::from_utf8(&sum[..8]).ok()?, 16).ok()?;
    let json = json.trim_ascii_end();
    let found: Record =
        (crc32c::crc32c(json) == sum).then(|| serde_json::from_slice(json).ok())??;
    // Of the last numbers there is no next one; nobody has counted to them.
    (found.turn < u64::MAX && found.fence < u64::MAX).then_some(found)
}

/// The record where none can be read. Also a file that is new may be there in the place of one that was removed, or was
/// emptied by a loss of power: so its fences begin where none has been.
fn first(place: &Place, bytes: &[u8]) -> Record {
    if !bytes.is_empty() {
        tracing::warn!(directory = %place.directory().display(), "the guard file was spoilt; nobody is known to hold the directory");
    }
    let micros = place.world.clock.now().as_millis().saturating_mul(1_000);
    Record {
        fence: u64::try_from(micros).unwrap_or(0),
        ..Record::default()
    }
}

/// A directory as a record names it.
pub(crate) fn named(id: FileId, touched: Duration) -> (u64, u64, u64) {
    let nanos = u64::try_from(touched.as_nanos()).unwrap_or(u64::MAX);
    (id.device, id.inode, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(turn: u64) -> Record {
        Record {
            turn,
            fence: turn * 10,
            holder: None,
        }
    }

    /// Both slots, as they are after writes in turn.
    fn file(turns: &[u64]) -> Vec<u8> {
        let mut bytes = vec![0; 2 * SLOT];
        for turn in turns {
            let at = (*turn as usize % 2) * SLOT;
            bytes[at..at + SLOT].copy_from_slice(&written(&record(*turn)).unwrap());
        }
        bytes
    }

    #[test]
    fn the_later_record_counts() {
        assert_eq!(latest(&[]), None);
        assert_eq!(latest(&file(&[1])), Some(record(1)));
        assert_eq!(latest(&file(&[1, 2])), Some(record(2)));
        assert_eq!(latest(&file(&[1, 2, 3])), Some(record(3)));
    }

    #[test]
    fn a_write_that_is_torn_leaves_the_record_before_it() {
        let (before, after) = (file(&[1, 2]), file(&[1, 2, 3]));
        for cut in 0..SLOT {
            let mut torn = before.clone();
            torn[SLOT..SLOT + cut].copy_from_slice(&after[SLOT..SLOT + cut]);
            let found = latest(&torn);
            let is_whole = torn[SLOT..].trim_ascii_end() == after[SLOT..].trim_ascii_end();
            assert_eq!(
                found,
                Some(record(if is_whole { 3 } else { 2 })),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn whatever_byte_is_flipped_nobody_panics_and_no_other_record_is_read() {
        let whole = file(&[1, 2]);
        for at in 0..whole.len() {
            let mut spoilt = whole.clone();
            spoilt[at] ^= 0x10;
            let found = latest(&spoilt);
            assert!(
                [Some(record(1)), Some(record(2))].contains(&found),
                "flipped at {at}"
            );
        }
        assert_eq!(latest(&vec![b'x'; 3 * SLOT]), None);
    }
}
