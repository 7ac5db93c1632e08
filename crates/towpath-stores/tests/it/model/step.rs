//! One random step of a life.
//!
//! What a step is done to is a number, taken modulo what there is at the time, so that every step means
//! something however the steps before it were shrunk away.

use std::time::Duration;

use proptest::prelude::*;

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Submit(New),
    /// Several plain messages of one line in one call, and perhaps another among them.
    SubmitMany {
        like: New,
        count: usize,
        among: Option<New>,
    },
    /// An id that is known.
    SubmitAgain(usize),
    Claim {
        slot: usize,
        max: usize,
        wish: Wish,
    },
    Settle {
        token: usize,
        /// By somebody else than the one it was handed to.
        stolen: bool,
        end: End,
    },
    /// The successes of several attempts that were handed out one after the other, in one call.
    SettleMany {
        token: usize,
        count: usize,
        claim: bool,
    },
    /// A heartbeat of the worker that was handed this token, which tells of its start.
    Beat {
        token: usize,
        started: bool,
    },
    /// A worker claims the next message, may tell of its start, and dies. A life of single steps would
    /// hardly ever lose one message often enough to have it given up.
    Lose {
        slot: usize,
        started: bool,
    },
    /// Time passes until the next scheduled message is due, and it is promoted.
    Ripen,
    Note(usize),
    Leave(usize),
    Revoke {
        message: usize,
        skip_running: bool,
    },
    Update {
        message: usize,
        priority: Option<u32>,
        delay: Option<Duration>,
    },
    Requeue(usize),
    Replay(usize),
    Remove(usize),
    Take(usize),
    Promote,
    Rescue,
    Expire,
    Prune,
    Pause {
        queue: usize,
        paused: bool,
    },
    Advance(Duration),
    /// Sets the wall clock by that many milliseconds.
    SetWall(i64),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct New {
    pub(super) queue: usize,
    pub(super) task: usize,
    pub(super) priority: u32,
    pub(super) delay: Option<Duration>,
    pub(super) expires_in: Option<Duration>,
    pub(super) result_ttl: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Wish {
    Any,
    /// Queues in order of preference, all tasks.
    Queues([usize; 2]),
    /// One queue, tasks in order of preference.
    Tasks(usize, [usize; 2]),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Done {
        size: Option<usize>,
        callback: Callback,
    },
    Retry(Duration),
    Fail,
    Release,
    Snooze(Duration),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Callback {
    None,
    New(New),
    Known(usize),
}

const ANY: std::ops::Range<usize> = 0..1_000;

pub(super) fn step() -> impl Strategy<Value = Step> {
    let flag = any::<bool>;
    prop_oneof![
        14 => new().prop_map(Step::Submit),
        8 => (new(), 2..6_usize, prop::option::weighted(0.3, new()))
            .prop_map(|(like, count, among)| Step::SubmitMany { like: plain(like), count, among }),
        1 => ANY.prop_map(Step::SubmitAgain),
        20 => (0..3_usize, 1..5_usize, wish())
            .prop_map(|(slot, max, wish)| Step::Claim { slot, max, wish }),
        18 => (ANY, prop::bool::weighted(0.1), end())
            .prop_map(|(token, stolen, end)| Step::Settle { token, stolen, end }),
        8 => (ANY, 2..6_usize, flag())
            .prop_map(|(token, count, claim)| Step::SettleMany { token, count, claim }),
        8 => (ANY, flag()).prop_map(|(token, started)| Step::Beat { token, started }),
        8 => (0..3_usize, prop::bool::weighted(0.8))
            .prop_map(|(slot, started)| Step::Lose { slot, started }),
        8 => Just(Step::Ripen),
        2 => ANY.prop_map(Step::Note),
        2 => ANY.prop_map(Step::Leave),
        3 => (ANY, flag())
            .prop_map(|(message, skip_running)| Step::Revoke { message, skip_running }),
        4 => (ANY, prop::option::of(0..4_u32), prop::option::of(short()))
            .prop_map(|(message, priority, delay)| Step::Update { message, priority, delay }),
        4 => ANY.prop_map(Step::Requeue),
        2 => ANY.prop_map(Step::Replay),
        2 => ANY.prop_map(Step::Remove),
        2 => ANY.prop_map(Step::Take),
        8 => Just(Step::Promote),
        8 => Just(Step::Rescue),
        3 => Just(Step::Expire),
        3 => Just(Step::Prune),
        2 => (0..3_usize, flag()).prop_map(|(queue, paused)| Step::Pause { queue, paused }),
        10 => (1..12_000_u64).prop_map(|millis| Step::Advance(Duration::from_millis(millis))),
        2 => (170..700_u64).prop_map(|seconds| Step::Advance(Duration::from_secs(seconds))),
        1 => (-90_000..90_000_i64).prop_map(Step::SetWall),
    ]
}

fn new() -> impl Strategy<Value = New> {
    let seldom = |of| prop::option::weighted(0.2, of);
    let fields = (
        0..3_usize,
        0..3_usize,
        0..4_u32,
        seldom(short()),
        seldom(short()),
        seldom(short()),
    );
    fields.prop_map(
        |(queue, task, priority, delay, expires_in, result_ttl)| New {
            queue,
            task,
            priority,
            delay,
            expires_in,
            result_ttl,
        },
    )
}

/// The same message, ready at once and with no times of its own.
fn plain(new: New) -> New {
    New {
        delay: None,
        expires_in: None,
        result_ttl: None,
        ..new
    }
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        Just(Wish::Any),
        [0..3_usize, 0..3_usize].prop_map(Wish::Queues),
        (0..3_usize, [0..3_usize, 0..3_usize]).prop_map(|(queue, tasks)| Wish::Tasks(queue, tasks)),
    ]
}

fn end() -> impl Strategy<Value = End> {
    let callback = prop_oneof![
        3 => Just(Callback::None),
        1 => new().prop_map(Callback::New),
        1 => ANY.prop_map(Callback::Known),
    ];
    prop_oneof![
        3 => (prop::option::of(0..40_usize), callback)
            .prop_map(|(size, callback)| End::Done { size, callback }),
        3 => short().prop_map(End::Retry),
        2 => Just(End::Fail),
        1 => Just(End::Release),
        1 => short().prop_map(End::Snooze),
    ]
}

fn short() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        (0..30_000_u64).prop_map(Duration::from_millis),
    ]
}
