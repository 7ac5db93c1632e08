//! The files of an SQLite store, as they grow.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use towpath::StoreUrl;

/// How often the log is looked at.
const SAMPLED_EVERY: Duration = Duration::from_millis(100);

/// Samples the size of the files of an SQLite store; of any other, nothing.
#[derive(Debug)]
pub struct Storage {
    file: Option<PathBuf>,
    wal_peak: u64,
    sampled: Instant,
}

/// Sizes in bytes, and what was left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StorageFigures {
    /// The store's file at the end.
    pub file_bytes: u64,
    /// The log when it was largest.
    pub wal_peak_bytes: u64,
    /// Lock files of workers, none of which lives any more.
    pub lock_files_left: Vec<String>,
}

impl Storage {
    /// The files of the store of that URL.
    pub fn of(url: &StoreUrl) -> Self {
        let path = url.path();
        Self {
            file: (!path.is_empty()).then(|| path.into()),
            wal_peak: 0,
            sampled: Instant::now(),
        }
    }

    /// Looks at the log, if the last look was a while ago.
    pub fn sample(&mut self) {
        if self.sampled.elapsed() >= SAMPLED_EVERY {
            self.sampled = Instant::now();
            self.wal_peak = self.wal_peak.max(size(self.beside("-wal")));
        }
    }

    /// The figures, when every process has ended; `None` for a store without files.
    pub fn figures(&self) -> Option<StorageFigures> {
        self.file.as_ref()?;
        let locks = self
            .beside(".workers")
            .and_then(|directory| std::fs::read_dir(directory).ok());
        let names = locks
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name());
        Some(StorageFigures {
            file_bytes: size(self.file.clone()),
            wal_peak_bytes: self.wal_peak,
            lock_files_left: names
                .map(|name| name.to_string_lossy().into_owned())
                .collect(),
        })
    }

    fn beside(&self, suffix: &str) -> Option<PathBuf> {
        let mut name = self.file.clone()?.into_os_string();
        name.push(suffix);
        Some(name.into())
    }
}

fn size(path: Option<PathBuf>) -> u64 {
    path.and_then(|path| path.metadata().ok())
        .map_or(0, |found| found.len())
}
