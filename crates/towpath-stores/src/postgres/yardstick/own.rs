//! The store's own statements, in its own order, with nothing around them.
//!
//! What differs from the store: nothing is checked or made into messages, no caller waits, no bell rings. A
//! statement that changes in `submit`, `claim` or `settle` is changed here too, because it is the same text.

use futures_util::future::try_join4;
use tokio_postgres::Statement;
use towpath_core::store::{HotBytes, StoredResult, Yardstick};
use towpath_core::{IncarnationId, MessageId, Payload, Result, limits};
use uuid::Uuid;

use super::Ground;
use crate::postgres::claim::{ASIDE_MAX, CLAIM};
use crate::postgres::columns::{millis, uuids};
use crate::postgres::moved::ResultColumns;
use crate::postgres::settle::SUCCEED;
use crate::postgres::submit::SUBMIT;
use crate::postgres::sweep::VACUUM;

/// The one line of messages.
const QUEUE: &str = "default";
const TASK: &str = "bench.nothing";
/// Longer than any run.
const LEASE_MS: i64 = 86_400_000;

pub(super) struct Own {
    ground: Ground,
    line: i32,
    worker: Uuid,
    submit: Statement,
    succeed: Statement,
    claim: Statement,
    held: Vec<(Uuid, i64)>,
}

impl Own {
    pub(super) fn new(ground: Ground) -> Result<Self> {
        let worker = Uuid::from_bytes(*IncarnationId::new().as_bytes());
        let now: Option<i64> = None;
        let (line, submit, succeed, claim) = ground.run(async |client| {
            let sql = "INSERT INTO line (queue, task) VALUES ($1, $2) RETURNING l";
            let line = client.query_one(sql, &[&QUEUE, &TASK]).await?.try_get(0)?;
            let sql = "SELECT join_worker($1, $1, $2, 'bench', '', '[]', $3, 1)";
            client.query(sql, &[&now, &worker, &LEASE_MS]).await?;
            Ok((
                line,
                client.prepare(SUBMIT).await?,
                client.prepare(SUCCEED).await?,
                client.prepare(CLAIM).await?,
            ))
        })?;
        Ok(Self {
            ground,
            line,
            worker,
            submit,
            succeed,
            claim,
            held: Vec::new(),
        })
    }
}

impl Yardstick for Own {
    fn submit(&mut self, ids: &[MessageId], payload: &[u8]) -> Result<()> {
        let many = ids.len();
        let (now, none) = (None::<i64>, [None::<i64>; 0].as_slice());
        let (texts, bodies) = ([None::<&str>; 0].as_slice(), [None::<&[u8]>; 0].as_slice());
        let (ids, lines) = (uuids(ids), vec![self.line; many]);
        let (priorities, payloads) = (vec![0_i64; many], vec![payload; many]);
        self.ground.run(async |client| {
            let params: &[&(dyn tokio_postgres::types::ToSql + Sync)] = &[
                &now,
                &ids,
                &lines,
                &priorities,
                &none,
                &none,
                &none,
                &none,
                &texts,
                &payloads,
                &texts,
                &texts,
                &bodies,
            ];
            client.query(&self.submit, params).await?;
            Ok(())
        })
    }

    fn exchange(&mut self, max: usize) -> Result<usize> {
        let held = std::mem::take(&mut self.held);
        let (ids, claims): (Vec<Uuid>, Vec<i64>) = held.into_iter().unzip();
        let (now, starts) = (None::<i64>, vec![None::<i64>; ids.len()]);
        let result = StoredResult::Value(Payload::json("null"));
        let mut results = ResultColumns::default();
        for _ in &ids {
            results.push(&result);
        }
        let keep = millis(limits::KEEP_SUCCEEDED);
        let keep_dead = millis(limits::KEEP_DEAD);
        let most = i32::try_from(max).unwrap_or(i32::MAX);
        let bytes = i64::try_from(limits::CLAIM_BYTES).unwrap_or(i64::MAX);
        let (queues, tasks) = ([QUEUE], [TASK]);
        let claimed = self.ground.run(async |client| {
            // Sent in this order, one behind the other, as the store does.
            let (_, _, claimed, _) = try_join4(
                client.batch_execute("BEGIN"),
                client.query(
                    &self.succeed,
                    &[
                        &now,
                        &self.worker,
                        &ids,
                        &claims,
                        &starts,
                        &results.kinds,
                        &results.sizes,
                        &results.codecs,
                        &results.bodies,
                        &keep,
                    ],
                ),
                client.query(
                    &self.claim,
                    &[
                        &now,
                        &self.worker,
                        &most,
                        &false,
                        &0_i64,
                        &false,
                        &queues.as_slice(),
                        &tasks.as_slice(),
                        &bytes,
                        &ASIDE_MAX,
                        &keep_dead,
                    ],
                ),
                client.batch_execute("COMMIT"),
            )
            .await?;
            let mut held = Vec::with_capacity(claimed.len());
            for row in &claimed {
                // A worker would look at it.
                std::hint::black_box(row.try_get::<_, &[u8]>("payload")?);
                held.push((row.try_get("id")?, row.try_get("claims")?));
            }
            Ok(held)
        })?;
        self.held = claimed;
        self.ground.sweep(self.held.len(), VACUUM);
        Ok(self.held.len())
    }

    fn hot_bytes(&mut self) -> Result<Option<HotBytes>> {
        self.ground.hot_bytes().map(Some)
    }

    fn hold_snapshot(&mut self) -> Result<Option<()>> {
        self.ground.hold_snapshot().map(Some)
    }

    fn drop_snapshot(&mut self) -> Result<()> {
        self.ground.drop_snapshot()
    }

    fn clear(&mut self) -> Result<()> {
        self.ground.clear()
    }
}
