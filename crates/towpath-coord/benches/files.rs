//! What the protocols cost, beside the bare operations on files that they cannot do without, in the same run.
//!
//! `cargo bench -p towpath-coord`, on the file system of the target directory; `TOWPATH_BENCH_DIR` names another. Read
//! the ratio of the two medians of a group. Each group is there twice: by the wall clock, and by the time of the
//! processors, which says more on a machine that others use.

use std::any::TypeId;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, BenchmarkGroup, Criterion, criterion_group, criterion_main};
use rustix::fs::{FlockOperation, flock};
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;
use towpath_coord::deferred::{Config, Manager, Registry};
use towpath_coord::{Begun, Cancel, Checkout, EventLock, Manifest, Network, Place, Wait, World};

/// How many workers have died, each with a file of one function.
const DEAD: usize = 100;
/// A line as the journal writes it for one function.
const LINE: &[u8] = &[b'x'; 96];
const OUTPUT: &[u8] = b"what was made";

fn directory() -> TempDir {
    let parent = std::env::var_os("TOWPATH_BENCH_DIR");
    let parent = parent.unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    TempDir::new_in(parent).expect("a directory to work in")
}

fn place(directory: &Path) -> Place {
    Place::open(World::new(), directory, Network::Refuse).expect("a disk of this machine")
}

fn manager(place: &Place) -> Manager {
    let mut registry = Registry::new();
    let nothing = |_: &_, _: ()| Ok::<(), String>(());
    registry.add("nothing", nothing).expect("a fit name");
    Manager::open(place, registry, Config::default()).expect("a state file")
}

/// A scope with one function, beside: a file made, a line appended, the file removed.
fn scope<M: Measurement + 'static>(criterion: &mut Criterion<M>) {
    let mut group = group(criterion, "scope");
    let (ours, bare) = (directory(), directory());
    let manager = manager(&place(ours.path()));
    group.bench_function("towpath", |bencher| {
        bencher.iter(|| {
            let scope = manager.scope().expect("no other scope");
            scope.defer("nothing", &()).expect("room on the disk");
            assert_eq!(scope.end().done, 1);
        });
    });
    let path = bare.path().join("state");
    group.bench_function("bare", |bencher| {
        bencher.iter(|| {
            let mut file = File::create_new(&path).expect("room on the disk");
            file.write_all(LINE).expect("room on the disk");
            fs::remove_file(&path).expect("it is there");
        });
    });
    group.finish();
}

/// The files of dead workers taken over, beside: each opened, locked, read, removed.
fn take_over<M: Measurement + 'static>(criterion: &mut Criterion<M>) {
    let mut group = group(criterion, "take-over of 100");
    group.sample_size(20);
    let (ours, bare) = (directory(), directory());
    let place = place(ours.path());
    let heir = manager(&place);
    group.bench_function("towpath", |bencher| {
        bencher.iter_batched(
            || leave(&place),
            |()| assert_eq!(heir.run_orphans().expect("no scope").done, DEAD),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("bare", |bencher| {
        bencher.iter_batched(
            || (0..DEAD).map(|at| made(bare.path(), at)).collect(),
            |paths: Vec<PathBuf>| paths.iter().for_each(|path| take(path)),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Workers that die, each with a function to be run. All live at first, or one would take over from another.
fn leave(place: &Place) {
    let begin = |_| {
        let manager = manager(place);
        let scope = manager.scope().expect("no other scope");
        scope.defer("nothing", &()).expect("room on the disk");
        (manager, scope)
    };
    let all: Vec<_> = (0..DEAD).map(begin).collect();
    for (manager, scope) in all {
        manager.abandon();
        drop(scope);
    }
}

fn made(directory: &Path, at: usize) -> PathBuf {
    let path = directory.join(format!("func{at}"));
    // Header and line.
    fs::write(&path, [LINE, LINE].concat()).expect("room on the disk");
    path
}

fn take(path: &Path) {
    let file = OpenOptions::new().read(true).write(true).open(path);
    let mut file = file.expect("it is there");
    flock(&file, FlockOperation::NonBlockingLockExclusive).expect("nobody has it");
    file.read_to_end(&mut Vec::new()).expect("it can be read");
    fs::remove_file(path).expect("it is there");
}

/// A lock taken and released, beside: a directory made and removed.
fn lock<M: Measurement + 'static>(criterion: &mut Criterion<M>) {
    let mut group = group(criterion, "lock");
    let (ours, bare) = (directory(), directory());
    let mut lock = EventLock::new(place(ours.path()));
    group.bench_function("towpath", |bencher| {
        bencher.iter(|| {
            assert!(lock.acquire(false, false).expect("a directory"));
            assert!(lock.release().expect("a directory"));
        });
    });
    let path = bare.path().join("lock");
    group.bench_function("bare", |bencher| bencher.iter(|| lock_bare(&path)));
    group.finish();
}

fn lock_bare(path: &Path) {
    fs::create_dir(path).expect("it is not there");
    fs::remove_dir(path).expect("it is empty");
}

/// A file made once, beside: the lock twice, a claim written and removed, the file written, synced and named.
fn checkout<M: Measurement + 'static>(criterion: &mut Criterion<M>) {
    let mut group = group(criterion, "checkout");
    let (ours, bare) = (directory(), directory());
    let manifest = Manifest::new(["file"]).expect("a fit name");
    let checkout = Checkout::new(place(ours.path()), manifest);
    group.bench_function("towpath", |bencher| {
        bencher.iter(|| {
            let begun = checkout.begin(Wait::No, &Cancel::new(), || None);
            let Begun::Generating(generating) = begun.expect("a directory") else {
                panic!("nobody else is there")
            };
            let part = generating.part("file".as_ref()).expect("it is to be made");
            fs::write(part, OUTPUT).expect("room on the disk");
            generating.commit().expect("nobody else is there");
        });
    });
    group.bench_function("bare", |bencher| {
        bencher.iter(|| checkout_bare(bare.path()));
    });
    group.finish();
}

fn checkout_bare(directory: &Path) {
    let path = |name: &str| directory.join(name);
    let (lock, claim, part) = (path("lock"), path("claim"), path("part"));
    fs::create_dir(&lock).expect("it is not there");
    let aside = path("aside");
    fs::write(&aside, LINE).expect("room on the disk");
    fs::rename(&aside, &claim).expect("it is there");
    fs::remove_dir(&lock).expect("it is empty");
    fs::write(&part, OUTPUT).expect("room on the disk");
    let made = File::open(&part).expect("it is there");
    made.sync_data().expect("a disk");
    fs::create_dir(&lock).expect("it is not there");
    fs::rename(&part, path("file")).expect("it is there");
    let names = File::open(directory).expect("it is there");
    names.sync_all().expect("a disk");
    fs::remove_file(&claim).expect("it is there");
    fs::remove_dir(&lock).expect("it is empty");
}

/// The time that the processors spend on this process, its threads and what the system does for them.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let now = clock_gettime(ClockId::ProcessCPUTime);
        Duration::try_from(now).expect("it counts from 0")
    }

    fn end(&self, start: Duration) -> Duration {
        self.start() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn group<'a, M: Measurement + 'static>(
    criterion: &'a mut Criterion<M>,
    name: &str,
) -> BenchmarkGroup<'a, M> {
    let is_cpu = TypeId::of::<M>() == TypeId::of::<CpuTime>();
    let clock = if is_cpu { "processors" } else { "wall" };
    criterion.benchmark_group(format!("{name}, {clock}"))
}

criterion_group!(wall, scope, take_over, lock, checkout);
criterion_group! {
    name = processors;
    config = Criterion::default().with_measurement(CpuTime);
    targets = scope, take_over, lock, checkout
}
criterion_main!(wall, processors);
