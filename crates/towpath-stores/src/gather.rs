//! Submits that many callers bring at a time, gathered into few calls of a server.
//!
//! ```text
//!  first callers ──► turns: each sends what waits in its lane as one call, until nothing does
//!  later callers ──► wait in the lane, and go out with the next call of either turn
//! ```
//!
//! Nobody waits for others to come: a caller who finds a turn free is sent at once. What comes while all turns of
//! its lane are under way goes out together, so the more callers there are, the less each of them costs.
//!
//! A group is answered as a whole when its call fails, so a store gives those a lane of their own whose keys or
//! tables nobody else needs, or tries the callers of a failed group one by one.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use towpath_core::{Draft, Error, Result};

/// Calls of one lane under way at a time: while the answer to one is on its way the server has the other.
const TURNS: usize = 2;

/// What a store answers to a submit: of each message whether it was accepted.
pub(crate) type Accepted = Vec<Result<()>>;

/// Who waits for a turn, by lane.
#[derive(Debug)]
pub(crate) struct Gather<K: Eq + Hash> {
    lanes: Mutex<HashMap<K, Lane>>,
}

/// There is one for as long as a turn is under way.
#[derive(Debug, Default)]
struct Lane {
    turns: usize,
    waiting: VecDeque<Caller>,
}

#[derive(Debug)]
struct Caller {
    drafts: Vec<Draft>,
    reply: oneshot::Sender<Result<Accepted>>,
}

/// What goes out together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    pub(crate) messages: usize,
    /// Of payloads.
    pub(crate) bytes: usize,
}

impl<K: Eq + Hash + Clone> Gather<K> {
    pub(crate) fn new() -> Self {
        Self {
            lanes: Mutex::default(),
        }
    }

    /// Brings messages; answers where their answer will come, and a turn that somebody has to take now, unless
    /// those that are under way will see to it. The answer is an error of the channel when a turn was dropped.
    pub(crate) fn bring(
        self: &Arc<Self>,
        lane: K,
        drafts: Vec<Draft>,
    ) -> (oneshot::Receiver<Result<Accepted>>, Option<Turn<K>>) {
        let (reply, answer) = oneshot::channel();
        let mut lanes = self.lanes();
        let here = lanes.entry(lane.clone()).or_default();
        here.waiting.push_back(Caller { drafts, reply });
        let is_free = here.turns < TURNS;
        if is_free {
            here.turns += 1;
        }
        drop(lanes);
        let turn = is_free.then(|| Turn {
            gather: self.clone(),
            lane,
            is_over: false,
        });
        (answer, turn)
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<K, Lane>> {
        // Nothing that panics happens under the lock.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to send what waits in a lane, until nothing does. Dropped before, those whom nobody else serves learn
/// of it.
#[derive(Debug)]
pub(crate) struct Turn<K: Eq + Hash + Clone> {
    gather: Arc<Gather<K>>,
    lane: K,
    is_over: bool,
}

impl<K: Eq + Hash + Clone> Turn<K> {
    /// What goes out next: at least one caller's messages, and those of others while they fit. `None` when nobody
    /// waits, which ends the turn: who comes then is given another.
    pub(crate) fn next(&mut self, most: Most) -> Option<Group> {
        let mut lanes = self.gather.lanes();
        let waiting = &mut lanes.get_mut(&self.lane)?.waiting;
        // Nothing was begun for those who have gone away meanwhile.
        waiting.retain(|caller| !caller.reply.is_closed());
        let Some(first) = waiting.pop_front() else {
            self.is_over = true;
            end(&mut lanes, &self.lane);
            return None;
        };
        let mut group = Group::of(first);
        let mut bytes = bytes_of(&group.drafts);
        while let Some(next) = waiting.front() {
            bytes += bytes_of(&next.drafts);
            if group.drafts.len() + next.drafts.len() > most.messages || bytes > most.bytes {
                break;
            }
            group.callers.extend(waiting.pop_front().map(|mut next| {
                let count = next.drafts.len();
                group.drafts.append(&mut next.drafts);
                (count, next.reply)
            }));
        }
        Some(group)
    }

    /// Tells those who wait in the lane what those before them have met with: to have each find out for itself would take
    /// the last a very long time. Nothing was begun for them, so they may try again.
    pub(crate) fn fail_waiting(&self, error: &Error) {
        let waiting = match self.gather.lanes().get_mut(&self.lane) {
            Some(lane) => std::mem::take(&mut lane.waiting),
            None => return,
        };
        for caller in waiting {
            let _gone = caller.reply.send(Err(error.clone()));
        }
    }
}

impl<K: Eq + Hash + Clone> Drop for Turn<K> {
    fn drop(&mut self) {
        if !self.is_over {
            end(&mut self.gather.lanes(), &self.lane);
        }
    }
}

/// Ends a turn of a lane, and the lane with its last.
fn end<K: Eq + Hash>(lanes: &mut HashMap<K, Lane>, name: &K) {
    if let Some(lane) = lanes.get_mut(name) {
        lane.turns -= 1;
        if lane.turns == 0 {
            lanes.remove(name);
        }
    }
}

fn bytes_of(drafts: &[Draft]) -> usize {
    drafts.iter().map(|draft| draft.payload.len()).sum()
}

/// The messages of one or several callers.
#[derive(Debug)]
pub(crate) struct Group {
    drafts: Vec<Draft>,
    /// How many of them each brought, in order, and where its answer goes.
    callers: Vec<(usize, oneshot::Sender<Result<Accepted>>)>,
}

impl Group {
    fn of(caller: Caller) -> Self {
        Self {
            callers: vec![(caller.drafts.len(), caller.reply)],
            drafts: caller.drafts,
        }
    }

    pub(crate) fn drafts(&self) -> &[Draft] {
        &self.drafts
    }

    /// How many messages each caller brought, in their order.
    #[cfg(feature = "redis")]
    pub(crate) fn counts(&self) -> impl Iterator<Item = usize> {
        self.callers.iter().map(|(count, _)| *count)
    }

    /// Whether one caller's fault may have failed another.
    #[cfg(feature = "postgres")]
    pub(crate) fn is_of_many(&self) -> bool {
        self.callers.len() > 1
    }

    /// Tells every caller what became of its messages.
    pub(crate) fn answer(self, answers: Result<Accepted>) {
        match answers {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                for (count, reply) in self.callers {
                    // Nobody hears it when the caller has gone away.
                    let _gone = reply.send(Ok(answers.by_ref().take(count).collect()));
                }
            }
            Err(error) => {
                for (_, reply) in self.callers {
                    let _gone = reply.send(Err(error.clone()));
                }
            }
        }
    }

    /// A group of each caller's own.
    #[cfg(feature = "postgres")]
    pub(crate) fn apart(self) -> Vec<Self> {
        let mut drafts = self.drafts.into_iter();
        let alone = |(count, reply)| Self {
            drafts: drafts.by_ref().take(count).collect(),
            callers: vec![(count, reply)],
        };
        self.callers.into_iter().map(alone).collect()
    }
}

#[cfg(test)]
mod tests {
    use towpath_core::{Kind, Payload, TaskName};

    use super::*;

    const MOST: Most = Most {
        messages: 5,
        bytes: 100,
    };

    fn drafts(count: usize, payload: usize) -> Vec<Draft> {
        let task = TaskName::new("sort").unwrap();
        let payload = Payload::json("x".repeat(payload));
        std::iter::repeat_with(|| Draft::new(task.clone(), payload.clone()))
            .take(count)
            .collect()
    }

    /// What callers bring with so many messages of so many bytes each, and how many go out together.
    fn check(brought: &[(usize, usize)], groups: &[usize]) {
        let gather = Arc::new(Gather::new());
        let (mut turns, mut answers): (Vec<Turn<()>>, Vec<_>) = Default::default();
        for (count, payload) in brought {
            let (answer, turn) = gather.bring((), drafts(*count, *payload));
            answers.push(answer);
            turns.extend(turn);
        }
        let turn = &mut turns[0];
        let seen = std::iter::from_fn(|| turn.next(MOST)).map(|group| group.drafts.len());
        assert_eq!(seen.collect::<Vec<_>>(), groups, "{brought:?}");
    }

    #[test]
    fn callers_go_out_together_while_they_fit() {
        check(&[(1, 10)], &[1]);
        check(&[(1, 10), (1, 10), (2, 10), (1, 10)], &[5]);
        check(&[(1, 10), (4, 10), (1, 10)], &[5, 1]);
        // Nobody is passed over, and nobody waits for ever.
        check(&[(3, 10), (3, 10), (1, 10)], &[3, 4]);
        check(&[(7, 10), (1, 10)], &[7, 1]);
        check(&[(1, 60), (1, 60), (1, 10)], &[1, 2]);
        check(&[(1, 300), (1, 10)], &[1, 1]);
    }

    #[test]
    fn a_caller_is_sent_at_once_while_a_turn_is_free() {
        let gather = Arc::new(Gather::new());
        let first = gather.bring("a", drafts(1, 1)).1;
        let mut second = gather.bring("a", drafts(1, 1)).1.unwrap();
        assert!(first.is_some());
        assert!(gather.bring("a", drafts(1, 1)).1.is_none());
        assert!(gather.bring("b", drafts(1, 1)).1.is_some());
        while second.next(MOST).is_some() {}
        let third = gather.bring("a", drafts(1, 1)).1;
        assert!(third.is_some());
        // One that is over is not given back a second time.
        drop(second);
        assert!(gather.bring("a", drafts(1, 1)).1.is_none());
    }

    #[test]
    fn everybody_learns_of_his_own_messages() {
        let gather = Arc::new(Gather::new());
        let (mut one, turn) = gather.bring((), drafts(1, 1));
        let (mut two, _) = gather.bring((), drafts(2, 1));
        let group = turn.unwrap().next(MOST).unwrap();
        let refused = || Err(Error::new(Kind::AlreadyExists, "known"));
        group.answer(Ok(vec![refused(), Ok(()), refused()]));
        let one = one.try_recv().unwrap().unwrap();
        assert_eq!((one.len(), one[0].is_err()), (1, true));
        let two = two.try_recv().unwrap().unwrap();
        assert_eq!(
            (two.len(), two[0].is_ok(), two[1].is_err()),
            (2, true, true)
        );
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_group_can_be_tried_caller_by_caller() {
        let gather = Arc::new(Gather::new());
        let (mut one, turn) = gather.bring((), drafts(1, 1));
        let (mut two, _) = gather.bring((), drafts(2, 1));
        let group = turn.unwrap().next(MOST).unwrap();
        assert!(group.is_of_many());
        let mut groups = group.apart().into_iter();
        let sizes = |group: Group| {
            let size = group.drafts().len();
            group.answer(Err(Error::new(Kind::Storage, size.to_string())));
            size
        };
        assert_eq!(groups.by_ref().map(sizes).collect::<Vec<_>>(), [1, 2]);
        for (answer, said) in [(&mut one, "1"), (&mut two, "2")] {
            let error = answer.try_recv().unwrap().unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn who_has_gone_is_not_sent_and_who_waits_learns_of_a_failure() {
        let gather = Arc::new(Gather::new());
        let (one, turn) = gather.bring((), drafts(1, 1));
        let mut turn = turn.unwrap();
        let (gone, _second) = gather.bring((), drafts(2, 1));
        let (mut two, _) = gather.bring((), drafts(3, 1));
        drop(gone);
        assert_eq!(turn.next(MOST).unwrap().drafts.len(), 4);
        drop((one, two));
        let (answer, _) = gather.bring((), drafts(1, 1));
        two = answer;
        turn.fail_waiting(&Error::new(Kind::Unavailable, "away"));
        assert_eq!(
            two.try_recv().unwrap().unwrap_err().kind(),
            Kind::Unavailable
        );
        assert!(turn.next(MOST).is_none());
    }

    #[test]
    fn who_waits_learns_that_the_last_turn_was_dropped() {
        let gather = Arc::new(Gather::new());
        let (mut one, first) = gather.bring((), drafts(1, 1));
        let (mut two, second) = gather.bring((), drafts(1, 1));
        drop(first);
        assert!(
            one.try_recv()
                .is_err_and(|error| error == oneshot::error::TryRecvError::Empty)
        );
        drop(second);
        for answer in [&mut one, &mut two] {
            assert!(
                answer
                    .try_recv()
                    .is_err_and(|error| error == oneshot::error::TryRecvError::Closed)
            );
        }
        assert!(gather.bring((), drafts(1, 1)).1.is_some());
    }
}
