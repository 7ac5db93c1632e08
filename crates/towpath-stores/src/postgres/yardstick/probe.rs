//! What only a server of this kind is asked: how large its hot tables are, and to hold a snapshot of them.

use towpath_core::Result;
use towpath_core::store::HotBytes;

use super::Ground;
use crate::postgres::error::Fallible;

const BYTES: &str = "SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint, \
     coalesce(sum(pg_indexes_size(c.oid)), 0)::bigint \
   FROM pg_class AS c WHERE c.relnamespace = to_regnamespace($1) \
     AND c.relname IN ('ready', 'inflight', 'delayed', 'expiring')";
/// A transaction sees what there was when it first looked. Ours is idle for long, and means to be.
const HOLD: &str = "SET idle_in_transaction_session_timeout = 0; \
   BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM lease_clock /* held by the bench */";

impl Ground {
    pub(super) fn hot_bytes(&self) -> Result<HotBytes> {
        let schema = super::quoted(&self.place.schema);
        let (tables, indexes): (i64, i64) = self.run(async |client| {
            let row = client.query_one(BYTES, &[&schema]).await?;
            Fallible::Ok((row.try_get(0)?, row.try_get(1)?))
        })?;
        let bytes = |told: i64| u64::try_from(told).unwrap_or_default();
        Ok(HotBytes {
            tables: bytes(tables),
            indexes: bytes(indexes),
        })
    }

    pub(super) fn hold_snapshot(&self) -> Result<()> {
        self.run(async |client| Ok(client.batch_execute(HOLD).await?))
    }

    pub(super) fn drop_snapshot(&self) -> Result<()> {
        self.run(async |client| Ok(client.batch_execute("COMMIT").await?))
    }
}
