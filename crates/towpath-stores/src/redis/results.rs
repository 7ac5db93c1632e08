//! Results: what messages gave.

use redis::Value;
use towpath_core::store::ResultRead;
use towpath_core::{MessageId, Result};

use super::attempts;
use super::body::Names;
use super::bytes::Damaged;
use super::record::{self, End, Kept};
use super::reply::{self, Unexpected};
use super::script::RESULTS;
use super::store::Shared;

/// Most messages of one call. A result may have a MiB.
const CALL_MAX: usize = 100;

impl Shared {
    pub(super) async fn results(&self, ids: Vec<MessageId>, take: bool) -> Result<Vec<ResultRead>> {
        let mut results = Vec::with_capacity(ids.len());
        let mut names = Names::default();
        for ids in ids.chunks(CALL_MAX) {
            let mut call = self.call_of(&RESULTS);
            call.text(if take { "1" } else { "0" });
            for id in ids {
                call.bytes(id.as_bytes());
            }
            let answer = self.call(call).await?;
            let values = self.read(&RESULTS, answer, reply::array)?;
            if values.len() != ids.len() * 4 {
                return Err(self.translate.answer(RESULTS.name));
            }
            for (id, values) in ids.iter().zip(values.chunks(4)) {
                let read = self.read(&RESULTS, Value::Nil, |_| read(values, &mut names))?;
                results.push(read.map_err(|what| self.translate.damaged(*id, what))?);
            }
        }
        Ok(results)
    }
}

fn read(values: &[Value], names: &mut Names) -> Result<Result<ResultRead, Damaged>, Unexpected> {
    let [how, done, apart, history] = values else {
        return Err(Unexpected);
    };
    match &*reply::bytes(how.clone())? {
        b"-" => return Ok(Ok(ResultRead::Unknown)),
        b"w" => return Ok(Ok(ResultRead::Waiting)),
        _ => {}
    }
    let done = reply::bytes(done.clone())?;
    let apart = reply::maybe_bytes(apart.clone())?;
    let history = reply::maybe_bytes(history.clone())?;
    let read = || {
        let done = record::read_done(done)?;
        let finished_at = done.at;
        Ok(match done.end {
            End::Revoked => ResultRead::Revoked,
            End::Failed(reason) => ResultRead::Failed {
                reason,
                error: attempts::read(history)?
                    .into_iter()
                    .rev()
                    .find_map(|attempt| attempt.error),
            },
            End::Succeeded { result, .. } => match result {
                Kept::Taken => ResultRead::Taken,
                Kept::TooLarge(size) => ResultRead::TooLarge { size },
                Kept::None => ResultRead::Value {
                    payload: None,
                    finished_at,
                },
                Kept::Inline(value) => ResultRead::Value {
                    payload: Some(record::read_value(value, names)?),
                    finished_at,
                },
                Kept::Apart(_) => {
                    let value = apart.ok_or(Damaged("has lost its result"))?;
                    ResultRead::Value {
                        payload: Some(record::read_value(value, names)?),
                        finished_at,
                    }
                }
            },
        })
    };
    Ok(read())
}
