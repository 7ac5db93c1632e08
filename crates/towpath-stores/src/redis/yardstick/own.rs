//! The store's own scripts and bytes, sent by a client that blocks: no thread, no channel, no runtime.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use redis::{Connection, Pipeline, Value};
use towpath_core::store::{
    Claim, Retention, Selection, Settle, Store as _, StoredResult, Verdict, WorkerCard, Yardstick,
};
use towpath_core::{
    Draft, IncarnationId, Message, MessageId, Payload, QueueName, Result, StoreUrl, TaskName,
    Timestamp,
};

use super::gauge::{self, SlowLog};
use crate::redis::driver::{CONNECT, RESPOND};
use crate::redis::nodes::Nodes;
use crate::redis::script::{Call, JOIN, SETTLE, SUBMIT};
use crate::redis::store::{RedisStore, Shared};
use crate::redis::submit::New;

/// Twenty bytes, as names of tasks often have.
const TASK: &str = "bench.a_task_of_nine";
/// Longer than any loop takes: nobody renews this lease.
const LEASE: Duration = Duration::from_secs(3_600);
/// Keys that are looked at, and deleted, in one step.
const KEYS: usize = 1_000;

pub(super) struct Own {
    store: RedisStore,
    connection: Connection,
    incarnation: IncarnationId,
    task: TaskName,
    selection: Arc<Selection>,
    /// What each claim gave and nobody has settled.
    held: VecDeque<Vec<Settle>>,
    /// While the longest script is looked for.
    slow_log: Option<SlowLog>,
}

impl Own {
    pub(super) fn open(url: &StoreUrl) -> Result<Self> {
        let store = RedisStore::open(url)?;
        let translate = &store.shared().translate;
        let connect = || {
            let Nodes::One(client) = store.shared().nodes() else {
                return Err((redis::ErrorKind::InvalidClientConfig, "a cluster").into());
            };
            let mut connection = client.get_connection_with_timeout(CONNECT)?;
            connection.set_read_timeout(Some(RESPOND))?;
            for script in [&JOIN, &SUBMIT, &SETTLE] {
                script.load().exec(&mut connection)?;
            }
            Ok(connection)
        };
        let connection = connect().map_err(|error| translate.error(&error))?;
        let task = TaskName::new(TASK)?;
        let tasks = vec![task.clone()];
        let mut own = Self {
            store,
            connection,
            incarnation: IncarnationId::new(),
            selection: Arc::new(Selection::Any { tasks }),
            task,
            held: VecDeque::new(),
            slow_log: None,
        };
        let card = WorkerCard {
            incarnation: own.incarnation,
            name: "bench".to_owned(),
            listens: QueueName::default().to_string(),
            tasks: vec![own.task.clone()],
        };
        let join = own.shared().join_call(&card, LEASE);
        own.send([join])?;
        Ok(own)
    }

    fn shared(&self) -> &Shared {
        self.store.shared()
    }

    /// Sends all of these at once.
    fn send(&mut self, calls: impl IntoIterator<Item = Call>) -> Result<Vec<Value>> {
        let mut pipeline = Pipeline::new();
        for call in calls {
            pipeline.add_command(call.command);
        }
        self.query(&pipeline)
    }

    fn query(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>> {
        pipeline
            .query(&mut self.connection)
            .map_err(|error| self.store.shared().translate.error(&error))
    }

    fn told<T>(&mut self, ask: impl FnOnce(&mut Connection) -> redis::RedisResult<T>) -> Result<T> {
        ask(&mut self.connection).map_err(|error| self.store.shared().translate.error(&error))
    }

    fn ask(&mut self, command: redis::Cmd) -> Result<Value> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command);
        Ok(self.query(&pipeline)?.pop().unwrap_or_default())
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(log) = &self.slow_log {
            // A server that is gone by now has settings of its own when it comes again.
            let _gone = log.end(&mut self.connection);
        }
    }
}

fn succeeded(message: &Message) -> Settle {
    Settle {
        token: message.token(),
        started_at: Some(Timestamp::from_millis(1)),
        verdict: Verdict::Done {
            result: StoredResult::Value(Payload::json("null")),
            callbacks: Vec::new(),
        },
        unlock: Vec::new(),
    }
}

impl Yardstick for Own {
    fn submit(&mut self, ids: &[MessageId], payload: &[u8]) -> Result<()> {
        self.submit_many(&[ids], payload)
    }

    fn exchange(&mut self, max: usize) -> Result<usize> {
        self.exchange_many(max, 1)
    }

    fn submit_many(&mut self, batches: &[&[MessageId]], payload: &[u8]) -> Result<()> {
        let payload = Payload::json(payload.to_vec());
        let draft = |id: &MessageId| Draft {
            id: *id,
            ..Draft::new(self.task.clone(), payload.clone())
        };
        let call = |ids: &&[MessageId]| {
            let drafts: Vec<Draft> = ids.iter().map(draft).collect();
            let new = |(at, draft)| New {
                at,
                batch: 0,
                draft,
            };
            let drafts: Vec<New<'_>> = drafts.iter().enumerate().map(new).collect();
            self.shared().submit_call(&drafts)
        };
        let calls = batches.iter().map(call).collect::<Result<Vec<_>>>()?;
        self.send(calls).map(drop)
    }

    fn exchange_many(&mut self, max: usize, times: usize) -> Result<usize> {
        let claim = Claim {
            incarnation: self.incarnation,
            max,
            enough: max,
            selection: self.selection.clone(),
            turn: 0,
        };
        let mut calls = Vec::with_capacity(times);
        for _ in 0..times {
            let items = self.held.pop_front().unwrap_or_default();
            let items: Vec<&Settle> = items.iter().collect();
            let shared = self.store.shared();
            calls.extend(shared.settle_calls(self.incarnation, &items, Some(&claim))?);
        }
        let mut claimed = 0;
        for answer in self.send(calls)? {
            let (_accepted, messages) = self.shared().read_settled(answer)?;
            claimed += messages.len();
            if !messages.is_empty() {
                self.held
                    .push_back(messages.iter().map(succeeded).collect());
            }
        }
        Ok(claimed)
    }

    fn keep_nothing(&mut self) {
        self.store.set_retention(Retention {
            succeeded: Duration::ZERO,
            ..Retention::default()
        });
    }

    fn server_cpu(&mut self) -> Result<Option<Duration>> {
        self.told(gauge::cpu)
    }

    fn server_memory(&mut self) -> Result<Option<u64>> {
        self.told(gauge::memory)
    }

    fn server_commands(&mut self) -> Result<Option<u64>> {
        self.told(gauge::commands).map(Some)
    }

    fn longest_script(&mut self) -> Result<Option<Duration>> {
        if self.slow_log.is_none() {
            // Servers that somebody rents let nobody change their settings: then nothing is known.
            self.slow_log = SlowLog::begin(&mut self.connection).ok();
        }
        let Some(log) = &mut self.slow_log else {
            return Ok(None);
        };
        let longest = log.longest(&mut self.connection);
        let longest = longest.map_err(|error| self.store.shared().translate.error(&error))?;
        Ok(Some(longest))
    }

    fn clear(&mut self) -> Result<()> {
        let mut pattern = String::new();
        for letter in self.shared().prefix().chars() {
            if "*?[]\\".contains(letter) {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push('*');
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern);
            let found = self.ask(scan.arg("COUNT").arg(KEYS).to_owned())?;
            let found: redis::RedisResult<(u64, Vec<Vec<u8>>)> =
                redis::from_redis_value(found).map_err(Into::into);
            let (next, keys) =
                found.map_err(|error| self.store.shared().translate.error(&error))?;
            if !keys.is_empty() {
                self.ask(redis::cmd("UNLINK").arg(keys).to_owned())?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }
}
