//! The doorbell: wakes waiters, in this process at once and in others through a small shared file.
//!
//! ```text
//! commit ─► Bells::ring ─┬─► watch channels of all handles on the file in this process
//!                        └─► the file: count up; a system call only if somebody there waits
//!                                 │
//!        other process: its listener thread ─► its watch channels ─► its waiters
//! ```
//!
//! [`Bells`] belongs to a store; [`Doorbell`] to a file, one in a process however many stores have it
//! open. The listener sleeps on a condition while nobody in its process waits, so that ringing costs
//! nothing while all are busy. A ring that is lost with the process that should have rung is made up
//! for by the consumers' own slow poll.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(not(target_os = "linux"), test))]
mod portable;

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use towpath_core::store::{Topic, Watch};

#[cfg(target_os = "linux")]
use linux::SharedFile;
#[cfg(not(target_os = "linux"))]
use portable::SharedFile;

use super::location::Location;

/// How long the listener waits at most before it looks whether it is still wanted.
const LISTEN_MAX: Duration = Duration::from_millis(250);

const TOPICS: usize = Topic::ALL.len();

/// The topics that are to be rung, as a set of bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rings(u32);

impl Rings {
    pub(super) const ALL: Rings = Rings((1 << TOPICS) - 1);

    pub(super) fn add(&mut self, topic: Topic) {
        self.0 |= bit(topic);
    }

    fn contains(self, topic: Topic) -> bool {
        self.0 & bit(topic) != 0
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }
}

fn place(topic: Topic) -> usize {
    match topic {
        Topic::Work => 0,
        Topic::Schedule => 1,
        Topic::Change => 2,
        Topic::Revocation => 3,
        Topic::Unlock => 4,
        Topic::Publish => 5,
    }
}

fn bit(topic: Topic) -> u32 {
    1 << place(topic)
}

/// The bells of one store: there before its file is open, so that a watch can be made first of all.
#[derive(Debug, Clone)]
pub(super) struct Bells(Arc<Hub>);

#[derive(Debug)]
struct Hub {
    location: Location,
    channels: [watch::Sender<()>; TOPICS],
    /// Set when the shared file could first be opened.
    doorbell: OnceLock<Arc<Doorbell>>,
    /// Held while it is opened, so that it is opened once.
    connecting: Mutex<()>,
}

impl Bells {
    pub(super) fn new(location: Location) -> Self {
        Self(Arc::new(Hub {
            location,
            channels: std::array::from_fn(|_| watch::Sender::new(())),
            doorbell: OnceLock::new(),
            connecting: Mutex::default(),
        }))
    }

    /// Connects the bells with the other processes. Without that, waiters here are still woken by what
    /// is done here.
    pub(super) fn connect(&self) {
        if let Err(error) = self.0.connect() {
            let path = self.0.location.doorbell();
            let path = path.display();
            tracing::warn!(%error, "the doorbell {path} cannot be used; waking takes longer");
        }
    }

    pub(super) fn ring(&self, rings: Rings) {
        if rings.is_empty() {
            return;
        }
        match self.0.doorbell.get() {
            Some(doorbell) => doorbell.ring(rings),
            None => self.0.publish(rings),
        }
    }

    pub(super) fn watch(&self, topic: Topic) -> Box<dyn Watch> {
        // The store may not be open yet, and its directory not be there: then who waits tries again.
        let _later = self.0.connect();
        Box::new(Listener {
            hub: self.0.clone(),
            rung: self.0.channels[place(topic)].subscribe(),
            topic,
        })
    }
}

impl Hub {
    fn connect(self: &Arc<Self>) -> std::io::Result<&Doorbell> {
        if let Some(doorbell) = self.doorbell.get() {
            return Ok(doorbell);
        }
        let _connecting = self
            .connecting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(doorbell) = self.doorbell.get() {
            return Ok(doorbell);
        }
        let doorbell = Doorbell::of(&self.location)?;
        doorbell.hubs().push(Arc::downgrade(self));
        let doorbell = self.doorbell.get_or_init(|| doorbell);
        // Whoever waits already does so unknown to the doorbell: he is to come again.
        self.publish(Rings::ALL);
        Ok(doorbell)
    }

    fn publish(&self, rings: Rings) {
        for topic in Topic::ALL {
            if rings.contains(topic) {
                self.channels[place(topic)].send_replace(());
            }
        }
    }
}

struct Listener {
    hub: Arc<Hub>,
    rung: watch::Receiver<()>,
    topic: Topic,
}

impl Watch for Listener {
    fn changed(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            let doorbell = self.hub.connect();
            let _waiting = doorbell.map(|doorbell| doorbell.wait_for(self.topic));
            // The hub holds the sender, and we hold the hub.
            let _never_closed = self.rung.changed().await;
        })
    }
}

/// The bell of one file in this process.
#[derive(Debug)]
struct Doorbell {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: SharedFile,
    /// The bells of the stores that have the file open.
    hubs: Mutex<Vec<Weak<Hub>>>,
    /// Up to which count each topic was told to the hubs: by the listener or by whoever rang here.
    told: [AtomicU32; TOPICS],
    /// How many wait for each topic.
    waiting: [AtomicUsize; TOPICS],
    /// What the listener listens for at present; nothing while it sleeps on `wanted`.
    listening: AtomicU32,
    /// Whether the listener is to end.
    ended: AtomicBool,
    asleep: Mutex<()>,
    wanted: Condvar,
}

/// The doorbells of this process, by the identity of their file.
static DOORBELLS: Mutex<Option<HashMap<FileId, Weak<Doorbell>>>> = Mutex::new(None);

#[cfg(unix)]
type FileId = (u64, u64);
#[cfg(not(unix))]
type FileId = PathBuf;

impl Doorbell {
    /// The doorbell of a store's file: the one that this process has, or a new one.
    fn of(location: &Location) -> std::io::Result<Arc<Self>> {
        let mut doorbells = DOORBELLS.lock().unwrap_or_else(PoisonError::into_inner);
        let doorbells = doorbells.get_or_insert_default();
        doorbells.retain(|_, doorbell| doorbell.strong_count() > 0);
        let path = location.doorbell();
        let file = SharedFile::open(&path, location)?;
        let id = file_id(path)?;
        if let Some(doorbell) = doorbells.get(&id).and_then(Weak::upgrade) {
            return Ok(doorbell);
        }
        let doorbell = Arc::new(Self::listen(file)?);
        doorbells.insert(id, Arc::downgrade(&doorbell));
        Ok(doorbell)
    }

    fn listen(file: SharedFile) -> std::io::Result<Self> {
        let told = Topic::ALL.map(|topic| AtomicU32::new(file.count(place(topic))));
        let inner = Arc::new(Inner {
            file,
            hubs: Mutex::default(),
            told,
            waiting: Default::default(),
            listening: AtomicU32::new(0),
            ended: AtomicBool::new(false),
            asleep: Mutex::default(),
            wanted: Condvar::new(),
        });
        thread::Builder::new()
            .name("towpath-bell".to_owned())
            .spawn({
                let inner = inner.clone();
                move || inner.listen()
            })?;
        Ok(Self { inner })
    }

    fn hubs(&self) -> MutexGuard<'_, Vec<Weak<Hub>>> {
        let mut hubs = self.inner.hubs();
        hubs.retain(|hub| hub.strong_count() > 0);
        hubs
    }

    fn ring(&self, rings: Rings) {
        let inner = &self.inner;
        for topic in Topic::ALL {
            if rings.contains(topic) {
                let at = place(topic);
                let before = inner.file.count_up(at);
                // The hubs here are told at once; if nobody else has rung since, our own listener need
                // not tell them again.
                let told = &inner.told[at];
                let _somebody_else_rang = told.compare_exchange(
                    before,
                    before.wrapping_add(1),
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                );
            }
        }
        inner.publish(rings);
        inner.file.wake(rings.0);
    }

    /// Has the listener listen for a topic, until the answer is dropped.
    fn wait_for(&self, topic: Topic) -> Waiting<'_> {
        let inner = &*self.inner;
        let before = inner.waiting[place(topic)].fetch_add(1, Ordering::SeqCst);
        if before == 0 && inner.listening.load(Ordering::SeqCst) & bit(topic) == 0 {
            inner.nudge();
        }
        Waiting { inner, topic }
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        self.inner.ended.store(true, Ordering::SeqCst);
        self.inner.nudge();
    }
}

struct Waiting<'a> {
    inner: &'a Inner,
    topic: Topic,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.inner.waiting[place(self.topic)].fetch_sub(1, Ordering::SeqCst);
    }
}

impl Inner {
    fn hubs(&self) -> MutexGuard<'_, Vec<Weak<Hub>>> {
        self.hubs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, rings: Rings) {
        for hub in self.hubs().iter().filter_map(Weak::upgrade) {
            hub.publish(rings);
        }
    }

    /// The listener: tells the hubs what other processes ring, while anybody here waits for it.
    fn listen(&self) {
        while let Some(wanted) = self.wait_until_wanted() {
            self.listening.store(wanted, Ordering::SeqCst);
            self.file.listen(wanted, LISTEN_MAX, || {
                let rung = self.rung();
                self.publish(rung);
                // Somebody new may wait for something that we do not listen for.
                rung.is_empty()
                    && self.wanted() & !wanted == 0
                    && !self.ended.load(Ordering::SeqCst)
            });
            self.publish(self.rung());
        }
    }

    /// Sleeps while nobody waits for anything. `None` when the listener is to end.
    fn wait_until_wanted(&self) -> Option<u32> {
        self.listening.store(0, Ordering::SeqCst);
        let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.ended.load(Ordering::SeqCst) {
                return None;
            }
            let wanted = self.wanted();
            if wanted != 0 {
                return Some(wanted);
            }
            asleep = self
                .wanted
                .wait(asleep)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wanted(&self) -> u32 {
        let wanted = |topic: &Topic| self.waiting[place(*topic)].load(Ordering::SeqCst) > 0;
        let bits = Topic::ALL.into_iter().filter(wanted).map(bit);
        bits.fold(0, std::ops::BitOr::bitor)
    }

    /// What was rung since the hubs were last told; they are to be told of it now.
    fn rung(&self) -> Rings {
        let mut rings = Rings::default();
        for topic in Topic::ALL {
            let at = place(topic);
            let count = self.file.count(at);
            if self.told[at].swap(count, Ordering::AcqRel) != count {
                rings.add(topic);
            }
        }
        rings
    }

    /// Makes the listener look again at what is wanted of it.
    fn nudge(&self) {
        // Taken so that the listener is not between its look and its sleep.
        drop(self.asleep.lock().unwrap_or_else(PoisonError::into_inner));
        self.wanted.notify_all();
        self.file.nudge();
    }
}

#[cfg(unix)]
fn file_id(path: PathBuf) -> std::io::Result<FileId> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn file_id(path: PathBuf) -> std::io::Result<FileId> {
    path.canonicalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(directory: &std::path::Path) -> Location {
        let location = Location {
            file: directory.join("jobs.db"),
        };
        std::fs::write(&location.file, "").unwrap();
        location
    }

    /// What another process does: rings through a mapping of its own.
    fn ring_from_outside(location: &Location, topic: Topic) {
        let file = SharedFile::open(&location.doorbell(), location).unwrap();
        file.count_up(place(topic));
        file.wake(bit(topic));
    }

    async fn within<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(30), future)
            .await
            .expect("the bell should have been heard")
    }

    #[tokio::test]
    async fn a_ring_is_heard_here_and_in_other_processes() {
        let directory = tempfile::tempdir().unwrap();
        let location = location(directory.path());
        let bells = Bells::new(location.clone());
        let mut watch = bells.watch(Topic::Work);
        bells.ring(Rings(bit(Topic::Work)));
        within(watch.changed()).await;
        ring_from_outside(&location, Topic::Work);
        within(watch.changed()).await;
    }

    #[tokio::test]
    async fn a_waiter_that_is_asleep_is_woken_from_outside() {
        let directory = tempfile::tempdir().unwrap();
        let location = location(directory.path());
        let bells = Bells::new(location.clone());
        let mut watch = bells.watch(Topic::Change);
        let waiter = tokio::spawn(async move { within(watch.changed()).await });
        let inner = bells.0.doorbell.get().unwrap().inner.clone();
        while inner.listening.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        ring_from_outside(&location, Topic::Change);
        waiter.await.unwrap();
    }

    #[tokio::test]
    async fn a_watch_made_before_there_is_a_directory_is_rung_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("later");
        let bells = Bells::new(Location {
            file: place.join("jobs.db"),
        });
        let mut watch = bells.watch(Topic::Work);
        std::fs::create_dir(&place).unwrap();
        bells.connect();
        within(watch.changed()).await;
        bells.ring(Rings(bit(Topic::Work)));
        within(watch.changed()).await;
    }

    #[test]
    fn other_topics_are_not_rung() {
        let mut rings = Rings::default();
        assert!(rings.is_empty());
        rings.add(Topic::Change);
        assert!(rings.contains(Topic::Change) && !rings.contains(Topic::Work));
        assert_eq!(Topic::ALL.map(bit).into_iter().sum::<u32>(), Rings::ALL.0);
    }

    #[tokio::test]
    async fn stores_of_one_file_share_a_doorbell_and_it_ends_with_the_last() {
        let directory = tempfile::tempdir().unwrap();
        let location = location(directory.path());
        let (one, two) = (Bells::new(location.clone()), Bells::new(location));
        one.connect();
        let mut watch = two.watch(Topic::Revocation);
        one.ring(Rings(bit(Topic::Revocation)));
        within(watch.changed()).await;
        let inner = Arc::downgrade(&one.0.doorbell.get().unwrap().inner);
        drop((one, two, watch));
        while inner.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
