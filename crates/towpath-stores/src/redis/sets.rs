//! Sorted sets, which are Redis's own. Scores go to and fro as texts, which say them to the last bit.

use redis::Value;
use towpath_core::Result;
use towpath_core::limits::{self, KV_BATCH, WINDOW};
use towpath_core::name::{BucketName, Key};
use towpath_core::store::{Member, Score};

use super::bytes::text;
use super::reply::{self, Unexpected};
use super::script::{Call, SET_ADD, SET_DISCARD, SET_LEN, SET_POP, SET_RANGE, SET_SCORES, Script};
use super::store::Shared;

impl Shared {
    pub(super) async fn add_members(
        &self,
        bucket: &BucketName,
        set: &Key,
        members: &[Member],
    ) -> Result<Vec<bool>> {
        limits::check_batch("members", members.len(), KV_BATCH)?;
        let mut call = self.set_call(&SET_ADD, bucket, set);
        for Member { score, name } in members {
            call.text(&score_text(*score)).text(name.as_str());
        }
        self.flags(&SET_ADD, call, members.len()).await
    }

    pub(super) async fn scores(
        &self,
        bucket: &BucketName,
        set: &Key,
        members: &[Key],
    ) -> Result<Vec<Option<Score>>> {
        limits::check_batch("members", members.len(), KV_BATCH)?;
        let mut call = self.set_call(&SET_SCORES, bucket, set);
        call.names(members);
        let answer = self.call(call).await?;
        self.read(&SET_SCORES, answer, |answer| {
            let scores = reply::array(answer)?;
            if scores.len() != members.len() {
                return Err(Unexpected);
            }
            scores.into_iter().map(maybe_score).collect()
        })
    }

    pub(super) async fn discard(
        &self,
        bucket: &BucketName,
        set: &Key,
        members: &[Key],
    ) -> Result<Vec<bool>> {
        limits::check_batch("members", members.len(), KV_BATCH)?;
        let mut call = self.set_call(&SET_DISCARD, bucket, set);
        call.names(members);
        self.flags(&SET_DISCARD, call, members.len()).await
    }

    pub(super) async fn range(
        &self,
        bucket: &BucketName,
        set: &Key,
        after: Option<&Member>,
        max: usize,
    ) -> Result<Vec<Member>> {
        let mut call = self.set_call(&SET_RANGE, bucket, set);
        call.count(max.min(WINDOW));
        match after {
            Some(Member { score, name }) => {
                call.text(&score_text(*score)).text(name.as_str());
            }
            None => {
                call.text("").text("");
            }
        }
        self.members(&SET_RANGE, call).await
    }

    pub(super) async fn pop(
        &self,
        bucket: &BucketName,
        set: &Key,
        max: usize,
    ) -> Result<Vec<Member>> {
        let mut call = self.set_call(&SET_POP, bucket, set);
        call.count(max.min(WINDOW));
        self.members(&SET_POP, call).await
    }

    pub(super) async fn len_of(&self, bucket: &BucketName, set: &Key) -> Result<u64> {
        self.counted(&SET_LEN, self.set_call(&SET_LEN, bucket, set))
            .await
    }

    fn set_call(&self, script: &'static Script, bucket: &BucketName, set: &Key) -> Call {
        let mut call = self.call_of(script);
        call.text(bucket.as_str()).text(set.as_str());
        call
    }

    /// What a script answers that answers names and scores in turn.
    async fn members(&self, script: &'static Script, call: Call) -> Result<Vec<Member>> {
        let answer = self.call(call).await?;
        let pairs = self.read(script, answer, |answer| {
            let values = reply::array(answer)?;
            let len = values.len() / 2;
            reply::pairs(Value::Array(values), len)
        })?;
        let read = |(name, score)| {
            let name = self.read(script, name, reply::bytes)?;
            Ok(Member {
                score: self.read(script, score, |score| maybe_score(score)?.ok_or(Unexpected))?,
                name: self.read_name(&name, Key::new)?,
            })
        };
        pairs.into_iter().map(read).collect()
    }
}

/// The shortest text that is read as this number and no other.
fn score_text(score: Score) -> String {
    format!("{:e}", score.get())
}

fn maybe_score(value: Value) -> Result<Option<Score>, Unexpected> {
    let Some(bytes) = reply::maybe_bytes(value)? else {
        return Ok(None);
    };
    let number = text(&bytes).ok().and_then(|text| text.parse().ok());
    let score = number.and_then(|number| Score::new(number).ok());
    score.map(Some).ok_or(Unexpected)
}
