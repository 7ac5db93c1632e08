//! The order in which ready messages are handed out.

use std::time::Duration;

use towpath_core::store::Selection;
use towpath_core::{Draft, MessageId, QueueName, TaskName, limits};

use super::words::{
    after, any, draft, draft_in, drafts, ids, of_queues, only, queue, retry, task, with_priority,
};
use super::{Harness, Worker};

const SECOND: Duration = Duration::from_secs(1);

/// Submits the drafts one by one, a second apart.
async fn submit_apart(h: &Harness, drafts: impl IntoIterator<Item = Draft>) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for draft in drafts {
        ids.push(h.submit_one(draft).await);
        h.advance(SECOND);
    }
    ids
}

fn pick<const N: usize>(from: &[MessageId], order: [usize; N]) -> Vec<MessageId> {
    order.map(|index| from[index]).to_vec()
}

async fn claim_all(h: &Harness, selection: Selection) -> Vec<MessageId> {
    let worker = h.worker().await;
    ids(&worker.claim(1_000, selection).await)
}

pub async fn a_lower_priority_number_runs_first(h: &Harness) {
    let priorities = [u32::MAX, 1, 0, u32::MAX - 1, 2];
    let sent = h
        .submit(priorities.map(|p| with_priority(draft("t"), p)))
        .await;
    let expected = pick(&sent, [2, 1, 4, 3, 0]);
    assert_eq!(claim_all(h, only("t")).await, expected);
}

pub async fn one_priority_runs_in_the_order_of_submits(h: &Harness) {
    // Some in one batch, some alone, most within one tick of the clock.
    let mut sent = h.submit(drafts(20)).await;
    for draft in drafts(5) {
        sent.push(h.submit_one(draft).await);
    }
    h.advance(SECOND);
    sent.extend(h.submit(drafts(20)).await);
    assert_eq!(claim_all(h, only("t")).await, sent);
}

pub async fn ids_do_not_decide_the_order(h: &Harness) {
    let mut backwards = drafts(10);
    backwards.sort_by_key(|draft| std::cmp::Reverse(draft.id));
    let sent = h.submit(backwards).await;
    assert_eq!(claim_all(h, only("t")).await, sent);
}

pub async fn a_claim_in_parts_keeps_the_order(h: &Harness) {
    let priorities = [3, 1, 2, 1, 3, 0, 2, 2, 1, 0];
    let tasks = ["a", "b", "c", "a", "b", "c", "a", "b", "c", "a"];
    for queue in ["whole", "parts"] {
        let drafts = tasks.iter().zip(priorities);
        h.submit(drafts.map(|(task, p)| with_priority(draft_in(queue, task), p)))
            .await;
    }
    let worker = h.worker().await;
    let tasks = &["a", "b", "c"];
    let whole = worker.claim(10, of_queues(&["whole"], tasks)).await;
    let mut parts = Vec::new();
    for size in [1, 2, 3, 1, 3] {
        parts.extend(worker.claim(size, of_queues(&["parts"], tasks)).await);
    }
    let order = |messages: Vec<towpath_core::Message>| -> Vec<(u32, String)> {
        let key = |m: towpath_core::Message| (m.priority, m.task.to_string());
        messages.into_iter().map(key).collect()
    };
    assert_eq!(order(whole), order(parts));
}

pub async fn priority_is_exact_over_all_lines_asked_for(h: &Harness) {
    let wanted = [
        ("a", 4),
        ("b", 3),
        ("c", 0),
        ("a", 1),
        ("b", 5),
        ("c", 2),
        ("a", 6),
    ];
    let sent = h
        .submit(wanted.map(|(task, p)| with_priority(draft(task), p)))
        .await;
    let claimed = claim_all(h, of_queues(&["default"], &["a", "b", "c"])).await;
    assert_eq!(claimed, pick(&sent, [2, 3, 5, 1, 0, 4, 6]));
}

pub async fn of_equal_heads_the_one_that_waits_longest_goes_first(h: &Harness) {
    let sent = submit_apart(h, ["b", "a", "c", "a", "b", "c"].map(draft)).await;
    let claimed = claim_all(h, of_queues(&["default"], &["a", "b", "c"])).await;
    assert_eq!(claimed, sent);
}

pub async fn a_retry_joins_its_line_when_it_becomes_ready(h: &Harness) {
    let worker = h.worker().await;
    let first = h.submit_one(draft("t")).await;
    let token = worker.claim_one().await.token();
    let before = submit_apart(h, drafts(1)).await;
    worker.settle(token, retry(Duration::ZERO)).await.unwrap();
    h.advance(SECOND);
    let behind = h.submit(drafts(1)).await;
    let expected = [before[0], first, behind[0]];
    assert_eq!(ids(&worker.claim(9, only("t")).await), expected);
}

pub async fn a_promoted_message_joins_its_line_when_it_becomes_ready(h: &Harness) {
    let scheduled = h.submit_one(after(draft("t"), SECOND * 2)).await;
    let before = submit_apart(h, drafts(2)).await;
    h.store.promote(10).await.unwrap();
    h.advance(SECOND);
    let behind = h.submit(drafts(1)).await;
    let expected = [before[0], before[1], scheduled, behind[0]];
    assert_eq!(claim_all(h, only("t")).await, expected);
}

pub async fn a_released_message_joins_its_line_when_it_is_given_back(h: &Harness) {
    let worker = h.worker().await;
    let first = h.submit_one(draft("t")).await;
    let token = worker.claim_one().await.token();
    let before = submit_apart(h, drafts(1)).await;
    let release = towpath_core::store::Verdict::Release;
    worker.settle(token, release).await.unwrap();
    h.advance(SECOND);
    let behind = h.submit(drafts(1)).await;
    let expected = [before[0], first, behind[0]];
    assert_eq!(ids(&worker.claim(9, only("t")).await), expected);
}

pub async fn a_requeued_message_joins_its_line_when_it_is_put_back(h: &Harness) {
    let worker = h.worker().await;
    let dead = h.message_in(towpath_core::State::Failed, &worker).await;
    let before = submit_apart(h, drafts(1)).await;
    h.store.requeue(vec![dead]).await.unwrap();
    h.advance(SECOND);
    let behind = h.submit(drafts(1)).await;
    let expected = [before[0], dead, behind[0]];
    assert_eq!(ids(&worker.claim(9, only("t")).await), expected);
}

pub async fn what_joins_a_line_keeps_its_priority(h: &Harness) {
    let worker = h.worker().await;
    let urgent = h.submit_one(with_priority(draft("t"), 1)).await;
    let token = worker.claim_one().await.token();
    let rest = submit_apart(h, [3, 1].map(|p| with_priority(draft("t"), p))).await;
    worker.settle(token, retry(Duration::ZERO)).await.unwrap();
    let expected = [rest[1], urgent, rest[0]];
    assert_eq!(ids(&worker.claim(9, only("t")).await), expected);
}

pub async fn a_list_of_queues_is_strict_preference(h: &Harness) {
    let sent = h
        .submit(
            ["low", "high", "low", "high"]
                .map(|q| with_priority(draft_in(q, "t"), u32::from(q == "high"))),
        )
        .await;
    let worker = h.worker().await;
    let selection = || of_queues(&["high", "low"], &["t"]);
    // The priority number of the low queue is the better one, and does not count between queues.
    let claimed = worker.claim(3, selection()).await;
    assert_eq!(ids(&claimed), pick(&sent, [1, 3, 0]));
    let urgent = h.submit_one(draft_in("high", "t")).await;
    let claimed = worker.claim(9, selection()).await;
    assert_eq!(ids(&claimed), [urgent, sent[2]]);
}

pub async fn a_queue_is_never_taken_for_one_with_a_like_name(h: &Harness) {
    let alike = ["q2", "q ", "Q", "q:", "q*", "q%", "qq", "q/1", "p"];
    for name in alike {
        h.submit_one(draft_in(name, "t")).await;
    }
    let wanted = h.submit_one(draft_in("q", "t")).await;
    let worker = h.worker().await;
    let claimed = worker.claim(100, of_queues(&["q"], &["t"])).await;
    assert_eq!(ids(&claimed), [wanted]);
    assert!(
        worker
            .claim(100, of_queues(&["q_", "_", "*", "%"], &["t"]))
            .await
            .is_empty()
    );
}

pub async fn a_task_is_never_taken_for_one_with_a_like_name(h: &Harness) {
    for name in ["t2", "T", "t ", "t%", "t:", "s"] {
        h.submit_one(draft(name)).await;
    }
    let wanted = h.submit_one(draft("t")).await;
    assert_eq!(claim_all(h, any(&["t"])).await, [wanted]);
}

pub async fn tasks_of_queues_are_strict_by_queue_then_task_then_priority(h: &Harness) {
    let wanted = [
        ("two", "a", 0),
        ("one", "b", 0),
        ("one", "a", 9),
        ("one", "a", 3),
        ("two", "b", 0),
        ("one", "c", 0),
    ];
    let sent = h
        .submit(wanted.map(|(q, t, p)| with_priority(draft_in(q, t), p)))
        .await;
    let of = |q: &str, tasks: &[&str]| -> (QueueName, Vec<TaskName>) {
        (queue(q), tasks.iter().map(|name| task(name)).collect())
    };
    let selection = Selection::Tasks(vec![of("one", &["a", "b"]), of("two", &["b", "a"])]);
    assert_eq!(claim_all(h, selection).await, pick(&sent, [3, 2, 1, 4, 0]));
}

pub async fn any_takes_the_queues_in_turn_one_message_each(h: &Harness) {
    for queue in ["a", "b", "c"] {
        h.submit((0..3).map(|_| draft_in(queue, "t"))).await;
    }
    h.submit_one(draft_in("c", "t")).await;
    let worker = h.worker().await;
    let claimed = worker.claim(10, any(&["t"])).await;
    let queues: Vec<&str> = claimed.iter().map(|m| m.queue.as_str()).collect();
    for round in queues[..9].chunks(3) {
        let mut round = round.to_vec();
        round.sort_unstable();
        assert_eq!(round, ["a", "b", "c"], "{queues:?}");
    }
    assert_eq!(queues[9], "c");
}

pub async fn the_turn_of_a_claim_says_which_queue_begins(h: &Harness) {
    for queue in ["a", "b", "c"] {
        h.submit((0..9).map(|_| draft_in(queue, "t"))).await;
    }
    let worker = h.worker().await;
    let mut begun = Vec::new();
    for turn in 0..6 {
        let mut claim = worker.wish(1, any(&["t"]));
        claim.turn = turn;
        let claimed = worker.store.claim(claim).await.unwrap();
        begun.push(claimed[0].queue.to_string());
    }
    for three in begun.chunks(3) {
        let mut three = three.to_vec();
        three.sort_unstable();
        assert_eq!(three, ["a", "b", "c"], "{begun:?}");
    }
}

pub async fn the_greatest_turn_is_a_turn(h: &Harness) {
    h.submit(["a", "b"].map(|q| draft_in(q, "t"))).await;
    let worker = h.worker().await;
    let mut claim = worker.wish(2, any(&["t"]));
    claim.turn = u64::MAX;
    assert_eq!(worker.store.claim(claim).await.unwrap().len(), 2);
}

pub async fn unknown_tasks_stay_and_cost_the_others_nothing(h: &Harness) {
    let foreign = h
        .submit((0..limits::UPKEEP_ROWS).map(|_| draft("foreign")))
        .await;
    let own = h.submit(drafts(2)).await;
    let worker = h.worker().await;
    assert_eq!(ids(&worker.claim(1, any(&["t"])).await), own[..1]);
    assert_eq!(ids(&worker.claim(9, only("t")).await), own[1..]);
    let record = h.record(foreign[0]).await;
    assert_eq!(record.state, towpath_core::State::Ready);
    assert_eq!(record.counters.claims, 0);
    assert_eq!(h.counts().await.ready, foreign.len() as u64);
}

pub async fn naming_a_line_twice_hands_nothing_out_twice(h: &Harness) {
    let sent = h.submit(drafts(4)).await;
    let worker = h.worker().await;
    let claimed = worker
        .claim(9, of_queues(&["default", "default"], &["t", "t"]))
        .await;
    assert_eq!(ids(&claimed), sent);
    assert!(claimed.iter().all(|message| message.counters.claims == 1));
}

pub async fn several_workers_share_one_order(h: &Harness) {
    let sent = submit_apart(h, drafts(6)).await;
    let workers = [h.worker().await, Worker::join(h.another()).await];
    let mut claimed = Vec::new();
    for turn in 0..6 {
        claimed.push(workers[turn % 2].claim_one().await.id);
    }
    assert_eq!(claimed, sent);
}
