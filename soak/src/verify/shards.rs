//! A whole soak in portions: the journals are read once for each shard, and only the records of that
//! shard's messages are kept in memory.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use towpath::{MessageId, Status, Store};

use super::{History, Standing, Verifier};
use crate::journal::{self, Event, Kind, RECORD_BYTES};

/// How many records are in memory at once: 80 MB of them.
const RECORDS_MAX: u64 = 2_000_000;
/// How many messages are looked up in one call.
const LOOKED_UP: usize = 2_000;

/// Judges every message of which the journals tell.
///
/// # Errors
///
/// What the file system says of the journals, and the store of the messages.
pub async fn verify(
    verifier: &mut Verifier<'_>,
    journals: &[PathBuf],
    store: &Arc<dyn Store>,
    run: u64,
) -> Result<()> {
    let bytes: u64 = journals
        .iter()
        .filter_map(|path| path.metadata().ok())
        .map(|m| m.len())
        .sum();
    let shards = bytes / (RECORD_BYTES as u64 * RECORDS_MAX) + 1;
    for shard in 0..shards {
        let mut events = read_shard(journals, shard, shards)?;
        events.sort_unstable_by_key(|event| event.name);
        let mut histories: Vec<_> = events
            .chunk_by_mut(|a, b| a.name == b.name)
            .map(History::of)
            .collect();
        while !histories.is_empty() {
            let rest = histories.split_off(histories.len().min(LOOKED_UP));
            judge(verifier, &histories, store, run).await?;
            histories = rest;
        }
    }
    Ok(())
}

fn read_shard(journals: &[PathBuf], shard: u64, shards: u64) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for path in journals {
        journal::read(path, |event| {
            let tells = !matches!(event.kind, Kind::Trouble | Kind::LeaseLost);
            if tells && event.name.0 % shards == shard {
                events.push(event);
            }
        })
        .with_context(|| format!("failed to read {}", path.display()))?;
    }
    Ok(events)
}

async fn judge(
    verifier: &mut Verifier<'_>,
    histories: &[History],
    store: &Arc<dyn Store>,
    run: u64,
) -> Result<()> {
    let ids: Vec<_> = histories
        .iter()
        .map(|history| history.name.id(run))
        .collect();
    let briefs = store.brief(ids.clone()).await?;
    for ((history, id), brief) in histories.iter().zip(ids).zip(briefs) {
        let standing = match brief.status {
            Status::Succeeded => Standing::Succeeded,
            Status::Failed | Status::Revoked => dead(store, id).await?,
            Status::Unknown => Standing::Unknown,
            Status::Submitted | Status::Running | Status::Retrying => Standing::Unfinished,
        };
        verifier.judge(history, standing);
    }
    Ok(())
}

async fn dead(store: &Arc<dyn Store>, id: MessageId) -> Result<Standing> {
    let record = store.get(vec![id]).await?.pop().flatten();
    Ok(match record.and_then(|record| record.reason) {
        Some(reason) => Standing::Dead(reason),
        None => Standing::Unknown,
    })
}
