//! What was counted before, in a file of the repository, and with which tools.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::tools::Tools;

/// Where it is kept, from the root of the repository on.
pub(super) const PATH: &str = "docs/internals/instructions.json";

/// Instructions per message: by store, by verb, by the number of messages in one call.
pub(super) type Counts = BTreeMap<String, BTreeMap<String, BTreeMap<u32, u64>>>;

/// Counts, and what they were taken with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    #[serde(rename = "taken_with")]
    pub(super) tools: Tools,
    #[serde(rename = "instructions_per_message")]
    pub(super) counts: Counts,
}

impl Kept {
    pub(super) fn read() -> Result<Self> {
        let text = std::fs::read_to_string(path()).with_context(|| {
            format!("failed to read {PATH}; `cargo xtask instructions --bless` makes it")
        })?;
        serde_json::from_str(&text).with_context(|| format!("{PATH} cannot be understood"))
    }

    pub(super) fn write(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(path(), text).with_context(|| format!("failed to write {PATH}"))
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PATH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_repository_keeps_can_be_read() {
        let kept = Kept::read().unwrap();
        let verbs: Vec<_> = kept.counts.values().flat_map(BTreeMap::keys).collect();
        assert_eq!(verbs.len(), 10, "five verbs on two stores: {verbs:?}");
    }
}
