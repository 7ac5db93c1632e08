//! Locks as user code takes them.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::{Kind, Status};
use towpath_runtime::{AlreadyHeld, Broker, Lock, Owner, TaskError, blocking};

use crate::support::{SOON, app, memory, record, task};

/// No test waits that long; a lock of that ttl is lost only if nobody renews it.
const TTL: Duration = Duration::from_secs(3);

fn broker() -> Broker {
    Broker::new(memory())
}

fn lock(broker: &Broker) -> Lock {
    broker.lock("l").unwrap().ttl(TTL)
}

/// The same lock, asked for by somebody else.
fn of_another(broker: &Broker) -> Lock {
    let another = "another".try_into().unwrap();
    lock(broker).owner(Owner::Named(another))
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(SOON, future).await;
    done.expect("it should have happened by now")
}

/// Waits until the lock is free.
async fn freed(broker: &Broker) {
    let free = async {
        while lock(broker).holder().await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    within(free).await;
}

#[tokio::test]
async fn a_lock_excludes_others_until_it_is_released() {
    let broker = broker();
    let guard = lock(&broker).try_lock().await.unwrap().unwrap();
    assert!(guard.is_held());
    assert!(of_another(&broker).try_lock().await.unwrap().is_none());
    assert!(lock(&broker).is_held().await.unwrap());
    assert!(!of_another(&broker).is_held().await.unwrap());
    let fence = guard.fence();
    assert!(guard.release().await.unwrap());
    let guard = of_another(&broker).try_lock().await.unwrap().unwrap();
    assert!(guard.fence() > fence);
}

#[tokio::test]
async fn dropping_a_guard_releases_its_lock() {
    let broker = broker();
    let guard = lock(&broker)
        .without_ttl()
        .try_lock()
        .await
        .unwrap()
        .unwrap();
    drop(guard);
    freed(&broker).await;
}

#[tokio::test]
async fn a_guard_that_is_left_leaves_the_lock_held_by_its_owner() {
    let broker = broker();
    let lock = lock(&broker).without_ttl();
    let token = lock.try_lock().await.unwrap().unwrap().leave();
    assert_eq!(lock.holder().await.unwrap().unwrap().token(), token);
    assert!(!of_another(&broker).release().await.unwrap());
    assert!(lock.release().await.unwrap());
    assert!(!lock.release().await.unwrap());
}

#[tokio::test]
async fn who_waits_for_a_lock_gets_it_when_it_is_released() {
    let broker = broker();
    let guard = lock(&broker).try_lock().await.unwrap().unwrap();
    let waiting = tokio::spawn({
        let another = of_another(&broker);
        async move { another.lock(SOON).await.map(|guard| guard.fence()) }
    });
    tokio::task::yield_now().await;
    let fence = guard.fence();
    guard.release().await.unwrap();
    assert!(within(waiting).await.unwrap().unwrap() > fence);
}

#[tokio::test]
async fn who_waits_in_vain_is_told_who_holds_the_lock() {
    let broker = broker();
    let _held = lock(&broker).try_lock().await.unwrap();
    let error = of_another(&broker).lock(Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);
    let text = error.to_string();
    assert!(
        text.contains("lock \"l\" was not free within 0ns"),
        "{text}"
    );
    assert!(text.contains(Owner::Process.name().as_str()), "{text}");
}

#[tokio::test]
async fn who_asks_again_is_answered_as_he_wished() {
    let broker = broker();
    let lock = lock(&broker).owner(Owner::Host);
    let first = lock.try_lock().await.unwrap().unwrap();
    let error = lock.try_lock().await.unwrap_err();
    assert_eq!(error.kind(), Kind::AlreadyExists);
    let refused = lock.clone().already_held(AlreadyHeld::Refuse);
    assert!(refused.try_lock().await.unwrap().is_none());
    let error = refused.lock(Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);

    // A guard that joined leaves the lock when it is dropped, unless it is told to release it.
    let kept = lock.clone().already_held(AlreadyHeld::Keep);
    let joined = kept.try_lock().await.unwrap().unwrap();
    assert_eq!(joined.token(), first.token());
    drop(joined);
    assert!(lock.is_held().await.unwrap());
    let joined = kept.lock(Duration::ZERO).await.unwrap();
    assert!(joined.release().await.unwrap());
    assert!(!first.release().await.unwrap());
}

#[tokio::test]
async fn a_thread_a_process_and_a_host_are_three_owners() {
    let broker = broker();
    let _host = lock(&broker).owner(Owner::Host).try_lock().await.unwrap();
    for other in [Owner::Process, Owner::Thread] {
        let taken = lock(&broker).owner(other).try_lock().await.unwrap();
        assert!(taken.is_none());
    }
    let here = Owner::Thread.name();
    let there = std::thread::spawn(|| Owner::Thread.name()).join().unwrap();
    assert_ne!(here, there);
    assert_eq!(Owner::Process.name(), Owner::Process.name());
}

#[tokio::test]
async fn a_lock_is_renewed_as_long_as_its_guard_lives() {
    let broker = broker();
    let guard = lock(&broker).try_lock().await.unwrap().unwrap();
    let left = async || lock(&broker).holder().await.unwrap().unwrap().left.unwrap();
    let renewed = async {
        let mut before = left().await;
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let now = left().await;
            if now > before {
                return;
            }
            before = now;
        }
    };
    within(renewed).await;
    assert!(guard.is_held());
}

#[tokio::test]
async fn a_runtime_that_is_blocked_for_longer_than_the_ttl_loses_no_lock() {
    let broker = broker();
    let guard = lock(&broker).try_lock().await.unwrap().unwrap();
    std::thread::sleep(TTL + TTL / 3);
    assert!(guard.is_held());
    assert!(guard.release().await.unwrap());
}

#[tokio::test]
async fn a_lock_without_renewal_ends_with_its_ttl() {
    let broker = broker();
    let short = lock(&broker)
        .ttl(Duration::from_millis(100))
        .without_renewal();
    let guard = short.try_lock().await.unwrap().unwrap();
    within(guard.lost()).await;
    assert!(!guard.is_held());
    freed(&broker).await;
    let error = guard.renew().await.unwrap_err();
    assert_eq!(error.kind(), Kind::LeaseLost);
    assert!(!guard.release().await.unwrap());
}

#[tokio::test]
async fn a_guard_learns_that_its_lock_was_taken_away() {
    let broker = broker();
    let guard = lock(&broker).try_lock().await.unwrap().unwrap();
    let seized = lock(&broker).seize().await.unwrap();
    assert_eq!(seized.unwrap().fence, guard.fence());
    within(guard.lost()).await;
    assert!(!guard.is_held());
}

#[tokio::test]
async fn a_ttl_outside_its_limits_is_refused() {
    let broker = broker();
    for ttl in [Duration::ZERO, Duration::from_millis(99), Duration::MAX] {
        let error = lock(&broker).ttl(ttl).try_lock().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{ttl:?}");
    }
    assert!(broker.lock("").is_err());
}

#[tokio::test]
async fn the_locks_that_are_held_are_listed() {
    let broker = broker();
    let _held = lock(&broker).try_lock().await.unwrap();
    let _other = broker.lock("k").unwrap().try_lock().await.unwrap();
    let names = async |after: Option<&str>| {
        let after = after.map(|name| name.try_into().unwrap());
        let locks = broker.locks(after, 10).await.unwrap();
        locks
            .into_iter()
            .map(|lock| lock.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(None).await, ["k", "l"]);
    assert_eq!(names(Some("k")).await, ["l"]);
}

/// A task that links a lock, and ends as its argument says.
fn linking() -> impl towpath_runtime::Task<Args = String, Output = u64> {
    task(
        "link",
        async |how: String, ctx: towpath_runtime::Context| {
            let guard = ctx.broker().lock("l").unwrap().without_ttl();
            let guard = guard.try_lock().await?.expect("it is free");
            let fence = guard.fence();
            ctx.link_lock(guard)?;
            match how.as_str() {
                "succeed" => Ok(fence),
                "fail" => Err(TaskError::new("oops", "it fails").final_()),
                _ => panic!("{how}"),
            }
        },
    )
}

#[tokio::test]
async fn a_linked_lock_is_free_once_the_end_of_its_attempt_is_seen() {
    let app = app().task(linking());
    let broker = app.broker();
    let worker = app.worker().start().await.unwrap();
    for (how, status) in [
        ("succeed", Status::Succeeded),
        ("fail", Status::Failed),
        // Tried again at once, four times in all: each finds the lock free.
        ("panic", Status::Failed),
    ] {
        let id = broker
            .submit_to(&linking(), how.to_owned())
            .await
            .unwrap()
            .id();
        broker
            .statuses()
            .wait_for(id, &[status], SOON)
            .await
            .unwrap();
        // In the same step: nobody who sees the end can find the lock held.
        let holder = lock(&broker).holder().await.unwrap();
        assert_eq!(holder, None, "{how}");
        let last = record(&app, id).await.attempts.pop();
        let said = last
            .and_then(|attempt| attempt.error)
            .map(|error| error.text);
        assert!(!said.unwrap_or_default().contains("it is free"), "{how}");
    }
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_linked_lock_of_a_revoked_attempt_is_released() {
    let held = task("hold", async |(): (), ctx: towpath_runtime::Context| {
        let guard = ctx.broker().lock("l").unwrap().without_ttl();
        ctx.link_lock(guard.try_lock().await?.expect("it is free"))?;
        std::future::pending::<Result<(), TaskError>>().await
    });
    let draft = towpath_core::Draft::new(
        "hold".try_into().unwrap(),
        towpath_core::Payload::json("null"),
    );
    let app = app().task(held);
    let broker = app.broker();
    let worker = app.worker().start().await.unwrap();
    let id = broker.submit(draft).await.unwrap();
    let taken = async {
        while lock(&broker).holder().await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    within(taken).await;
    broker.revoke(id, false).await.unwrap();
    freed(&broker).await;
    assert_eq!(record(&app, id).await.state, towpath_core::State::Revoked);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_delivery_ends_with_its_linked_lock_too() {
    let app = app().task(linking());
    let broker = app.broker();
    broker
        .submit_to(&linking(), "by hand".to_owned())
        .await
        .unwrap();
    let mut stream = app.consumer().stream().await.unwrap();
    let delivery = stream.next().await.unwrap();
    let guard = lock(&broker)
        .without_ttl()
        .try_lock()
        .await
        .unwrap()
        .unwrap();
    delivery.link_lock(guard).unwrap();
    assert!(lock(&broker).is_held().await.unwrap());
    delivery.ack(1u64).await.unwrap();
    assert_eq!(lock(&broker).holder().await.unwrap(), None);
    stream.stop().await.unwrap();
}

#[tokio::test]
async fn no_more_than_sixteen_locks_end_with_an_attempt() {
    let many = task("many", async |(): (), ctx: towpath_runtime::Context| {
        let lock = |n: usize| ctx.broker().lock(n.to_string()).unwrap();
        for n in 0..16 {
            ctx.link_lock(lock(n).try_lock().await?.expect("it is free"))?;
        }
        let error = ctx.link_lock(lock(16).try_lock().await?.expect("it is free"));
        Ok::<_, TaskError>(error.unwrap_err().to_string())
    });
    let app = app().task(many);
    let (broker, worker) = (app.broker(), app.worker().start().await.unwrap());
    let draft = towpath_core::Draft::new(
        "many".try_into().unwrap(),
        towpath_core::Payload::json("null"),
    );
    let id = broker.submit(draft).await.unwrap();
    let text: String = broker.results().get(id, SOON).await.unwrap();
    assert_eq!(text, "17 linked locks in one call, the limit is 16");
    worker.stop().await.unwrap();
}

#[test]
fn plain_threads_take_locks_too() {
    let broker = blocking::Broker::new(memory());
    let lock = broker.lock("l").unwrap().ttl(TTL).owner(Owner::Thread);
    let guard = lock.try_lock().unwrap().unwrap();
    let waiting = std::thread::spawn({
        let lock = lock.clone();
        move || lock.lock(SOON).unwrap().fence()
    });
    assert!(guard.is_held() && lock.is_held().unwrap());
    guard.renew().unwrap();
    let fence = guard.fence();
    assert!(guard.release().unwrap());
    assert!(waiting.join().unwrap() > fence);

    // A guard that is dropped there releases as well.
    let guard = lock.lock(SOON).unwrap();
    drop(guard);
    let guard = lock.clone().owner(Owner::Host).lock(SOON).unwrap();
    let token = guard.leave();
    assert_eq!(lock.holder().unwrap().unwrap().token(), token);
    assert_eq!(broker.locks(None, 10).unwrap().len(), 1);
}

#[tokio::test]
async fn a_store_that_fails_for_a_moment_costs_no_lock() {
    use towpath_stores::faulty::{Call, Fault, FaultyStore};
    for fault in [Fault::Refuse(Kind::Unavailable), Fault::LoseAnswer] {
        let store = FaultyStore::new(memory()).only([Call::Renew]).at(1, fault);
        let store = Arc::new(store);
        let broker = Broker::new(store.clone());
        let guard = lock(&broker).try_lock().await.unwrap().unwrap();
        let renewed = async {
            while store.calls() < 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within(renewed).await;
        assert!(guard.is_held());
        assert!(guard.release().await.unwrap());
    }
}
