//! The leanest queue on Postgres: one table, filled by arrays and emptied by a claim that deletes.
//!
//! It forgets a message as soon as it is claimed, and keeps no lease, no status and no result; so no store that
//! promises anything can be as fast. Frozen: figures of different days are compared with it.

use tokio_postgres::Statement;
use towpath_core::store::Yardstick;
use towpath_core::{MessageId, Result};

use super::Ground;
use crate::postgres::columns::uuids;

const SCHEMA: &str = "\
CREATE TABLE lean (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid NOT NULL, task text NOT NULL, \
  payload bytea NOT NULL) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, \
  autovacuum_vacuum_cost_delay = 0)";
const INSERT: &str = "INSERT INTO lean (id, task, payload) \
   SELECT g.id, $2, g.payload FROM unnest($1::uuid[], $3::bytea[]) AS g (id, payload)";
const TAKE: &str = "DELETE FROM lean USING (\
     SELECT n FROM lean ORDER BY n LIMIT $1 FOR UPDATE SKIP LOCKED) AS head \
   WHERE lean.n = head.n RETURNING lean.id, lean.task, lean.payload";
const VACUUM: &str = "VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE OFF) lean";
/// Twenty bytes, as names of tasks often have.
const TASK: &str = "bench.a_task_of_nine";

pub(super) struct Limit {
    ground: Ground,
    insert: Statement,
    take: Statement,
}

impl Limit {
    pub(super) fn new(ground: Ground) -> Result<Self> {
        let (insert, take) = ground.run(async |client| {
            client.batch_execute(SCHEMA).await?;
            Ok((client.prepare(INSERT).await?, client.prepare(TAKE).await?))
        })?;
        Ok(Self {
            ground,
            insert,
            take,
        })
    }
}

impl Yardstick for Limit {
    fn submit(&mut self, ids: &[MessageId], payload: &[u8]) -> Result<()> {
        let (ids, payloads) = (uuids(ids), vec![payload; ids.len()]);
        self.ground.run(async |client| {
            client
                .execute(&self.insert, &[&ids, &TASK, &payloads])
                .await?;
            Ok(())
        })
    }

    fn exchange(&mut self, max: usize) -> Result<usize> {
        let most = i64::try_from(max).unwrap_or(i64::MAX);
        let taken = self.ground.run(async |client| {
            let rows = client.query(&self.take, &[&most]).await?;
            for row in &rows {
                std::hint::black_box(row.try_get::<_, &[u8]>(2)?);
            }
            Ok(rows.len())
        })?;
        self.ground.sweep(taken, VACUUM);
        Ok(taken)
    }

    fn clear(&mut self) -> Result<()> {
        self.ground.clear()
    }
}
