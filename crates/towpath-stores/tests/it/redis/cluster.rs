//! A cluster of a test's own whose nodes die and whose slots are moved, and stores on it that go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::Client;
use towpath_core::name::ChannelName;
use towpath_core::store::{Extend, Heard, Settle, SettleRequest, StoredResult, Topic, Verdict};
use towpath_core::{Draft, IncarnationId, Kind, Payload, State, Store, StoreUrl, Token};
use towpath_servers::RedisCluster;
use towpath_stores::redis::RedisStore;

use super::place::{card, claim, claim_of, draft, join, state, submit};

/// The key that every script of the default namespace names.
const KEY: &str = "{towpath:towpath}:";
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_secs(3_600);

fn cluster() -> Option<RedisCluster> {
    towpath_servers::given(towpath_servers::CLUSTER_URL)?;
    Some(RedisCluster::start().expect("a cluster"))
}

fn open(url: &str) -> RedisStore {
    RedisStore::open(&url.parse::<StoreUrl>().unwrap()).unwrap()
}

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("it took too long until {what}"))
}

/// A number in what `INFO replication` says.
fn offset(cluster: &RedisCluster, node: usize, name: &str) -> u64 {
    let info = cluster.ask(node, &["INFO", "replication"]).unwrap();
    let mut lines = info.lines().filter_map(|line| line.split_once(':'));
    let (_, number) = lines.find(|(key, _)| *key == name).expect(name);
    number.parse().unwrap()
}

/// Kills the primary of the namespace once its replica has all that it had done when this was called.
async fn kill_replicated(cluster: &mut RedisCluster) -> usize {
    let primary = cluster.primary_of(KEY).unwrap();
    replicated(cluster, primary).await;
    cluster.kill(primary).unwrap();
    primary
}

/// Waits until the replica of a primary has all that it had done when this was called.
async fn replicated(cluster: &RedisCluster, primary: usize) {
    let done = offset(cluster, primary, "master_repl_offset");
    in_time("the replica has it", async {
        while offset(cluster, primary + 3, "slave_repl_offset") < done {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Submits, again and again if it has to be.
async fn submit_at_last(store: &RedisStore, draft: Draft) {
    let submitted = async {
        loop {
            match store
                .submit(vec![draft.clone()])
                .await
                .map(|mut all| all.remove(0))
            {
                Ok(Ok(())) => return,
                // The try before arrived, and its answer did not.
                Ok(Err(error)) if error.kind() == Kind::AlreadyExists => return,
                Ok(Err(error)) => panic!("{error}"),
                Err(error) => assert_eq!(error.kind(), Kind::Unavailable, "{error}"),
            }
        }
    };
    in_time("it is submitted", submitted).await;
}

/// What a worker does who looks only when he is woken: claims until there is nothing, and settles it.
async fn work_when_woken(store: Arc<RedisStore>) {
    let mut work = store.watch(Topic::Work);
    let mut incarnation = join(&store, LEASE).await;
    loop {
        match exchange(&store, incarnation).await {
            Ok(0) => work.changed().await,
            Ok(_) => {}
            // What was claimed by the one whose answer was lost is given back.
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                while store.leave(incarnation).await.is_err() {}
                incarnation = join_at_last(&store).await;
            }
        }
    }
}

async fn join_at_last(store: &RedisStore) -> IncarnationId {
    loop {
        let incarnation = IncarnationId::new();
        if store.join(card(incarnation), LEASE).await.is_ok() {
            return incarnation;
        }
    }
}

async fn exchange(store: &RedisStore, incarnation: IncarnationId) -> towpath_core::Result<usize> {
    let items: Vec<Settle> = store
        .claim(claim_of(incarnation))
        .await?
        .iter()
        .map(|message| done(message.token()))
        .collect();
    let count = items.len();
    let request = SettleRequest {
        incarnation,
        items,
        claim: None,
    };
    for settled in store.settle(request).await?.items {
        if let Err(error) = settled {
            assert_eq!(error.kind(), Kind::LeaseLost, "{error}");
        }
    }
    Ok(count)
}

fn done(token: Token) -> Settle {
    Settle {
        token,
        started_at: None,
        verdict: Verdict::Done {
            callbacks: Vec::new(),
            result: StoredResult::Value(Payload::json("1")),
        },
        unlock: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_under_load_is_replaced_and_what_it_had_replicated_is_done() {
    let Some(mut cluster) = cluster() else { return };
    let store = open(&cluster.url());
    let worker = tokio::spawn(work_when_woken(Arc::new(open(&cluster.url()))));
    let mut accepted = Vec::new();
    for _ in 0..200 {
        accepted.push(submit(&store).await.unwrap());
    }
    let killed = kill_replicated(&mut cluster).await;
    // No pause: these are refused until the replica has taken over.
    for _ in 0..50 {
        let draft = draft();
        accepted.push(draft.id);
        submit_at_last(&store, draft).await;
    }
    assert_ne!(cluster.primary_of(KEY).unwrap(), killed);
    in_time("all is done", async {
        for id in accepted {
            // What is not there would never be done.
            while state(&store, id)
                .await
                .expect("a message that was accepted")
                != State::Succeeded
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    })
    .await;
    // Nothing is under way, and the worker looks only when it is woken.
    let last = submit(&store).await.unwrap();
    in_time("the last is done", async {
        while state(&store, last).await != Some(State::Succeeded) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(!worker.is_finished());
    worker.abort();
    cluster.start_again(killed).unwrap();
    cluster.wait_until_whole().unwrap();
    submit(&store).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_and_channels_go_on_after_a_failover() {
    let Some(mut cluster) = cluster() else { return };
    let store = open(&cluster.url());
    let id = submit(&store).await.unwrap();
    let incarnation = join(&store, LEASE).await;
    assert_eq!(claim(&store, incarnation).await, [id]);
    let channel = ChannelName::new("c").unwrap();
    // It stands on the node that has served the verbs above.
    let mut heard = store.kv().subscribe(channel.clone()).await.unwrap();
    let mut keeper = store.lease_keeper().unwrap();
    let extend = Extend {
        incarnation,
        lease: LEASE,
        started: &[],
    };
    keeper.extend(extend).unwrap();
    kill_replicated(&mut cluster).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let extend = Extend {
            incarnation,
            lease: LEASE,
            started: &[],
        };
        match tokio::task::block_in_place(|| keeper.extend(extend)) {
            Ok(()) => break,
            Err(error) => {
                assert_eq!(error.kind(), Kind::Unavailable, "{error}");
                assert!(error.to_string().contains(&cluster.url()), "{error}");
                assert!(Instant::now() < deadline, "{error}");
            }
        }
    }
    // What was claimed before is still held, and settled under the same token. The first try may find that the
    // connection is gone.
    let settled = loop {
        let request = SettleRequest {
            incarnation,
            items: vec![done(Token { id, claims: 1 })],
            claim: None,
        };
        match store.settle(request).await {
            Ok(mut settled) => break settled.items.remove(0),
            Err(error) => assert_eq!(error.kind(), Kind::Unavailable, "{error}"),
        }
        assert!(Instant::now() < deadline);
    };
    settled.unwrap();
    let told = in_time("the loss is told", heard.next()).await.unwrap();
    assert!(matches!(told, Heard::Lagged(0)), "{told:?}");
    let value = Payload::json("7");
    store.kv().publish(channel, value.clone()).await.unwrap();
    match in_time("it is published", heard.next()).await.unwrap() {
        Heard::Value(told) => assert_eq!(told.bytes(), value.bytes()),
        Heard::Lagged(missed) => panic!("{missed} missed"),
    }
}

/// It keeps its connections and answers nobody, and takes itself for the primary once it goes on.
#[tokio::test]
async fn a_primary_that_stands_still_is_left_for_its_replica_and_comes_back_as_one() {
    let Some(cluster) = cluster() else { return };
    let store = open(&cluster.url());
    let before = submit(&store).await.unwrap();
    let primary = cluster.primary_of(KEY).unwrap();
    replicated(&cluster, primary).await;
    cluster.nodes()[primary].freeze().unwrap();
    let meanwhile = draft();
    let id = meanwhile.id;
    submit_at_last(&store, meanwhile).await;
    cluster.nodes()[primary].thaw().unwrap();
    cluster.wait_until_whole().unwrap();
    assert_eq!(cluster.primary_of(KEY).unwrap(), primary + 3);
    for handle in [store, open(&cluster.url_of(&[primary, (primary + 1) % 3]))] {
        assert_eq!(state(&handle, before).await, Some(State::Ready));
        assert_eq!(state(&handle, id).await, Some(State::Ready));
    }
}

/// A script that followed the redirect would find an empty namespace on the other side, and fill it anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_on_its_way_is_waited_for_and_followed_once_it_has_arrived() {
    let Some(cluster) = cluster() else { return };
    let store = open(&cluster.url());
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(submit(&store).await.unwrap());
    }
    let worker = join(&store, LEASE).await;
    let (from, to) = (cluster.primary_of(KEY).unwrap(), 0);
    let to = if from == to { 1 } else { to };
    let slot = cluster.ask(from, &["CLUSTER", "KEYSLOT", KEY]).unwrap();
    let id_of = |node| cluster.ask(node, &["CLUSTER", "MYID"]).unwrap();
    let set = |on, what: &[&str]| {
        let mut words = vec!["CLUSTER", "SETSLOT", &slot];
        words.extend(what);
        cluster.ask(on, &words).unwrap();
    };
    set(to, &["IMPORTING", &id_of(from)]);
    set(from, &["MIGRATING", &id_of(to)]);
    let mut source = Client::open(cluster.nodes()[from].url()).unwrap();
    let keys = |client: &mut Client| -> Vec<String> {
        let mut keys = redis::cmd("CLUSTER");
        keys.arg("GETKEYSINSLOT").arg(&slot).arg(100);
        keys.query(client).unwrap()
    };
    let port = cluster.nodes()[to].port().to_string();
    let on_their_way = keys(&mut source);
    assert!(on_their_way.len() > 2);
    for key in &on_their_way {
        let refused = submit(&store).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Unavailable, "{refused}");
        assert!(refused.to_string().contains("is being moved"), "{refused}");
        let moved = cluster.ask(from, &["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]);
        assert_eq!(moved.unwrap(), "OK");
    }
    for node in [to, from] {
        set(node, &["NODE", &id_of(to)]);
    }
    let mut there = Client::open(cluster.nodes()[to].url()).unwrap();
    assert_eq!(keys(&mut there).len(), on_their_way.len());
    // The same handle: it is told `MOVED`.
    let claimed = claim(&store, worker).await;
    assert_eq!(claimed, ids[..10]);
    ids.push(submit(&store).await.unwrap());
    for id in ids {
        assert!(state(&store, id).await.is_some());
    }
}

#[tokio::test]
async fn nodes_that_serve_other_slots_lead_to_the_one_that_serves_the_namespace() {
    let Some(cluster) = cluster() else { return };
    let primary = cluster.primary_of(KEY).unwrap();
    let (other, replica) = ((primary + 1) % 3, primary + 3);
    let store = open(&cluster.url_of(&[other, replica]));
    let id = submit(&store).await.unwrap();
    assert_eq!(state(&open(&cluster.url()), id).await, Some(State::Ready));
    let mut keeper = store.lease_keeper().unwrap();
    let incarnation = join(&store, LEASE).await;
    let extend = Extend {
        incarnation,
        lease: LEASE,
        started: &[],
    };
    keeper.extend(extend).unwrap();
    // One alone is taken for a server that is no node of anything.
    let refused = submit(&open(&cluster.url_of(&[other]))).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Storage, "{refused}");
    assert!(
        refused.to_string().contains("name several of its nodes"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_nobody_serves_is_told_as_transient_until_somebody_does() {
    let Some(mut cluster) = cluster() else { return };
    let store = open(&cluster.url());
    let before = submit(&store).await.unwrap();
    let primary = cluster.primary_of(KEY).unwrap();
    cluster.kill(primary + 3).unwrap();
    let found = in_time("the primary misses its replica", async {
        loop {
            let found = store.doctor().await.unwrap();
            if let [finding] = found.as_slice() {
                return finding.clone();
            }
            assert!(found.is_empty(), "{found:?}");
        }
    })
    .await;
    let node = format!("127.0.0.1:{}", cluster.nodes()[primary].port());
    assert!(found.about.contains(&node), "{found:?}");
    assert!(found.problem.contains("no replica"), "{found:?}");
    cluster.kill(primary).unwrap();
    for _ in 0..3 {
        let refused = submit(&store).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Unavailable, "{refused}");
        assert!(refused.to_string().contains(&cluster.url()), "{refused}");
    }
    cluster.start_again(primary).unwrap();
    submit_at_last(&store, draft()).await;
    assert_eq!(state(&store, before).await, Some(State::Ready));
}
