//! Channels. What a NOTIFY carries is short and heard by all or none, so what is published is written down,
//! the bell is rung, and whoever listens reads on from where he was.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use towpath_core::name::ChannelName;
use towpath_core::store::{Heard, Subscription, Topic, Watch};
use towpath_core::{Payload, Result, Store as _, limits};

use super::columns::{Columns, codec_text, millis, rows};
use super::driver::Driver;
use super::error::Fallible;
use super::statement::statement;
use super::store::{PostgresStore, Shared};
use super::tx::{Params, Tx};

/// How long a value is kept for those who are slow, unless the newer ones of its channel push it out.
const KEPT: Duration = Duration::from_secs(600);
/// How many values that were kept long enough go with each that is published.
const SWEPT: i64 = 16;
/// How many values are read at a time.
const READ: i64 = 64;

pub(super) async fn publish(tx: &Tx<'_>, channel: &ChannelName, value: &Payload) -> Fallible<()> {
    let asked: Params<'_> = &[
        &tx.now(),
        &channel.as_str(),
        &codec_text(value.codec()),
        &&value.bytes()[..],
        &rows(limits::PUBLISHED_KEPT),
        &millis(KEPT),
        &SWEPT,
    ];
    let sql = "SELECT publish($1, $2, $3, $4, $5, $6, $7)";
    tx.query(sql, asked).await?;
    tx.ring(Topic::Publish);
    Ok(())
}

/// Where a listener stands in his channel.
#[derive(Debug, Clone, Copy)]
struct Position {
    /// The row of the channel; 0 when there was none.
    c: i64,
    /// The last value that he has read, or that was there when he came.
    seq: i64,
    /// When he last read, on the clock of `Shop::uptime`.
    at: Duration,
}

/// The end of a channel, as it is now.
async fn position(tx: &Tx<'_>, channel: &ChannelName) -> Fallible<Position> {
    let found = tx
        .query(statement!("channel_end"), &[&channel.as_str()])
        .await?;
    let (c, seq) = match found.first().map(Columns) {
        Some(end) => (end.long("c")?, end.long("last")?),
        None => (0, 0),
    };
    let at = tx.shop.uptime();
    Ok(Position { c, seq, at })
}

/// What was published since, in order, and where it ends.
async fn read_on(
    tx: &Tx<'_>,
    channel: &ChannelName,
    from: Position,
) -> Fallible<(VecDeque<Heard>, Position)> {
    let asked: Params<'_> = &[&channel.as_str(), &from.c, &from.seq, &READ];
    let found = tx.query(statement!("published"), asked).await?;
    let mut heard = VecDeque::new();
    let now = tx.shop.uptime();
    let mut position = Position { at: now, ..from };
    for row in &found {
        let columns = Columns(row);
        let (c, last) = (columns.long("c")?, columns.long("last")?);
        if c != position.c {
            // The channel was forgotten since, after ten minutes in which nothing was published.
            let was_away = from.c != 0 && now.saturating_sub(from.at) >= KEPT;
            heard.extend(was_away.then_some(Heard::Lagged(0)));
            (position.c, position.seq) = (c, 0);
        }
        let Some(seq) = columns.maybe_long("seq")? else {
            // Nothing is left of what was published since.
            heard.extend(missed(position.seq, last));
            position.seq = last;
            break;
        };
        heard.extend(missed(position.seq, seq - 1));
        heard.push_back(Heard::Value(columns.payload("codec", "data")?));
        position.seq = seq;
    }
    Ok((heard, position))
}

/// What was missed behind `read` up to `last`.
fn missed(read: i64, last: i64) -> Option<Heard> {
    let missed = u64::try_from(last.saturating_sub(read)).unwrap_or(0);
    (missed > 0).then_some(Heard::Lagged(missed))
}

impl PostgresStore {
    pub(super) async fn subscription(&self, channel: ChannelName) -> Result<Box<dyn Subscription>> {
        let driver = self.driver()?;
        // Before the position is read, so that nothing is published between the two unheard.
        let watch = self.watch(Topic::Publish);
        let shared = self.shared().clone();
        let found = {
            let channel = channel.clone();
            driver
                .run(async move |tx: &Tx<'_>| position(tx, &channel).await)
                .await
        };
        let position = found.unwrap_or_else(|| Err(shared.gone()))?;
        Ok(Box::new(Listener {
            shared,
            driver: Arc::downgrade(&driver),
            channel,
            watch,
            position,
            heard: VecDeque::new(),
        }))
    }
}

struct Listener {
    shared: Arc<Shared>,
    /// Of the handle it was made by, which alone decides how long it lives.
    driver: Weak<Driver>,
    channel: ChannelName,
    watch: Box<dyn Watch>,
    position: Position,
    /// What was read and not yet told.
    heard: VecDeque<Heard>,
}

impl Listener {
    async fn read_on(&mut self) -> Result<()> {
        let (channel, from) = (self.channel.clone(), self.position);
        let driver = self.driver.upgrade();
        let driver = driver.ok_or_else(|| self.shared.gone())?;
        let read = driver.run(async move |tx: &Tx<'_>| read_on(tx, &channel, from).await);
        let read = read.await.unwrap_or_else(|| Err(self.shared.gone()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_is_counted() {
        let check = |read, last, expected| assert_eq!(missed(read, last), expected);
        check(4, 4, None);
        check(4, 7, Some(Heard::Lagged(3)));
        // A row that somebody has edited.
        check(4, 3, None);
    }
}
