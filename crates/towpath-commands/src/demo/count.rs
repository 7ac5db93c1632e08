//! The task `demo.count_file`: counts and hashes one file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hmac_sha256::Hash;
use serde::{Deserialize, Serialize};
use towpath_core::{Backoff, TaskName};
use towpath_runtime::{Context, Task, TaskError, TaskSettings, from_blocking_fn};

use super::file_path::FilePath;

const NAME: &str = "demo.count_file";
/// How often an unreadable file is tried again.
pub(super) const RETRIES: u32 = 2;

/// Which file to count.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CountFile {
    /// Its absolute path.
    pub(super) path: FilePath,
}

/// What is in a file, as `wc` and `sha256sum` would say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileCount {
    pub(super) bytes: u64,
    pub(super) lines: u64,
    pub(super) words: u64,
    pub(super) sha256: String,
}

/// The name of the task.
pub(super) fn name() -> towpath_core::Result<TaskName> {
    TaskName::new(NAME)
}

/// The task. It blocks on the disk, so it runs on threads.
pub(super) fn task() -> impl Task<Args = CountFile, Output = FileCount> {
    // Waits of 200 ms and 400 ms: long enough to be seen, short enough to be waited for.
    let backoff = Backoff::exponential(2.0, Duration::from_millis(100))
        .floor(Duration::from_millis(200))
        .ceiling(Duration::from_secs(1));
    let settings = TaskSettings::new(NAME)
        .queue(super::QUEUE)
        .max_retries(RETRIES)
        .backoff(backoff)
        .timeout(Duration::from_secs(10 * 60))
        .result_ttl(Duration::from_secs(60 * 60));
    from_blocking_fn(settings, |args: CountFile, ctx: Context| {
        let path = PathBuf::from(&args.path);
        let called_off = || ctx.cancellation().is_cancelled();
        count_file(&path, called_off).map_err(|error| {
            TaskError::new(
                format!("{:?}", error.kind()),
                format!("{}: {error}", args.path),
            )
        })
    })
}

fn count_file(path: &Path, called_off: impl Fn() -> bool) -> io::Result<FileCount> {
    // Asked before it is opened: to open a pipe waits for somebody to write into it.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    count(File::open(path)?, called_off)
}

/// Reads the stream piece by piece, whatever its length.
fn count(mut stream: impl Read, called_off: impl Fn() -> bool) -> io::Result<FileCount> {
    let mut buffer = vec![0; 64 * 1024];
    let mut hash = Hash::new();
    let (mut bytes, mut lines, mut words) = (0, 0, 0);
    let mut in_word = false;
    loop {
        if called_off() {
            return Err(io::Error::other("the attempt was called off"));
        }
        let read = match stream.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if read == 0 {
            break;
        }
        let piece = &buffer[..read];
        hash.update(piece);
        bytes += read as u64;
        for byte in piece {
            let is_blank = byte.is_ascii_whitespace() || *byte == 0x0b;
            lines += u64::from(*byte == b'\n');
            words += u64::from(in_word && is_blank);
            in_word = !is_blank;
        }
    }
    words += u64::from(in_word);
    let sha256 = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(FileCount {
        bytes,
        lines,
        words,
        sha256,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let one = buffer.len().min(1);
            self.0.read(&mut buffer[..one])
        }
    }

    #[test]
    fn counts_are_those_of_wc_however_the_bytes_come() {
        let check = |text: &str, lines: u64, words: u64| {
            for counted in [
                count(text.as_bytes(), || false),
                count(Slow(text.as_bytes()), || false),
            ] {
                let counted = counted.unwrap();
                assert_eq!((counted.lines, counted.words), (lines, words), "{text:?}");
                assert_eq!(counted.bytes, text.len() as u64);
            }
        };
        check("", 0, 0);
        check("one", 0, 1);
        check("one two\nthree\n", 2, 3);
        check(" \t one\r\n\n  ", 2, 1);
        check("a\u{b}b", 0, 2);
    }

    #[test]
    fn the_hash_is_sha_256() {
        let counted = count(&b"abc"[..], || false).unwrap();
        assert_eq!(
            counted.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn an_attempt_that_was_called_off_reads_no_further() {
        assert!(count(&b"abc"[..], || true).is_err());
    }

    #[test]
    fn what_is_no_file_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        assert!(count_file(dir.path(), || false).is_err());
        let missing = count_file(&dir.path().join("missing"), || false).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
