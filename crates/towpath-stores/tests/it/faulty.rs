//! A scenario with a fault at every call in turn: whatever goes wrong, no accepted message is lost and
//! none is held under two valid tokens.
//!
//! The caller does what a worker process does. It repeats what failed, takes "already there" for
//! accepted, gives an incarnation up whose claim it lost track of, and starts again after a crash with
//! nothing but what the store remembers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use towpath_core::store::{
    Claim, Extend, Selection, Settle, SettleRequest, Standing, StoredResult, Verdict, WorkerCard,
};
use towpath_core::{
    AttemptError, Draft, IncarnationId, Kind, Message, MessageId, Payload, Result, State, Store,
    TaskName, Token, limits,
};
use towpath_stores::conformance::Harness;
use towpath_stores::faulty::{Fault, FaultyStore};

use crate::stores;

/// How many rounds of the caller's loop, each a second of the clock, the scenario may take. A lease
/// and a retry fit in a few times over.
const ROUNDS_MAX: usize = 60;

/// The messages of the scenario, and what has been seen of them from outside.
struct Scenario {
    h: Harness,
    drafts: Vec<Draft>,
    callback: Draft,
    /// Every token that was ever handed out, and to whom.
    seen: HashMap<MessageId, Vec<(IncarnationId, Token)>>,
}

impl Scenario {
    fn new(h: Harness) -> Self {
        let draft = |task: &str| Draft::new(TaskName::new(task).unwrap(), Payload::json("[]"));
        let chain = Draft::chain([draft("first"), draft("next")])
            .unwrap()
            .unwrap();
        let callback = chain.options.callback.as_deref().unwrap().clone();
        Self {
            h,
            drafts: vec![chain, draft("second"), draft("third")],
            callback,
            seen: HashMap::new(),
        }
    }

    /// Plays the scenario with `fault` at call `n`, and checks it. Answers whether the fault struck.
    async fn play(mut self, n: u64, fault: Fault) -> bool {
        let faulty = FaultyStore::new(self.h.store.clone()).at(n, fault);
        let mut caller = Caller::start(Arc::new(faulty));
        let first = caller.store.clone();
        for _ in 0..ROUNDS_MAX {
            if caller.store.has_crashed() {
                caller = Caller::start(Arc::new(FaultyStore::new(self.h.store.clone())));
            }
            // An error ends the round; the next one begins with what the caller still knows.
            let round = caller.round(&mut self).await;
            if self.is_over().await {
                break;
            }
            drop(round);
            self.h.advance(Duration::from_secs(1));
        }
        self.check().await;
        first.has_struck()
    }

    async fn is_over(&self) -> bool {
        let records = self.h.store.get(self.ids()).await.unwrap();
        let ended = |state: State| state == State::Succeeded;
        records
            .iter()
            .all(|r| r.as_ref().is_some_and(|r| ended(r.state)))
    }

    fn ids(&self) -> Vec<MessageId> {
        let ids = self.drafts.iter().map(|draft| draft.id);
        ids.chain([self.callback.id]).collect()
    }

    /// Notes that a message was handed out; whoever had it before must not hold it any more.
    async fn handed_out(&mut self, incarnation: IncarnationId, message: &Message) {
        let token = message.token();
        let earlier = self.seen.entry(message.id).or_default();
        for (holder, old) in earlier.iter() {
            assert!(*old < token, "{token} after {old}");
            let standing = self.h.store.standing(*holder, vec![*old]).await.unwrap();
            assert_eq!(standing, [Standing::Lost], "{old} beside {token}");
        }
        earlier.push((incarnation, token));
    }

    async fn check(&self) {
        for id in self.ids() {
            let record = self.h.store.get(vec![id]).await.unwrap().remove(0);
            let record = record.unwrap_or_else(|| panic!("message {id} is lost"));
            assert_eq!(record.state, State::Succeeded, "{:?}", record.task);
            let retried = u32::from(id == self.drafts[0].id);
            assert_eq!(record.counters.retries, retried, "{:?}", record.task);
            let done = record
                .attempts
                .iter()
                .filter(|attempt| attempt.outcome == towpath_core::message::AttemptOutcome::Done);
            assert_eq!(done.count(), 1, "{:?}", record.attempts);
        }
        // No token that was ever handed out is worth anything now.
        for (holder, token) in self.seen.values().flatten() {
            let request = settle_request(*holder, *token, Verdict::Release);
            for answer in self.h.store.settle(request).await.unwrap().items {
                assert_eq!(answer.unwrap_err().kind(), Kind::LeaseLost);
            }
        }
        assert_eq!(self.h.store.doctor().await.unwrap(), []);
    }
}

/// A worker process, as long as it lives.
struct Caller {
    store: Arc<FaultyStore>,
    accepted: HashSet<MessageId>,
    incarnation: Option<IncarnationId>,
}

impl Caller {
    fn start(store: Arc<FaultyStore>) -> Self {
        Self {
            store,
            accepted: HashSet::new(),
            incarnation: None,
        }
    }

    async fn round(&mut self, scenario: &mut Scenario) -> Result<()> {
        self.submit(&scenario.drafts).await?;
        self.store.rescue(limits::UPKEEP_ROWS).await?;
        self.store.promote(limits::UPKEEP_ROWS).await?;
        let incarnation = self.incarnation().await?;
        for message in self.claim(incarnation).await? {
            scenario.handed_out(incarnation, &message).await;
            self.beat(incarnation, &[message.token()])?;
            self.settle(incarnation, &message).await?;
        }
        Ok(())
    }

    async fn submit(&mut self, drafts: &[Draft]) -> Result<()> {
        for draft in drafts {
            if self.accepted.contains(&draft.id) {
                continue;
            }
            match self.store.submit(vec![draft.clone()]).await?.remove(0) {
                Ok(()) => {}
                Err(error) if error.kind() == Kind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            self.accepted.insert(draft.id);
        }
        Ok(())
    }

    async fn incarnation(&mut self) -> Result<IncarnationId> {
        if let Some(incarnation) = self.incarnation {
            return Ok(incarnation);
        }
        // A fresh one each time: a join whose answer was lost is simply left behind.
        let card = WorkerCard {
            incarnation: IncarnationId::new(),
            name: "host:1".to_owned(),
            listens: String::new(),
            tasks: Vec::new(),
        };
        let incarnation = card.incarnation;
        self.store.join(card, limits::LEASE).await?;
        self.incarnation = Some(incarnation);
        Ok(incarnation)
    }

    async fn claim(&mut self, incarnation: IncarnationId) -> Result<Vec<Message>> {
        let tasks = ["first", "second", "third", "next"];
        let tasks = tasks.map(|name| TaskName::new(name).unwrap()).into();
        let claim = Claim {
            incarnation,
            max: 2,
            enough: 2,
            selection: Arc::new(Selection::Any { tasks }),
            turn: 0,
        };
        let claimed = self.store.claim(claim).await;
        if claimed.is_err() {
            self.give_up(incarnation).await;
        }
        claimed
    }

    /// Messages may be held that this worker does not know of; they go back with its incarnation.
    async fn give_up(&mut self, incarnation: IncarnationId) {
        self.incarnation = None;
        // When even that fails, the lease runs out.
        let _ = self.store.leave(incarnation).await;
    }

    fn beat(&self, incarnation: IncarnationId, started: &[Token]) -> Result<()> {
        let extend = || Extend {
            incarnation,
            lease: limits::LEASE,
            started,
        };
        let mut keeper = self.store.lease_keeper()?;
        // One missed heartbeat is nothing.
        keeper.extend(extend()).or_else(|_| keeper.extend(extend()))
    }

    async fn settle(&mut self, incarnation: IncarnationId, message: &Message) -> Result<()> {
        let request = || settle_request(incarnation, message.token(), verdict(message));
        let mut answer = self.store.settle(request()).await;
        if answer.is_err() && !self.store.has_crashed() {
            answer = self.store.settle(request()).await;
        }
        match answer?.items.remove(0) {
            // The first call may have been accepted and its answer lost.
            Err(error) if error.kind() == Kind::LeaseLost => Ok(()),
            answer => answer,
        }
    }
}

/// The first task fails once and then submits its callback; the others succeed.
fn verdict(message: &Message) -> Verdict {
    if message.task.as_str() == "first" && message.counters.retries == 0 {
        return Verdict::Retry {
            after: Duration::from_secs(2),
            error: AttemptError::new("Oops", "once"),
        };
    }
    let result = Payload::json("1");
    Verdict::Done {
        callbacks: message
            .next_in_chain(Some(result.clone()))
            .into_iter()
            .collect(),
        result: StoredResult::Value(result),
    }
}

fn settle_request(incarnation: IncarnationId, token: Token, verdict: Verdict) -> SettleRequest {
    SettleRequest {
        incarnation,
        items: vec![Settle {
            token,
            started_at: None,
            verdict,
            unlock: Vec::new(),
        }],
        claim: None,
    }
}

/// Plays the scenario with `fault` at each of its calls.
async fn at_every_call<M: Into<Option<Harness>>>(make: fn() -> M, fault: Fault) {
    let mut n = 1;
    loop {
        // Without a server to play on there is nothing to see, and that has been said.
        let Some(harness) = make().into() else {
            return;
        };
        if !Scenario::new(harness).play(n, fault).await {
            break;
        }
        n += 1;
    }
    assert!(n > 15, "the scenario has only {n} calls");
}

macro_rules! at_every_call {
    ($store:ident: $($case:ident by $fault:expr,)*) => {
        mod $store {
            use super::*;
            $(
                #[tokio::test]
                async fn $case() {
                    at_every_call(stores::$store, $fault).await;
                }
            )*
        }
    };
    ($store:ident) => {
        at_every_call! { $store:
            unavailable by Fault::Refuse(Kind::Unavailable),
            broken by Fault::Refuse(Kind::Storage),
            unanswered by Fault::LoseAnswer,
            crashing_before by Fault::CrashBefore,
            crashing_after by Fault::CrashAfter,
        }
    };
}

at_every_call!(memory);
#[cfg(feature = "sqlite")]
at_every_call!(sqlite);
#[cfg(feature = "redis")]
at_every_call!(redis);
#[cfg(feature = "redis")]
at_every_call!(cluster);

#[tokio::test]
async fn without_a_fault_the_scenario_holds() {
    assert!(
        !Scenario::new(stores::memory())
            .play(u64::MAX, Fault::LoseAnswer)
            .await
    );
}
