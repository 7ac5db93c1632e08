//! Streams made of a state and an async step.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a stream knows between two items, and how it makes the next one.
pub(crate) trait Step: Send + 'static {
    type Item: Send;

    /// The next item; `None` ends the stream, and nothing is asked after it.
    fn step(&mut self) -> impl Future<Output = Option<Self::Item>> + Send;
}

/// A stream of the items of a [`Step`].
///
/// A step that has begun stays here until it is done: dropping the future of [`next`](Unfold::next)
/// stops no step halfway, and the next call goes on with it.
pub(crate) struct Unfold<S: Step>(State<S>);

enum State<S: Step> {
    Idle(Box<S>),
    Busy(Stepping<S>),
    Ended,
}

/// A step under way; gives back what it was taken from.
type Stepping<S> = Pin<Box<dyn Future<Output = (Box<S>, Option<<S as Step>::Item>)> + Send>>;

impl<S: Step> Unfold<S> {
    pub(crate) fn new(step: S) -> Self {
        Self(State::Idle(Box::new(step)))
    }

    /// What the stream knows, unless it has ended or a step is under way.
    pub(crate) fn idle_mut(&mut self) -> Option<&mut S> {
        match &mut self.0 {
            State::Idle(step) => Some(step),
            State::Busy(_) | State::Ended => None,
        }
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        loop {
            // Should a step panic, the stream has ended.
            match std::mem::replace(&mut self.0, State::Ended) {
                State::Idle(mut step) => {
                    self.0 = State::Busy(Box::pin(async move {
                        let item = step.step().await;
                        (step, item)
                    }));
                }
                State::Busy(mut busy) => {
                    let Poll::Ready((step, item)) = busy.as_mut().poll(cx) else {
                        self.0 = State::Busy(busy);
                        return Poll::Pending;
                    };
                    if item.is_some() {
                        self.0 = State::Idle(step);
                    }
                    return Poll::Ready(item);
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Option<S::Item> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

impl<S: Step> fmt::Debug for Unfold<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Idle(_) => "Idle",
            State::Busy(_) => "Busy",
            State::Ended => "Ended",
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::{Step, Unfold};

    /// Needs two messages of its channel for one item.
    struct Pairs(mpsc::Receiver<u32>);

    impl Step for Pairs {
        type Item = (u32, u32);

        async fn step(&mut self) -> Option<(u32, u32)> {
            let first = self.0.recv().await?;
            Some((first, self.0.recv().await?))
        }
    }

    #[tokio::test]
    async fn dropping_next_loses_nothing_of_a_step_under_way() {
        let (send, receive) = mpsc::channel(2);
        let mut pairs = Unfold::new(Pairs(receive));
        send.send(1).await.unwrap();
        tokio::select! {
            biased;
            _ = pairs.next() => panic!("half a pair is none"),
            () = std::future::ready(()) => {}
        }
        send.send(2).await.unwrap();
        assert_eq!(pairs.next().await, Some((1, 2)));
        drop(send);
        assert_eq!(pairs.next().await, None);
        assert_eq!(pairs.next().await, None);
    }
}
