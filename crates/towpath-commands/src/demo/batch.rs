//! The messages of one demo, from their submit to their results.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use towpath_core::message::Record;
use towpath_core::{Error, MessageId, Result};
use towpath_runtime::Broker;

use super::count::{self, CountFile, FileCount};
use super::file_path::FilePath;
use super::progress::Progress;

/// So many messages are submitted in one step.
const STEP: usize = 500;

/// The messages of one demo, and what became of them.
pub(super) struct Batch<'a> {
    broker: Broker,
    files: &'a [PathBuf],
    unreadable: PathBuf,
    /// Which file each submitted message is about; `None` for the unreadable one.
    messages: HashMap<MessageId, Option<&'a Path>>,
    began: Instant,
    /// The files that were counted.
    pub(super) counted: Vec<(&'a Path, FileCount)>,
    /// The files that could not be counted, besides the one that is there for it.
    pub(super) failed: Vec<(&'a Path, Error)>,
    /// From the first submit to the last result of a file.
    pub(super) elapsed: Duration,
    /// What the store says of the message that had to fail.
    pub(super) dead: Option<Record>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(broker: Broker, files: &'a [PathBuf], unreadable: PathBuf) -> Self {
        Self {
            broker,
            files,
            unreadable,
            messages: HashMap::with_capacity(files.len() + 1),
            began: Instant::now(),
            counted: Vec::with_capacity(files.len()),
            failed: Vec::new(),
            elapsed: Duration::ZERO,
            dead: None,
        }
    }

    /// How many messages the store has accepted.
    pub(super) fn submitted(&self) -> usize {
        self.messages.len()
    }

    /// The file that had to fail.
    pub(super) fn unreadable(&self) -> &Path {
        &self.unreadable
    }

    /// Submits all and waits for their ends.
    ///
    /// # Cancel safety
    ///
    /// What has happened until the future is dropped is here to be read.
    pub(super) async fn run(&mut self, progress: &Progress) -> Result<()> {
        self.began = Instant::now();
        self.submit().await?;
        self.collect(progress).await
    }

    async fn submit(&mut self) -> Result<()> {
        let task = count::task();
        let files = self.files.iter().map(|file| Some(file.as_path()));
        // The one that fails goes first: its retries take their time.
        let subjects: Vec<Option<&Path>> = std::iter::once(None).chain(files).collect();
        for step in subjects.chunks(STEP) {
            let draft = |subject: &Option<&Path>| {
                let path = FilePath::from(subject.unwrap_or(&self.unreadable));
                let message = self.broker.submit_to(&task, CountFile { path });
                // Retries join their line at the end; this one shall not wait for all the others.
                message.priority(u32::from(subject.is_some())).draft()
            };
            let drafts = step.iter().map(draft).collect::<Result<Vec<_>>>()?;
            let answers = self.broker.submit_many(drafts).await?;
            for (subject, answer) in step.iter().zip(answers) {
                self.messages.insert(answer?, *subject);
            }
        }
        Ok(())
    }

    async fn collect(&mut self, progress: &Progress) -> Result<()> {
        let ids = self.messages.keys().copied().collect();
        let mut results = self.broker.result_pool(ids)?.as_completed::<FileCount>();
        while let Some((id, result)) = results.next().await {
            progress.advance();
            match (self.messages[&id], result) {
                (Some(file), Ok(count)) => self.counted.push((file, count)),
                (Some(file), Err(error)) => self.failed.push((file, error)),
                (None, _) => {
                    self.dead = self.broker.get(id).await?;
                    continue;
                }
            }
            self.elapsed = self.began.elapsed();
            if self.counted.len() + self.failed.len() == self.files.len() {
                progress.wait_for_the_last_retry();
            }
        }
        Ok(())
    }
}
