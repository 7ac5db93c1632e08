//! Messages that are kept together, as only the server's keys tell.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use towpath_core::message::Start;
use towpath_core::store::{
    Extend, Retention, Selection, Settle, SettleRequest, StoredResult, Verdict,
};
use towpath_core::{
    Draft, IncarnationId, Kind, ManualClock, Message, MessageId, Options, QueueName, Store,
    Timestamp, Token, limits,
};
use towpath_servers::RedisServer;
use towpath_stores::redis::RedisStore;

use super::place::{claim_of, command, connect, draft, join, open, server};

fn keys(server: &RedisServer, letters: &str) -> Vec<String> {
    let pattern = format!("{{towpath:towpath}}:[{letters}]*");
    let found = redis::cmd("KEYS").arg(pattern).query(&mut connect(server));
    let mut found: Vec<String> = found.unwrap();
    found.sort();
    found
}

async fn submit_all(store: &RedisStore, drafts: Vec<Draft>) -> Vec<MessageId> {
    let ids = drafts.iter().map(|draft| draft.id).collect();
    for answer in store.submit(drafts).await.unwrap() {
        answer.unwrap();
    }
    ids
}

async fn take(store: &RedisStore, worker: IncarnationId, max: usize) -> Vec<Message> {
    let mut claim = claim_of(worker);
    (claim.max, claim.enough) = (max, max);
    store.claim(claim).await.unwrap()
}

async fn succeed(store: &RedisStore, worker: IncarnationId, messages: &[Message]) {
    let settle = |message: &Message| Settle {
        token: message.token(),
        started_at: Some(Timestamp::from_millis(1)),
        verdict: Verdict::Done {
            result: StoredResult::None,
            callbacks: Vec::new(),
        },
        unlock: Vec::new(),
    };
    let request = SettleRequest {
        incarnation: worker,
        items: messages.iter().map(settle).collect(),
        claim: None,
    };
    for answer in store.settle(request).await.unwrap().items {
        answer.unwrap();
    }
}

/// Whatever becomes of the messages of a batch: once they are gone, so is all that held them.
#[tokio::test]
async fn batches_that_came_and_went_leave_no_key_behind() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let worker = join(&store, Duration::from_secs(600)).await;
    for kept in [Duration::ZERO, Duration::from_millis(1)] {
        store.set_retention(Retention {
            succeeded: kept,
            dead: Duration::ZERO,
            ..Retention::default()
        });
        let drafts = (0..150).map(|_| draft()).collect();
        let ids = submit_all(&store, drafts).await;
        for answer in store.revoke(ids[70..80].to_vec(), false).await.unwrap() {
            answer.unwrap();
        }
        let first = take(&store, worker, 40).await;
        succeed(&store, worker, &first[..10]).await;
        store.revoke(vec![first[20].id], false).await.unwrap();
        succeed(&store, worker, &first[30..]).await;
        succeed(&store, worker, &[&first[10..20], &first[21..30]].concat()).await;
        let rest = take(&store, worker, 200).await;
        assert_eq!(rest.len(), 100);
        for part in rest.chunks(7) {
            succeed(&store, worker, part).await;
        }
        while store
            .get(ids.clone())
            .await
            .unwrap()
            .iter()
            .any(Option::is_some)
        {
            store.prune(limits::UPKEEP_ROWS).await.unwrap();
        }
        assert_eq!(keys(&server, "bBKHXhwmftslpqrxdk"), Vec::<String>::new());
    }
}

/// The last step that one call may take of those that were left was the last element: the line once kept its marks,
/// and a claim looked for its head for ever.
#[tokio::test]
async fn a_line_that_is_empty_at_the_bound_of_a_call_is_left() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let worker = join(&store, Duration::from_secs(10)).await;
    // 1,000 steps to the last element, with the packs that are opened on the way; and all around that.
    for count in 985..997 {
        let mut ids = submit_all(&store, (0..count).map(|_| draft()).collect()).await;
        ids.reverse();
        for answer in store.revoke(ids, false).await.unwrap() {
            answer.unwrap();
        }
        assert_eq!(take(&store, worker, 10).await, []);
        assert_eq!(keys(&server, "lpqrxX"), Vec::<String>::new(), "{count}");
    }
}

/// What is alike and in a row is kept together; what has anything of its own is not.
#[tokio::test]
async fn only_plain_neighbours_are_kept_together() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let with = |options: Options| Draft { options, ..draft() };
    let large = Draft {
        payload: towpath_core::Payload::json(format!("\"{}\"", "x".repeat(5_000))),
        ..draft()
    };
    let expiring = with(Options {
        expires_in: Some(Duration::from_secs(60)),
        ..Options::default()
    });
    let later = Draft {
        start: Start::After(Duration::from_secs(60)),
        ..draft()
    };
    let mut drafts = vec![draft(), draft(), large, draft(), expiring, draft(), later];
    drafts.extend((0..130).map(|_| draft()));
    let ids = submit_all(&store, drafts).await;
    let count = |letter: &str| -> usize {
        let key = format!("{{towpath:towpath}}:{letter}");
        redis::cmd("HLEN")
            .arg(key)
            .query(&mut connect(&server))
            .unwrap()
    };
    // Two, 100 and 30; alone are those between, and the one after what expires.
    assert_eq!((count("K"), count("B"), count("b")), (3, 132, 5));
    let worker = join(&store, Duration::from_secs(10)).await;
    let claimed = take(&store, worker, 200).await;
    let expected = ids.iter().enumerate().filter(|(at, _)| *at != 6);
    let expected: Vec<MessageId> = expected.map(|(_, id)| *id).collect();
    let claimed: Vec<MessageId> = claimed.iter().map(|message| message.id).collect();
    assert_eq!(claimed, expected);
}

/// A server that evicts keys, or a hand that deletes one, takes what was in it; the others go on.
#[tokio::test]
async fn bodies_that_somebody_deleted_stop_nobody_else() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let lost = submit_all(&store, vec![draft(), draft()]).await;
    command(&mut connect(&server), &["DEL", "{towpath:towpath}:K"]);
    let next = submit_all(&store, vec![draft(), draft()]).await;
    let worker = join(&store, Duration::from_secs(10)).await;
    let claimed = take(&store, worker, 10).await;
    let claimed: Vec<MessageId> = claimed.iter().map(|message| message.id).collect();
    assert_eq!(claimed, next);
    assert!(store.get(lost.clone()).await.unwrap()[0].is_none());
    let answers = store.revoke(lost, false).await.unwrap();
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(store.audit(None, 100).await.unwrap().mended, []);
    // And while it is in somebody's hands.
    command(&mut connect(&server), &["DEL", "{towpath:towpath}:K"]);
    let mut keeper = store.lease_keeper().unwrap();
    let started = [Token {
        id: next[0],
        claims: 1,
    }];
    let extend = Extend {
        incarnation: worker,
        lease: Duration::from_secs(10),
        started: &started,
    };
    keeper.extend(extend).unwrap();
    store.leave(worker).await.unwrap();
    assert_eq!(store.counts().await.unwrap().running, 0);
}

/// Callers whose batches go out together are claimed by their batches.
#[tokio::test]
async fn batches_of_several_callers_are_not_mixed() {
    let Some(server) = server() else { return };
    let store = Arc::new(open(&server));
    let mut callers = JoinSet::new();
    for _ in 0..30 {
        let (store, drafts) = (store.clone(), (0..10).map(|_| draft()).collect());
        callers.spawn(async move { submit_all(&store, drafts).await });
    }
    let batches = callers.join_all().await;
    let worker = join(&store, Duration::from_secs(10)).await;
    for _ in 0..30 {
        let claimed = take(&store, worker, 10).await;
        let ids: Vec<MessageId> = claimed.iter().map(|message| message.id).collect();
        assert!(batches.contains(&ids), "{ids:?}");
    }
    assert!(keys(&server, "b").is_empty(), "a pack was taken apart");
}

/// Callers who wait for those before them have begun: closing the store waits for them.
#[tokio::test]
async fn callers_who_wait_when_the_store_is_closed_are_sent() {
    let Some(server) = server() else { return };
    let store = Arc::new(open(&server));
    submit_all(&store, vec![draft()]).await;
    let mut callers = JoinSet::new();
    for _ in 0..40 {
        let store = store.clone();
        callers.spawn(async move { store.submit(vec![draft()]).await });
    }
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    for answer in callers.join_all().await {
        answer.unwrap().remove(0).unwrap();
    }
    assert_eq!(open(&server).counts().await.unwrap().ready, 41);
}

/// A claim that has enough leaves the next pack as it is; one that has not takes it apart.
#[tokio::test]
async fn a_claim_that_has_enough_takes_no_pack_apart() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let ids = submit_all(&store, (0..300).map(|_| draft()).collect()).await;
    let worker = join(&store, Duration::from_secs(10)).await;
    let bodies = || -> usize {
        let mut count = redis::cmd("HLEN");
        count.arg("{towpath:towpath}:b");
        count.query(&mut connect(&server)).unwrap()
    };
    let mut claim = claim_of(worker);
    (claim.max, claim.enough) = (250, 125);
    let mut got = store.claim(claim.clone()).await.unwrap();
    assert_eq!((got.len(), bodies()), (200, 0));
    (claim.max, claim.enough) = (60, 30);
    got.extend(store.claim(claim.clone()).await.unwrap());
    assert_eq!((got.len(), bodies()), (260, 100));
    got.extend(store.claim(claim).await.unwrap());
    assert_eq!(got.iter().map(|m| m.id).collect::<Vec<_>>(), ids);
}

/// What callers bring at a time goes out by the line: one whose keys are broken is told to nobody else.
#[tokio::test]
async fn a_line_that_is_broken_is_told_to_its_own_callers_alone() {
    let Some(server) = server() else { return };
    let store = Arc::new(open(&server));
    let queue = |name: &str| Draft {
        queue: QueueName::new(name).unwrap(),
        ..draft()
    };
    let broken = "{towpath:towpath}:r6:brokent:0";
    submit_all(&store, vec![queue("broken")]).await;
    assert!(keys(&server, "r").contains(&broken.to_owned()));
    command(&mut connect(&server), &["DEL", broken]);
    command(&mut connect(&server), &["SET", broken, "no list"]);
    let names = ["broken", "whole"].into_iter().cycle().take(40);
    let mut callers = JoinSet::new();
    for name in names {
        let (store, draft) = (store.clone(), queue(name));
        callers.spawn(async move { (name, store.submit(vec![draft]).await) });
    }
    for (name, answer) in callers.join_all().await {
        match name {
            "whole" => answer.unwrap().remove(0).unwrap(),
            _ => assert_eq!(answer.unwrap_err().kind(), Kind::Storage),
        }
    }
    let mut claim = claim_of(join(&store, Duration::from_secs(10)).await);
    (claim.max, claim.enough) = (40, 40);
    claim.selection = Arc::new(Selection::Queues {
        queues: vec![QueueName::new("whole").unwrap()],
        tasks: vec![draft().task],
    });
    assert_eq!(store.claim(claim).await.unwrap().len(), 20);
}

/// A pack that is gone gives a rescue nothing to take back, and is no sign that nothing is left.
#[tokio::test]
async fn a_rescue_among_packs_that_somebody_deleted_takes_the_rest_back() {
    let Some(server) = server() else { return };
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    let store = RedisStore::open_with(&server.url().parse().unwrap(), clock.clone()).unwrap();
    let worker = join(&store, Duration::from_secs(10)).await;
    for _ in 0..20 {
        submit_all(&store, vec![draft(), draft()]).await;
    }
    let whole = submit_all(&store, vec![draft()]).await;
    assert_eq!(take(&store, worker, 100).await.len(), 41);
    command(&mut connect(&server), &["DEL", "{towpath:towpath}:K"]);
    clock.advance(Duration::from_secs(20));
    // Which it looks at first is left to chance, so it looks as often as there are elements.
    for _ in 0..21 {
        store.rescue(7).await.unwrap();
    }
    let other = join(&store, Duration::from_secs(10)).await;
    let again = take(&store, other, 10).await;
    assert_eq!(again.iter().map(|m| m.id).collect::<Vec<_>>(), whole);
    assert_eq!(store.counts().await.unwrap().running, 1);
}

/// Each message may be in a pack of its own, which is read to look at it: so a step looks at few.
#[tokio::test]
async fn a_step_of_an_audit_looks_at_few_messages_in_packs() {
    let Some(server) = server() else { return };
    let store = open(&server);
    submit_all(&store, (0..350).map(|_| draft()).collect()).await;
    let (mut scanned, mut after) = (0, None);
    loop {
        let step = store.audit(after, 1_000).await.unwrap();
        assert!(step.scanned <= 100, "{}", step.scanned);
        scanned += step.scanned;
        after = step.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(scanned, 350);
}
