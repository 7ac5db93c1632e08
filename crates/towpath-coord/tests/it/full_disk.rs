//! A disk that is really full: a small one of memory, mounted for the test.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tempfile::TempDir;
use towpath_coord::deferred::{Config, Manager, Registry, Report};
use towpath_coord::liveness::{Identity, Life, Processes, System};
use towpath_coord::{
    Begun, Cancel, Checkout, CoolDownParams, EventLock, Manifest, Network, Place, Refusal, Wait,
    World,
};
use towpath_core::{Kind, SystemClock};

const SIZE: &str = "size=128k";
const PAGE: u64 = 4096;

/// A mounted disk, gone with this.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where mounting is not allowed; that is said.
    fn mount() -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "towpath-test"]);
        let mounted = mount.arg(directory.path()).output().unwrap();
        if !mounted.status.success() {
            let why = String::from_utf8_lossy(&mounted.stderr);
            eprintln!("SKIPPED: a full disk cannot be made without the right to mount: {why}");
            return None;
        }
        Some(Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn place(&self) -> Place {
        Place::open(World::new(), self.path(), Network::Refuse).unwrap()
    }

    fn lens_of_state_files(&self) -> Vec<u64> {
        let entries = fs::read_dir(self.path().join("deferred")).unwrap();
        let lens = entries.map(|entry| entry.unwrap().metadata().unwrap().len());
        lens.collect()
    }

    /// Fills it to the last byte; answers what is to be removed to have room again.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("ballast");
        let mut ballast = File::create(&path).unwrap();
        while ballast.write_all(&[0; 512]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[test]
fn who_is_told_that_a_function_is_registered_has_it_run_and_who_is_not_has_not() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let said = TempDir::new().unwrap();
    let mut registry = Registry::new();
    let to = said.path().to_owned();
    let say = move |_: &_, (number, _padding): (usize, String)| {
        File::create_new(to.join(number.to_string())).map(drop)
    };
    registry.add("say", say).unwrap();
    let manager = Manager::open(&disk.place(), registry, Config::default()).unwrap();
    let scope = manager.scope().unwrap();
    let ballast = disk.fill();
    // Of some lines the first bytes still find room.
    let mut promised = Vec::new();
    for number in 0..200 {
        match scope.defer("say", &(number, "x".repeat(97))) {
            Ok(()) => promised.push(number.to_string()),
            Err(error) => assert_eq!(error.kind(), Kind::Storage, "{error}"),
        }
    }
    assert!(promised.len() < 200);
    fs::remove_file(ballast).unwrap();
    scope.defer("say", &(1000, String::new())).unwrap();
    promised.push("1000".to_owned());
    let report = scope.end();
    assert_eq!(report.done, promised.len(), "{report:?}");
    let mut ran: Vec<_> = fs::read_dir(said.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    ran.sort_unstable();
    promised.sort_unstable();
    assert_eq!(ran, promised);
    manager.close().unwrap();
}

#[test]
fn what_was_deferred_before_the_disk_was_full_is_run_on_it() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let mut registry = Registry::new();
    registry.add_builtin(&World::new()).unwrap();
    let manager = Manager::open(&disk.place(), registry, Config::default()).unwrap();
    let scope = manager.scope().unwrap();
    let scratch = disk.path().join("ballast");
    let args = serde_json::json!({ "path": scratch });
    scope.defer("remove_path", &args).unwrap();
    assert_eq!(disk.fill(), scratch);
    let report = scope.end();
    assert_eq!(report.done, 1, "{report:?}");
    assert!(!scratch.exists());
    manager.close().unwrap();
}

/// A process that is dead: numbers as large as its own are not given.
#[derive(Debug)]
struct Gone(System);

impl Processes for Gone {
    fn me(&self) -> Identity {
        Identity {
            pid: 1 << 30,
            ..self.0.me()
        }
    }

    fn life(&self, of: &Identity) -> Life {
        self.0.life(of)
    }
}

#[test]
fn who_takes_over_on_a_full_disk_and_makes_room_is_alone_to_the_end() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let ran = Arc::new(Mutex::new(Vec::new()));
    let (place, noting) = (disk.place(), ran.clone());
    let open = move |place: &Place, also: Box<dyn Fn() + Send + Sync>| {
        let noting = noting.clone();
        let mut registry = Registry::new();
        registry.add_builtin(&World::new()).unwrap();
        let note = move |_: &_, word: String| {
            also();
            noting.lock().unwrap().push(word);
            Ok::<(), String>(())
        };
        registry.add("note", note).unwrap();
        Manager::open(place, registry, Config::default()).unwrap()
    };
    let nothing = || Box::new(|| ()) as Box<dyn Fn() + Send + Sync>;
    let dead = World::new().with_processes(Arc::new(Gone(System::new(&SystemClock::new()))));
    let dead = Place::open(dead, disk.path(), Network::Refuse).unwrap();
    let owner = open(&dead, nothing());
    let scope = owner.scope().unwrap();
    let scratch = json!({ "path": disk.path().join("ballast") });
    scope.defer("remove_path", &scratch).unwrap();
    // Up to the end of a page, or there would be room for more lines on a disk that is full.
    let len = || disk.lens_of_state_files().into_iter().max().unwrap();
    let before = len();
    scope.defer("note", "").unwrap();
    let room = PAGE - len() % PAGE;
    let padding = "x".repeat((room - (len() - before)) as usize - 20);
    scope.defer("note", &padding).unwrap();
    assert!(PAGE - len() % PAGE < 40);
    // Both are there before the disk is full, and neither holds what is to be taken over.
    let rival = open(&place, nothing());
    let looks = Mutex::new(Some(rival));
    let heir = open(
        &place,
        Box::new(move || {
            if let Some(rival) = looks.lock().unwrap().take() {
                let rival = std::thread::spawn(move || rival.run_orphans().unwrap());
                let report = rival.join().unwrap();
                assert_eq!((report.taken, report.done), (0, 0), "{report:?}");
            }
        }),
    );
    owner.abandon();
    drop(scope);
    disk.fill();
    let report = heir.run_orphans().unwrap();
    assert_eq!((report.taken, report.done), (1, 3), "{report:?}");
    assert_eq!(report.failed, 0, "{report:?}");
    assert_eq!(*ran.lock().unwrap(), ["".to_owned(), padding]);
    // And the turn is given up behind it.
    assert_eq!(heir.run_orphans().unwrap(), Report::default());
}

#[test]
fn nothing_is_claimed_or_published_for_which_there_is_no_room() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let manifest = Manifest::new(["one", "two"]).unwrap();
    let cooldown = CoolDownParams::default();
    let checkout = Checkout::new(disk.place(), manifest).cooldown(cooldown);
    let begin = || checkout.begin(Wait::No, &Cancel::new(), || None);
    let ballast = disk.fill();
    let refused = begin().unwrap_err();
    assert_eq!(refused.kind(), Kind::Storage, "{refused}");
    fs::remove_file(&ballast).unwrap();

    let Begun::Generating(generating) = begin().unwrap() else {
        panic!("nobody has claimed it")
    };
    for name in ["one", "two"] {
        fs::write(generating.part(name.as_ref()).unwrap(), name).unwrap();
    }
    let ballast = disk.fill();
    let refused = generating.commit().unwrap_err();
    assert_eq!(refused.kind(), Kind::Storage, "{refused}");
    assert!(!disk.path().join("one").exists() && !disk.path().join("two").exists());
    fs::remove_file(&ballast).unwrap();
    assert_eq!(EventLock::new(disk.place()).expires().unwrap(), None);
}

#[test]
fn what_a_dead_maker_has_filled_the_disk_with_is_removed_by_the_next() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let manifest = || Manifest::new(["one"]).unwrap();
    let checkout = |place| Checkout::new(place, manifest()).cooldown(CoolDownParams::default());
    let begin = |checkout: &Checkout| checkout.begin(Wait::No, &Cancel::new(), || None);
    let Begun::Generating(generating) = begin(&checkout(disk.place())).unwrap() else {
        panic!("nobody has claimed it")
    };
    let part = generating.part("one".as_ref()).unwrap();
    std::mem::forget(generating);
    fs::rename(disk.fill(), part).unwrap();
    // Its claim is read as that of a process that has ended.
    let rider = disk.path().join(".one.intent.json");
    let claim = fs::read_to_string(&rider).unwrap();
    let pid = format!("\"pid\":{}", std::process::id());
    // As long as before, for there is no room to write another.
    let other = format!("{:<width$}", "\"pid\":1", width = pid.len());
    let mut file = fs::OpenOptions::new().write(true).open(&rider).unwrap();
    file.write_all(claim.replace(&pid, &other).as_bytes())
        .unwrap();
    let begun = begin(&checkout(disk.place())).unwrap();
    let Begun::Refused(Refusal::Cooling { .. }) = begun else {
        panic!("the failure is not counted: {begun:?}")
    };
}
