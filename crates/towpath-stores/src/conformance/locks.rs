//! Locks: one owner at a time, by the clock of leases, with a fence.

use std::time::Duration;

use towpath_core::name::{LockName, LockOwner};
use towpath_core::store::{
    LockRecord, LockRequest, LockStore, LockToken, Locked, Settle, Topic, Verdict,
};
use towpath_core::{Kind, State, Token, limits};

use super::Harness;
use super::words::{done, draft, fail, kind, kinds, retry, rung, snooze};

const TTL: Duration = Duration::from_secs(10);

fn locks(h: &Harness) -> &dyn LockStore {
    h.store.locks()
}

fn name(name: &str) -> LockName {
    LockName::new(name).unwrap()
}

fn request(lock: &str, owner: &str, ttl: Option<Duration>) -> LockRequest {
    LockRequest {
        name: name(lock),
        owner: LockOwner::new(owner).unwrap(),
        ttl,
    }
}

/// Takes a lock that must be free.
async fn take(h: &Harness, lock: &str, owner: &str, ttl: Option<Duration>) -> LockToken {
    match locks(h).lock(request(lock, owner, ttl)).await.unwrap() {
        Locked::Taken(token) => token,
        Locked::Held(record) => panic!("{record:?}"),
    }
}

/// Who has a lock that cannot be taken.
async fn refused(h: &Harness, lock: &str, owner: &str) -> LockRecord {
    match locks(h)
        .lock(request(lock, owner, Some(TTL)))
        .await
        .unwrap()
    {
        Locked::Held(record) => record,
        Locked::Taken(token) => panic!("{token:?}"),
    }
}

async fn holder(h: &Harness, lock: &str) -> Option<LockRecord> {
    locks(h).holders(vec![name(lock)]).await.unwrap().remove(0)
}

async fn is_held(h: &Harness, lock: &str) -> bool {
    holder(h, lock).await.is_some()
}

pub async fn a_lock_has_one_holder_at_a_time(h: &Harness) {
    let token = take(h, "l", "ada", Some(TTL)).await;
    assert_eq!(token.name, name("l"));
    for owner in ["bob", "ada"] {
        let record = refused(h, "l", owner).await;
        let expected = LockRecord {
            name: name("l"),
            owner: LockOwner::new("ada").unwrap(),
            fence: token.fence,
            taken_at: h.now(),
            left: Some(TTL),
        };
        assert_eq!(record, expected);
        assert_eq!(record.token(), token);
    }
    take(h, "l2", "bob", Some(TTL)).await;
    assert_eq!(holder(h, "l3").await, None);
}

pub async fn an_unlocked_lock_is_free(h: &Harness) {
    let token = take(h, "l", "ada", Some(TTL)).await;
    let unlock = || locks(h).unlock(vec![token.clone()]);
    assert_eq!(unlock().await.unwrap(), [true]);
    assert_eq!(unlock().await.unwrap(), [false]);
    assert!(!is_held(h, "l").await);
    take(h, "l", "bob", Some(TTL)).await;
}

pub async fn each_holding_has_a_greater_fence(h: &Harness) {
    let mut last = 0;
    for lock in ["l", "l2", "l", "l"] {
        let token = take(h, lock, "ada", Some(TTL)).await;
        assert!(token.fence > last, "{token:?} after {last}");
        last = token.fence;
        locks(h).unlock(vec![token]).await.unwrap();
    }
    let again = h.reopen().await;
    let taken = again.locks().lock(request("l", "ada", None)).await.unwrap();
    assert!(matches!(taken, Locked::Taken(token) if token.fence > last));
}

pub async fn a_lock_whose_ttl_has_run_out_is_free(h: &Harness) {
    let old = take(h, "l", "ada", Some(TTL)).await;
    h.advance(TTL - Duration::from_millis(1));
    let left = refused(h, "l", "bob").await.left;
    assert_eq!(left, Some(Duration::from_millis(1)));
    h.advance(Duration::from_millis(1));
    assert!(!is_held(h, "l").await);
    let new = take(h, "l", "bob", Some(TTL)).await;
    assert!(new.fence > old.fence);
}

pub async fn who_lost_a_lock_can_neither_renew_nor_unlock_it(h: &Harness) {
    let old = take(h, "l", "ada", Some(TTL)).await;
    h.advance(TTL);
    // Nobody has taken it; it is lost all the same.
    let renewed = locks(h).renew(vec![(old.clone(), Some(TTL))]).await;
    assert_eq!(kinds(renewed.unwrap()), [Some(Kind::LeaseLost)]);
    assert_eq!(locks(h).unlock(vec![old.clone()]).await.unwrap(), [false]);
    // The same owner, but another holding.
    let new = take(h, "l", "ada", Some(TTL)).await;
    let both = vec![(old.clone(), None), (new.clone(), Some(TTL))];
    let renewed = locks(h).renew(both).await.unwrap();
    assert_eq!(kinds(renewed), [Some(Kind::LeaseLost), None]);
    assert_eq!(locks(h).unlock(vec![old]).await.unwrap(), [false]);
    assert_eq!(holder(h, "l").await.unwrap().token(), new);
}

pub async fn a_renewed_lock_holds_longer(h: &Harness) {
    let token = take(h, "l", "ada", Some(TTL)).await;
    h.advance(TTL / 2);
    let renew = |ttl| locks(h).renew(vec![(token.clone(), ttl)]);
    assert_eq!(kinds(renew(Some(TTL)).await.unwrap()), [None]);
    h.advance(TTL - Duration::from_millis(1));
    assert!(is_held(h, "l").await);
    assert_eq!(kinds(renew(None).await.unwrap()), [None]);
    h.advance(TTL * 100);
    assert_eq!(holder(h, "l").await.unwrap().left, None);
}

pub async fn the_keeper_of_leases_renews_locks(h: &Harness) {
    let token = take(h, "l", "ada", Some(TTL)).await;
    h.advance(TTL / 2);
    let store = h.store.clone();
    let renewals = vec![(token.clone(), Some(TTL))];
    let answers = tokio::task::spawn_blocking(move || {
        let mut keeper = store.lease_keeper().unwrap();
        keeper.renew(&renewals).unwrap()
    });
    assert_eq!(kinds(answers.await.unwrap()), [None]);
    assert_eq!(holder(h, "l").await.unwrap().left, Some(TTL));
    h.advance(TTL);
    let store = h.store.clone();
    let answers = tokio::task::spawn_blocking(move || {
        let mut keeper = store.lease_keeper().unwrap();
        keeper.renew(&[(token, Some(TTL))]).unwrap()
    });
    assert_eq!(kinds(answers.await.unwrap()), [Some(Kind::LeaseLost)]);
}

pub async fn a_lock_without_a_ttl_stays(h: &Harness) {
    let token = take(h, "l", "ada", None).await;
    h.advance(limits::LONGEST);
    assert_eq!(refused(h, "l", "bob").await.left, None);
    assert_eq!(locks(h).unlock(vec![token]).await.unwrap(), [true]);
}

pub async fn a_lock_is_there_after_closing(h: &Harness) {
    let token = take(h, "l", "ada", Some(TTL)).await;
    let again = h.reopen().await;
    let holders = again.locks().holders(vec![name("l")]).await.unwrap();
    assert_eq!(holders[0].as_ref().unwrap().token(), token);
    assert_eq!(kind(locks(h).unlock(vec![token]).await), Kind::Stopped);
}

pub async fn a_seized_lock_is_free_whoever_held_it(h: &Harness) {
    let token = take(h, "l", "ada", None).await;
    let seized = locks(h).seize(vec![name("l"), name("l2")]).await.unwrap();
    assert_eq!(seized[0].as_ref().unwrap().token(), token);
    assert_eq!(seized[1], None);
    let renewed = locks(h).renew(vec![(token, None)]).await.unwrap();
    assert_eq!(kinds(renewed), [Some(Kind::LeaseLost)]);
    take(h, "l", "bob", Some(TTL)).await;
}

pub async fn an_unlock_wakes_those_who_wait_for_one(h: &Harness) {
    let token = take(h, "l", "ada", None).await;
    let other = h.another();
    let mut watches = [h.store.watch(Topic::Unlock), other.watch(Topic::Unlock)];
    locks(h).unlock(vec![token]).await.unwrap();
    for watch in &mut watches {
        rung(watch, Topic::Unlock).await;
    }
    take(h, "l", "ada", None).await;
    let mut watch = h.store.watch(Topic::Unlock);
    locks(h).seize(vec![name("l")]).await.unwrap();
    rung(&mut watch, Topic::Unlock).await;
}

pub async fn of_many_who_ask_one_gets_the_lock(h: &Harness) {
    for round in 0..10 {
        let lock = format!("l{round}");
        let tries: Vec<_> = (0..4)
            .map(|n| {
                let (store, lock) = (h.another(), lock.clone());
                tokio::spawn(async move {
                    let request = request(&lock, &n.to_string(), Some(TTL));
                    matches!(store.locks().lock(request).await.unwrap(), Locked::Taken(_))
                })
            })
            .collect();
        let mut taken = 0;
        for one in tries {
            taken += usize::from(one.await.unwrap());
        }
        assert_eq!(taken, 1);
    }
}

pub async fn the_locks_that_are_held_are_listed_by_name(h: &Harness) {
    for lock in ["b", "a", "ä", "c%", "d"] {
        take(h, lock, "ada", Some(TTL)).await;
    }
    take(h, "gone", "ada", Some(TTL / 2)).await;
    h.advance(TTL / 2);
    let list = async |after: Option<&str>, max| {
        let records = locks(h).list(after.map(name), max).await.unwrap();
        let names = records.into_iter().map(|record| String::from(record.name));
        names.collect::<Vec<_>>()
    };
    assert_eq!(list(None, 100).await, ["a", "b", "c%", "d", "ä"]);
    assert_eq!(list(None, 2).await, ["a", "b"]);
    assert_eq!(list(Some("b"), 2).await, ["c%", "d"]);
    assert_eq!(list(Some("ä"), 2).await, [] as [&str; 0]);
}

pub async fn a_batch_of_locks_beyond_the_limit_is_refused_whole(h: &Harness) {
    let token = take(h, "l", "ada", Some(TTL)).await;
    let too_many = limits::LOCK_BATCH + 1;
    let renewed = locks(h).renew(vec![(token.clone(), None); too_many]).await;
    assert_eq!(kind(renewed), Kind::Invalid);
    let unlocked = locks(h).unlock(vec![token.clone(); too_many]).await;
    assert_eq!(kind(unlocked), Kind::Invalid);
    let seized = locks(h).seize(vec![name("l"); too_many]).await;
    assert_eq!(kind(seized), Kind::Invalid);
    let looked = locks(h).holders(vec![name("l"); too_many]).await;
    assert_eq!(kind(looked), Kind::Invalid);
    assert_eq!(holder(h, "l").await.unwrap().left, Some(TTL));
}

pub async fn a_linked_lock_ends_with_its_attempt_whatever_the_verdict(h: &Harness) {
    let worker = h.worker().await;
    let verdicts = [done(), retry(TTL), fail(), snooze(TTL), Verdict::Release];
    for verdict in verdicts {
        h.submit_one(draft("t")).await;
        let message = worker.claim_one().await;
        let linked = take(h, "l", "ada", Some(TTL)).await;
        let other = take(h, "other", "ada", Some(TTL)).await;
        let mut watch = h.store.watch(Topic::Unlock);
        let item = settle(message.token(), verdict.clone(), vec![linked]);
        worker.settle_with(item).await.unwrap();
        assert!(!is_held(h, "l").await, "{verdict:?}");
        rung(&mut watch, Topic::Unlock).await;
        assert_eq!(locks(h).unlock(vec![other]).await.unwrap(), [true]);
        h.store.revoke(vec![message.id], false).await.unwrap();
    }
}

pub async fn a_refused_settle_leaves_its_linked_locks(h: &Harness) {
    let worker = h.worker().await;
    h.submit_one(draft("t")).await;
    let token = worker.claim_one().await.token();
    let linked = take(h, "l", "ada", None).await;
    worker.settle(token, done()).await.unwrap();
    let late = settle(token, done(), vec![linked.clone()]);
    assert_eq!(kind(worker.settle_with(late).await), Kind::LeaseLost);
    assert_eq!(holder(h, "l").await.unwrap().token(), linked);
}

pub async fn a_linked_lock_that_was_lost_does_not_keep_the_settle_back(h: &Harness) {
    let worker = h.worker().await;
    let id = h.submit_one(draft("t")).await;
    let token = worker.claim_one().await.token();
    let old = take(h, "l", "ada", None).await;
    locks(h).seize(vec![name("l")]).await.unwrap();
    let new = take(h, "l", "bob", None).await;
    worker
        .settle_with(settle(token, done(), vec![old]))
        .await
        .unwrap();
    assert_eq!(h.state(id).await, State::Succeeded);
    assert_eq!(holder(h, "l").await.unwrap().token(), new);
}

pub async fn too_many_linked_locks_are_refused_and_change_nothing(h: &Harness) {
    let worker = h.worker().await;
    let id = h.submit_one(draft("t")).await;
    let token = worker.claim_one().await.token();
    let linked = take(h, "l", "ada", None).await;
    let item = settle(token, done(), vec![linked; limits::LINKED_LOCKS + 1]);
    assert_eq!(kind(worker.settle_with(item).await), Kind::Invalid);
    assert_eq!(h.state(id).await, State::Running);
    assert!(is_held(h, "l").await);
}

fn settle(token: Token, verdict: Verdict, unlock: Vec<LockToken>) -> Settle {
    Settle {
        token,
        started_at: None,
        verdict,
        unlock,
    }
}
