//! Statuses: reading, waiting, listening, forgetting.

use std::time::Duration;

use futures_core::Stream;
use serde_json::json;
use tokio::time::Instant;
use towpath_core::store::Verdict;
use towpath_core::{AttemptError, Kind, MessageId, Result, Status};
use towpath_runtime::{StatusUpdate, Updates};

use crate::stage::{Stage, draft, on_every_store};

/// No test waits that long; it only bounds those that fail.
const LONG: Duration = Duration::from_secs(60);

on_every_store!(
    a_status_follows_the_record,
    wait_for_ends_with_the_first_that_comes,
    wait_for_names_the_last_status,
    wait_for_ends_early_when_none_can_come,
    wait_for_waits_for_a_message_that_is_not_there_yet,
    listen_tells_the_present_status_first_and_never_goes_back,
    listen_ends_as_unknown_when_the_record_is_gone,
    a_listener_may_stay_for_a_requeue,
    details_are_what_the_handler_last_said,
    only_what_has_ended_is_forgotten,
    a_sound_store_gives_a_scan_nothing_to_mend,
);

async fn a_status_follows_the_record(stage: Stage) {
    let statuses = stage.statuses();
    let id = draft().id;
    assert_eq!(statuses.get(id).await.unwrap(), Status::Unknown);
    assert!(!statuses.exists(id).await.unwrap());
    let id = stage.submit().await;
    assert_eq!(statuses.get(id).await.unwrap(), Status::Submitted);
    assert!(statuses.exists(id).await.unwrap());
    stage.claim(id).await;
    assert_eq!(statuses.get(id).await.unwrap(), Status::Running);
    stage.settle(id, |_| Verdict::Release).await;
    assert_eq!(statuses.get(id).await.unwrap(), Status::Retrying);
    stage.succeed(id, "1").await;
    assert_eq!(statuses.get(id).await.unwrap(), Status::Succeeded);
}

async fn wait_for_ends_with_the_first_that_comes(stage: Stage) {
    let id = stage.submit().await;
    let statuses = stage.statuses();
    let wanted = [Status::Succeeded, Status::Failed];
    let fail = stage.fail(id, AttemptError::new("error", "no"));
    let (status, ()) = tokio::join!(statuses.wait_for(id, &wanted, LONG), fail);
    assert_eq!(status.unwrap(), Status::Failed);
}

/// Time stands still here unless everybody waits for it, so a waiter that polled would move it.
#[tokio::test(start_paused = true)]
async fn waiters_are_woken_and_do_not_poll() {
    let stage = Stage::memory().await;
    let id = stage.submit().await;
    let began = Instant::now();
    let statuses = stage.statuses();
    let mut updates = statuses.listen(id, true);
    assert_eq!(next(&mut updates).await.status, Status::Submitted);
    let wanted = [Status::Succeeded];
    let (status, update, ()) = tokio::join!(
        statuses.wait_for(id, &wanted, LONG),
        next(&mut updates),
        stage.succeed(id, "1"),
    );
    assert_eq!(
        (status.unwrap(), update.status),
        (Status::Succeeded, Status::Succeeded)
    );
    assert_eq!(began.elapsed(), Duration::ZERO);
}

async fn wait_for_names_the_last_status(stage: Stage) {
    let id = stage.submit().await;
    stage.claim(id).await;
    let wanted = [Status::Succeeded, Status::Failed];
    let error = stage
        .statuses()
        .wait_for(id, &wanted, Duration::ZERO)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);
    let text = format!("message {id} is RUNNING, not SUCCEEDED or FAILED, after a wait of 0ns");
    assert_eq!(error.to_string(), text);
    let error = stage.statuses().wait_for(id, &[], LONG).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
}

async fn wait_for_ends_early_when_none_can_come(stage: Stage) {
    let id = stage.submit().await;
    let statuses = stage.statuses();
    let wanted = [Status::Succeeded];
    let (waited, revoked) = tokio::join!(
        statuses.wait_for(id, &wanted, Duration::MAX),
        stage.broker.revoke(id, false)
    );
    revoked.unwrap();
    let error = waited.unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
    let text = format!("message {id} is REVOKED and will not become SUCCEEDED by itself");
    assert_eq!(error.to_string(), text);

    // Of everything that ended it can still be waited for that it is gone.
    let wanted = [Status::Unknown];
    let (waited, ()) = tokio::join!(
        statuses.wait_for(id, &wanted, Duration::MAX),
        stage.prune_all()
    );
    assert_eq!(waited.unwrap(), Status::Unknown);
}

async fn wait_for_waits_for_a_message_that_is_not_there_yet(stage: Stage) {
    let draft = draft();
    let (statuses, id) = (stage.statuses(), draft.id);
    let wanted = [Status::Submitted];
    let (waited, submitted) = tokio::join!(
        statuses.wait_for(id, &wanted, LONG),
        stage.broker.submit(draft)
    );
    submitted.unwrap();
    assert_eq!(waited.unwrap(), Status::Submitted);
}

async fn listen_tells_the_present_status_first_and_never_goes_back(stage: Stage) {
    let id = stage.submit().await;
    let mut updates = stage.statuses().listen(id, true);
    let mut seen = vec![next(&mut updates).await];
    stage.claim(id).await;
    seen.push(next(&mut updates).await);
    stage.note(id, json!({"done": 1})).await;
    seen.push(next(&mut updates).await);
    let error = AttemptError::new("error", "once more");
    stage
        .settle(id, |_| Verdict::Retry {
            after: Duration::ZERO,
            error,
        })
        .await;
    seen.push(next(&mut updates).await);
    stage.claim(id).await;
    seen.push(next(&mut updates).await);
    stage.succeed(id, "1").await;
    seen.push(next(&mut updates).await);
    assert!(updates.next().await.is_none());

    assert!(seen.iter().all(|update| update.id == id));
    let ranks: Vec<_> = seen
        .iter()
        .map(|update| (update.claims, update.status))
        .collect();
    let expected = [
        (0, Status::Submitted),
        (1, Status::Running),
        (1, Status::Running),
        (1, Status::Retrying),
        (2, Status::Running),
        (2, Status::Succeeded),
    ];
    assert_eq!(ranks, expected);
    assert!(ranks.is_sorted());
    let details: Vec<_> = seen.iter().map(|update| update.details.clone()).collect();
    assert_eq!(details[1..3], [None, Some(json!({"done": 1}))]);

    // Who comes when all is over is told so, and no more.
    let mut late = stage.statuses().listen(id, true);
    assert_eq!(next(&mut late).await.status, Status::Succeeded);
    assert!(late.next().await.is_none());
}

async fn listen_ends_as_unknown_when_the_record_is_gone(stage: Stage) {
    let id = stage.submit().await;
    let mut updates = stage.statuses().listen(id, true);
    assert_eq!(next(&mut updates).await.status, Status::Submitted);
    let (update, removed) = tokio::join!(next(&mut updates), stage.broker.remove(id));
    removed.unwrap();
    assert_eq!(update.status, Status::Unknown);
    assert!(updates.next().await.is_none());

    let mut unknown = stage.statuses().listen(MessageId::new(), false);
    assert_eq!(next(&mut unknown).await.status, Status::Unknown);
    assert!(unknown.next().await.is_none());
}

async fn a_listener_may_stay_for_a_requeue(stage: Stage) {
    let id = stage.submit().await;
    stage.fail(id, AttemptError::new("error", "no")).await;
    let mut updates = stage.statuses().listen(id, false);
    let failed = next(&mut updates).await;
    stage.broker.requeue(id).await.unwrap();
    let (running, ()) = tokio::join!(next(&mut updates), stage.claim(id));
    assert_eq!((failed.claims, failed.status), (1, Status::Failed));
    // That it waits again, claimed once, would be a step back in the order.
    assert_eq!((running.claims, running.status), (2, Status::Running));
    stage.succeed(id, "1").await;
    assert_eq!(next(&mut updates).await.status, Status::Succeeded);
    stage.prune_all().await;
    assert_eq!(next(&mut updates).await.status, Status::Unknown);
    assert!(updates.next().await.is_none());
}

async fn details_are_what_the_handler_last_said(stage: Stage) {
    let id = stage.submit().await;
    let statuses = stage.statuses();
    assert_eq!(statuses.details(id).await.unwrap(), None);
    stage.claim(id).await;
    stage.note(id, json!({"done": 1})).await;
    stage.note(id, json!({"done": 2})).await;
    assert_eq!(
        statuses.details(id).await.unwrap(),
        Some(json!({"done": 2}))
    );
    assert_eq!(statuses.details(MessageId::new()).await.unwrap(), None);
}

async fn only_what_has_ended_is_forgotten(stage: Stage) {
    let id = stage.submit().await;
    let statuses = stage.statuses();
    let error = statuses.forget(id).await.unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
    assert!(error.to_string().contains("it is SUBMITTED"), "{error}");
    stage.succeed(id, "1").await;
    statuses.forget(id).await.unwrap();
    assert_eq!(statuses.get(id).await.unwrap(), Status::Unknown);
    assert_eq!(
        statuses.forget(id).await.unwrap_err().kind(),
        Kind::NotFound
    );
}

async fn a_sound_store_gives_a_scan_nothing_to_mend(stage: Stage) {
    let ids = stage.submit_many(3).await;
    stage.succeed(ids[0], "1").await;
    assert_eq!(stage.statuses().scan().await.unwrap(), []);
}

#[test]
fn updates_may_move_between_threads() {
    fn check(_: impl Stream<Item = Result<StatusUpdate>> + Send + Unpin) {}
    let _: fn(Updates) = |updates| check(updates);
}

async fn next(updates: &mut Updates) -> StatusUpdate {
    updates
        .next()
        .await
        .expect("there is more to come")
        .unwrap()
}
