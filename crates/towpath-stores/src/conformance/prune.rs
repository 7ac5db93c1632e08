//! Prune: finished messages are kept for a time and up to a number, and not longer.

use std::time::Duration;

use towpath_core::store::{Brief, ResultRead, Retention};
use towpath_core::{Draft, MessageId, State};

use super::words::{done, draft, drafts, only};
use super::{Harness, Worker};

const SECOND: Duration = Duration::from_secs(1);

fn keep(h: &Harness) -> Retention {
    let retention = Retention {
        succeeded: SECOND * 10,
        dead: SECOND * 20,
        ..Retention::default()
    };
    h.store.set_retention(retention);
    retention
}

/// Runs these messages to their success, a second apart.
async fn succeed(h: &Harness, drafts: Vec<Draft>) -> Vec<MessageId> {
    let sent = h.submit(drafts).await;
    for _ in &sent {
        let worker = h.worker().await;
        let token = worker.claim_one().await.token();
        worker.settle(token, done()).await.unwrap();
        h.advance(SECOND);
    }
    sent
}

async fn prune(h: &Harness, max: usize) -> (usize, bool) {
    let pruned = h.store.prune(max).await.unwrap();
    (pruned.removed, pruned.more)
}

async fn is_known(h: &Harness, id: MessageId) -> bool {
    h.find(id).await.is_some()
}

pub async fn by_default_success_is_kept_a_day_and_death_a_week(h: &Harness) {
    let worker = h.worker().await;
    let succeeded = h.message_in(State::Succeeded, &worker).await;
    let failed = h.message_in(State::Failed, &worker).await;
    let revoked = h.message_in(State::Revoked, &worker).await;
    let day = SECOND * 24 * 60 * 60;
    let kept = h.record(succeeded).await.kept_until;
    assert_eq!(kept, Some(h.now().after(day)));
    for id in [failed, revoked] {
        assert_eq!(h.record(id).await.kept_until, Some(h.now().after(day * 7)));
    }
    h.advance(day - SECOND);
    assert_eq!(prune(h, 10).await, (0, false));
    h.advance(SECOND);
    assert_eq!(prune(h, 10).await, (1, false));
    assert!(!is_known(h, succeeded).await);
    h.advance(day * 6 - SECOND);
    assert_eq!(prune(h, 10).await, (0, false));
    h.advance(SECOND);
    assert_eq!(prune(h, 10).await, (2, false));
}

pub async fn the_retention_of_the_handle_counts(h: &Harness) {
    let retention = keep(h);
    let worker = h.worker().await;
    let succeeded = h.message_in(State::Succeeded, &worker).await;
    let revoked = h.message_in(State::Revoked, &worker).await;
    h.advance(retention.succeeded);
    assert_eq!(prune(h, 10).await, (1, false));
    assert!(!is_known(h, succeeded).await && is_known(h, revoked).await);
    h.advance(retention.dead - retention.succeeded);
    assert_eq!(prune(h, 10).await, (1, false));
    assert!(!is_known(h, revoked).await);
}

pub async fn the_result_ttl_of_a_message_counts_instead(h: &Harness) {
    keep(h);
    let with_ttl = |ttl: Duration| {
        let mut draft = draft("t");
        draft.options.result_ttl = Some(ttl);
        draft
    };
    let drafts = vec![with_ttl(SECOND * 2), with_ttl(SECOND * 60), draft("t")];
    let sent = succeed(h, drafts).await;
    let finished = h.record(sent[1]).await.finished_at.unwrap();
    let kept = h.record(sent[1]).await.kept_until;
    assert_eq!(kept, Some(finished.after(SECOND * 60)));
    assert_eq!(prune(h, 10).await, (1, false));
    assert!(!is_known(h, sent[0]).await);
    h.advance(SECOND * 30);
    assert_eq!(prune(h, 10).await, (1, false));
    assert!(is_known(h, sent[1]).await && !is_known(h, sent[2]).await);
    h.advance(SECOND * 30);
    assert_eq!(prune(h, 10).await, (1, false));
}

pub async fn beyond_the_count_the_oldest_go_first(h: &Harness) {
    h.store.set_retention(Retention {
        succeeded_count: 2,
        ..Retention::default()
    });
    let sent = succeed(h, drafts(5)).await;
    assert_eq!(prune(h, 100).await, (3, false));
    for (index, id) in sent.into_iter().enumerate() {
        assert_eq!(is_known(h, id).await, index >= 3);
    }
}

pub async fn the_dead_have_a_count_of_their_own(h: &Harness) {
    h.store.set_retention(Retention {
        succeeded_count: 1,
        dead_count: 2,
        ..Retention::default()
    });
    succeed(h, drafts(1)).await;
    let worker = h.worker().await;
    let mut dead = Vec::new();
    for state in [State::Failed, State::Revoked, State::Failed] {
        dead.push(h.message_in(state, &worker).await);
        h.advance(SECOND);
    }
    assert_eq!(prune(h, 100).await, (1, false));
    assert!(!is_known(h, dead[0]).await);
    assert!(is_known(h, dead[1]).await && is_known(h, dead[2]).await);
}

pub async fn a_step_deletes_at_most_what_was_asked_for(h: &Harness) {
    h.store.set_retention(Retention {
        succeeded: SECOND,
        dead_count: 0,
        ..Retention::default()
    });
    succeed(h, drafts(4)).await;
    let worker = h.worker().await;
    h.message_in(State::Revoked, &worker).await;
    h.advance(SECOND * 2);
    assert_eq!(prune(h, 2).await, (2, true));
    assert_eq!(prune(h, 2).await, (2, true));
    assert_eq!(prune(h, 2).await, (1, false));
    assert_eq!(prune(h, 2).await, (0, false));
}

pub async fn what_has_not_ended_is_never_pruned(h: &Harness) {
    h.store.set_retention(Retention {
        succeeded: Duration::ZERO,
        dead: Duration::ZERO,
        succeeded_count: 0,
        dead_count: 0,
    });
    let worker = h.worker().await;
    let mut kept = Vec::new();
    for state in [State::Scheduled, State::Running, State::Ready] {
        kept.push(h.message_in(state, &worker).await);
    }
    h.advance(SECOND * 60 * 60 * 24 * 30);
    assert_eq!(prune(h, 100).await, (0, false));
    for id in kept {
        assert!(is_known(h, id).await);
    }
}

pub async fn what_is_pruned_is_unknown_and_its_id_free(h: &Harness) {
    h.store.set_retention(Retention {
        succeeded: Duration::ZERO,
        ..Retention::default()
    });
    let id = succeed(h, drafts(1)).await[0];
    let (removed, more) = prune(h, 10).await;
    assert!(removed <= 1 && !more, "{removed}");
    assert!(!is_known(h, id).await);
    assert_eq!(h.store.brief(vec![id]).await.unwrap(), [Brief::UNKNOWN]);
    let read = h.store.results(vec![id], false).await.unwrap();
    assert_eq!(read, [ResultRead::Unknown]);
    let mut again = draft("t");
    again.id = id;
    h.submit_one(again).await;
}

pub async fn a_requeued_message_is_not_pruned(h: &Harness) {
    let retention = keep(h);
    let worker = h.worker().await;
    let id = h.message_in(State::Failed, &worker).await;
    h.store.requeue(vec![id]).await.unwrap();
    h.advance(retention.dead * 2);
    assert_eq!(prune(h, 10).await, (0, false));
    let later = Worker::join(h.store.clone()).await;
    assert_eq!(later.claim(1, only("t")).await[0].id, id);
}
