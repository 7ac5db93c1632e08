//! Pause: a queue is shut as a whole, and nothing of it moves.

use towpath_core::{QueueName, State};

use super::words::{any, done, draft, draft_in, drafts, ids, of_queues, only, queue, task};
use super::{Harness, Worker};

pub async fn a_paused_queue_hands_nothing_out(h: &Harness) {
    let sent = h.submit(drafts(3)).await;
    assert!(h.store.pause(QueueName::default(), true).await.unwrap());
    let worker = h.worker().await;
    let selections = [
        any(&["t"]),
        only("t"),
        towpath_core::store::Selection::Tasks(vec![(QueueName::default(), vec![task("t")])]),
    ];
    for selection in selections {
        assert!(worker.claim(9, selection).await.is_empty());
    }
    for id in &sent {
        let record = h.record(*id).await;
        assert_eq!((record.state, record.paused), (State::Ready, true));
    }
    assert!(h.store.pause(QueueName::default(), false).await.unwrap());
    assert!(!h.record(sent[0]).await.paused);
    assert_eq!(ids(&worker.claim(9, only("t")).await), sent);
}

pub async fn a_pause_says_whether_it_changed_anything(h: &Harness) {
    let name = || queue("q");
    for (paused, changed) in [
        (false, false),
        (true, true),
        (true, false),
        (false, true),
        (false, false),
    ] {
        assert_eq!(h.store.pause(name(), paused).await.unwrap(), changed);
    }
}

pub async fn only_the_queue_of_that_name_is_paused(h: &Harness) {
    for name in ["q", "q2", "Q", "q:", "p"] {
        h.submit_one(draft_in(name, "t")).await;
    }
    h.store.pause(queue("q"), true).await.unwrap();
    let worker = h.worker().await;
    let claimed = worker.claim(9, any(&["t"])).await;
    assert_eq!(claimed.len(), 4);
    assert!(claimed.iter().all(|message| message.queue.as_str() != "q"));
}

pub async fn a_paused_queue_costs_the_next_one_nothing(h: &Harness) {
    h.submit_one(draft_in("first", "t")).await;
    let open = h.submit_one(draft_in("second", "t")).await;
    h.store.pause(queue("first"), true).await.unwrap();
    let worker = h.worker().await;
    let claimed = worker
        .claim(9, of_queues(&["first", "second"], &["t"]))
        .await;
    assert_eq!(ids(&claimed), [open]);
}

pub async fn what_runs_may_end_while_its_queue_is_paused(h: &Harness) {
    h.submit(drafts(2)).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    h.store.pause(QueueName::default(), true).await.unwrap();
    let wish = worker.wish(9, only("t"));
    let mut settled = worker.settle_and_claim([(token, done())], Some(wish)).await;
    settled.items.remove(0).unwrap();
    assert!(settled.claimed.is_empty());
}

pub async fn a_paused_queue_takes_messages_in(h: &Harness) {
    h.store.pause(QueueName::default(), true).await.unwrap();
    let id = h.submit_one(draft("t")).await;
    assert_eq!(h.state(id).await, State::Ready);
    let queues = h.queues().await;
    assert_eq!(queues.len(), 1);
    assert!(queues[0].paused);
    assert_eq!(queues[0].lines[0].ready, 1);
}

pub async fn a_paused_queue_is_listed_although_it_is_empty(h: &Harness) {
    h.store.pause(queue("q"), true).await.unwrap();
    let queues = h.queues().await;
    let shown: Vec<_> = queues
        .iter()
        .map(|r| (r.queue.as_str(), r.paused))
        .collect();
    assert_eq!(shown, [("q", true)]);
}

pub async fn a_pause_lasts_beyond_closing(h: &Harness) {
    h.store.pause(QueueName::default(), true).await.unwrap();
    h.submit_one(draft("t")).await;
    let store = h.reopen().await;
    let worker = Worker::join(store.clone()).await;
    assert!(worker.claim(9, only("t")).await.is_empty());
    assert!(store.pause(QueueName::default(), false).await.unwrap());
    assert_eq!(worker.claim(9, only("t")).await.len(), 1);
}
