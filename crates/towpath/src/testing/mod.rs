//! Testing code that submits messages and tasks that run: in memory, in virtual time, without sleeping.
//!
//! [`TestApp`] is an app on a fresh store in memory whose clock stands still until it is moved.
//!
//! ```
//! use towpath::testing::TestApp;
//! # #[towpath::task(max_retries = 1)]
//! # async fn greet(name: String) -> Result<String, String> {
//! #     if name.is_empty() { Err("nobody to greet".to_owned()) } else { Ok(format!("Hello, {name}!")) }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> towpath::Result<()> {
//! let test = TestApp::new(|app| app.task(greet));
//!
//! // Run one message here and now.
//! assert_eq!(test.run_inline(&greet, ("Ada".to_owned(),)).await?, "Hello, Ada!");
//!
//! // Or submit, look at what stands in the queue, and let everything run, retries included.
//! greet.submit(&test.broker(), (String::new(),)).await?;
//! test.assert_enqueued("greet").await.with_args(&[""]);
//! let drained = test.drain().await?;
//! assert_eq!(drained.attempts, 2, "one run and one retry");
//! # Ok(())
//! # }
//! ```

mod enqueued;

use std::sync::Arc;
use std::time::Duration;

use towpath_core::store::Section;
use towpath_core::{
    Clock, Draft, Error, Kind, ManualClock, MessageId, Record, Result, State, Timestamp, limits,
};
use towpath_runtime::{App, Broker, Submit, Task};
use towpath_stores::memory::MemoryStore;

pub use enqueued::Enqueued;

/// An app on a fresh store in memory, in virtual time.
#[derive(Debug, Clone)]
pub struct TestApp {
    app: App,
    clock: Arc<ManualClock>,
}

/// What [`TestApp::drain`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// How many attempts ran.
    pub attempts: usize,
    /// How much virtual time passed.
    pub elapsed: Duration,
}

/// A drain that goes on longer than this has tasks that submit each other for ever.
const ATTEMPTS_MAX: usize = 100_000;

/// Where virtual time begins: 2030-01-01, so that nothing depends on the day the test runs.
const BEGIN: Timestamp = Timestamp::from_millis(1_893_456_000_000);

impl TestApp {
    /// An app on a fresh store; `setup` adds its tasks and data.
    pub fn new(setup: impl FnOnce(App) -> App) -> Self {
        let clock = Arc::new(ManualClock::new(BEGIN));
        let store = MemoryStore::new(clock.clone());
        let app = App::new(Arc::new(store)).clock(clock.clone());
        Self {
            app: setup(app),
            clock,
        }
    }

    /// The app.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The app's broker, to hand to the code under test.
    pub fn broker(&self) -> Broker {
        self.app.broker()
    }

    /// The virtual time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets virtual time pass. Nothing runs by that; see [`drain`](TestApp::drain).
    pub fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// Runs everything that is ready now; answers how many attempts ran. Scheduled messages wait.
    ///
    /// # Errors
    ///
    /// As [`App::run_ready`].
    pub async fn run_ready(&self) -> Result<usize> {
        self.app.run_ready(ATTEMPTS_MAX).await
    }

    /// Runs everything, letting virtual time pass until each scheduled message and retry is due.
    ///
    /// # Errors
    ///
    /// As [`App::run_ready`]; [`Kind::TimedOut`] after 100,000 attempts.
    pub async fn drain(&self) -> Result<Drained> {
        let begin = self.now();
        let mut attempts = 0;
        loop {
            attempts += self.run_ready().await?;
            if attempts >= ATTEMPTS_MAX {
                let text = format!(
                    "still messages to run after {attempts} attempts; do tasks submit each other for ever?"
                );
                return Err(Error::new(Kind::TimedOut, text));
            }
            let Some(due) = self
                .app
                .store()
                .promote(limits::UPKEEP_ROWS)
                .await?
                .next_due
            else {
                break;
            };
            self.clock.advance(due.since(self.now()));
        }
        Ok(Drained {
            attempts,
            elapsed: self.now().since(begin),
        })
    }

    /// Submits one message, runs what is due until that message has ended, and gives its result.
    ///
    /// # Errors
    ///
    /// As [`Results::get`](crate::Results::get): how the message ended if it did not succeed.
    pub async fn run_inline<T: Task>(&self, task: &T, args: T::Args) -> Result<T::Output> {
        let broker = self.broker();
        let submitted = Submit::new(&broker, task, args).await?;
        self.drain().await?;
        submitted.result(Duration::ZERO).await
    }

    /// The messages of a task that wait, scheduled ones included.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn enqueued(&self, task: &str) -> Result<Vec<Record>> {
        let mut records = self.all().await?;
        records.retain(|r| {
            r.task.as_str() == task && matches!(r.state, State::Ready | State::Scheduled)
        });
        records.reverse();
        Ok(records)
    }

    /// Asserts that a message of that task waits, and gives it for further assertions.
    ///
    /// # Panics
    ///
    /// When none does, listing what does.
    #[track_caller]
    pub fn assert_enqueued(&self, task: &str) -> impl Future<Output = Enqueued> + use<> {
        let (this, task) = (self.clone(), task.to_owned());
        let caller = std::panic::Location::caller();
        async move {
            let found = this
                .enqueued(&task)
                .await
                .expect("a store in memory answers");
            let all = this.all().await.expect("a store in memory answers");
            Enqueued::new(&task, found, &all, caller)
        }
    }

    /// Asserts that no message of that task waits.
    ///
    /// # Panics
    ///
    /// When one does.
    pub async fn refute_enqueued(&self, task: &str) {
        let found = self
            .enqueued(task)
            .await
            .expect("a store in memory answers");
        assert!(
            found.is_empty(),
            "{} messages of task {task:?} wait",
            found.len()
        );
    }

    /// Every message of the store, the newest first, at most 500.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn all(&self) -> Result<Vec<Record>> {
        Ok(self
            .broker()
            .list(Section::All, None, limits::WINDOW)
            .await?
            .records)
    }

    /// One message.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] when the store does not know it.
    pub async fn record(&self, id: MessageId) -> Result<Record> {
        let unknown = || Error::new(Kind::NotFound, format!("message {id} is not known"));
        self.broker().get(id).await?.ok_or_else(unknown)
    }

    /// Submits a draft.
    ///
    /// # Errors
    ///
    /// As [`Broker::submit`].
    pub async fn submit(&self, draft: Draft) -> Result<MessageId> {
        self.broker().submit(draft).await
    }
}
