//! Sorted sets.

use std::sync::Arc;

use towpath_core::name::{BucketName, Key};
use towpath_core::store::{Member, Score};
use towpath_core::{Result, Store};

/// Names in the order of their scores: a ranking, or what is to be done next.
///
/// Made by [`Kv::sorted_set`](crate::Kv::sorted_set). Members are 1 to 255 bytes; those of one score stand in
/// the order of their bytes. For work that must not be lost submit messages: what is popped here is
/// gone when its taker dies.
///
/// ```
/// # use std::sync::Arc;
/// # use towpath_runtime::Broker;
/// # use towpath_core::SystemClock; use towpath_stores::MemoryStore;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let broker = Broker::new(Arc::new(MemoryStore::new(Arc::new(SystemClock::new()))));
/// let best = broker.kv("game")?.sorted_set("best")?;
/// best.add("bob", 12.0).await?;
/// best.add("ada", 7.5).await?;
/// assert_eq!(best.first().await?.unwrap().name.as_str(), "ada");
/// assert!(!best.add("ada", 99.0).await?, "a member again: only its score is new");
/// assert_eq!(best.pop(1).await?[0].name.as_str(), "bob");
/// assert_eq!(best.len().await?, 1);
/// # Ok::<(), towpath_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct SortedSet {
    store: Arc<dyn Store>,
    bucket: BucketName,
    name: Key,
}

impl SortedSet {
    pub(super) fn new(store: Arc<dyn Store>, bucket: BucketName, name: Key) -> Self {
        Self {
            store,
            bucket,
            name,
        }
    }

    fn place(&self) -> (BucketName, Key) {
        (self.bucket.clone(), self.name.clone())
    }

    /// Puts a member into the set, or gives it another score; answers whether it is new.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`](towpath_core::Kind::Invalid) when the name is outside its limits or the score is
    /// not finite; what the store says.
    pub async fn add(&self, member: impl AsRef<str>, score: f64) -> Result<bool> {
        let member = Member {
            score: Score::new(score)?,
            name: Key::new(member)?,
        };
        let (bucket, set) = self.place();
        Ok(self.store.kv().add(bucket, set, vec![member]).await? == [true])
    }

    /// The score of a member; `None` when it is not in the set.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn score(&self, member: impl AsRef<str>) -> Result<Option<f64>> {
        let (bucket, set) = self.place();
        let members = vec![Key::new(member)?];
        let mut scores = self.store.kv().scores(bucket, set, members).await?;
        Ok(scores.pop().flatten().map(Score::get))
    }

    /// Takes a member out; answers whether it was there.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn remove(&self, member: impl AsRef<str>) -> Result<bool> {
        let (bucket, set) = self.place();
        let members = vec![Key::new(member)?];
        Ok(self.store.kv().discard(bucket, set, members).await? == [true])
    }

    /// The member of the lowest score, left where it is.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn first(&self) -> Result<Option<Member>> {
        Ok(self.range(None, 1).await?.pop())
    }

    /// The members in their order, those after `after` if it is given; at most `max`, which is at most
    /// 500. Fewer than `max` means that there are no more.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn range(&self, after: Option<&Member>, max: usize) -> Result<Vec<Member>> {
        let (bucket, set) = self.place();
        self.store
            .kv()
            .range(bucket, set, after.cloned(), max)
            .await
    }

    /// Takes the first members out, at most `max` and at most 500: of two takers each gets others.
    ///
    /// # Errors
    ///
    /// What the store says. After a transient error some may be gone.
    ///
    /// # Cancel safety
    ///
    /// What was taken out by a future that was dropped is gone.
    pub async fn pop(&self, max: usize) -> Result<Vec<Member>> {
        let (bucket, set) = self.place();
        self.store.kv().pop(bucket, set, max).await
    }

    /// How many members there are. Takes time in proportion on SQLite and Postgres.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn len(&self) -> Result<u64> {
        let (bucket, set) = self.place();
        self.store.kv().len(bucket, set).await
    }
}
