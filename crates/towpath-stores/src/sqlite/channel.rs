//! Channels. A file tells nobody anything, so what is published is written down, the bell is rung, and
//! whoever listens reads on from where he was, in this process and in others.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use towpath_core::name::ChannelName;
use towpath_core::store::{Heard, Subscription, Topic, Watch};
use towpath_core::{Payload, Result, Timestamp, limits};

use super::columns::{Columns, codec_text, millis};
use super::error::Fallible;
use super::mailbox::Lane;
use super::reader::{self, Look};
use super::store::Shared;
use super::tx::Tx;

/// How long a value is kept for those who are slow, unless the newer ones of its channel push it out.
const KEPT: Duration = Duration::from_secs(600);
/// How many values that were kept long enough go with each that is published.
const SWEPT: i64 = 16;
/// How many values are read at a time.
const READ: i64 = 64;

pub(super) fn publish(tx: &mut Tx<'_>, channel: &ChannelName, value: &Payload) -> Fallible<()> {
    let (ns, channel) = (tx.ns, channel.as_str());
    let last = "SELECT seq FROM published WHERE ns = ?1 AND channel = ?2 ORDER BY n DESC LIMIT 1";
    let last: Option<i64> = tx
        .db
        .prepare_cached(last)?
        .query_row((ns, channel), |row| row.get(0))
        .optional()?;
    let seq = last.unwrap_or(0).saturating_add(1);
    let insert = "INSERT INTO published (ns, channel, seq, at, codec, data) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.db.prepare_cached(insert)?.execute(params![
        ns,
        channel,
        seq,
        tx.now.as_millis(),
        codec_text(value.codec()),
        &value.bytes()[..]
    ])?;
    let kept = i64::try_from(limits::PUBLISHED_KEPT).expect("some thousand");
    // The numbers of one channel have no gaps, so this is one row, or a few after a change of the limit.
    let push_out = "DELETE FROM published WHERE n IN (SELECT n FROM published \
        WHERE ns = ?1 AND channel = ?2 ORDER BY n DESC LIMIT ?3 OFFSET ?4)";
    let pushed_out = params![ns, channel, SWEPT, kept];
    tx.db.prepare_cached(push_out)?.execute(pushed_out)?;
    let sweep = "DELETE FROM published WHERE n IN \
        (SELECT n FROM published WHERE at < ?1 ORDER BY at LIMIT ?2)";
    let old = tx.now.as_millis().saturating_sub(millis(KEPT));
    tx.db.prepare_cached(sweep)?.execute((old, SWEPT))?;
    tx.rings.add(Topic::Publish);
    Ok(())
}

/// Where a listener stands in his channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    /// The last row that he has read, or that was there when he came.
    n: i64,
    /// Its number in the channel.
    seq: i64,
    /// When he last read.
    at: Timestamp,
}

/// The end of a channel, as it is now.
pub(super) fn position(look: &Look<'_>, channel: &ChannelName) -> Fallible<Position> {
    let last =
        "SELECT n, seq FROM published WHERE ns = ?1 AND channel = ?2 ORDER BY n DESC LIMIT 1";
    let last: Option<(i64, i64)> = look
        .db
        .prepare_cached(last)?
        .query_row((look.ns, channel.as_str()), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (n, seq) = last.unwrap_or((0, 0));
    let at = look.clock.now();
    Ok(Position { n, seq, at })
}

/// What was published since, in order, and where it ends.
fn read_on(
    look: &Look<'_>,
    channel: &ChannelName,
    from: Position,
) -> Fallible<(VecDeque<Heard>, Position)> {
    let now = look.clock.now();
    let mut heard = VecDeque::new();
    let mut position = from;
    let sql = "SELECT n, seq, codec, data FROM published \
        WHERE ns = ?1 AND channel = ?2 AND n > ?3 ORDER BY n LIMIT ?4";
    let mut statement = look.db.prepare_cached(sql)?;
    let mut rows = statement.query(params![look.ns, channel.as_str(), from.n, READ])?;
    while let Some(row) = rows.next()? {
        let columns = Columns(row);
        let (n, seq) = (
            columns.int(0, "published.n")?,
            columns.int(1, "published.seq")?,
        );
        heard.extend(missed(position, seq, now).map(Heard::Lagged));
        heard.push_back(Heard::Value(columns.payload(2, 3, "published.data")?));
        position = Position { n, seq, at: now };
    }
    position.at = now;
    Ok((heard, position))
}

/// How many values stood between the last one that was read and this.
fn missed(last: Position, seq: i64, now: Timestamp) -> Option<u64> {
    let between = seq.saturating_sub(last.seq).saturating_sub(1);
    if between >= 0 {
        return u64::try_from(between).ok().filter(|missed| *missed > 0);
    }
    // The numbers have begun again, since everything was old. Nobody misses what he has read before.
    let was_away = now.since(last.at) >= KEPT;
    (was_away && seq > 1).then_some(0)
}

pub(super) struct Listener {
    shared: Arc<Shared>,
    channel: ChannelName,
    watch: Box<dyn Watch>,
    position: Position,
    /// What was read and not yet told.
    heard: VecDeque<Heard>,
}

impl Listener {
    /// The watch was made before the position was read.
    pub(super) fn new(
        shared: Arc<Shared>,
        channel: ChannelName,
        watch: Box<dyn Watch>,
        position: Position,
    ) -> Self {
        Self {
            shared,
            channel,
            watch,
            position,
            heard: VecDeque::new(),
        }
    }

    async fn read_on(&mut self) -> Result<()> {
        let (channel, from) = (self.channel.clone(), self.position);
        let (job, answer) = reader::look(move |look, _| read_on(look, &channel, from));
        let brought = self.shared.looks.bring(Lane::Control, job).await;
        brought.map_err(|_| self.shared.gone())?;
        let read = answer.await.unwrap_or_else(|_| Err(self.shared.gone()));
        (self.heard, self.position) = read?;
        Ok(())
    }
}

impl Subscription for Listener {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Heard>> + Send + '_>> {
        Box::pin(async {
            loop {
                if let Some(heard) = self.heard.pop_front() {
                    return Ok(heard);
                }
                self.read_on().await?;
                if self.heard.is_empty() {
                    self.watch.changed().await;
                }
            }
        })
    }
}
