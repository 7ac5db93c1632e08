//! The shared file where there is no futex: a few counters that the listener reads every 5 ms.
//!
//! Two processes that ring at the same moment may count up once; the waiters are woken all the same.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Location, TOPICS};

const POLL: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct SharedFile {
    /// One position for reading and writing, so one user at a time.
    file: Mutex<File>,
}

impl SharedFile {
    pub(super) fn open(path: &Path, _location: &Location) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(_location.mode());
        }
        Ok(Self {
            file: Mutex::new(options.open(path)?),
        })
    }

    pub(super) fn count(&self, topic: usize) -> u32 {
        // A file that cannot be read rings nothing; the consumers' own poll is what is left.
        read(&mut self.lock()).unwrap_or_default()[topic]
    }

    pub(super) fn count_up(&self, topic: usize) -> u32 {
        let mut file = self.lock();
        let mut counts = read(&mut file).unwrap_or_default();
        let before = counts[topic];
        counts[topic] = before.wrapping_add(1);
        let _heard_later_by_poll = write(&mut file, counts);
        before
    }

    pub(super) fn wake(&self, _topics: u32) {}

    pub(super) fn listen(&self, _topics: u32, time: Duration, go_on: impl Fn() -> bool) {
        let begun = Instant::now();
        while go_on() && begun.elapsed() < time {
            std::thread::sleep(POLL);
        }
    }

    pub(super) fn nudge(&self) {}

    fn lock(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(file: &mut File) -> io::Result<[u32; TOPICS]> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = [0; TOPICS * 4];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..])? {
            // A fresh file is all zeros.
            0 => break,
            read => filled += read,
        }
    }
    Ok(std::array::from_fn(|topic| {
        let word = &bytes[topic * 4..][..4];
        u32::from_le_bytes(word.try_into().expect("four bytes"))
    }))
}

fn write(file: &mut File, counts: [u32; TOPICS]) -> io::Result<()> {
    let bytes: Vec<u8> = counts.into_iter().flat_map(u32::to_le_bytes).collect();
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_counts_the_other_reads_and_the_listener_notices() {
        let directory = tempfile::tempdir().unwrap();
        let location = Location {
            file: directory.path().join("jobs.db"),
        };
        let path = directory.path().join("bell");
        let open = || SharedFile::open(&path, &location).unwrap();
        let (one, two) = (open(), open());
        assert_eq!(two.count(2), 0);
        std::thread::scope(|scope| {
            scope.spawn(|| two.listen(0, Duration::from_secs(60), || two.count(2) == 0));
            assert_eq!(one.count_up(2), 0);
            one.wake(0b100);
            one.nudge();
        });
        assert_eq!((two.count(0), two.count(2)), (0, 1));
    }
}
