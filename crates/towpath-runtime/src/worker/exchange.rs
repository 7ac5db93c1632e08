//! Settles what has ended and claims what there is room for, in one step of the store.
//!
//! One loop per mechanism. While a step is under way slots go on with what waits in the inbox, and
//! what ends meanwhile makes the next batch: the busier the worker, the larger its batches. Once a good
//! part of what is in hand has ended, a second step begins beside the first, so that the store is at work while
//! its answers are read. And while enough waits for all slots a step waits a millisecond for more to end, for
//! to a store on a server a step costs much, and a message in it little.
//!
//! **Prefetch** is what is claimed beyond the slots. It follows the pace: as much as the slots got
//! through in the last 50 ms, at most `prefetch`. Slow tasks are claimed one per free slot, and
//! nobody hoards what another worker could run. While one is in hand that was claimed alone, because it
//! may be what ended its workers, nothing is prefetched: what is claimed alone counts as started from
//! its claim, so two of them must not wait for each other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use towpath_core::store::{Claim, Selection, Settle, Settled, Standing, Topic, Verdict, Watch};
use towpath_core::{
    AttemptError, Error, FailReason, Kind, Message, MessageId, Record, Result, limits,
};

use super::doubt::{Doubt, give_back_unknown};
use super::finished::{After, End, Finished, Following, Hook, Hooks};
use super::inbox::Claimed;
use super::pace::Pace;
use super::pool::Pool;
use super::probe::Probe;
use super::shutdown::{Phase, Phases};
use super::step::{Done, Step, exchange};
use super::tenancy::Tenancy;
use super::tenure::Tenure;
use crate::app::Shared;
use crate::locks::Links;

/// How far ahead of the slots to claim.
const AHEAD: Duration = Duration::from_millis(50);
/// How long a step waits for more to end, while the slots have enough to do.
const LINGER: Duration = Duration::from_millis(1);
/// For how long they have to have, at their pace: a timer of a millisecond may take two.
const STOCK: Duration = Duration::from_millis(3);
/// Of a large claim so many are enough: each call of a store that needs several hands out at least that many, so one
/// that was lost leaves nothing of others behind.
const ENOUGH: usize = 64;
/// Most attempts settled in one step.
const SETTLE_MAX: usize = 4_096;
/// Most steps under way at a time: while the answer to one is read, the store has the other.
const STEPS: usize = 2;

/// The loop that settles and claims for one pool.
pub(crate) struct Exchange {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tenancy: Arc<Tenancy>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) phases: Phases,
    ended: mpsc::UnboundedReceiver<Finished>,
    selection: Arc<Selection>,
    prefetch: usize,
    watch: Box<dyn Watch>,
    /// The steps under way. One of them may claim: what the next asks for depends on what came.
    steps: JoinSet<Done>,
    claiming: bool,
    /// Nothing was left to claim the last time, and nobody has rung since.
    idle: bool,
    turn: u64,
    pace: Pace,
    /// What was claimed alone and has not ended.
    alone: HashSet<MessageId>,
    hooks: JoinSet<()>,
    probe: Arc<Probe>,
    /// The last question that had been asked when the last claim began.
    probed: u64,
    /// Whether anything was settled since the last claim began.
    settled_since: bool,
    /// Whether a claim was not answered.
    doubt: Doubt,
}

impl Exchange {
    pub(crate) fn new(
        tenancy: Arc<Tenancy>,
        pool: Arc<Pool>,
        ended: mpsc::UnboundedReceiver<Finished>,
        selection: Arc<Selection>,
        prefetch: usize,
        phases: Phases,
    ) -> Self {
        let shared = tenancy.shared().clone();
        let watch = shared.store.watch(Topic::Work);
        Self {
            shared,
            tenancy,
            pool,
            phases,
            ended,
            selection,
            prefetch,
            watch,
            steps: JoinSet::new(),
            claiming: false,
            idle: false,
            turn: 0,
            pace: Pace::new(),
            alone: HashSet::new(),
            hooks: JoinSet::new(),
            probe: Arc::default(),
            probed: 0,
            settled_since: false,
            doubt: Doubt::default(),
        }
    }

    pub(crate) fn probe(&self) -> Arc<Probe> {
        self.probe.clone()
    }

    /// Runs until the worker ends; then waits shortly for hooks that still run.
    pub(crate) async fn run(mut self) {
        while self.phases.current() == Phase::Running {
            let tenure = self.tenancy.current();
            if tenure.is_lost() {
                self.finish_steps().await;
                self.forget_lost().await;
                continue;
            }
            if self.doubt.is_due() {
                self.finish_steps().await;
                self.look_for_unknown(&tenure).await;
            }
            if self.steps.is_empty() {
                self.linger(&tenure).await;
            }
            if !self.begin(&tenure) {
                self.wait(&tenure).await;
            }
        }
        self.end().await;
    }

    /// Begins a step, if one may be and there is something to do.
    fn begin(&mut self, tenure: &Arc<Tenure>) -> bool {
        let worthwhile = match self.steps.len() {
            0 => 1,
            STEPS.. => return false,
            _ => self.large(),
        };
        let room = self.room(tenure);
        if self.pool.ended() < worthwhile && room < worthwhile {
            return false;
        }
        let ended = self.take_ended();
        self.pace.note(ended.len());
        let (items, afters) = self.sort(tenure, ended);
        // What has ended makes room.
        let claim = self.claim(tenure);
        if items.is_empty() && claim.is_none() {
            return false;
        }
        self.send(tenure, items, afters, claim);
        true
    }

    /// So many ended messages, or so much room, are worth a step, whatever is under way.
    fn large(&self) -> usize {
        let at_most = self.pool.capacity().saturating_add(self.prefetch);
        at_most.div_ceil(4).max(1)
    }

    fn send(
        &mut self,
        tenure: &Arc<Tenure>,
        items: Vec<Settle>,
        afters: Vec<Following>,
        claim: Option<Claim>,
    ) {
        let step = Step {
            tenure: tenure.clone(),
            enough: claim.as_ref().map(|claim| claim.enough),
            afters,
        };
        self.settled_since = claim.is_none();
        let (shared, incarnation) = (self.shared.clone(), tenure.id);
        self.steps.spawn(async move {
            let answer = exchange(&shared, incarnation, items, claim).await;
            Done { step, answer }
        });
    }

    /// Settles these by a step of their own.
    async fn step(&mut self, tenure: &Arc<Tenure>, ended: Vec<Finished>) {
        let (items, afters) = self.sort(tenure, ended);
        if !items.is_empty() {
            self.send(tenure, items, afters, None);
            self.finish_steps().await;
        }
    }

    async fn finish_steps(&mut self) {
        while let Some(done) = self.steps.join_next().await {
            self.finish(done).await;
        }
    }

    /// Passes on what came of a step.
    async fn finish(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let Done { step, answer } = match done {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime ends, and this with it.
            Err(_) => return,
        };
        let Step {
            tenure,
            enough,
            afters,
        } = step;
        self.claiming &= enough.is_none();
        match answer {
            Ok(Settled {
                items: answers,
                claimed,
            }) => {
                if let Some(enough) = enough {
                    self.idle = claimed.len() < enough && !is_cut_short(&claimed);
                }
                self.take_in(&tenure, claimed);
                self.conclude(&tenure, answers, afters).await;
            }
            Err((error, unsettled)) => {
                self.shared
                    .report(&error.clone().about("settling and claiming"));
                if enough.is_some() && error.kind() != Kind::LeaseLost {
                    self.doubt.raise();
                }
                self.again(&tenure, unsettled, afters, &error).await;
            }
        }
    }

    /// Gives back what a claim handed out whose answer was lost. Nothing is being claimed or settled here
    /// meanwhile, and nobody else in this worker claims messages of this mechanism.
    async fn look_for_unknown(&mut self, tenure: &Arc<Tenure>) {
        let (shared, pool) = (&self.shared, &self.pool);
        let is_unknown = |record: &Record| {
            let task = shared.registry.get(&record.task);
            task.is_some_and(|task| task.settings().get_mechanism() == pool.mechanism)
                && !pool.knows(record.token())
        };
        match give_back_unknown(shared, tenure, is_unknown).await {
            Ok(given_back) => {
                self.doubt.looked();
                self.idle &= given_back == 0;
            }
            Err(error) => {
                self.shared
                    .report(&error.about("looking for what a lost claim handed out"));
                pause().await;
            }
        }
    }

    /// Lets more end before the next step, if no slot can run out of messages meanwhile.
    async fn linger(&mut self, tenure: &Tenure) {
        if self.pool.inbox.len() < self.pool.capacity() + self.pace.within(STOCK) {
            return;
        }
        let (pool, large) = (self.pool.clone(), self.large());
        tokio::select! {
            () = pool.until_ended(large) => {}
            () = tokio::time::sleep(LINGER) => {}
            () = tenure.until_lost() => {}
            () = self.phases.reached(Phase::Stopping) => {}
        }
    }

    fn take_ended(&mut self) -> Vec<Finished> {
        let mut ended = Vec::new();
        while ended.len() < SETTLE_MAX
            && let Ok(one) = self.ended.try_recv()
        {
            ended.push(one);
        }
        self.pool.taken(&ended);
        ended
    }

    /// How many messages there is room for now, where there may be work.
    fn room(&self, tenure: &Tenure) -> usize {
        let capacity = self.pool.capacity();
        if self.idle || self.claiming || capacity == 0 || !tenure.may_start() {
            return 0;
        }
        let ahead = if self.alone.is_empty() {
            self.pace.within(AHEAD).min(self.prefetch)
        } else {
            0
        };
        let taken = self.pool.in_hand();
        capacity
            .saturating_add(ahead)
            .saturating_sub(taken)
            .min(limits::BATCH)
    }

    /// What to claim now.
    fn claim(&mut self, tenure: &Tenure) -> Option<Claim> {
        let max = self.room(tenure);
        if max == 0 {
            return None;
        }
        self.turn += 1;
        self.claiming = true;
        self.probed = self.probe.asked();
        Some(Claim {
            incarnation: tenure.id,
            max,
            enough: max.div_ceil(2).min(ENOUGH),
            selection: self.selection.clone(),
            turn: self.turn,
        })
    }

    /// Waits for anything that gives the loop something to do.
    async fn wait(&mut self, tenure: &Arc<Tenure>) {
        if self.idle && self.steps.is_empty() && self.pool.in_hand() == 0 {
            if self.settled_since && self.probe.is_open() {
                // What ended since may have left something ready.
                self.idle = false;
                return;
            }
            self.probe.answer(self.probed);
        }
        let fallback = self.shared.store.capabilities().fallback_poll;
        let fallback = fallback.mul_f64(0.75 + 0.5 * fastrand::f64());
        let (pool, probe) = (self.pool.clone(), self.probe.clone());
        let worthwhile = match self.steps.len() {
            0 => Some(1),
            STEPS.. => None,
            _ => Some(self.large()),
        };
        tokio::select! {
            Some(done) = self.steps.join_next() => self.finish(done).await,
            () = pool.until_ended(worthwhile.unwrap_or(usize::MAX)) => {}
            () = self.watch.changed(), if self.idle => self.idle = false,
            () = probe.asked_after(self.probed), if self.idle => self.idle = false,
            () = tokio::time::sleep(fallback) => self.idle = false,
            () = tenure.until_lost() => {}
            () = self.phases.reached(Phase::Stopping) => {}
            Some(hook) = self.hooks.join_next() => self.hook_ended(hook),
        }
    }

    /// Parts what is to be settled from what is over without.
    fn sort(
        &mut self,
        tenure: &Arc<Tenure>,
        ended: Vec<Finished>,
    ) -> (Vec<Settle>, Vec<Following>) {
        let mut items = Vec::with_capacity(ended.len());
        let mut afters = Vec::with_capacity(ended.len());
        for Finished {
            tenure: held_by,
            end,
            links,
            ..
        } in ended
        {
            match end {
                End::Settle(settle, after) if held_by.id == tenure.id => {
                    self.alone.remove(&settle.token.id);
                    items.push(settle);
                    afters.push((after, links));
                }
                End::Settle(..) | End::LeaseLost => {
                    self.alone.clear();
                    self.shared.metrics.lease_lost(1);
                }
                End::Revoked(hooks) => {
                    self.alone.remove(&hooks.ctx.token().id);
                    self.revoked(hooks);
                }
            }
        }
        (items, afters)
    }

    /// What was claimed belongs to the incarnation that claimed it, whatever has become of that.
    fn take_in(&mut self, tenure: &Arc<Tenure>, claimed: Vec<Message>) {
        if claimed.is_empty() {
            return;
        }
        self.shared.metrics.claimed(claimed.len() as u64);
        let alone = claimed.iter().filter(|m| m.counters.claimed_alone());
        self.alone.extend(alone.map(|message| message.id));
        let with_tenure = |message| Claimed {
            tenure: tenure.clone(),
            message,
        };
        self.pool
            .take_in(claimed.into_iter().map(with_tenure).collect());
    }

    /// Runs the hooks of what was accepted, and finds out why the rest was not.
    async fn conclude(
        &mut self,
        tenure: &Arc<Tenure>,
        answers: Vec<Result<()>>,
        afters: Vec<Following>,
    ) {
        let mut refused = Vec::new();
        for (answer, (after, links)) in answers.into_iter().zip(afters) {
            match answer {
                Ok(()) => {
                    links.settled();
                    self.accepted(after);
                }
                // The locks go with an end that was refused, each by itself.
                Err(error) => refused.push((error, after)),
            }
        }
        for (error, after) in refused {
            self.refused(tenure, error, after).await;
        }
    }

    async fn refused(&mut self, tenure: &Arc<Tenure>, error: Error, after: After) {
        let Some(hooks) = after.hooks() else { return };
        let token = hooks.ctx.token();
        if error.kind() != Kind::LeaseLost {
            self.shared.report(
                &error
                    .clone()
                    .about(format!("settling message {}", token.id)),
            );
            return self.unsettleable(tenure, &hooks, &error).await;
        }
        self.shared.metrics.lease_lost(1);
        tracing::info!(%token, "an attempt ended after its lease was lost; its end was refused");
        let standing = self.shared.store.standing(tenure.id, vec![token]).await;
        if standing.is_ok_and(|standing| standing == [Standing::Revoked]) {
            self.revoked(hooks);
        }
    }

    /// The store takes this end of an attempt from nobody: the attempt counts as failed, so that the
    /// message does not stay with a worker that is done with it.
    async fn unsettleable(&mut self, tenure: &Arc<Tenure>, hooks: &Hooks, error: &Error) {
        let verdict = Verdict::Fail {
            reason: FailReason::Rejected,
            error: AttemptError::new("unsettleable", error.to_string()),
        };
        let settle = Settle {
            token: hooks.ctx.token(),
            started_at: None,
            verdict,
            unlock: Vec::new(),
        };
        let answer = exchange(&self.shared, tenure.id, vec![settle], None).await;
        if let Err((error, _)) = answer {
            self.shared.report(&error);
        }
    }

    fn accepted(&mut self, after: After) {
        after.count(&self.shared.metrics);
        if let After::Hook(hooks, hook) = after {
            self.spawn_hook(hooks, hook);
        }
    }

    fn revoked(&mut self, hooks: Hooks) {
        self.accepted(After::Hook(hooks, Hook::Revocation));
    }

    fn spawn_hook(&mut self, hooks: Hooks, hook: Hook) {
        if hooks.policy.is_some() {
            self.hooks.spawn(hooks.run(hook, self.shared.clone()));
        }
    }

    fn hook_ended(&self, hook: Result<(), tokio::task::JoinError>) {
        // Panics inside hooks are caught before; this is a hook that was aborted with its runtime.
        if let Err(error) = hook {
            self.shared.report(&Error::new(
                Kind::Stopped,
                format!("a hook did not end: {error}"),
            ));
        }
    }

    /// The store did not serve: settle again, in growing steps, for as long as the lease holds.
    /// What no store call can settle (a permanent error) is tried as a plain retry of the message.
    async fn again(
        &mut self,
        tenure: &Arc<Tenure>,
        items: Vec<Settle>,
        afters: Vec<Following>,
        error: &Error,
    ) {
        if error.kind() == Kind::LeaseLost {
            tenure.lose();
            self.shared.metrics.lease_lost(items.len() as u64);
            return;
        }
        let mut wait = Duration::from_millis(20);
        let mut items = items;
        while !items.is_empty() && !tenure.is_lost() {
            tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64())).await;
            wait = (wait * 2).min(Duration::from_secs(1));
            match exchange(&self.shared, tenure.id, items, None).await {
                Ok(Settled { items: answers, .. }) => {
                    return self.conclude(tenure, answers, afters).await;
                }
                Err((error, kept)) if error.kind() == Kind::LeaseLost => {
                    tenure.lose();
                    items = kept;
                }
                Err((error, kept)) => {
                    self.shared.report(&error.about("settling"));
                    items = kept;
                }
            }
        }
        self.shared.metrics.lease_lost(items.len() as u64);
        if items.is_empty() {
            // Only the claim failed.
            pause().await;
        }
    }

    /// The lease was lost: what was claimed under it is somebody else's. Waits for the next one.
    async fn forget_lost(&mut self) {
        self.doubt.settle();
        let dropped = self.pool.inbox.drain(|claimed| claimed.tenure.is_lost());
        self.pool
            .let_go(dropped.iter().map(|claimed| claimed.message.token()));
        self.alone.clear();
        self.shared.metrics.lease_lost(dropped.len() as u64);
        let (tenancy, phases) = (self.tenancy.clone(), self.phases.clone());
        let pool = self.pool.clone();
        tokio::select! {
            _ = tenancy.good() => self.idle = false,
            () = pool.until_ended(1) => {
                let (tenure, lost) = (self.tenancy.current(), self.take_ended());
                // No other incarnation may have begun yet: then these ends are refused here, unasked.
                let (refused, _) = self.sort(&tenure, lost);
                self.shared.metrics.lease_lost(refused.len() as u64);
            }
            () = phases.reached(Phase::Stopping) => {}
        }
    }

    /// Gives back what waits, settles what still ends, and lets the hooks finish.
    async fn end(mut self) {
        let tenure = self.tenancy.current();
        self.finish_steps().await;
        self.release_waiting(&tenure).await;
        while self.pool.in_hand() > 0 {
            self.pool.until_ended(1).await;
            let ended = self.take_ended();
            self.step(&tenure, ended).await;
        }
        self.pool.inbox.close();
        let hooks = async { while self.hooks.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(5), hooks)
            .await
            .is_err()
        {
            self.shared.report(&Error::new(
                Kind::Stopped,
                "hooks were still running 5 s after the end",
            ));
        }
    }

    async fn release_waiting(&mut self, tenure: &Arc<Tenure>) {
        let waiting = self.pool.inbox.drain(|_| true);
        self.pool
            .let_go(waiting.iter().map(|claimed| claimed.message.token()));
        let release = |claimed: Claimed| {
            let token = claimed.message.token();
            let settle = Settle {
                token,
                started_at: None,
                verdict: Verdict::Release,
                unlock: Vec::new(),
            };
            Finished {
                token,
                tenure: claimed.tenure,
                end: End::Settle(settle, After::Released),
                links: Links::default(),
            }
        };
        let released: Vec<_> = waiting.into_iter().map(release).collect();
        if !released.is_empty() {
            self.step(tenure, released).await;
        }
    }
}

/// A short wait, so that a store that is away spins no core.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(200).mul_f64(0.5 + fastrand::f64())).await;
}

/// Whether a claim ended before it had what was asked for, although more may be ready: at a message that
/// is claimed alone, or because it had enough bytes.
fn is_cut_short(claimed: &[Message]) -> bool {
    let bytes: usize = claimed.iter().map(|message| message.payload.len()).sum();
    let alone = claimed.first().is_some_and(|m| m.counters.claimed_alone());
    alone || bytes >= limits::CLAIM_BYTES
}
