//! The report as one JSON document.
//!
//! A file is a string, or `{"bytes": […]}` where its name is not UTF-8.

use serde_json::{Value, json};

use super::{FILES, Report, Sum};
use crate::demo::QUEUE;
use crate::demo::dead::DeadLetter;
use crate::demo::file_path::FilePath;

impl Report<'_> {
    pub(super) fn document(&self) -> Value {
        let file = |path| FilePath::from(self.relative(path));
        let files = self.files();
        let rows = files.iter().take(FILES).map(|(path, count)| {
            json!({
                "file": file(path),
                "bytes": count.bytes,
                "lines": count.lines,
                "words": count.words,
                "sha256": count.sha256,
            })
        });
        let extensions = self.extensions();
        let extensions = extensions.iter().map(|(extension, sum)| {
            json!({
                "extension": extension,
                "files": sum.files,
                "bytes": sum.bytes,
                "lines": sum.lines,
                "words": sum.words,
            })
        });
        let failed = self.batch.failed.iter().take(FILES);
        let failed =
            failed.map(|(path, error)| json!({ "file": file(path), "error": error.to_string() }));
        json!({
            "interrupted": false,
            "directory": FilePath::from(self.directory),
            "store": self.env.app.store().url(),
            "queue": QUEUE,
            "totals": Sum::of(&files),
            "elapsed_ms": u64::try_from(self.batch.elapsed.as_millis()).unwrap_or(u64::MAX),
            "messages_per_second": self.messages_per_second(),
            "rows": rows.collect::<Vec<_>>(),
            "extensions": extensions.collect::<Vec<_>>(),
            "failed": self.batch.failed.len(),
            "failed_rows": failed.collect::<Vec<_>>(),
            "unreadable_directories": self.walk.unreadable,
            "more_files": self.walk.more,
            "dead_letter": self.batch.dead.as_ref().map(DeadLetter::new),
        })
    }

    pub(super) fn interrupted_document(&self) -> Value {
        json!({
            "interrupted": true,
            "submitted": self.batch.submitted(),
            "ended": self.ended(),
        })
    }
}
