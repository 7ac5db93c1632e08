//! List: windows of the sections, each in the order that its structure has anyway.

use bytes::Bytes;
use redis::Value;
use towpath_core::store::{Cursor, List, Section, Window};
use towpath_core::{Error, MessageId, Record, Result, State, limits};

use super::bytes::Reader;
use super::reply::{self, Unexpected};
use super::script::LIST;
use super::store::Shared;

impl Shared {
    pub(super) async fn list(&self, list: List) -> Result<Window> {
        let limit = list.limit.clamp(1, limits::WINDOW);
        let after = list.after.as_ref().map(unpack).transpose()?;
        let mut call = self.call_of(&LIST);
        call.text(name(list.section))
            .count(limit)
            .bytes(after.as_deref().unwrap_or_default());
        let answer = self.call(call).await?;
        let (ids, priorities, next) = self.read(&LIST, answer, read)?;
        let records = self.get(ids.clone()).await?;
        // An element of a line, which has a priority, may be one that its message has left.
        let here = |record: &Record, priority: &Bytes| {
            let in_line = || {
                let own = record.priority.to_string();
                record.state == State::Ready && *own.as_bytes() == **priority
            };
            belongs(record, list.section) && (priority.is_empty() || in_line())
        };
        let records = records.into_iter().zip(&priorities);
        Ok(Window {
            records: records
                .filter_map(|(record, priority)| record.filter(|record| here(record, priority)))
                .collect(),
            scanned: ids.len(),
            next: next.map(|next| pack(&next)),
        })
    }
}

fn name(section: Section) -> &'static str {
    match section {
        Section::All => "all",
        Section::Ready => "ready",
        Section::Scheduled => "scheduled",
        Section::Running => "running",
        Section::Succeeded => "succeeded",
        Section::Dead => "dead",
    }
}

/// Whether a message that was read after its section is still there.
fn belongs(record: &Record, section: Section) -> bool {
    match section {
        Section::All => true,
        Section::Ready => record.state == State::Ready,
        Section::Scheduled => record.state == State::Scheduled,
        Section::Running => record.state == State::Running,
        Section::Succeeded => record.state == State::Succeeded,
        Section::Dead => matches!(record.state, State::Failed | State::Revoked),
    }
}

type Ids = (Vec<MessageId>, Vec<Bytes>, Option<Bytes>);

fn read(answer: Value) -> Result<Ids, Unexpected> {
    let mut parts = reply::array(answer)?.into_iter();
    let mut next = || parts.next().ok_or(Unexpected);
    let ids = reply::array(next()?)?.into_iter().map(|id| {
        let id = Reader::new(reply::bytes(id)?).id();
        id.map(MessageId::from_bytes).map_err(|_| Unexpected)
    });
    let ids: Vec<MessageId> = ids.collect::<Result<_, _>>()?;
    let priorities = reply::array(next()?)?.into_iter().map(reply::bytes);
    let priorities: Vec<Bytes> = priorities.collect::<Result<_, _>>()?;
    if priorities.len() != ids.len() {
        return Err(Unexpected);
    }
    Ok((ids, priorities, reply::maybe_bytes(next()?)?))
}

/// The script's own words for where a window ended, as numbers: how many bytes, then eight in each.
fn pack(bytes: &[u8]) -> Cursor {
    let mut numbers = vec![i64::try_from(bytes.len()).unwrap_or(i64::MAX)];
    numbers.extend(bytes.chunks(8).map(|chunk| {
        let mut eight = [0; 8];
        eight[..chunk.len()].copy_from_slice(chunk);
        i64::from_be_bytes(eight)
    }));
    Cursor(numbers)
}

fn unpack(cursor: &Cursor) -> Result<Vec<u8>> {
    let other = || Error::invalid("the cursor is of another list");
    let (len, numbers) = cursor.0.split_first().ok_or_else(other)?;
    let len = usize::try_from(*len).map_err(|_| other())?;
    if len.div_ceil(8) != numbers.len() {
        return Err(other());
    }
    let mut bytes: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect();
    bytes.truncate(len);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_again_as_what_it_was() {
        for len in [0, 1, 7, 8, 9, 100] {
            let bytes: Vec<u8> = (0..len).collect();
            assert_eq!(unpack(&pack(&bytes)).unwrap(), bytes);
        }
        assert!(unpack(&Cursor(vec![])).is_err());
        assert!(unpack(&Cursor(vec![-1])).is_err());
        assert!(unpack(&Cursor(vec![9, 1])).is_err());
    }
}
