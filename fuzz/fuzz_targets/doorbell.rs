//! The doorbell's file, whatever it holds or is: nobody waits for ever, and the store works without it.
#![no_main]

use std::fs::OpenOptions;
use std::future::Future;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::{Corpus, fuzz_target};
use towpath_core::store::{Topic, Watch};
use towpath_core::{Draft, Payload, Store, limits};
use towpath_fuzz::{Place, block_on, tasks_of, told};

#[derive(Debug, Arbitrary)]
struct Input {
    before: Before,
    /// What another program writes while the store is open.
    first: Vec<Scribble>,
    /// And while somebody waits.
    second: Vec<Scribble>,
    /// Ten rings from outside are tried once in so many runs: each may take a quarter of a second.
    outside: u8,
}

/// What is there before the store is opened.
#[derive(Debug, Arbitrary)]
enum Before {
    Nothing,
    Bytes(Vec<u8>),
    /// Each word of the page.
    Words(Vec<u32>),
    Full(u8),
    Directory,
    Pipe,
    DanglingLink,
}

#[derive(Debug, Arbitrary)]
struct Scribble {
    word: u8,
    value: u32,
}

fuzz_target!(|input: Input| -> Corpus {
    if input.first.len() > 64 || input.second.len() > 64 {
        return Corpus::Reject;
    }
    let place = Place::new();
    let path = place.path("jobs.db.doorbell");
    prepare(&input.before, &path);
    block_on(async {
        let store = place.store();
        let mut watch = store.watch(Topic::Work);
        submit(&store).await;
        within(watch.changed()).await;
        scribble(&path, &input.first);
        submit(&store).await;
        within(watch.changed()).await;
        rung_while_waiting(&store, &mut *watch, &path, &input.second).await;
        if input.outside.is_multiple_of(32) && path.is_file() {
            rung_from_outside(&mut *watch, &path).await;
        }
        told(store.promote(limits::UPKEEP_ROWS)).await;
        drop(watch);
        place.close(store).await;
    });
    Corpus::Keep
});

fn prepare(before: &Before, path: &Path) {
    let made = match before {
        Before::Nothing => Ok(()),
        Before::Bytes(bytes) => std::fs::write(path, bytes),
        Before::Words(words) => {
            let bytes = words.iter().flat_map(|word| word.to_le_bytes());
            std::fs::write(path, bytes.collect::<Vec<_>>())
        }
        Before::Full(byte) => std::fs::write(path, [*byte; 4_096]),
        Before::Directory => std::fs::create_dir(path),
        Before::Pipe => {
            use rustix::fs::{FileType, Mode};
            let mode = Mode::RUSR | Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, mode, 0).map_err(Into::into)
        }
        Before::DanglingLink => std::os::unix::fs::symlink("/no/such/place", path),
    };
    made.expect("the directory is ours");
}

/// Writes words of the page as another process does, without a wake-up.
fn scribble(path: &Path, scribbles: &[Scribble]) {
    if !path.is_file() {
        return;
    }
    let Ok(mut file) = OpenOptions::new().write(true).open(path) else {
        return;
    };
    for Scribble { word, value } in scribbles {
        // The first words are those that mean something.
        let at = u64::from(word % 32) * 4;
        let written = file
            .seek(SeekFrom::Start(at))
            .and_then(|_| file.write_all(&value.to_le_bytes()));
        written.expect("the page is there");
    }
}

async fn submit(store: &dyn Store) {
    let draft = Draft::new(tasks_of().remove(0), Payload::json("[]"));
    let answers = told(store.submit(vec![draft])).await;
    assert!(answers.is_some_and(|answers| answers.iter().all(Result::is_ok)));
}

/// Somebody waits already when the page changes under him, and is rung after that.
async fn rung_while_waiting(
    store: &dyn Store,
    watch: &mut dyn Watch,
    path: &Path,
    scribbles: &[Scribble],
) {
    let ring = async {
        // Lets the waiter begin.
        tokio::task::yield_now().await;
        scribble(path, scribbles);
        submit(store).await;
    };
    let ((), ()) = join(within(watch.changed()), ring).await;
}

/// Counts that grow without a wake-up are seen all the same.
async fn rung_from_outside(watch: &mut dyn Watch, path: &Path) {
    let page = std::fs::read(path).expect("the page is there");
    let word: [u8; 4] = page[4..8].try_into().expect("four bytes");
    let ring = async {
        let value = u32::from_le_bytes(word).wrapping_add(1);
        tokio::task::yield_now().await;
        scribble(path, &[Scribble { word: 1, value }]);
    };
    let ((), ()) = join(within(watch.changed()), ring).await;
}

/// Both, on this thread.
async fn join<A, B>(one: impl Future<Output = A>, two: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut two) = (Box::pin(one), Box::pin(two));
    let (mut a, mut b) = (None, None);
    std::future::poll_fn(|context| {
        if a.is_none()
            && let std::task::Poll::Ready(value) = one.as_mut().poll(context)
        {
            a = Some(value);
        }
        if b.is_none()
            && let std::task::Poll::Ready(value) = two.as_mut().poll(context)
        {
            b = Some(value);
        }
        if a.is_some() && b.is_some() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    (a.expect("it is ready"), b.expect("it is ready"))
}

async fn within(changed: impl Future<Output = ()>) {
    let changed = tokio::time::timeout(Duration::from_secs(15), changed).await;
    changed.expect("a ring that nobody heard");
}
