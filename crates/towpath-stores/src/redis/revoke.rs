//! Revoke: calls messages off. And what the verbs on single messages answer.

use bytes::Bytes;
use redis::Value;
use towpath_core::store::Revoked;
use towpath_core::{Error, Kind, MessageId, Result, State, Verb, limits};

use super::bytes::millis;
use super::reply::{self, Unexpected};
use super::script::{Call, REVOKE, Script};
use super::store::Shared;

pub(super) fn not_found(id: MessageId) -> Error {
    Error::new(Kind::NotFound, format!("message {id} is not in the store"))
}

/// The refusal of `verb`, given the one word that a script said of the message.
pub(super) fn refusal(verb: Verb, id: MessageId, word: &[u8]) -> Result<Error, Unexpected> {
    if word == b"-" {
        return Ok(not_found(id));
    }
    let refused = state(word).ok_or(Unexpected)?;
    match verb.check(refused) {
        Err(error) => Ok(error.about(format_args!("message {id}"))),
        Ok(()) => Err(Unexpected),
    }
}

pub(super) fn state(word: &[u8]) -> Option<State> {
    State::ALL
        .into_iter()
        .find(|state| state.as_str().as_bytes() == word)
}

/// The words that a script said, one for each of `ids`.
pub(super) fn words(answer: Value, ids: &[MessageId]) -> Result<Vec<Bytes>, Unexpected> {
    let words: Vec<Bytes> = reply::array(answer)?
        .into_iter()
        .map(reply::bytes)
        .collect::<Result<_, _>>()?;
    (words.len() == ids.len())
        .then_some(words)
        .ok_or(Unexpected)
}

impl Shared {
    /// Does a verb to single messages: `call` begins a call, the ids are added to it, and `read` says what
    /// a word of the script means.
    pub(super) async fn each<T>(
        &self,
        script: &'static Script,
        ids: &[MessageId],
        begin: impl Fn(&Self) -> Call,
        read: impl Fn(MessageId, &[u8]) -> Result<Result<T>, Unexpected>,
    ) -> Result<Vec<Result<T>>> {
        let mut answers = Vec::with_capacity(ids.len());
        for ids in ids.chunks(limits::UPKEEP_ROWS) {
            let mut call = begin(self);
            for id in ids {
                call.bytes(id.as_bytes());
            }
            let answer = self.call(call).await?;
            let said = self.read(script, answer, |answer| {
                let words = words(answer, ids)?;
                let each = ids.iter().zip(&words).map(|(id, word)| read(*id, word));
                each.collect::<Result<Vec<_>, _>>()
            })?;
            answers.extend(said);
        }
        Ok(answers)
    }

    pub(super) async fn revoke(
        &self,
        ids: Vec<MessageId>,
        skip_running: bool,
    ) -> Result<Vec<Result<Revoked>>> {
        let begin = |shared: &Self| {
            let mut call = shared.call_of(&REVOKE);
            call.number(millis(shared.retention().dead))
                .text(if skip_running { "1" } else { "0" });
            call
        };
        self.each(&REVOKE, &ids, begin, |id, word| {
            Ok(match word {
                b"waiting" => Ok(Revoked::Waiting),
                b"running" => Ok(Revoked::Running),
                b"=" => {
                    let text = format!("message {id} is being run, and those are to be skipped");
                    Err(Error::new(Kind::WrongState, text))
                }
                word => Err(refusal(Verb::Revoke, id, word)?),
            })
        })
        .await
    }
}
