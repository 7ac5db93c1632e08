//! Results: reading, waiting, taking, and collecting many.

use std::collections::HashSet;
use std::error::Error as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_core::Stream;
use tokio::time::Instant;
use towpath_core::store::{StoredResult, Verdict};
use towpath_core::{AttemptError, Draft, Error, Kind, MessageId, Payload, Result, limits};
use towpath_runtime::{ResultPool, ResultStream};

use crate::spy::Spy;
use crate::stage::{Stage, draft, on_every_store};

/// No test waits that long; it only bounds those that fail.
const LONG: Duration = Duration::from_secs(60);

on_every_store!(
    get_waits_and_keeps,
    of_two_takers_one_gets_the_result,
    a_result_of_another_type_is_not_taken,
    every_end_has_its_error,
    a_message_without_a_result_reads_as_unit_and_none,
    a_timeout_names_the_status,
    a_message_that_is_removed_ends_the_wait,
    descendants_are_the_whole_chain_by_finish_time,
    a_failed_link_ends_the_wait_for_descendants,
    remove_deletes_the_result_and_not_the_record,
    a_pool_refuses_an_id_that_stands_twice,
    as_completed_does_not_wait_for_the_first,
    in_order_keeps_the_given_order,
    every_message_of_a_pool_gives_one_item_whatever_became_of_it,
    a_message_pruned_while_the_pool_waits_ends_its_item,
    a_pool_whose_time_is_up_gives_what_has_ended,
    a_pool_that_takes_deletes_what_it_gives_and_no_more,
    dropping_next_loses_no_item,
    one_that_ends_far_behind_a_thousand_others_is_found,
    thousands_of_results_come_in_the_given_order,
);

async fn get_waits_and_keeps(stage: Stage) {
    let id = stage.submit().await;
    let results = stage.results();
    let (value, ()) = tokio::join!(results.get::<i64>(id, LONG), stage.succeed(id, "42"));
    assert_eq!(value.unwrap(), 42);

    let meta = results
        .get_with_meta::<i64>(id, Duration::ZERO)
        .await
        .unwrap();
    let record = stage.broker.get(id).await.unwrap().unwrap();
    assert_eq!(
        (meta.value, meta.id, Some(meta.finished_at)),
        (42, id, record.finished_at)
    );
    assert_eq!(
        results.get_payload(id, Duration::ZERO).await.unwrap(),
        Payload::json("42")
    );
}

/// Time stands still here unless everybody waits for it, so a waiter that polled would move it.
#[tokio::test(start_paused = true)]
async fn waiters_are_woken_and_do_not_poll() {
    let stage = Stage::memory().await;
    let id = stage.submit().await;
    let began = Instant::now();
    let results = stage.results();
    let (value, ()) = tokio::join!(results.get::<i64>(id, LONG), stage.succeed(id, "42"));
    assert_eq!(value.unwrap(), 42);

    let ids = stage.submit_many(3).await;
    let mut pool = stage
        .broker
        .result_pool(ids.clone())
        .unwrap()
        .as_completed::<i64>();
    for id in ids.iter().rev() {
        let (item, ()) = tokio::join!(pool.next(), stage.succeed(*id, "7"));
        assert_eq!(item.unwrap().0, *id);
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

async fn of_two_takers_one_gets_the_result(stage: Stage) {
    let id = stage.submit().await;
    let results = stage.results();
    let (first, second, ()) = tokio::join!(
        results.take::<i64>(id, LONG),
        results.take_with_meta::<i64>(id, LONG),
        stage.succeed(id, "42"),
    );
    let answers = [first, second.map(|meta| meta.value)];
    let (got, missed): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(
        got.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
        [42]
    );
    let error = missed.into_iter().next().unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert_eq!(
        error.to_string(),
        format!("the result of message {id} was taken")
    );
}

async fn a_result_of_another_type_is_not_taken(stage: Stage) {
    let id = stage.submit().await;
    stage.succeed(id, r#""text""#).await;
    let results = stage.results();
    let error = results.take::<i64>(id, LONG).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Codec);
    assert!(error.to_string().contains(&id.to_string()), "{error}");
    assert_eq!(
        results.take_payload(id, LONG).await.unwrap(),
        Payload::json(r#""text""#)
    );
    assert_eq!(
        results.take_payload(id, LONG).await.unwrap_err().kind(),
        Kind::NotFound
    );
}

async fn every_end_has_its_error(stage: Stage) {
    let results = stage.results();
    let error = async |id| results.get::<i64>(id, LONG).await.unwrap_err();

    let unknown = error(MessageId::new()).await;
    assert_eq!(unknown.kind(), Kind::NotFound);
    assert!(
        unknown.to_string().contains("24 hours after success"),
        "{unknown}"
    );

    let id = stage.submit().await;
    let said = AttemptError::new("std::num::ParseIntError", "invalid digit");
    stage.fail(id, said.clone()).await;
    let failed = error(id).await;
    assert_eq!(failed.kind(), Kind::Failed);
    let text = format!("message {id} failed (rejected): std::num::ParseIntError: invalid digit");
    assert_eq!(failed.to_string(), text);
    assert_eq!(
        failed.source().unwrap().downcast_ref::<AttemptError>(),
        Some(&said)
    );

    let id = stage.submit().await;
    stage.broker.revoke(id, false).await.unwrap();
    assert_eq!(error(id).await.kind(), Kind::Revoked);

    let id = stage.submit().await;
    stage
        .succeed_with(id, StoredResult::TooLarge { size: 2_000_000 })
        .await;
    let too_large = error(id).await;
    assert_eq!(too_large.kind(), Kind::ResultTooLarge);
    let text = too_large.to_string();
    assert!(
        text.contains("2000000 bytes") && text.contains("1048576"),
        "{text}"
    );
}

async fn a_message_without_a_result_reads_as_unit_and_none(stage: Stage) {
    let id = stage.submit().await;
    stage.succeed_with(id, StoredResult::None).await;
    let results = stage.results();
    results.get::<()>(id, LONG).await.unwrap();
    assert_eq!(results.get::<Option<i64>>(id, LONG).await.unwrap(), None);
    assert_eq!(
        results.get::<i64>(id, LONG).await.unwrap_err().kind(),
        Kind::Codec
    );
}

async fn a_timeout_names_the_status(stage: Stage) {
    let id = stage.submit().await;
    stage.claim(id).await;
    let error = stage
        .results()
        .get::<i64>(id, Duration::ZERO)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);
    assert_eq!(
        error.to_string(),
        format!("message {id} has not ended: it is RUNNING")
    );

    let wait = Duration::from_millis(2);
    let error = stage.results().take::<i64>(id, wait).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("message {id} is still RUNNING after a wait of 2ms")
    );
}

async fn a_message_that_is_removed_ends_the_wait(stage: Stage) {
    let id = stage.submit().await;
    let results = stage.results();
    let (get, removed) = tokio::join!(results.get::<i64>(id, LONG), stage.broker.remove(id));
    removed.unwrap();
    assert_eq!(get.unwrap_err().kind(), Kind::NotFound);
}

async fn descendants_are_the_whole_chain_by_finish_time(stage: Stage) {
    let drafts: Vec<_> = (0..3).map(|_| draft()).collect();
    let ids: Vec<_> = drafts.iter().map(|draft| draft.id).collect();
    stage
        .broker
        .submit(Draft::chain(drafts).unwrap().unwrap())
        .await
        .unwrap();

    let results = stage.results();
    let run = async {
        for (id, json) in ids.iter().zip(["1", "2", "3"]) {
            stage.clock.advance(Duration::from_secs(1));
            stage.succeed(*id, json).await;
        }
    };
    let (found, ()) = tokio::join!(results.descendants::<i64>(ids[0], LONG), run);
    let found = found.unwrap();
    assert!(found.is_sorted_by_key(|result| result.finished_at));
    let found: Vec<_> = found
        .into_iter()
        .map(|result| (result.id, result.value))
        .collect();
    assert_eq!(found, [(ids[0], 1), (ids[1], 2), (ids[2], 3)]);

    let unknown = results
        .descendants::<i64>(MessageId::new(), LONG)
        .await
        .unwrap_err();
    assert_eq!(unknown.kind(), Kind::NotFound);
}

async fn a_failed_link_ends_the_wait_for_descendants(stage: Stage) {
    let drafts = [draft(), draft(), draft()];
    let ids = [drafts[0].id, drafts[1].id];
    stage
        .broker
        .submit(Draft::chain(drafts).unwrap().unwrap())
        .await
        .unwrap();
    stage.succeed(ids[0], "1").await;
    stage.fail(ids[1], AttemptError::new("error", "no")).await;
    let error = stage
        .results()
        .descendants::<i64>(ids[0], LONG)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    assert!(error.to_string().contains(&ids[1].to_string()), "{error}");
}

async fn remove_deletes_the_result_and_not_the_record(stage: Stage) {
    let id = stage.submit().await;
    let results = stage.results();
    assert!(!results.exists(id).await.unwrap());
    assert!(!results.remove(id).await.unwrap());
    stage.succeed(id, "42").await;
    assert!(results.exists(id).await.unwrap());
    assert!(results.remove(id).await.unwrap());
    assert!(!results.exists(id).await.unwrap());
    assert!(!results.remove(id).await.unwrap());
    assert!(stage.broker.exists(id).await.unwrap());
}

async fn a_pool_refuses_an_id_that_stands_twice(stage: Stage) {
    let (one, two) = (MessageId::new(), MessageId::new());
    let error = stage.broker.result_pool(vec![one, two, one]).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains(&one.to_string()), "{error}");
}

async fn as_completed_does_not_wait_for_the_first(stage: Stage) {
    let ids = stage.submit_many(3).await;
    let mut pool = stage
        .broker
        .result_pool(ids.clone())
        .unwrap()
        .as_completed::<i64>();
    for (id, json, value) in [(ids[2], "2", 2), (ids[0], "0", 0), (ids[1], "1", 1)] {
        let (item, ()) = tokio::join!(pool.next(), stage.succeed(id, json));
        let (given, result) = item.unwrap();
        assert_eq!((given, result.unwrap()), (id, value));
    }
    assert!(pool.next().await.is_none());
    assert!(pool.next().await.is_none());
}

async fn in_order_keeps_the_given_order(stage: Stage) {
    let ids = stage.submit_many(3).await;
    let mut pool = stage
        .broker
        .result_pool(ids.clone())
        .unwrap()
        .in_order::<i64>();
    let run = async {
        for (id, json) in [(ids[2], "2"), (ids[1], "1"), (ids[0], "0")] {
            stage.succeed(id, json).await;
        }
    };
    let (given, ()) = tokio::join!(all(&mut pool), run);
    let given: Vec<_> = given
        .into_iter()
        .map(|(id, result)| (id, result.unwrap()))
        .collect();
    assert_eq!(given, [(ids[0], 0), (ids[1], 1), (ids[2], 2)]);
}

async fn every_message_of_a_pool_gives_one_item_whatever_became_of_it(stage: Stage) {
    let ids = stage.submit_many(6).await;
    stage.succeed(ids[0], "0").await;
    stage.fail(ids[1], AttemptError::new("error", "no")).await;
    stage.broker.revoke(ids[2], false).await.unwrap();
    stage.broker.revoke(ids[3], false).await.unwrap();
    stage.broker.remove(ids[3]).await.unwrap();
    stage.succeed(ids[4], "4").await;
    stage.results().take::<i64>(ids[4], LONG).await.unwrap();
    stage.succeed(ids[5], r#""text""#).await;

    let expected = [
        None,
        Some(Kind::Failed),
        Some(Kind::Revoked),
        Some(Kind::NotFound),
    ];
    let expected = [&expected[..], &[Some(Kind::NotFound), Some(Kind::Codec)]].concat();
    let expected: Vec<_> = ids.iter().copied().zip(expected).collect();
    let pool = stage.broker.result_pool(ids).unwrap();
    for mut stream in [pool.in_order::<i64>(), pool.as_completed()] {
        let given = all(&mut stream).await;
        let given: Vec<_> = given
            .into_iter()
            .map(|(id, r)| (id, r.err().map(|e| e.kind())))
            .collect();
        assert_eq!(given, expected);
    }
}

async fn a_message_pruned_while_the_pool_waits_ends_its_item(stage: Stage) {
    for order in [ResultPool::in_order::<i64>, ResultPool::as_completed::<i64>] {
        let ids = stage.submit_many(2).await;
        let mut stream = order(&stage.broker.result_pool(ids.clone()).unwrap());
        let prune = async {
            stage.broker.revoke(ids[0], false).await.unwrap();
            stage.prune_all().await;
            stage.succeed(ids[1], "1").await;
        };
        let (given, ()) = tokio::join!(all(&mut stream), prune);
        // Whether the stream looked before it was pruned depends on who was faster.
        let [first, second] = &kinds(given)[..] else {
            panic!("one item per message")
        };
        assert!(matches!(first, (id, Err(Kind::Revoked | Kind::NotFound)) if *id == ids[0]));
        assert_eq!(*second, (ids[1], Ok(1)));
    }
}

async fn a_pool_whose_time_is_up_gives_what_has_ended(stage: Stage) {
    let ids = stage.submit_many(4).await;
    stage.succeed(ids[1], "1").await;
    stage.succeed(ids[3], "3").await;
    let pool = stage
        .broker
        .result_pool(ids.clone())
        .unwrap()
        .timeout(Duration::ZERO);
    let late = Err(Kind::TimedOut);

    let in_order = kinds(all(&mut pool.in_order::<i64>()).await);
    assert_eq!(
        in_order,
        [
            (ids[0], late),
            (ids[1], Ok(1)),
            (ids[2], late),
            (ids[3], Ok(3))
        ]
    );
    let completed = kinds(all(&mut pool.as_completed::<i64>()).await);
    assert_eq!(
        completed,
        [
            (ids[1], Ok(1)),
            (ids[3], Ok(3)),
            (ids[0], late),
            (ids[2], late)
        ]
    );
}

async fn a_pool_that_takes_deletes_what_it_gives_and_no_more(stage: Stage) {
    let ids = stage.submit_many(2).await;
    for id in &ids {
        stage.succeed(*id, "7").await;
    }
    let pool = stage.broker.result_pool(ids.clone()).unwrap();
    let mut stream = pool.take_results().in_order::<i64>();
    assert_eq!(stream.next().await.unwrap().1.unwrap(), 7);
    drop(stream);
    assert!(!stage.results().exists(ids[0]).await.unwrap());
    assert!(stage.results().exists(ids[1]).await.unwrap());
}

async fn dropping_next_loses_no_item(stage: Stage) {
    let id = stage.submit().await;
    let mut pool = stage
        .broker
        .result_pool(vec![id])
        .unwrap()
        .take_results()
        .as_completed::<i64>();
    for _ in 0..10 {
        tokio::select! {
            biased;
            _ = pool.next() => panic!("it has not ended"),
            () = tokio::task::yield_now() => {}
        }
    }
    stage.succeed(id, "42").await;
    let (given, result) = pool.next().await.unwrap();
    assert_eq!((given, result.unwrap()), (id, 42));
}

async fn one_that_ends_far_behind_a_thousand_others_is_found(stage: Stage) {
    let ids = stage.submit_many(1_600).await;
    let last = ids[1_599];
    let mut pool = stage
        .broker
        .result_pool(ids.clone())
        .unwrap()
        .as_completed::<i64>();
    let (item, ()) = tokio::join!(pool.next(), stage.succeed(last, "7"));
    assert_eq!(item.unwrap().0, last);
    // And one that ends after the pool has looked at all of them.
    let (item, ()) = tokio::join!(pool.next(), stage.succeed(ids[1_000], "7"));
    assert_eq!(item.unwrap().0, ids[1_000]);
}

async fn thousands_of_results_come_in_the_given_order(stage: Stage) {
    let ids = stage.submit_many(1_200).await;
    let pool = stage.broker.result_pool(ids.clone()).unwrap();
    let (mut in_order, mut completed) = (pool.in_order::<i64>(), pool.as_completed::<i64>());
    let run = async {
        for id in ids.iter().rev() {
            stage
                .settle(*id, |_| Verdict::Done {
                    result: StoredResult::Value(Payload::json("7")),
                    callbacks: Vec::new(),
                })
                .await;
        }
    };
    let (in_order, completed, ()) = tokio::join!(all(&mut in_order), all(&mut completed), run);
    assert!(in_order.iter().map(|(id, _)| id).eq(&ids));
    let distinct: HashSet<_> = completed.iter().map(|(id, _)| id).collect();
    assert_eq!((completed.len(), distinct.len()), (ids.len(), ids.len()));
    assert!(
        in_order
            .iter()
            .chain(&completed)
            .all(|(_, result)| matches!(result, Ok(7)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_makes_a_large_pool_look_at_a_window_and_not_at_all() {
    let (spy, stage) = Spy::on_stage().await;
    let ids = stage.submit_many(10_000).await;
    let mut pool = stage
        .broker
        .result_pool(ids.clone())
        .unwrap()
        .as_completed::<i64>();
    for id in &ids[..100] {
        let (item, ()) = tokio::join!(pool.next(), stage.succeed(*id, "7"));
        assert_eq!(item.unwrap().0, *id);
    }
    // Once at all of them to begin with; then a window per change, and one before each wait.
    let looked_at = spy.looked_at.load(Ordering::SeqCst);
    assert!(
        looked_at <= 10_000 + 100 * 2 * limits::WINDOW,
        "{looked_at}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_out_of_reach_for_a_moment_is_asked_again() {
    let (spy, stage) = Spy::on_stage().await;
    let id = stage.submit().await;
    stage.succeed(id, "42").await;
    let fail =
        |times| *spy.errors.lock().unwrap() = vec![Error::new(Kind::Unavailable, "busy"); times];

    fail(3);
    assert_eq!(stage.results().get::<i64>(id, LONG).await.unwrap(), 42);
    fail(3);
    let mut pool = stage
        .broker
        .result_pool(vec![id])
        .unwrap()
        .in_order::<i64>();
    assert_eq!(pool.next().await.unwrap().1.unwrap(), 42);
    // But not when there is no time.
    fail(1);
    let error = stage
        .results()
        .get::<i64>(id, Duration::ZERO)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_store_that_fails_for_good_ends_every_item() {
    let (spy, stage) = Spy::on_stage().await;
    let ids = stage.submit_many(3).await;
    let pool = stage.broker.result_pool(ids.clone()).unwrap();
    for mut stream in [pool.in_order::<i64>(), pool.as_completed()] {
        spy.errors
            .lock()
            .unwrap()
            .push(Error::new(Kind::Storage, "disk on fire"));
        let given = kinds(all(&mut stream).await);
        let expected: Vec<_> = ids.iter().map(|id| (*id, Err(Kind::Storage))).collect();
        assert_eq!(given, expected);
    }
}

#[test]
fn streams_of_results_may_move_between_threads() {
    fn check(_: impl Stream<Item = (MessageId, Result<String>)> + Send + Unpin) {}
    let _: fn(ResultStream<String>) = |stream| check(stream);
}

async fn all(stream: &mut ResultStream<i64>) -> Vec<(MessageId, Result<i64>)> {
    let mut items = Vec::new();
    while let Some(item) = stream.next().await {
        items.push(item);
    }
    items
}

fn kinds(items: Vec<(MessageId, Result<i64>)>) -> Vec<(MessageId, Result<i64, Kind>)> {
    items
        .into_iter()
        .map(|(id, result)| (id, result.map_err(|error| error.kind())))
        .collect()
}
