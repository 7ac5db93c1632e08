//! Get and brief: what is known of single messages.

use redis::Value;
use towpath_core::message::Record;
use towpath_core::store::Brief;
use towpath_core::{MessageId, Result, Status, limits};

use super::body::Names;
use super::record::{self, Parts};
use super::reply::{self, Unexpected};
use super::revoke::state;
use super::script::{BRIEF, GET};
use super::store::Shared;

/// Most messages of one call. A body may have a MiB.
const CALL_MAX: usize = 100;
/// How many values the script answers per message.
const VALUES: usize = 10;

impl Shared {
    pub(super) async fn get(&self, ids: Vec<MessageId>) -> Result<Vec<Option<Record>>> {
        let mut records = Vec::with_capacity(ids.len());
        let mut names = Names::default();
        for ids in ids.chunks(CALL_MAX) {
            let mut call = self.call_of(&GET);
            for id in ids {
                call.bytes(id.as_bytes());
            }
            let answer = self.call(call).await?;
            let all = self.read(&GET, answer, |answer| parts(answer, ids.len()))?;
            for (id, parts) in ids.iter().zip(all) {
                let record = parts.map(|parts| record::put_together(*id, parts, &mut names));
                let record = record.transpose();
                records.push(record.map_err(|what| self.translate.damaged(*id, what))?);
            }
        }
        Ok(records)
    }

    pub(super) async fn brief(&self, ids: Vec<MessageId>) -> Result<Vec<Brief>> {
        let mut briefs = Vec::with_capacity(ids.len());
        for ids in ids.chunks(limits::UPKEEP_ROWS) {
            let mut call = self.call_of(&BRIEF);
            for id in ids {
                call.bytes(id.as_bytes());
            }
            let answer = self.call(call).await?;
            briefs.extend(self.read(&BRIEF, answer, |answer| {
                let values = reply::array(answer)?;
                let briefs: Vec<Brief> = values.chunks(3).map(brief).collect::<Result<_, _>>()?;
                (briefs.len() == ids.len())
                    .then_some(briefs)
                    .ok_or(Unexpected)
            })?);
        }
        Ok(briefs)
    }
}

fn parts(answer: Value, count: usize) -> Result<Vec<Option<Parts>>, Unexpected> {
    let values = reply::array(answer)?;
    if values.len() != count * VALUES {
        return Err(Unexpected);
    }
    let mut values = values.into_iter();
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let mut next = || values.next().ok_or(Unexpected);
        let body = reply::maybe_bytes(next()?)?;
        let mut parts = Parts {
            more: reply::maybe_bytes(next()?)?,
            attempts: reply::maybe_bytes(next()?)?,
            saved: reply::maybe_bytes(next()?)?,
            details: reply::maybe_bytes(next()?)?,
            held: reply::maybe_bytes(next()?)?,
            done: reply::maybe_bytes(next()?)?,
            scheduled: reply::maybe_number(&next()?)?,
            worker: reply::maybe_bytes(next()?)?,
            paused: reply::yes(&next()?),
            ..Parts::default()
        };
        all.push(body.map(|body| {
            parts.body = body;
            parts
        }));
    }
    Ok(all)
}

fn brief(values: &[Value]) -> Result<Brief, Unexpected> {
    let [word, claims, details] = values else {
        return Err(Unexpected);
    };
    let Some(word) = reply::maybe_bytes(word.clone())? else {
        return Ok(Brief::UNKNOWN);
    };
    let number = |value| u32::try_from(reply::number(value)?).map_err(|_| Unexpected);
    let claims = number(claims)?;
    Ok(Brief {
        status: Status::of(state(&word).ok_or(Unexpected)?, claims),
        claims,
        details: number(details)?,
    })
}
