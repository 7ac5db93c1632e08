//! Expire: what was not started in time becomes a dead letter.

use towpath_core::Result;

use super::bytes::millis;
use super::reply;
use super::script::EXPIRE;
use super::store::Shared;

impl Shared {
    pub(super) async fn expire(&self, max: usize) -> Result<usize> {
        let mut call = self.call_of(&EXPIRE);
        call.count(max).number(millis(self.retention().dead));
        let answer = self.call(call).await?;
        self.read(&EXPIRE, answer, |answer| reply::count(&answer))
    }
}
