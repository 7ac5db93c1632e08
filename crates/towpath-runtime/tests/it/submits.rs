//! The options of one message, and verbs on many.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::backoff::Formula;
use towpath_core::message::Start;
use towpath_core::store::{Retention, Section, Topic};
use towpath_core::{
    Backoff, Draft, FailReason, Kind, MessageId, Payload, QueueName, Retries, State, TaskName,
    Timestamp,
};
use towpath_runtime::{Broker, Context, Filter, TaskError, draft_of, from_fn};

use towpath_stores::faulty::{Call, Fault, FaultyStore};

use crate::support::{SOON, app, at_once, ended, memory, task};

#[tokio::test]
async fn every_option_of_a_submit_reaches_the_message() {
    let note = task("note", |n: u32, _| async move { Ok(n) });
    let app = app();
    let broker = app.broker();
    let id = MessageId::from_text("order-17");
    let next = Draft::new("next".try_into().unwrap(), Payload::json("[]"));
    let submit = broker
        .submit_to(&note, 7)
        .id(id)
        .queue("orders")
        .priority(3)
        .at(Timestamp::from_millis(4_000_000_000_000))
        .metadata("customer", 42)
        .max_retries(Retries::Unlimited)
        .timeout(Duration::from_secs(9))
        .backoff(Backoff::linear(Duration::from_secs(2)))
        .result_ttl(Duration::from_secs(60))
        .expires_in(Duration::from_secs(120))
        .previous_result(Payload::json("5"))
        .callback(next.clone());
    assert_eq!(submit.await.unwrap().id(), id);
    let record = broker.get(id).await.unwrap().unwrap();
    assert_eq!((record.queue.as_str(), record.priority), ("orders", 3));
    assert_eq!(
        record.start,
        Start::At(Timestamp::from_millis(4_000_000_000_000))
    );
    assert_eq!(record.state, State::Scheduled);
    assert_eq!(record.previous_result, Some(Payload::json("5")));
    let options = &record.options;
    assert_eq!(options.metadata["customer"], 42);
    assert_eq!(options.retries, Retries::Unlimited);
    assert_eq!(options.timeout, Duration::from_secs(9));
    assert_eq!(options.backoff.as_ref().unwrap().algorithm, "LinearBackoff");
    assert_eq!(options.result_ttl, Some(Duration::from_secs(60)));
    assert_eq!(options.expires_in, Some(Duration::from_secs(120)));
    assert_eq!(options.callback.as_deref(), Some(&next));
    let again = broker.submit_to(&note, 8).id(id).await.unwrap_err();
    assert_eq!(again.kind(), Kind::AlreadyExists);
}

#[tokio::test]
async fn a_bad_option_is_told_and_nothing_is_written() {
    let note = task("note", |n: u32, _| async move { Ok(n) });
    let app = app();
    let broker = app.broker();
    let check = async |submit: towpath_runtime::Submit<'_, _>, expected: &str| {
        let error = submit.await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(broker.submit_to(&note, 1).queue(""), "queue name is empty").await;
    check(
        broker.submit_to(&note, 1).timeout(Duration::ZERO),
        "timeout is zero",
    )
    .await;
    check(broker.submit_to(&note, 1).delay(Duration::MAX), "ten years").await;
    let next = || Draft::new("next".try_into().unwrap(), Payload::json("[]"));
    let twice = broker.submit_to(&note, 1).callback(next()).callback(next());
    check(twice, "already has a callback").await;
    assert_eq!(broker.counts().await.unwrap(), Default::default());
}

#[tokio::test]
async fn one_bad_draft_does_not_keep_the_others_out() {
    let note = task("note", |n: u32, _| async move { Ok(n) });
    let mut drafts: Vec<_> = (0..3).map(|n| draft_of(&note, &n).unwrap()).collect();
    drafts[1].options.timeout = Duration::ZERO;
    let twin = drafts[0].clone();
    drafts.push(twin);
    let app = app();
    let answers = app.broker().submit_many(drafts).await.unwrap();
    let kinds: Vec<_> = answers
        .iter()
        .map(|a| a.as_ref().err().map(towpath_core::Error::kind))
        .collect();
    assert_eq!(
        kinds,
        [None, Some(Kind::Invalid), None, Some(Kind::AlreadyExists)]
    );
}

/// Ten messages of which the first five became dead letters, in the queues `even` and `odd`.
async fn with_dead_letters() -> towpath_runtime::App {
    let picky = from_fn(at_once("picky").max_retries(0), |n: u32, _| async move {
        if n < 5 {
            Err(TaskError::fail(format!("refused {n}")))
        } else {
            Ok(n)
        }
    });
    let draft = |n| {
        let mut draft = draft_of(&picky, &n).unwrap();
        draft.queue = QueueName::new(if n % 2 == 0 { "even" } else { "odd" }).unwrap();
        draft.options.metadata.insert("n".to_owned(), n.into());
        draft
    };
    let drafts = (0..10).map(draft).collect();
    let app = app().task(picky);
    app.broker().submit_many(drafts).await.unwrap();
    let worker = app.worker().start().await.unwrap();
    tokio::time::timeout(SOON, worker.drained()).await.unwrap();
    worker.stop().await.unwrap();
    app
}

fn in_queue(name: &str) -> Filter {
    Filter {
        queue: Some(QueueName::new(name).unwrap()),
        ..Filter::default()
    }
}

#[tokio::test]
async fn a_filter_selects_dead_letters() {
    let broker = with_dead_letters().await.broker();
    let refused = broker.bulk(Section::Dead, Filter::default()).unwrap_err();
    assert_eq!(
        refused.kind(),
        Kind::Invalid,
        "an empty filter is an oversight"
    );
    let check = async |filter: Filter, expected: usize| {
        let bulk = broker.bulk(Section::Dead, filter.clone()).unwrap();
        assert_eq!(
            bulk.select(100).await.unwrap().len(),
            expected,
            "{filter:?}"
        );
    };
    let none = Filter::default;
    check(Filter::everything(), 5).await;
    check(in_queue("even"), 3).await;
    check(
        Filter {
            reason: Some(FailReason::Lost),
            ..none()
        },
        0,
    )
    .await;
    check(
        Filter {
            error_contains: Some("refused 3".to_owned()),
            ..none()
        },
        1,
    )
    .await;
    check(
        Filter {
            metadata: vec![("n".to_owned(), "4".to_owned())],
            ..none()
        },
        1,
    )
    .await;
    check(
        Filter {
            older_than: Some(Duration::from_secs(3_600)),
            ..none()
        },
        0,
    )
    .await;
}

#[tokio::test]
async fn verbs_change_all_that_a_filter_selects() {
    let app = with_dead_letters().await;
    let broker = app.broker();
    let bulk = |section, filter| broker.bulk(section, filter).unwrap();
    let outcome = bulk(Section::Dead, in_queue("even"))
        .requeue()
        .await
        .unwrap();
    assert_eq!((outcome.changed, outcome.skipped), (3, 0));
    let all = Filter::everything;
    assert_eq!(
        bulk(Section::Dead, all()).remove().await.unwrap().changed,
        2
    );
    assert_eq!(
        bulk(Section::Ready, all())
            .revoke(true)
            .await
            .unwrap()
            .changed,
        3
    );
    assert_eq!(
        bulk(Section::Dead, all()).replay().await.unwrap().changed,
        3
    );
    let counts = app.store().counts().await.unwrap();
    assert_eq!((counts.ready, counts.revoked, counts.failed), (3, 3, 0));
}

#[derive(Debug)]
struct Impatient;

impl Formula for Impatient {
    fn algorithm(&self) -> &'static str {
        "Impatient"
    }
    fn parameters(&self) -> serde_json::Map<String, serde_json::Value> {
        serde_json::Map::new()
    }
    fn delay(&self, _incidents: u32) -> Duration {
        Duration::ZERO
    }
}

#[tokio::test]
async fn a_backoff_of_the_users_own_serves_a_worker() {
    let backoff = Backoff::custom(Arc::new(Impatient)).unbounded();
    let settings = towpath_runtime::TaskSettings::new("flaky").backoff(backoff);
    let flaky = from_fn(settings, |(): (), ctx: Context| async move {
        if ctx.retries() == 0 {
            Err(TaskError::msg("once"))
        } else {
            Ok(ctx.retries())
        }
    });
    let draft = draft_of(&flaky, &()).unwrap();
    let app = app()
        .task(flaky)
        .backoff("Impatient", &[], |_| Ok(Arc::new(Impatient)));
    let worker = app.worker().start().await.unwrap();
    let id = app.broker().submit(draft).await.unwrap();
    assert_eq!(
        app.broker().results().get::<u32>(id, SOON).await.unwrap(),
        1
    );
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn the_retention_of_an_app_is_the_stores() {
    let note = task("note", |(): (), _| async { Ok(()) });
    let draft = draft_of(&note, &()).unwrap();
    let week = Duration::from_secs(7 * 86_400);
    let app = app().task(note).retention(Retention {
        succeeded: week,
        ..Retention::default()
    });
    let worker = app.worker().start().await.unwrap();
    let id = app.broker().submit(draft).await.unwrap();
    let record = ended(&app, id).await;
    assert_eq!(
        record
            .kept_until
            .unwrap()
            .since(record.finished_at.unwrap()),
        week
    );
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn an_attempt_keeps_values_for_its_hooks() {
    let kept = task("kept", |(): (), ctx: Context| async move {
        assert_eq!(ctx.insert(1_u8), None);
        assert_eq!(ctx.insert(2_u8), Some(1));
        assert_eq!(ctx.take::<u16>(), None);
        Ok(ctx.take::<u8>())
    });
    let draft = draft_of(&kept, &()).unwrap();
    let app = app().task(kept);
    let worker = app.worker().start().await.unwrap();
    let id = app.broker().submit(draft).await.unwrap();
    assert_eq!(
        app.broker()
            .results()
            .get::<Option<u8>>(id, SOON)
            .await
            .unwrap(),
        Some(2)
    );
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_message_with_a_past_time_is_ready_and_rings() {
    let note = task("note", |n: u32, _| async move { Ok(n) });
    let app = app();
    let mut watch = app.store().watch(Topic::Work);
    let past = Timestamp::from_millis(1_000);
    let id = app
        .broker()
        .submit_to(&note, 1)
        .at(past)
        .await
        .unwrap()
        .id();
    tokio::time::timeout(SOON, watch.changed()).await.unwrap();
    assert_eq!(
        app.broker().get(id).await.unwrap().unwrap().state,
        State::Ready
    );
}

/// A broker that waits for its store, whose first calls go wrong in that way.
fn patient(fault: Fault, patience: Duration) -> (Broker, Arc<FaultyStore>) {
    let store = FaultyStore::new(memory()).only([Call::Submit]).at(1, fault);
    let store = Arc::new(store);
    (Broker::new(store.clone()).with_patience(patience), store)
}

fn plain() -> Draft {
    Draft::new(TaskName::new("t").unwrap(), Payload::json("[]"))
}

#[tokio::test]
async fn a_patient_producer_waits_for_the_store() {
    for fault in [Fault::Refuse(Kind::Unavailable), Fault::LoseAnswer] {
        let (broker, store) = patient(fault, SOON);
        let drafts = vec![plain(), plain()];
        let answers = broker.submit_many(drafts).await.unwrap();
        assert!(answers.iter().all(Result::is_ok), "{fault:?}: {answers:?}");
        assert_eq!(broker.counts().await.unwrap().ready, 2, "{fault:?}");
        assert_eq!(store.calls(), 2);
    }
}

#[tokio::test]
async fn who_is_not_patient_is_told_at_once() {
    let (broker, store) = patient(Fault::Refuse(Kind::Unavailable), Duration::ZERO);
    let error = broker.submit(plain()).await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(store.calls(), 1);
}

#[tokio::test]
async fn patience_is_for_what_may_pass_and_for_nothing_else() {
    let (broker, store) = patient(Fault::Refuse(Kind::Storage), SOON);
    let known = plain();
    let error = broker.submit(known.clone()).await.unwrap_err();
    assert_eq!((error.kind(), store.calls()), (Kind::Storage, 1));
    broker.submit(known.clone()).await.unwrap();
    // What was known before the first try is told as ever.
    let error = broker.submit(known).await.unwrap_err();
    assert_eq!(error.kind(), Kind::AlreadyExists);
}
