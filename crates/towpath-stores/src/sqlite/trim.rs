//! Keeps the log short while others read on and on.
//!
//! SQLite begins its log anew only when a commit meets no reader, and with enough readers that moment never
//! comes. When the log has become long, this waits for it: a checkpoint that lets no writer in, and waits
//! shortly for the readers of today. Those who come meanwhile read the file, where everything is by then.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::connection::with_little_patience;
use super::location::Location;

/// Twice what a checkpoint by itself begins at, in bytes.
const LONG: u64 = 32 * 1024 * 1024;
/// Between two looks at the length of the log.
const LOOK: Duration = Duration::from_millis(250);
/// After a try that failed because somebody reads for long: twice as long each time, up to this.
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Trimmer {
    next: Instant,
    rest: Duration,
}

impl Trimmer {
    pub(super) fn new() -> Self {
        Self {
            next: Instant::now() + LOOK,
            rest: LOOK,
        }
    }

    /// To be called after a commit, outside of any transaction.
    pub(super) fn look(&mut self, db: &mut Connection, location: &Location) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        // By its name: nothing of the file is opened.
        let length = location.wal().metadata().map_or(0, |log| log.len());
        self.rest = if length <= LONG || begin_anew(db) {
            LOOK
        } else {
            (self.rest * 2).min(LONGEST)
        };
        self.next = now + self.rest;
    }
}

/// Whether the next commit begins the log anew.
fn begin_anew(db: &mut Connection) -> bool {
    let begun = with_little_patience(db, |db| {
        db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| {
            row.get::<_, i64>(0)
        })
    });
    match begun {
        Ok(busy) => busy == 0,
        Err(error) => {
            tracing::debug!(%error, "the log could not be begun anew");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use towpath_core::StoreUrl;

    use super::*;
    use crate::sqlite::connection::{Opened, Role, open};

    fn fill(db: &Connection) {
        let row = "INSERT INTO blob (data) VALUES (zeroblob(1000000))";
        for _ in 0..40 {
            db.execute(row, []).unwrap();
        }
    }

    fn opened(role: Role, url: &StoreUrl) -> Opened {
        open(url, &Location::of(url), role).unwrap()
    }

    #[test]
    fn a_long_log_is_begun_anew_although_somebody_reads_all_the_time() {
        let directory = tempfile::tempdir().unwrap();
        let url = StoreUrl::sqlite(directory.path().join("jobs.db").to_str().unwrap());
        let mut writer = opened(Role::Writer, &url);
        let readers = [opened(Role::Reader, &url), opened(Role::Reader, &url)];
        let look = |reader: &Opened| {
            let sql = "BEGIN; SELECT COUNT(*) FROM blob";
            reader.db.execute_batch(sql).unwrap();
        };
        // Each takes over before the other ends: there is always one.
        look(&readers[0]);
        fill(&writer.db);
        look(&readers[1]);
        readers[0].db.execute_batch("COMMIT").unwrap();
        let log = || Location::of(&url).wal().metadata().unwrap().len();
        assert!(log() > LONG, "{}", log());

        // Who reads in the log keeps it from being begun anew; what it holds goes into the file all the same.
        assert!(!begin_anew(&mut writer.db));
        look(&readers[0]);
        readers[1].db.execute_batch("COMMIT").unwrap();
        assert!(begin_anew(&mut writer.db), "everything was in the file");
        let before = log();
        fill(&writer.db);
        assert!(log() <= before.max(64 * 1024 * 1024), "it was used again");
    }

    #[test]
    fn who_reads_for_long_is_asked_ever_less_often() {
        let directory = tempfile::tempdir().unwrap();
        let url = StoreUrl::sqlite(directory.path().join("jobs.db").to_str().unwrap());
        let mut writer = opened(Role::Writer, &url);
        let reader = opened(Role::Reader, &url);
        let sql = "BEGIN; SELECT COUNT(*) FROM blob";
        reader.db.execute_batch(sql).unwrap();
        fill(&writer.db);
        let location = Location::of(&url);
        let mut trimmer = Trimmer::new();
        for expected in [2, 4, 8] {
            trimmer.next = Instant::now();
            trimmer.look(&mut writer.db, &location);
            assert_eq!(trimmer.rest, LOOK * expected);
        }
        reader.db.execute_batch("COMMIT").unwrap();
        trimmer.next = Instant::now();
        trimmer.look(&mut writer.db, &location);
        assert_eq!(trimmer.rest, LOOK);
    }
}
