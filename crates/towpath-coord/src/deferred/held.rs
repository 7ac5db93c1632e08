//! The state files that managers of this process hold: they are nobody's orphans, which need not be found out from disk.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The names of the files, which are unique, and the process that holds each: ours, but where a test plays several.
static HELD: Mutex<Option<HashMap<String, u32>>> = Mutex::new(None);

fn held() -> MutexGuard<'static, Option<HashMap<String, u32>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A state file that is held for as long as this is there.
#[derive(Debug)]
pub(super) struct Held(String);

impl Held {
    pub(super) fn new(name: &str, pid: u32) -> Self {
        let name = name.to_owned();
        held().get_or_insert_default().insert(name.clone(), pid);
        Self(name)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        held().get_or_insert_default().remove(&self.0);
    }
}

/// Whether a manager of this process holds the file of that name.
pub(super) fn is_held(name: &str, pid: u32) -> bool {
    let held = held();
    held.as_ref().and_then(|held| held.get(name)) == Some(&pid)
}
