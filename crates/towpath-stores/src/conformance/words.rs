//! Short words for what the cases submit, ask for and say.

use std::time::Duration;

use towpath_core::message::Start;
use towpath_core::store::{Selection, StoredResult, Topic, Verdict, Watch, WorkerCard};
use towpath_core::{
    AttemptError, Draft, FailReason, IncarnationId, Kind, Message, MessageId, Payload, QueueName,
    Result, TaskName,
};

/// The longest that anything may take of real time before a case fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// The introduction of a worker named `host:7`.
pub(super) fn card(incarnation: IncarnationId) -> WorkerCard {
    WorkerCard {
        incarnation,
        name: "host:7".to_owned(),
        listens: "everything".to_owned(),
        tasks: vec![task("t"), task("u")],
    }
}

/// A queue name.
pub(super) fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

/// A task name.
pub(super) fn task(name: &str) -> TaskName {
    TaskName::new(name).unwrap()
}

/// A draft of that task in the default queue.
pub(super) fn draft(name: &str) -> Draft {
    Draft::new(task(name), Payload::json("[]"))
}

/// As many drafts of task `t` in the default queue.
pub(super) fn drafts(count: usize) -> Vec<Draft> {
    (0..count).map(|_| draft("t")).collect()
}

/// A draft of that task in that queue.
pub(super) fn draft_in(queue_name: &str, name: &str) -> Draft {
    let mut draft = draft(name);
    draft.queue = queue(queue_name);
    draft
}

/// The draft with that priority.
pub(super) fn with_priority(mut draft: Draft, priority: u32) -> Draft {
    draft.priority = priority;
    draft
}

/// The draft, to start that long after its submit.
pub(super) fn after(mut draft: Draft, delay: Duration) -> Draft {
    draft.start = Start::After(delay);
    draft
}

/// The draft, not to start later than that long after its submit.
pub(super) fn expiring(mut draft: Draft, expires_in: Duration) -> Draft {
    draft.options.expires_in = Some(expires_in);
    draft
}

/// The messages of one task in the default queue.
pub(super) fn only(name: &str) -> Selection {
    of_queues(&["default"], &[name])
}

/// The messages of these tasks in every queue.
pub(super) fn any(tasks: &[&str]) -> Selection {
    Selection::Any {
        tasks: tasks.iter().map(|name| task(name)).collect(),
    }
}

/// The messages of these tasks in these queues, the preferred queue first.
pub(super) fn of_queues(queues: &[&str], tasks: &[&str]) -> Selection {
    Selection::Queues {
        queues: queues.iter().map(|name| queue(name)).collect(),
        tasks: tasks.iter().map(|name| task(name)).collect(),
    }
}

/// Success without a result.
pub(super) fn done() -> Verdict {
    done_with(StoredResult::None)
}

/// Success with that result.
pub(super) fn done_with(result: StoredResult) -> Verdict {
    Verdict::Done {
        result,
        callbacks: Vec::new(),
    }
}

/// Success that submits these.
pub(super) fn done_then(callbacks: Vec<Draft>) -> Verdict {
    Verdict::Done {
        result: StoredResult::None,
        callbacks,
    }
}

/// What every failed attempt of a case says.
pub(super) fn oops() -> AttemptError {
    AttemptError::new("Oops", "it went wrong").with_traceback("here\nand there")
}

/// Failure for good.
pub(super) fn fail() -> Verdict {
    Verdict::Fail {
        reason: FailReason::Rejected,
        error: oops(),
    }
}

/// Failure, to be repeated after that long.
pub(super) fn retry(after: Duration) -> Verdict {
    Verdict::Retry {
        after,
        error: oops(),
    }
}

/// To be run later.
pub(super) fn snooze(after: Duration) -> Verdict {
    Verdict::Snooze { after }
}

/// The ids of messages, in their order.
pub(super) fn ids(messages: &[Message]) -> Vec<MessageId> {
    messages.iter().map(|message| message.id).collect()
}

/// The kind of error of an answer that must be one.
#[track_caller]
pub(super) fn kind<T: std::fmt::Debug>(answer: Result<T>) -> Kind {
    answer.expect_err("the call was to be refused").kind()
}

/// The kinds of the answers of a batch; `None` where it was accepted.
pub(super) fn kinds<T>(answers: Vec<Result<T>>) -> Vec<Option<Kind>> {
    let kind = |answer: Result<T>| answer.err().map(|error| error.kind());
    answers.into_iter().map(kind).collect()
}

/// Waits until the watch is rung; fails instead of waiting for ever.
pub(super) async fn rung(watch: &mut Box<dyn Watch>, topic: Topic) {
    let waited = tokio::time::timeout(PATIENCE, watch.changed()).await;
    assert!(waited.is_ok(), "{topic:?} was not rung");
}
