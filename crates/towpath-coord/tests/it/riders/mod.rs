//! Cooldowns and intents beside the files of a manifest: what others wrote, what clocks did, where the world ended.

mod claims;
mod cooldowns;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;
use towpath_coord::fs::faulty::{Fault, Faulty};
use towpath_coord::fs::{Disk, Fs, Stat};
use towpath_coord::liveness::{Identity, Life, Processes};
use towpath_coord::{
    CLAIM_TIME, CoolDown, CoolDownParams, Intent, Manifest, Network, Place, World,
};
use towpath_core::{Clock as _, Kind, ManualClock, Timestamp};

const FAULTS: [Fault; 5] = [
    Fault::Fail,
    Fault::Tear,
    Fault::Die,
    Fault::DieTorn,
    Fault::DieAfter,
];
const SECOND: Duration = Duration::from_secs(1);
const HOUR_MS: i64 = 60 * 60 * 1_000;
/// 2016-09-12 17:16:20 UTC.
const T: Timestamp = Timestamp::from_millis(1_473_700_580_000);

/// Operations by which a place is opened.
const OPENING: u64 = 1;

/// Processes by their number, each dying when the test says so.
#[derive(Debug)]
struct Staged {
    me: u32,
    dead: Arc<Mutex<Vec<u32>>>,
}

fn identity(pid: u32) -> Identity {
    Identity {
        host: "here".to_owned(),
        boot: "manual".to_owned(),
        namespace: 1,
        pid,
        started: 1,
    }
}

impl Processes for Staged {
    fn me(&self) -> Identity {
        identity(self.me)
    }

    fn life(&self, of: &Identity) -> Life {
        match *of == identity(of.pid) {
            true if self.dead.lock().unwrap().contains(&of.pid) => Life::Dead,
            true => Life::Alive,
            false => Life::Unknown,
        }
    }
}

struct Stage {
    directory: TempDir,
    clock: Arc<ManualClock>,
    dead: Arc<Mutex<Vec<u32>>>,
}

impl Stage {
    fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            clock: Arc::new(ManualClock::new(T)),
            dead: Arc::default(),
        }
    }

    /// What the process of that number sees through that layer.
    fn place_over(&self, fs: Arc<dyn Fs>, pid: u32) -> Place {
        let dead = self.dead.clone();
        let world = World::new().with_clock(self.clock.clone()).with_fs(fs);
        let world = world.with_processes(Arc::new(Staged { me: pid, dead }));
        Place::open(world, self.directory.path(), Network::Refuse).unwrap()
    }

    fn place(&self, pid: u32) -> Place {
        self.place_over(Arc::new(Disk), pid)
    }

    fn cooldown(&self, names: &[&str]) -> CoolDown {
        CoolDown::new(&self.place(1), &manifest(names), CoolDownParams::default())
    }

    fn intent(&self, pid: u32, names: &[&str]) -> Intent {
        Intent::new(&self.place(pid), &manifest(names), pid.into())
    }

    fn dies(&self, pid: u32) {
        self.dead.lock().unwrap().push(pid);
    }

    fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.directory.path().join(name.as_ref())
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
        Disk.touch(&self.path(name), self.clock.now().to_system_time())
            .unwrap();
    }

    fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.path(name)).unwrap()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let names = Disk.list(self.directory.path(), 1_000).unwrap();
        let mut names: Vec<_> = names
            .iter()
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn stat(&self, name: &str) -> Stat {
        Disk.stat(&self.path(name)).unwrap()
    }
}

fn manifest(names: &[&str]) -> Manifest {
    Manifest::new(names).unwrap()
}

/// Runs `step` over files with every fault at every operation, each on a stage of its own, and looks at what is left.
fn with_every_fault(
    begin: impl Fn(&Stage),
    step: impl Fn(&Stage, &Place) -> towpath_core::Result<()>,
    look: impl Fn(&Stage, towpath_core::Result<()>),
) {
    let run = |fault: Option<(u64, Fault)>| {
        let stage = Stage::new();
        begin(&stage);
        let fault = fault.map(|(at, fault)| (at + OPENING, fault));
        let fs = Faulty::new(Arc::new(Disk), fault);
        let place = stage.place_over(Arc::new(fs.clone()), 1);
        assert_eq!(fs.count(), OPENING);
        let done = step(&stage, &place);
        assert_eq!(fs.struck(), fault.is_some(), "{fault:?}");
        look(&stage, done);
        fs.count() - OPENING
    };
    let operations = run(None);
    assert!(operations > 3, "{operations}");
    for at in 1..=operations {
        for fault in FAULTS {
            run(Some((at, fault)));
        }
    }
}

/// Bytes that have something of a rider, or nothing.
fn riderlike() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        any::<f64>().prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        "\"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,7})?(Z|[+-][0-9:]{0,5})?\"",
        "\"\\PC{0,30}\"",
        Just("{\"host\": \"here\", \"boot\": \"manual\", \"namespace\": 1, \"pid\": 9, \"started\": 1}".to_owned()),
    ];
    const KEYS: &[&str] = &[
        "num_attempts",
        "last_attempt",
        "timeout",
        "token",
        "owner",
        "boot_expiry_ms",
    ];
    let pair = (proptest::sample::select(KEYS), value);
    let object = proptest::collection::vec(pair, 0..8).prop_map(|pairs| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(key, value)| format!("\"{key}\": {value}"))
            .collect();
        format!("{{{}}}", pairs.join(", ")).into_bytes()
    });
    prop_oneof![3 => object, 1 => proptest::collection::vec(any::<u8>(), 0..200)]
}
