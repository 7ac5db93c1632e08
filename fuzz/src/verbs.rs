//! Every verb of a store, once, on whatever its file holds: each must answer, and say what is wrong.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use towpath_core::message::Message;
use towpath_core::store::{
    Claim, Cursor, List, Note, Section, Selection, Settle, SettleRequest, StoredResult, Update,
    Verdict, WorkerCard,
};
use towpath_core::{
    AttemptError, Draft, FailReason, IncarnationId, MessageId, Payload, QueueName, Result, Store,
    TaskName, limits,
};

use crate::{PATIENCE, check_error};

/// More windows than there can be messages in a store of the fuzzer: a list that goes on is endless.
const WINDOWS_MAX: usize = 2_000;

/// The tasks that the messages of a store are of.
pub fn tasks_of() -> Vec<TaskName> {
    let name = |name| TaskName::new(name).expect("a constant name");
    vec![name("t"), name("u")]
}

/// Does every verb. `choice` decides between their variants; `ids` are messages to ask for.
pub async fn every_verb(store: &dyn Store, ids: &[MessageId], choice: u64) {
    looks(store, ids).await;
    upkeep(store).await;
    work(store, choice).await;
    changes(store, ids, choice).await;
    audit(store).await;
    looks(store, ids).await;
    for finding in told(store.doctor()).await.unwrap_or_default() {
        assert!(!finding.about.is_empty() && !finding.problem.is_empty());
    }
}

/// Waits for an answer, not for ever, and looks at the error if it is one.
pub async fn told<T>(answer: impl Future<Output = Result<T>>) -> Option<T> {
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    match answer.expect("a verb that does not end") {
        Ok(answer) => Some(answer),
        Err(error) => {
            check_error(&error);
            assert!(!error.to_string().contains("has panicked"), "{error}");
            // Nobody else has the file open, so trying again never helps.
            assert!(!error.is_transient(), "{error}");
            None
        }
    }
}

fn told_each<T>(answers: Option<Vec<Result<T>>>) {
    for error in answers.into_iter().flatten().filter_map(Result::err) {
        check_error(&error);
        assert!(!error.is_transient(), "{error}");
    }
}

async fn looks(store: &dyn Store, ids: &[MessageId]) {
    for id in ids {
        for record in told(store.get(vec![*id]))
            .await
            .into_iter()
            .flatten()
            .flatten()
        {
            // As `messages show --json` does; with every attempt and body.
            serde_json::to_string(&record).expect("a record can be shown");
            let _ = (record.status(), record.error());
        }
    }
    told(store.brief(ids.to_vec())).await;
    told(store.results(ids.to_vec(), false)).await;
    for section in [
        Section::All,
        Section::Ready,
        Section::Scheduled,
        Section::Running,
        Section::Succeeded,
        Section::Dead,
    ] {
        list(store, section).await;
    }
    told(store.counts()).await;
    for queue in told(store.queues()).await.unwrap_or_default() {
        serde_json::to_string(&queue).expect("a queue can be shown");
    }
    for worker in told(store.workers()).await.unwrap_or_default() {
        serde_json::to_string(&worker).expect("a worker can be shown");
    }
}

async fn list(store: &dyn Store, section: Section) {
    let mut after: Option<Cursor> = None;
    for _ in 0..WINDOWS_MAX {
        let window = List {
            section,
            after: after.take(),
            limit: 2,
        };
        let Some(window) = told(store.list(window)).await else {
            return;
        };
        assert!(window.records.len() <= window.scanned && window.scanned <= 2);
        match window.next {
            Some(next) => after = Some(next),
            None => return,
        }
    }
    panic!("the list of {section:?} has no end");
}

async fn audit(store: &dyn Store) {
    let mut after = None;
    for _ in 0..WINDOWS_MAX {
        let Some(audit) = told(store.audit(after.take(), 2)).await else {
            return;
        };
        match audit.next {
            Some(next) => after = Some(next),
            None => return,
        }
    }
    panic!("the audit has no end");
}

async fn upkeep(store: &dyn Store) {
    told(store.promote(limits::UPKEEP_ROWS)).await;
    told(store.rescue(limits::UPKEEP_ROWS)).await;
    told(store.expire(limits::UPKEEP_ROWS)).await;
    told(store.prune(limits::UPKEEP_ROWS)).await;
}

/// What a worker does: joins, claims, says what it found out, settles and leaves.
async fn work(store: &dyn Store, choice: u64) {
    let incarnation = IncarnationId::new();
    let card = WorkerCard {
        incarnation,
        name: "fuzz".to_owned(),
        listens: "all".to_owned(),
        tasks: tasks_of(),
    };
    if told(store.join(card, limits::LEASE)).await.is_none() {
        return;
    }
    for turn in 0..4 {
        let selection = selection(choice >> turn);
        let claim = Claim {
            incarnation,
            max: 3,
            enough: 3,
            selection,
            turn,
        };
        let Some(claimed) = told(store.claim(claim.clone())).await else {
            break;
        };
        assert!(claimed.len() <= 3);
        let tokens: Vec<_> = claimed.iter().map(Message::token).collect();
        told(store.standing(incarnation, tokens.clone())).await;
        for token in &tokens {
            let note = Note::Details(serde_json::json!({ "turn": turn }));
            told(store.note(incarnation, *token, note)).await;
        }
        let items = tokens.into_iter().enumerate().map(|(at, token)| Settle {
            token,
            started_at: None,
            verdict: verdict(choice >> (at * 3), &claimed[at]),
 unlock: Vec::new(),
        });
        let request = SettleRequest {
            incarnation,
            items: items.collect(),
            claim: Some(claim),
        };
        let settled = told(store.settle(request)).await;
        told_each(settled.map(|settled| settled.items));
    }
    told(store.leave(incarnation)).await;
}

fn selection(choice: u64) -> Arc<Selection> {
    let queues = vec![QueueName::default(), QueueName::new("q").expect("a name")];
    Arc::new(match choice % 3 {
        0 => Selection::Any { tasks: tasks_of() },
        1 => Selection::Queues {
            queues,
            tasks: tasks_of(),
        },
        _ => Selection::Tasks(queues.into_iter().map(|q| (q, tasks_of())).collect()),
    })
}

fn verdict(choice: u64, message: &Message) -> Verdict {
    let error = || AttemptError::new("E", "went wrong");
    match choice % 6 {
        0 | 5 => Verdict::Done {
            result: StoredResult::Value(Payload::json("1")),
            callbacks: message.next_in_chain(None).into_iter().collect(),
        },
        1 => Verdict::Retry {
            after: Duration::ZERO,
            error: error(),
        },
        2 => Verdict::Fail {
            reason: FailReason::Rejected,
            error: error(),
        },
        3 => Verdict::Release,
        _ => Verdict::Snooze {
            after: Duration::from_secs(1),
        },
    }
}

async fn changes(store: &dyn Store, ids: &[MessageId], choice: u64) {
    let ids = ids.to_vec();
    let update = Update {
        priority: Some(7),
        ..Update::default()
    };
    let updates = ids.iter().map(|id| (*id, update.clone())).collect();
    told_each(told(store.update(updates)).await);
    told_each(told(store.revoke(ids.clone(), choice & 1 == 0)).await);
    told_each(told(store.requeue(ids.clone())).await);
    let replays = ids.iter().map(|id| (*id, MessageId::new())).collect();
    told_each(told(store.replay(replays)).await);
    told(store.results(ids.clone(), true)).await;
    let queue = QueueName::new("q").expect("a name");
    told(store.pause(queue.clone(), true)).await;
    told(store.pause(queue, false)).await;
    let draft = Draft::new(tasks_of().remove(0), Payload::json("[]"));
    told_each(told(store.submit(vec![draft])).await);
    if choice & 2 == 0 {
        told_each(told(store.remove(ids)).await);
    }
}
