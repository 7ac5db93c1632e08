//! What `cargo xtask instructions` counts under callgrind: submit, claim, settle and prune on one store, a
//! phase each, alone and in batches.
//!
//! Takes the name of a store. Prints one line per phase: verb, batch size, messages. Callgrind is told to
//! write down its counts whenever [`towpath_instructions_mark`] is called, which is before and after every
//! phase. Everything is the same in every run: the ids are counted up, the clock stands still, one thread
//! asks and waits. It is no benchmark of time, and outside callgrind it measures nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use towpath_core::store::{
    Claim, Retention, Selection, Settle, SettleRequest, StoredResult, Verdict, WorkerCard,
};
use towpath_core::{
    Draft, IncarnationId, ManualClock, Message, MessageId, Payload, Store, StoreUrl, TaskName,
    Timestamp, Token, limits,
};

/// How many messages one verb takes, and how many a phase does in all: enough that what a phase does once
/// is below one in a thousand.
const PHASES: [(usize, usize); 2] = [(1, 400), (100, 4_000)];

/// Where callgrind writes down what was counted since the last call. Its name is all that matters.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn towpath_instructions_mark() {
    std::hint::black_box(());
}

fn main() {
    // `cargo bench` hands over a flag of its own.
    let name = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let Some(name) = name else {
        println!("counts nothing by itself; run `cargo xtask instructions`");
        return;
    };
    let directory = tempfile::tempdir().expect("a directory for the store");
    let path = directory.path().join("jobs.db");
    let url = match name.as_str() {
        "memory" => StoreUrl::memory(),
        "sqlite" => StoreUrl::sqlite(path.to_str().expect("a path in UTF-8")),
        other => panic!("no store is called {other:?}; there are memory and sqlite"),
    };
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    let store = towpath_stores::open_with(&url, clock).expect("the store is in this build");
    let mut bench = Bench::new(store);
    // Statements are prepared and tables grown before anything is counted.
    for (batch, _) in PHASES {
        bench.cycle(batch, batch * 3, |_, _| {});
    }
    for (batch, messages) in PHASES {
        bench.cycle(batch, messages, |verb, phase| {
            towpath_instructions_mark();
            phase();
            towpath_instructions_mark();
            println!("{verb} {batch} {messages}");
        });
    }
    bench.close();
}

/// One worker on one store.
struct Bench {
    runtime: Runtime,
    store: Arc<dyn Store>,
    incarnation: IncarnationId,
    task: TaskName,
    selection: Arc<Selection>,
    submitted: u128,
    turn: u64,
}

impl Bench {
    fn new(store: Arc<dyn Store>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime on this thread");
        // What has succeeded may go at once.
        store.set_retention(Retention {
            succeeded: Duration::ZERO,
            ..Retention::default()
        });
        let task = TaskName::new("add").expect("a constant name");
        let incarnation = IncarnationId::from_bytes([1; 16]);
        let tasks = vec![task.clone()];
        let card = WorkerCard {
            incarnation,
            name: "counted".to_owned(),
            listens: "every queue".to_owned(),
            tasks: tasks.clone(),
        };
        let joined = runtime.block_on(store.join(card, limits::LEASE));
        joined.expect("nobody else has joined");
        Self {
            runtime,
            store,
            incarnation,
            task,
            selection: Arc::new(Selection::Any { tasks }),
            submitted: 0,
            turn: 0,
        }
    }

    /// Every verb on so many messages; `phase` runs the ones that count.
    fn cycle(&mut self, batch: usize, messages: usize, phase: impl Fn(&str, &mut dyn FnMut())) {
        let times = messages / batch;
        let drafts = self.drafts(batch, times);
        let mut drafts = drafts.into_iter();
        phase("submit", &mut || {
            for drafts in drafts.by_ref() {
                self.submit(drafts);
            }
        });
        let mut held = Vec::with_capacity(times);
        phase("claim", &mut || {
            held.extend((0..times).map(|_| self.claim(batch)));
        });
        phase("settle", &mut || {
            for tokens in held.drain(..) {
                self.settle(&tokens, 0);
            }
        });
        for drafts in self.drafts(batch, times + 1) {
            self.submit(drafts);
        }
        let mut held = self.claim(batch);
        phase("settle+claim", &mut || {
            for _ in 0..times {
                held = self.settle(&held, batch);
            }
        });
        self.settle(&held, 0);
        phase("prune", &mut || (0..times).for_each(|_| self.prune(batch)));
        while self.pruned(limits::UPKEEP_ROWS) > 0 {}
    }

    fn drafts(&mut self, batch: usize, times: usize) -> Vec<Vec<Draft>> {
        let mut one = || {
            self.submitted += 1;
            // As the ids of a real producer: later ones sort later.
            let id = MessageId::from_bytes((self.submitted << 64).to_be_bytes());
            let mut draft = Draft::new(self.task.clone(), Payload::json("[12, \"thirteen\"]"));
            draft.id = id;
            draft
        };
        (0..times)
            .map(|_| (0..batch).map(|_| one()).collect())
            .collect()
    }

    fn submit(&self, drafts: Vec<Draft>) {
        let answers = self.runtime.block_on(self.store.submit(drafts));
        let answers = answers.expect("the store takes them");
        assert!(answers.iter().all(Result::is_ok));
    }

    fn claim(&mut self, max: usize) -> Vec<Token> {
        let claim = self.asked(max);
        let claimed = self.runtime.block_on(self.store.claim(claim));
        let claimed = claimed.expect("the worker has joined");
        assert_eq!(claimed.len(), max);
        claimed.iter().map(Message::token).collect()
    }

    /// Settles, and claims as many as asked for in the same step.
    fn settle(&mut self, tokens: &[Token], max: usize) -> Vec<Token> {
        let done = |token: &Token| Settle {
            token: *token,
            started_at: None,
            verdict: Verdict::Done {
                result: StoredResult::Value(Payload::json("25")),
                callbacks: Vec::new(),
            },
            unlock: Vec::new(),
        };
        let request = SettleRequest {
            incarnation: self.incarnation,
            items: tokens.iter().map(done).collect(),
            claim: (max > 0).then(|| self.asked(max)),
        };
        let settled = self.runtime.block_on(self.store.settle(request));
        let settled = settled.expect("the worker has joined");
        assert!(settled.items.iter().all(Result::is_ok));
        assert_eq!(settled.claimed.len(), max);
        settled.claimed.iter().map(Message::token).collect()
    }

    fn prune(&self, max: usize) {
        assert_eq!(self.pruned(max), max);
    }

    fn pruned(&self, max: usize) -> usize {
        let pruned = self.runtime.block_on(self.store.prune(max));
        pruned.expect("nobody is in the way").removed
    }

    fn asked(&mut self, max: usize) -> Claim {
        self.turn += 1;
        Claim {
            incarnation: self.incarnation,
            max,
            enough: max,
            selection: self.selection.clone(),
            turn: self.turn,
        }
    }

    fn close(self) {
        let closed = self.runtime.block_on(self.store.close());
        closed.expect("nobody else works on it");
    }
}
