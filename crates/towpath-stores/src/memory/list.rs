//! List: windows of the sections, each in the order that its structure has anyway.

use std::ops::Bound;

use towpath_core::store::{Cursor, List, Section, Window};
use towpath_core::{Error, IncarnationId, Result, Timestamp, limits};

use super::lines::Rank;
use super::row::Seq;
use super::step::Step;

/// Rows of a section from somewhere on, each with the cursor that goes on after it.
type Rows<'a> = Box<dyn Iterator<Item = (Vec<i64>, Seq)> + 'a>;

impl Step<'_> {
    pub(super) fn list(&self, list: &List) -> Result<Window> {
        let limit = list.limit.clamp(1, limits::WINDOW);
        let mut rows = self.section(list.section, list.after.as_ref())?;
        let window: Vec<_> = rows.by_ref().take(limit).collect();
        let more = rows.next().is_some();
        let last = window.last().map(|(cursor, _)| Cursor(cursor.clone()));
        Ok(Window {
            scanned: window.len(),
            next: last.filter(|_| more),
            records: window
                .iter()
                .map(|(_, seq)| self.record(self.table.row(*seq)))
                .collect(),
        })
    }

    fn section(&self, section: Section, after: Option<&Cursor>) -> Result<Rows<'_>> {
        let table = &*self.table;
        Ok(match section {
            Section::All => {
                let before = position(after)?.map_or(Seq::MAX, |[seq]: [i64; 1]| seq);
                Box::new(
                    table
                        .rows
                        .range(..before)
                        .rev()
                        .map(|(seq, _)| (vec![*seq], *seq)),
                )
            }
            Section::Ready => self.ready(position(after)?),
            Section::Scheduled => {
                let after = position(after)?.map_or(Bound::Unbounded, time_and_seq);
                Box::new(table.scheduled.range((after, Bound::Unbounded)).map(keyed))
            }
            Section::Running => self.running(position(after)?),
            Section::Succeeded => {
                let before = position(after)?.map_or(Bound::Unbounded, time_and_seq);
                let rows = table.succeeded.range((Bound::Unbounded, before));
                Box::new(rows.rev().map(keyed))
            }
            Section::Dead => {
                let before = position(after)?.map_or(Bound::Unbounded, time_and_seq);
                let rows = table.dead.range((Bound::Unbounded, before));
                Box::new(rows.rev().map(keyed))
            }
        })
    }

    /// Line by line, in the order in which the lines were opened.
    fn ready(&self, after: Option<[i64; 4]>) -> Rows<'_> {
        let [line, priority, ready_at, seq] = after.unwrap_or([0; 4]);
        let rank = Rank {
            priority: u32::try_from(priority).unwrap_or(u32::MAX),
            ready_at: Timestamp::from_millis(ready_at),
            seq,
        };
        let lines = self.table.lines.from(line);
        Box::new(lines.flat_map(move |(id, in_line)| {
            let begun = after.is_some() && id == line;
            let from = if begun {
                Bound::Excluded(rank)
            } else {
                Bound::Unbounded
            };
            in_line
                .ranks
                .range((from, Bound::Unbounded))
                .map(move |rank| {
                    let Rank {
                        priority,
                        ready_at,
                        seq,
                    } = *rank;
                    (vec![id, priority.into(), ready_at.as_millis(), seq], seq)
                })
        }))
    }

    /// Worker by worker. A worker's id is 16 bytes, which a cursor carries as two numbers.
    fn running(&self, after: Option<[i64; 3]>) -> Rows<'_> {
        let after = after.map_or(Bound::Unbounded, |[high, low, seq]| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&high.to_be_bytes());
            bytes[8..].copy_from_slice(&low.to_be_bytes());
            Bound::Excluded((IncarnationId::from_bytes(bytes), seq))
        });
        let rows = self.table.running.range((after, Bound::Unbounded));
        Box::new(rows.map(|(incarnation, seq)| {
            let (high, low) = incarnation.as_bytes().split_at(8);
            let number = |half: &[u8]| i64::from_be_bytes(half.try_into().expect("half of 16"));
            (vec![number(high), number(low), *seq], *seq)
        }))
    }
}

fn keyed((time, seq): &(Timestamp, Seq)) -> (Vec<i64>, Seq) {
    (vec![time.as_millis(), *seq], *seq)
}

fn time_and_seq([time, seq]: [i64; 2]) -> Bound<(Timestamp, Seq)> {
    Bound::Excluded((Timestamp::from_millis(time), seq))
}

/// The numbers of a cursor, as many as the section writes.
fn position<const N: usize>(after: Option<&Cursor>) -> Result<Option<[i64; N]>> {
    let Some(Cursor(numbers)) = after else {
        return Ok(None);
    };
    let position = numbers.as_slice().try_into().map_err(|_| {
        let found = numbers.len();
        Error::invalid(format!(
            "the cursor has {found} numbers where this section writes {N}; it is of another list"
        ))
    })?;
    Ok(Some(position))
}
