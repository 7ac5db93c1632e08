//! A life: each step done to the store and to the plain map, and the two compared.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use towpath_core::message::{ResultRecord, Start};
use towpath_core::store::{
    Claim, Extend, List, Note, ResultRead, Section, Selection, Settle, SettleRequest, StoredResult,
    Verdict, WorkerCard,
};
use towpath_core::{
    AttemptError, Clock as _, CodecName, Draft, FailReason, IncarnationId, Kind, Message,
    MessageId, Payload, QueueName, Result, State, TaskName, Token, Verb, limits,
};
use towpath_stores::conformance::Harness;

use super::plain::{Entry, Plain, retention};
use super::step::{Callback, End, New, Step, Wish};

const QUEUES: [&str; 3] = ["q", "q2", "other"];
const TASKS: [&str; 3] = ["t", "t2", "other"];

/// More than any life has messages: the bounds of steps are the suite's affair.
const ALL: usize = limits::UPKEEP_ROWS;

pub(super) struct Life {
    h: Harness,
    plain: Plain,
    /// Every message there ever was.
    ids: Vec<MessageId>,
    /// Every token that was ever handed out, and to whom.
    tokens: Vec<(IncarnationId, Token)>,
    /// The worker that now stands at each place.
    slots: [Option<IncarnationId>; 3],
    claims: u64,
}

impl Life {
    pub(super) fn new(h: Harness) -> Self {
        h.store.set_retention(retention());
        let plain = Plain::new(h.store.capabilities().ordered);
        Self {
            h,
            plain,
            ids: Vec::new(),
            tokens: Vec::new(),
            slots: [None; 3],
            claims: 0,
        }
    }

    pub(super) async fn take(&mut self, step: Step) {
        self.read_clock();
        match step {
            Step::Submit(new) => self.submit(new).await,
            Step::SubmitMany { like, count, among } => self.submit_many(like, count, among).await,
            Step::SubmitAgain(message) => self.submit_again(message).await,
            Step::Claim { slot, max, wish } => self.claim(slot, max, wish).await,
            Step::Settle { token, stolen, end } => self.settle(token, stolen, end).await,
            Step::SettleMany {
                token,
                count,
                claim,
            } => self.settle_many(token, count, claim).await,
            Step::Beat { token, started } => self.beat(token, started),
            Step::Lose { slot, started } => self.lose(slot, started).await,
            Step::Ripen => self.ripen().await,
            Step::Note(token) => self.note(token).await,
            Step::Leave(token) => self.leave(token).await,
            Step::Revoke {
                message,
                skip_running,
            } => self.revoke(message, skip_running).await,
            Step::Update {
                message,
                priority,
                delay,
            } => self.update(message, priority, delay).await,
            Step::Requeue(message) => self.requeue(message).await,
            Step::Replay(message) => self.replay(message).await,
            Step::Remove(message) => self.remove(message).await,
            Step::Take(message) => self.take_result(message).await,
            Step::Promote => self.promote().await,
            Step::Rescue => self.rescue().await,
            Step::Expire => self.expire().await,
            Step::Prune => self.prune().await,
            Step::Pause { queue, paused } => self.pause(queue, paused).await,
            Step::Advance(duration) => self.h.advance(duration),
            Step::SetWall(millis) => self.h.clock.step_wall(millis),
        }
        self.compare().await;
    }

    /// What holds of the whole store at the end of a life.
    pub(super) async fn end(mut self) {
        self.h.advance(Duration::from_secs(3));
        self.read_clock();
        assert_eq!(self.h.store.counts().await.unwrap(), self.plain.counts());
        assert_eq!(self.h.store.doctor().await.unwrap(), []);
        let list = List {
            section: Section::All,
            after: None,
            limit: limits::WINDOW,
        };
        let window = self.h.store.list(list).await.unwrap();
        let mut listed: Vec<_> = window.records.iter().map(|record| record.id).collect();
        let newest_first = self.plain.entries.values().rev();
        let mut expected: Vec<_> = newest_first.map(|entry| entry.draft.id).collect();
        if !self.h.store.capabilities().ordered {
            listed.sort_unstable();
            expected.sort_unstable();
        }
        assert_eq!(listed, expected);
    }

    fn read_clock(&mut self) {
        self.plain.set_clock(self.h.now(), self.h.clock.uptime());
    }

    async fn compare(&mut self) {
        let records = self.h.store.get(self.ids.clone()).await.unwrap();
        let stamps = records
            .iter()
            .flatten()
            .map(|record| (record.id, record.due_at));
        self.plain.adopt_stamps(stamps);
        let ids = self.ids.iter().zip(&records);
        self.plain.forget_unkept(
            ids.filter(|(_, record)| record.is_none())
                .map(|(id, _)| *id),
        );
        for (id, record) in self.ids.iter().zip(records) {
            let expected = self.plain.find(*id);
            let held = expected.and_then(|entry| entry.holder);
            let found = record.map(|record| Entry::of(&record, held));
            assert_eq!(found.as_ref(), expected, "message {id}");
        }
    }

    /// A message there is or was; a fresh id while there is none.
    fn message(&self, number: usize) -> MessageId {
        match self.ids.len() {
            0 => MessageId::new(),
            len => self.ids[number % len],
        }
    }

    fn token(&self, number: usize) -> Option<(IncarnationId, Token)> {
        match self.tokens.len() {
            0 => None,
            len => Some(self.tokens[number % len]),
        }
    }

    fn draft(&mut self, new: New) -> Draft {
        let mut draft = Draft::new(task(new.task), Payload::json("[]"));
        draft.queue = queue(new.queue);
        draft.priority = new.priority;
        draft.start = new.delay.map_or(Start::Now, Start::After);
        draft.options.expires_in = new.expires_in;
        draft.options.result_ttl = new.result_ttl;
        self.ids.push(draft.id);
        draft
    }

    async fn submit(&mut self, new: New) {
        let draft = self.draft(new);
        let answers = self.h.store.submit(vec![draft.clone()]).await.unwrap();
        same(answers, self.plain.submit(draft));
    }

    async fn submit_many(&mut self, like: New, count: usize, among: Option<New>) {
        let mut drafts: Vec<Draft> = (0..count).map(|_| self.draft(like)).collect();
        if let Some(among) = among {
            drafts.insert(count / 2, self.draft(among));
        }
        let answers = self.h.store.submit(drafts.clone()).await.unwrap();
        for (answer, draft) in answers.into_iter().zip(drafts) {
            same([answer], self.plain.submit(draft));
        }
    }

    async fn submit_again(&mut self, message: usize) {
        let mut draft = Draft::new(task(0), Payload::json("\"again\""));
        draft.id = self.message(message);
        if !self.ids.contains(&draft.id) {
            self.ids.push(draft.id);
        }
        let answers = self.h.store.submit(vec![draft.clone()]).await.unwrap();
        same(answers, self.plain.submit(draft));
    }

    /// The worker of a place; when nobody stands there, somebody joins.
    async fn worker(&mut self, slot: usize) -> IncarnationId {
        if let Some(incarnation) = self.slots[slot] {
            return incarnation;
        }
        let incarnation = IncarnationId::new();
        let card = WorkerCard {
            incarnation,
            name: format!("host:{slot}"),
            listens: String::new(),
            tasks: Vec::new(),
        };
        self.h.store.join(card, limits::LEASE).await.unwrap();
        self.plain.join(incarnation);
        self.slots[slot] = Some(incarnation);
        incarnation
    }

    async fn claim(&mut self, slot: usize, max: usize, wish: Wish) {
        // What a claim fails in passing depends on how far it looks; so nothing is left to be passed.
        self.expire().await;
        let incarnation = self.worker(slot).await;
        self.claims += 1;
        let enough = if self.claims.is_multiple_of(2) {
            max.div_ceil(2)
        } else {
            max
        };
        let claim = Claim {
            incarnation,
            max,
            enough,
            selection: Arc::new(selection(wish)),
            turn: self.claims,
        };
        let answer = self.h.store.claim(claim).await;
        if !self.plain.is_alive(incarnation) {
            assert_eq!(answer.unwrap_err().kind(), Kind::LeaseLost);
            self.slots[slot] = None;
            return;
        }
        let messages = answer.unwrap();
        assert!(messages.len() <= max);
        // From there on a store may have stopped.
        let max = if messages.len() < enough {
            max
        } else {
            messages.len()
        };
        match wish {
            Wish::Any => self.check_in_turn(incarnation, max, &messages),
            Wish::Queues(queues) => {
                let tasks: Vec<TaskName> = (0..3).map(task).collect();
                let groups = queues.map(|q| (queue(q), tasks.clone()));
                self.check_in_order(incarnation, max, &groups, &messages);
            }
            Wish::Tasks(q, tasks) => {
                let groups = tasks.map(|t| (queue(q), vec![task(t)]));
                self.check_in_order(incarnation, max, &groups, &messages);
            }
        }
    }

    fn check_in_order(
        &mut self,
        incarnation: IncarnationId,
        max: usize,
        groups: &[(QueueName, Vec<TaskName>)],
        messages: &[Message],
    ) {
        let mut expected: Vec<Token> = Vec::new();
        'groups: for (queue, tasks) in groups {
            while let Some(number) = self.next_of(queue, tasks, messages.get(expected.len())) {
                let alone = self.plain.is_alone(number);
                if expected.len() == max || (alone && !expected.is_empty()) {
                    break 'groups;
                }
                expected.push(self.plain.hand_out(number, incarnation));
                if alone {
                    break 'groups;
                }
            }
        }
        let claimed: Vec<Token> = messages.iter().map(Message::token).collect();
        assert_eq!(claimed, expected);
        self.tokens
            .extend(claimed.iter().map(|token| (incarnation, *token)));
    }

    /// What comes next: of equals the one that the store chose, or one that is to be alone where it ended.
    fn next_of(
        &self,
        queue: &QueueName,
        tasks: &[TaskName],
        found: Option<&Message>,
    ) -> Option<u64> {
        let heads = self.plain.heads(queue, tasks);
        let found = found.and_then(|message| self.plain.number(message.id));
        let chosen = heads.iter().find(|head| match found {
            Some(found) => **head == found,
            None => self.plain.is_alone(**head),
        });
        chosen.or(heads.first()).copied()
    }

    /// Which queue begins is the store's affair; that each hands out its head, and that the claim
    /// stops only where it must, is not.
    fn check_in_turn(&mut self, incarnation: IncarnationId, max: usize, messages: &[Message]) {
        let tasks: Vec<TaskName> = (0..3).map(task).collect();
        let mut stops = false;
        for message in messages {
            assert!(
                !stops,
                "something was handed out beside one that is to be alone"
            );
            let number = self.plain.number(message.id).expect("it was submitted");
            let heads = self.plain.heads(&message.queue, &tasks);
            assert!(heads.contains(&number), "{number} went before {heads:?}");
            stops = self.plain.is_alone(number);
            assert!(!stops || messages.len() == 1);
            let token = self.plain.hand_out(number, incarnation);
            assert_eq!(message.token(), token);
            self.tokens.push((incarnation, token));
        }
        let entries = self.plain.entries.values();
        let queues: BTreeSet<QueueName> = entries.map(|entry| entry.draft.queue.clone()).collect();
        let heads: Vec<u64> = queues
            .iter()
            .flat_map(|queue| self.plain.heads(queue, &tasks))
            .collect();
        stops |= heads.iter().any(|number| self.plain.is_alone(*number));
        let all = messages.len() == max || heads.is_empty();
        assert!(all || (stops && !messages.is_empty()), "{heads:?} are left");
        assert!(messages.len() <= max);
    }

    async fn settle(&mut self, token: usize, stolen: bool, end: End) {
        let Some((mut incarnation, token)) = self.token(token) else {
            return;
        };
        if stolen {
            incarnation = self.worker(0).await;
        }
        let (verdict, callbacks) = self.verdict(&end);
        let request = SettleRequest {
            incarnation,
            items: vec![Settle {
                token,
                started_at: None,
                verdict,
                unlock: Vec::new(),
            }],
            claim: None,
        };
        let settled = self.h.store.settle(request).await.unwrap();
        let held = self.plain.held(incarnation, token);
        same(settled.items, held.map(drop));
        let Ok(number) = held else {
            return;
        };
        match end {
            End::Done { size, .. } => {
                let result = size.map_or(ResultRecord::None, |size| ResultRecord::Kept { size });
                self.plain.done(number, result, callbacks);
            }
            End::Retry(after) => self.plain.come_back(number, Verb::Retry, after),
            End::Snooze(after) => self.plain.come_back(number, Verb::Snooze, after),
            End::Release => self.plain.come_back(number, Verb::Release, Duration::ZERO),
            End::Fail => self.plain.fail(number),
        }
    }

    async fn settle_many(&mut self, token: usize, count: usize, claim: bool) {
        let Some((incarnation, _)) = self.token(token) else {
            return;
        };
        let first = token % self.tokens.len();
        let those = self.tokens[first..].iter().take(count);
        let tokens: Vec<Token> = those
            .filter(|(holder, _)| *holder == incarnation)
            .map(|(_, token)| *token)
            .collect();
        let success = |token: &Token| Settle {
            token: *token,
            started_at: Some(self.h.now()),
            verdict: Verdict::Done {
                result: StoredResult::None,
                callbacks: Vec::new(),
            },
            unlock: Vec::new(),
        };
        let request = SettleRequest {
            incarnation,
            items: tokens.iter().map(success).collect(),
            claim: None,
        };
        let settled = self.h.store.settle(request).await.unwrap();
        for (token, answer) in tokens.into_iter().zip(settled.items) {
            let held = self.plain.held(incarnation, token);
            same([answer], held.map(drop));
            if let Ok(number) = held {
                self.plain.done(number, ResultRecord::None, Vec::new());
            }
        }
        if claim {
            self.claim(0, 3, Wish::Any).await;
        }
    }

    fn verdict(&mut self, end: &End) -> (Verdict, Vec<Draft>) {
        let error = || AttemptError::new("Oops", "it went wrong");
        match end {
            End::Done { size, callback } => {
                let callbacks: Vec<Draft> = match callback {
                    Callback::None => Vec::new(),
                    Callback::New(new) => vec![self.draft(*new)],
                    Callback::Known(message) => {
                        let mut draft = Draft::new(task(0), Payload::json("\"again\""));
                        draft.id = self.message(*message);
                        vec![draft]
                    }
                };
                let result = size.map_or(StoredResult::None, |size| {
                    StoredResult::Value(Payload::new(raw(), vec![7; size]))
                });
                let verdict = Verdict::Done {
                    result,
                    callbacks: callbacks.clone(),
                };
                (verdict, callbacks)
            }
            End::Retry(after) => (
                Verdict::Retry {
                    after: *after,
                    error: error(),
                },
                Vec::new(),
            ),
            End::Fail => (
                Verdict::Fail {
                    reason: FailReason::Rejected,
                    error: error(),
                },
                Vec::new(),
            ),
            End::Release => (Verdict::Release, Vec::new()),
            End::Snooze(after) => (Verdict::Snooze { after: *after }, Vec::new()),
        }
    }

    fn beat(&mut self, token: usize, started: bool) {
        let Some((incarnation, token)) = self.token(token) else {
            return;
        };
        let started = if started { vec![token] } else { Vec::new() };
        let mut keeper = self.h.store.lease_keeper().unwrap();
        let answer = keeper.extend(Extend {
            incarnation,
            lease: limits::LEASE,
            started: &started,
        });
        same([answer], self.plain.beat(incarnation, &started));
    }

    async fn lose(&mut self, slot: usize, started: bool) {
        let before = self.tokens.len();
        self.claim(slot, 1, Wish::Queues([0, 1])).await;
        if self.tokens.len() > before {
            self.beat(before, started);
        }
        self.h.advance(limits::LEASE);
        self.read_clock();
        self.rescue().await;
    }

    async fn ripen(&mut self) {
        let entries = self.plain.entries.values();
        let scheduled = entries.filter(|entry| entry.state == State::Scheduled);
        let due_at = scheduled.map(|entry| entry.due_at).min();
        self.h
            .advance(due_at.unwrap_or_default().since(self.plain.now()));
        self.read_clock();
        self.promote().await;
    }

    async fn note(&mut self, token: usize) {
        let Some((incarnation, token)) = self.token(token) else {
            return;
        };
        let note = Note::Saved(Payload::json("1"));
        let answer = self.h.store.note(incarnation, token, note).await;
        same([answer], self.plain.held(incarnation, token).map(drop));
    }

    async fn leave(&mut self, token: usize) {
        let Some((incarnation, _)) = self.token(token) else {
            return;
        };
        self.h.store.leave(incarnation).await.unwrap();
        self.plain.leave(incarnation);
    }

    async fn revoke(&mut self, message: usize, skip_running: bool) {
        let id = self.message(message);
        let answers = self.h.store.revoke(vec![id], skip_running).await.unwrap();
        same(answers, self.plain.revoke(id, skip_running));
    }

    async fn update(&mut self, message: usize, priority: Option<u32>, delay: Option<Duration>) {
        let id = self.message(message);
        let start = delay.map(Start::After);
        let update = towpath_core::store::Update {
            priority,
            start,
            ..Default::default()
        };
        let answers = self.h.store.update(vec![(id, update)]).await.unwrap();
        same(answers, self.plain.update(id, priority, start));
    }

    async fn requeue(&mut self, message: usize) {
        let id = self.message(message);
        let answers = self.h.store.requeue(vec![id]).await.unwrap();
        same(answers, self.plain.requeue(id));
    }

    async fn replay(&mut self, message: usize) {
        let (id, new_id) = (self.message(message), MessageId::new());
        self.ids.push(new_id);
        let answers = self.h.store.replay(vec![(id, new_id)]).await.unwrap();
        same(answers, self.plain.replay(id, new_id));
    }

    async fn remove(&mut self, message: usize) {
        let id = self.message(message);
        let answers = self.h.store.remove(vec![id]).await.unwrap();
        same(answers, self.plain.remove(id));
    }

    async fn take_result(&mut self, message: usize) {
        let id = self.message(message);
        let read = self
            .h
            .store
            .results(vec![id], true)
            .await
            .unwrap()
            .remove(0);
        let kept = self.plain.find(id).map(|entry| entry.result);
        let expected = matches!(kept, Some(ResultRecord::Kept { .. }));
        let got = matches!(
            read,
            ResultRead::Value {
                payload: Some(_),
                ..
            }
        );
        assert_eq!(got, expected, "{read:?}");
        self.plain.take(id);
    }

    async fn promote(&mut self) {
        let promoted = self.h.store.promote(ALL).await.unwrap();
        assert_eq!(promoted.moved, self.plain.promote());
        let waiting = self.plain.entries.values();
        let scheduled = waiting.filter(|e| e.state == State::Scheduled);
        assert_eq!(promoted.next_due, scheduled.map(|entry| entry.due_at).min());
    }

    async fn rescue(&mut self) {
        let rescued = self.h.store.rescue(ALL).await.unwrap();
        let found = [rescued.returned, rescued.given_up, rescued.workers];
        assert_eq!(found, self.plain.rescue());
    }

    async fn expire(&mut self) {
        assert_eq!(self.h.store.expire(ALL).await.unwrap(), self.plain.expire());
    }

    async fn prune(&mut self) {
        let pruned = self.h.store.prune(ALL).await.unwrap();
        assert_eq!((pruned.removed, pruned.more), (self.plain.prune(), false));
    }

    async fn pause(&mut self, number: usize, paused: bool) {
        let name = queue(number);
        let changed = if paused {
            self.plain.paused.insert(name.clone())
        } else {
            self.plain.paused.remove(&name)
        };
        assert_eq!(self.h.store.pause(name, paused).await.unwrap(), changed);
    }
}

/// Whether the one answer of a store is the one expected.
fn same<T: std::fmt::Debug>(
    answers: impl IntoIterator<Item = Result<T>>,
    expected: super::plain::Verdict,
) {
    let kinds = answers
        .into_iter()
        .map(|answer| answer.map(drop).map_err(|e| e.kind()));
    assert_eq!(kinds.collect::<Vec<_>>(), [expected]);
}

fn selection(wish: Wish) -> Selection {
    let all = || (0..3).map(task).collect();
    match wish {
        Wish::Any => Selection::Any { tasks: all() },
        Wish::Queues(queues) => Selection::Queues {
            queues: queues.map(queue).into(),
            tasks: all(),
        },
        Wish::Tasks(q, tasks) => Selection::Tasks(vec![(queue(q), tasks.map(task).into())]),
    }
}

fn queue(number: usize) -> QueueName {
    QueueName::new(QUEUES[number % QUEUES.len()]).expect("a good name")
}

fn task(number: usize) -> TaskName {
    TaskName::new(TASKS[number % TASKS.len()]).expect("a good name")
}

fn raw() -> CodecName {
    CodecName::new("raw").expect("a good name")
}
