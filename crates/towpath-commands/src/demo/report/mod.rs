//! What the demo has done: `people` shows it, `document` hands it to programs.

mod document;
mod people;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;

use super::batch::Batch;
use super::count::FileCount;
use super::file_path::shown;
use super::walk::Walk;
use crate::env::Env;
use crate::exit::{Exit, Result};

/// So many of the largest files are told of.
const FILES: usize = 10;
/// And so many extensions, those with the most bytes.
const EXTENSIONS: usize = 5;

/// All that the report is about.
pub(super) struct Report<'a> {
    pub(super) env: &'a Env,
    pub(super) directory: &'a Path,
    pub(super) walk: &'a Walk,
    pub(super) batch: &'a Batch<'a>,
}

/// Some files together.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Sum {
    files: u64,
    bytes: u64,
    lines: u64,
    words: u64,
}

impl Sum {
    fn add(&mut self, count: &FileCount) {
        self.files += 1;
        self.bytes += count.bytes;
        self.lines += count.lines;
        self.words += count.words;
    }

    fn of(files: &[(&Path, &FileCount)]) -> Self {
        let mut sum = Self::default();
        files.iter().for_each(|(_, count)| sum.add(count));
        sum
    }
}

impl Report<'_> {
    /// All messages have ended.
    pub(super) fn done(&self) -> Result<Exit> {
        if self.env.json() {
            self.env.out.json(&self.document())?;
        } else {
            self.show()?;
        }
        Ok(Exit::Ok)
    }

    /// The demo was told to end.
    pub(super) fn interrupted(&self) -> Result<Exit> {
        if self.env.json() {
            self.env.out.json(&self.interrupted_document())?;
        } else {
            self.show_interrupted()?;
        }
        Ok(Exit::Failure)
    }

    /// How many messages about files have ended.
    fn ended(&self) -> usize {
        self.batch.counted.len() + self.batch.failed.len()
    }

    fn messages_per_second(&self) -> u64 {
        let micros = self.batch.elapsed.as_micros().max(1);
        u64::try_from(self.ended() as u128 * 1_000_000 / micros).unwrap_or(u64::MAX)
    }

    /// The counted files, the largest first.
    fn files(&self) -> Vec<(&Path, &FileCount)> {
        let counted = self.batch.counted.iter();
        let mut files: Vec<_> = counted.map(|(path, count)| (*path, count)).collect();
        files.sort_by_key(|(path, count)| (Reverse(count.bytes), *path));
        files
    }

    /// The extensions with the most bytes, each with its dot; empty for files without one.
    fn extensions(&self) -> Vec<(String, Sum)> {
        let mut sums: HashMap<String, Sum> = HashMap::new();
        for (path, count) in &self.batch.counted {
            let extension = path
                .extension()
                .map(|extension| shown(Path::new(extension)));
            let extension = extension.map_or_else(String::new, |extension| format!(".{extension}"));
            sums.entry(extension).or_default().add(count);
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by(|(a, x), (b, y)| y.bytes.cmp(&x.bytes).then_with(|| a.cmp(b)));
        sums.truncate(EXTENSIONS);
        sums
    }

    fn relative<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(self.directory).unwrap_or(path)
    }
}
