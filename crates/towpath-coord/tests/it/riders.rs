//! Cooldowns and intents beside the files of a manifest: what others wrote, what clocks did, where the world ended.

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

#[test]
fn failures_in_a_row_wait_longer_until_a_success() {
    let stage = Stage::new();
    let cooldown = stage.cooldown(&["map.fits", "map.png"]);
    assert_eq!(cooldown.remaining().unwrap(), Duration::ZERO);
    for failure in 1..=3 {
        assert_eq!(cooldown.write().unwrap(), failure);
        assert_eq!(cooldown.remaining().unwrap(), 60 * failure * SECOND);
        stage.clock.advance(60 * failure * SECOND - SECOND / 1_000);
        assert!(cooldown.in_progress().unwrap());
        stage.clock.advance(SECOND / 1_000);
        assert!(!cooldown.in_progress().unwrap(), "at the very end");
    }
    let riders = [".map.fits.cooldown.json", ".map.png.cooldown.json"];
    assert_eq!(stage.names(), riders);
    // Dated by our clock, not by that of the file system.
    assert_eq!(
        stage.stat(riders[0]).modified,
        T.after(180 * SECOND).to_system_time()
    );
    let expected =
        serde_json::json!({"num_attempts": 3, "last_attempt": "2016-09-12T17:19:20.000000"});
    assert_eq!(
        riders.map(|name| stage.json(name)),
        [expected.clone(), expected]
    );
    cooldown.clear().unwrap();
    cooldown.clear().unwrap();
    assert!(stage.names().is_empty());
    assert_eq!(cooldown.write().unwrap(), 1);
}

#[test]
fn what_the_original_wrote_is_read_and_its_other_keys_are_kept() {
    let stage = Stage::new();
    let cooldown = stage.cooldown(&["a", "b"]);
    stage.clock.advance(30 * SECOND);
    stage.put(
        ".a.cooldown.json",
        r#"{"num_attempts": 4, "last_attempt": "2016-09-12T17:16:10", "why": {"code": 1.50}}"#,
    );
    stage.put(
        ".b.cooldown.json",
        r#"{"num_attempts": 2, "last_attempt": 1473700580}"#,
    );
    // The larger count, the later time.
    assert_eq!(cooldown.attempts().unwrap(), 4);
    assert_eq!(cooldown.remaining().unwrap(), 210 * SECOND);
    assert_eq!(cooldown.write().unwrap(), 5);
    let written = std::fs::read_to_string(stage.path(".a.cooldown.json")).unwrap();
    assert!(written.contains(r#""why":{"code": 1.50}"#), "{written}");
    let written = stage.json(".b.cooldown.json");
    assert_eq!(written["num_attempts"], 5);
    assert_eq!(written["last_attempt"], "2016-09-12T17:16:50.000000");
}

#[test]
fn one_cooling_member_cools_all_and_a_full_count_stays() {
    let stage = Stage::new();
    let count = u32::MAX;
    stage.put(
        ".b.cooldown.json",
        format!(r#"{{"num_attempts": {count}, "last_attempt": 1473700580}}"#),
    );
    let cooldown = stage.cooldown(&["a", "b"]);
    assert_eq!(cooldown.remaining().unwrap(), 3_600 * SECOND);
    assert_eq!(cooldown.write().unwrap(), u32::MAX);
    assert!(!stage.cooldown(&["c"]).in_progress().unwrap());
}

#[test]
fn what_cannot_be_read_cools_for_the_base_and_is_replaced() {
    let check = |spoil: &dyn Fn(&Stage)| {
        let stage = Stage::new();
        spoil(&stage);
        Disk.touch(&stage.path(".a.cooldown.json"), T.to_system_time())
            .unwrap();
        let cooldown = stage.cooldown(&["a"]);
        stage.clock.advance(59 * SECOND);
        assert_eq!(cooldown.remaining().unwrap(), SECOND);
        stage.clock.advance(SECOND);
        assert_eq!(cooldown.remaining().unwrap(), Duration::ZERO);
        assert_eq!(cooldown.write().unwrap(), 2);
        assert_eq!(stage.json(".a.cooldown.json")["num_attempts"], 2);
        assert_eq!(stage.names(), [".a.cooldown.json"]);
    };
    let long = [
        r#"{"num_attempts": 9, "last_attempt": 0}"#,
        &" ".repeat(64 * 1024),
    ]
    .concat();
    for bytes in [
        &b""[..],
        b"{",
        b"\xff\xfe",
        b"{\"num_attempts\": -1}",
        long.as_bytes(),
    ] {
        check(&|stage| stage.put(".a.cooldown.json", bytes));
    }
    // A link is neither followed nor written through.
    let elsewhere = TempDir::new().unwrap();
    let target = elsewhere.path().join("target");
    let theirs = r#"{"num_attempts": 9, "last_attempt": 0}"#;
    check(&|stage| {
        std::fs::write(&target, theirs).unwrap();
        std::os::unix::fs::symlink(&target, stage.path(".a.cooldown.json")).unwrap();
    });
    assert_eq!(std::fs::read_to_string(&target).unwrap(), theirs);
}

#[test]
fn a_directory_in_a_riders_place_cools_and_cannot_be_replaced() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path(".a.cooldown.json")).unwrap();
    let cooldown = stage.cooldown(&["a"]);
    assert!(cooldown.in_progress().unwrap());
    assert_eq!(cooldown.write().unwrap_err().kind(), Kind::Storage);
    assert_eq!(stage.names(), [".a.cooldown.json"]);
}

#[test]
fn a_rider_as_large_as_is_read_stays_readable() {
    let stage = Stage::new();
    let start = r#"{"num_attempts": 1, "last_attempt": 1473700580, "x": ""#;
    let padding = "x".repeat(64 * 1024 - start.len() - 2);
    stage.put(".a.cooldown.json", format!("{start}{padding}\"}}"));
    let cooldown = stage.cooldown(&["a"]);
    assert_eq!(cooldown.write().unwrap(), 2);
    assert_eq!(cooldown.write().unwrap(), 3);
    assert!(stage.stat(".a.cooldown.json").len < 64 * 1024);
}

#[test]
fn a_clock_that_was_wrong_does_not_cool_beyond_the_maximum() {
    // Set back an hour: what is then in the future counts from the first look.
    let stage = Stage::new();
    let cooldown = stage.cooldown(&["a", "b"]);
    cooldown.write().unwrap();
    stage.clock.step_wall(-HOUR_MS);
    assert_eq!(cooldown.remaining().unwrap(), 60 * SECOND);
    stage.clock.advance(60 * SECOND);
    assert_eq!(cooldown.remaining().unwrap(), Duration::ZERO);
    // When the time has come that the rider says, it is past all the same.
    stage.clock.step_wall(HOUR_MS - 60_000);
    assert_eq!(cooldown.remaining().unwrap(), Duration::ZERO);
    // Set forward an hour: the wait is over early, the count remains.
    assert_eq!(cooldown.write().unwrap(), 2);
    stage.clock.step_wall(HOUR_MS);
    assert_eq!(cooldown.remaining().unwrap(), Duration::ZERO);
    assert_eq!(cooldown.write().unwrap(), 3);
    // Whatever a stranger says of the time, it was no later than the file was written.
    stage.put(
        ".a.cooldown.json",
        r#"{"num_attempts": 900, "last_attempt": "9999-01-01T00:00:00"}"#,
    );
    assert_eq!(cooldown.remaining().unwrap(), 3_600 * SECOND);
    stage.clock.advance(3_600 * SECOND);
    assert_eq!(cooldown.remaining().unwrap(), Duration::ZERO);
}

#[test]
fn names_that_are_no_text_have_riders_of_their_own() {
    let stage = Stage::new();
    let names: [&[u8]; 4] = [b"line\nbreak", b"\xff\xfe", b"...", &[b'x'; 240]];
    for name in names.map(OsStr::from_bytes) {
        let manifest = Manifest::new([name]).unwrap();
        let cooldown = CoolDown::new(&stage.place(1), &manifest, CoolDownParams::default());
        assert_eq!(cooldown.write().unwrap(), 1, "{name:?}");
        let rider = [b".", name.as_bytes(), b".cooldown.json"].concat();
        assert!(stage.path(OsStr::from_bytes(&rider)).exists(), "{name:?}");
    }
    assert_eq!(stage.names().len(), 4);
}

#[test]
fn what_dead_writers_left_is_collected_and_what_others_write_is_not() {
    let stage = Stage::new();
    let keep = [
        ".towpath-rider.manual.1.2.1.00000000000000aa.tmp",
        ".towpath-rider.other.1.3.1.00000000000000bb.tmp",
        ".towpath-rider.manual.x.3.1.00000000000000cc.tmp",
        ".towpath-guard",
        "data.tmp",
    ];
    let left = ".towpath-rider.manual.1.3.1.00000000000000dd.tmp";
    for name in keep {
        stage.put(name, "");
    }
    stage.put(left, "{\"num_");
    stage.dies(3);
    let cooldown = stage.cooldown(&["a"]);
    cooldown.write().unwrap();
    let has = |name: &str| stage.path(name).exists();
    assert!(!has(left));
    assert!(keep.iter().all(|name| has(name)), "{:?}", stage.names());
    // Of another start of the machine, or another machine: only time tells.
    stage.clock.advance(3_600 * SECOND);
    cooldown.write().unwrap();
    assert_eq!(keep.map(has), [true, false, true, true, true]);
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

#[test]
fn a_failure_that_is_counted_as_the_world_ends_is_lost_at_most() {
    let names = ["a", "b", "c"];
    with_every_fault(
        |stage| {
            let cooldown = stage.cooldown(&names);
            cooldown.write().unwrap();
            cooldown.write().unwrap();
            stage.clock.advance(SECOND);
        },
        |_, place| {
            let cooldown = CoolDown::new(place, &manifest(&names), CoolDownParams::default());
            cooldown.write().map(|attempts| assert_eq!(attempts, 3))
        },
        |stage, done| {
            let cooldown = stage.cooldown(&names);
            let attempts = cooldown.attempts().unwrap();
            assert!(
                attempts == 3 || attempts == 2 && done.is_err(),
                "{attempts} {done:?}"
            );
            let expected = if attempts == 3 { 180 } else { 119 };
            assert_eq!(cooldown.remaining().unwrap(), expected * SECOND);
            for name in names {
                // Each is whole, of before or after.
                let rider = stage.json(&format!(".{name}.cooldown.json"));
                let count = rider["num_attempts"].as_u64().unwrap();
                assert!((2..=u64::from(attempts)).contains(&count), "{rider}");
            }
            // Whoever is next finds the directory clean.
            stage.dies(1);
            let next = CoolDown::new(
                &stage.place(2),
                &manifest(&names),
                CoolDownParams::default(),
            );
            assert_eq!(next.write().unwrap(), attempts + 1);
            assert_eq!(stage.names().len(), names.len(), "{:?}", stage.names());
        },
    );
}

#[test]
fn forgetting_as_the_world_ends_forgets_later() {
    let names = ["a", "b", "c", "d"];
    with_every_fault(
        |stage| {
            stage.cooldown(&names).write().unwrap();
        },
        |_, place| CoolDown::new(place, &manifest(&names), CoolDownParams::default()).clear(),
        |stage, done| {
            let cooldown = stage.cooldown(&names);
            assert!(cooldown.attempts().unwrap() <= u32::from(done.is_err()));
            cooldown.clear().unwrap();
            assert!(stage.names().is_empty());
        },
    );
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let stage = Stage::new();
    let names = ["a"];
    stage.cooldown(&names).write().unwrap();
    let before = stage.json(".a.cooldown.json");
    let fs = Faulty::new(Arc::new(Disk), None);
    let count = |fs: &Faulty| {
        let place = stage.place_over(Arc::new(fs.clone()), 1);
        let cooldown = CoolDown::new(&place, &manifest(&names), CoolDownParams::default());
        cooldown.write()
    };
    count(&fs).unwrap();
    let operations = fs.count();
    // The last four make, write, date and rename the file.
    for at in operations - 3..=operations {
        stage.put(".a.cooldown.json", before.to_string());
        let full = Faulty::new(Arc::new(Disk), Some((at, Fault::Tear)));
        let error = count(&full).unwrap_err();
        assert_eq!(error.kind(), Kind::Storage);
        assert!(error.to_string().contains(".a.cooldown.json"), "{error}");
        assert_eq!(stage.json(".a.cooldown.json"), before);
        assert_eq!(stage.names(), [".a.cooldown.json"]);
    }
}

#[test]
fn a_claim_keeps_others_away_until_it_lapses() {
    let stage = Stage::new();
    let names = ["a", "b"];
    let (ours, theirs) = (stage.intent(1, &names), stage.intent(2, &names));
    assert!(!ours.in_progress().unwrap() && !ours.verify().unwrap());
    ours.write(T.after(60 * SECOND)).unwrap();
    assert_eq!(theirs.remaining().unwrap(), 60 * SECOND);
    assert!(ours.verify().unwrap() && !theirs.verify().unwrap());
    let refused = theirs.write(T.after(90 * SECOND)).unwrap_err();
    assert_eq!(refused.kind(), Kind::WrongState);
    assert!(refused.to_string().contains("60s"), "{refused}");
    stage.clock.advance(60 * SECOND - SECOND / 1_000);
    assert!(theirs.in_progress().unwrap());
    stage.clock.advance(SECOND / 1_000);
    assert!(!theirs.in_progress().unwrap(), "at the very end");
    // Lapsed, and nobody has taken it: still ours to renew.
    assert!(ours.verify().unwrap());
    ours.renew(T.after(120 * SECOND)).unwrap();
    assert_eq!(theirs.remaining().unwrap(), 60 * SECOND);
    stage.clock.advance(60 * SECOND);
    theirs.write(T.after(200 * SECOND)).unwrap();
    assert!(!ours.verify().unwrap());
    assert_eq!(
        ours.renew(T.after(999 * SECOND)).unwrap_err().kind(),
        Kind::LeaseLost
    );
    ours.clear().unwrap();
    assert_eq!(theirs.remaining().unwrap(), 80 * SECOND);
    assert!(theirs.verify().unwrap(), "what is theirs was left alone");
    theirs.clear().unwrap();
    theirs.clear().unwrap();
    assert!(stage.names().is_empty());
}

#[test]
fn two_claims_of_one_process_are_two() {
    let stage = Stage::new();
    let (one, other) = (stage.intent(1, &["a"]), stage.intent(1, &["a"]));
    one.write(T.after(SECOND)).unwrap();
    assert!(other.write(T.after(SECOND)).is_err());
    other.clear().unwrap();
    assert!(one.verify().unwrap());
}

#[test]
fn a_claim_is_written_so_that_the_original_reads_it() {
    let stage = Stage::new();
    stage.put(".a.intent.json", r#"{"timeout": 1, "note": [1.0]}"#);
    stage.intent(7, &["a"]).write(T.after(SECOND / 2)).unwrap();
    let written = stage.json(".a.intent.json");
    assert_eq!(written["timeout"], 1_473_700_580.5);
    assert_eq!(written["fence"], 7);
    assert_eq!(written["owner"]["pid"], 7);
    assert_eq!(written["boot_expiry_ms"], 1_000_500);
    assert_eq!(written["note"], serde_json::json!([1.0]));
}

#[test]
fn what_the_original_claimed_is_honoured() {
    for json in ["1473700640", r#"{"timeout": 1473700640.0}"#] {
        let stage = Stage::new();
        stage.put(".a.intent.json", json);
        let ours = stage.intent(1, &["a", "b"]);
        assert_eq!(ours.remaining().unwrap(), 60 * SECOND);
        assert_eq!(
            ours.write(T.after(SECOND)).unwrap_err().kind(),
            Kind::WrongState
        );
        ours.clear().unwrap();
        assert_eq!(stage.names(), [".a.intent.json"]);
        stage.clock.advance(60 * SECOND);
        ours.write(T.after(61 * SECOND)).unwrap();
        assert!(ours.verify().unwrap());
    }
}

#[test]
fn a_claim_that_cannot_be_read_is_honoured_for_a_time() {
    for bytes in [
        &b""[..],
        b"{\"timeout\": ",
        b"\xff",
        b"{}",
        &[b' '; 100_000],
    ] {
        let stage = Stage::new();
        stage.put(".b.intent.json", bytes);
        let ours = stage.intent(1, &["a", "b"]);
        assert_eq!(ours.remaining().unwrap(), CLAIM_TIME);
        assert!(ours.write(T.after(SECOND)).is_err());
        // Set back: from then on, and no longer.
        stage.clock.step_wall(-HOUR_MS);
        assert_eq!(ours.remaining().unwrap(), CLAIM_TIME);
        stage.clock.advance(CLAIM_TIME);
        assert_eq!(ours.remaining().unwrap(), Duration::ZERO);
        ours.write(stage.clock.now().after(SECOND)).unwrap();
        assert!(ours.verify().unwrap());
    }
}

#[test]
fn steps_of_the_clock_do_not_move_a_claim_of_this_start_of_the_machine() {
    for step in [-HOUR_MS, HOUR_MS] {
        let stage = Stage::new();
        let (ours, theirs) = (stage.intent(1, &["a"]), stage.intent(2, &["a"]));
        ours.write(T.after(60 * SECOND)).unwrap();
        stage.clock.step_wall(step);
        assert_eq!(theirs.remaining().unwrap(), 60 * SECOND, "{step}");
        stage.clock.advance(60 * SECOND);
        assert_eq!(theirs.remaining().unwrap(), Duration::ZERO, "{step}");
    }
}

#[test]
fn a_claim_of_another_machine_lapses_by_the_wall_clock() {
    let stage = Stage::new();
    let ours = stage.intent(1, &["a"]);
    ours.write(T.after(60 * SECOND)).unwrap();
    for (key, other) in [("host", "elsewhere"), ("boot", "another")] {
        let mut written = stage.json(".a.intent.json");
        written["owner"][key] = other.into();
        written["boot_expiry_ms"] = u64::MAX.into();
        stage.put(".a.intent.json", written.to_string());
        assert_eq!(ours.remaining().unwrap(), 60 * SECOND);
        assert!(!ours.verify().unwrap(), "its owner is not who we are");
    }
    stage.clock.step_wall(60_000);
    assert!(!ours.in_progress().unwrap());
}

#[test]
fn the_claim_of_a_dead_process_lapses_at_once() {
    let stage = Stage::new();
    let (theirs, ours) = (stage.intent(1, &["a", "b"]), stage.intent(2, &["a", "b"]));
    theirs.write(T.after(3_600 * SECOND)).unwrap();
    assert!(ours.write(T.after(SECOND)).is_err());
    stage.dies(1);
    assert!(!ours.in_progress().unwrap());
    ours.write(T.after(SECOND)).unwrap();
    assert!(ours.verify().unwrap());
}

#[test]
fn members_that_disagree_are_nobodys_and_claimed() {
    let stage = Stage::new();
    let both = stage.intent(1, &["a", "b"]);
    both.write(T.after(60 * SECOND)).unwrap();
    std::fs::remove_file(stage.path(".b.intent.json")).unwrap();
    assert!(!both.verify().unwrap());
    assert_eq!(
        both.renew(T.after(99 * SECOND)).unwrap_err().kind(),
        Kind::LeaseLost
    );
    let other = stage.intent(2, &["b"]);
    other.write(T.after(90 * SECOND)).unwrap();
    assert_eq!(both.remaining().unwrap(), 90 * SECOND, "the longest");
    both.clear().unwrap();
    assert_eq!(stage.names(), [".b.intent.json"]);
    assert!(other.verify().unwrap());
}

#[test]
fn a_claim_that_is_taken_as_the_world_ends_is_whole_or_nobodys() {
    let names = ["a", "b", "c"];
    with_every_fault(
        |stage| {
            // Of somebody dead, on one file.
            stage
                .intent(3, &["b"])
                .write(T.after(3_600 * SECOND))
                .unwrap();
            stage.dies(3);
        },
        |_, place| Intent::new(place, &manifest(&names), 1).write(T.after(60 * SECOND)),
        |stage, done| {
            let next = stage.intent(2, &names);
            let left = next.remaining().unwrap();
            assert!(
                left == 60 * SECOND || left.is_zero() && done.is_err(),
                "{left:?} {done:?}"
            );
            let names_left = stage.names();
            let riders = names_left.iter().filter(|name| name.ends_with(".json"));
            let owners: Vec<_> = riders
                .map(|name| stage.json(name)["owner"]["pid"].as_u64())
                .collect();
            assert!(
                owners
                    .iter()
                    .all(|owner| [Some(1), Some(3)].contains(owner))
            );
            assert!(done.is_err() || owners == [Some(1); 3], "{owners:?}");
            stage.dies(1);
            next.write(T.after(SECOND)).unwrap();
            assert!(next.verify().unwrap());
            assert_eq!(stage.names().len(), names.len(), "{:?}", stage.names());
        },
    );
}

#[test]
fn a_claim_that_is_renewed_as_the_world_ends_stays_ours() {
    let names = ["a", "b", "c"];
    let stage = Stage::new();
    let operations = {
        let fs = Faulty::new(Arc::new(Disk), None);
        let place = stage.place_over(Arc::new(fs.clone()), 1);
        let ours = Intent::new(&place, &manifest(&names), 1);
        ours.write(T.after(SECOND)).unwrap();
        let before = fs.count();
        ours.renew(T.after(SECOND)).unwrap();
        before..fs.count()
    };
    for (at, fault) in operations.flat_map(|at| FAULTS.map(|fault| (at + 1, fault))) {
        let stage = Stage::new();
        let fs = Faulty::new(Arc::new(Disk), Some((at, fault)));
        let place = stage.place_over(Arc::new(fs.clone()), 1);
        let ours = Intent::new(&place, &manifest(&names), 1);
        ours.write(T.after(60 * SECOND)).unwrap();
        assert!(!fs.struck(), "{at} {fault:?}");
        let renewed = ours.renew(T.after(90 * SECOND));
        assert!(fs.struck(), "{at} {fault:?}");
        let left = stage.intent(2, &names).remaining().unwrap();
        let expected = if renewed.is_ok() { 90..=90 } else { 60..=90 };
        assert!(
            expected.contains(&left.as_secs()),
            "{at} {fault:?} {left:?}"
        );
        let riders = names.map(|name| stage.json(&format!(".{name}.intent.json")));
        assert!(
            riders
                .iter()
                .all(|rider| rider["token"] == riders[0]["token"])
        );
        if matches!(fault, Fault::Fail | Fault::Tear) {
            assert!(ours.verify().unwrap());
            ours.renew(T.after(90 * SECOND)).unwrap();
            assert_eq!(stage.names().len(), names.len(), "{:?}", stage.names());
        }
    }
}

#[test]
fn a_claim_that_is_cleared_as_the_world_ends_lapses() {
    let names = ["a", "b", "c"];
    with_every_fault(
        |_| {},
        |_, place| {
            let ours = Intent::new(place, &manifest(&names), 1);
            ours.write(T.after(60 * SECOND))?;
            ours.clear()
        },
        |stage, done| {
            let next = stage.intent(2, &names);
            assert!(!next.in_progress().unwrap() || done.is_err());
            assert!(next.remaining().unwrap() <= 60 * SECOND);
            stage.dies(1);
            assert!(!next.in_progress().unwrap());
        },
    );
}

#[test]
fn a_claim_for_which_there_is_no_room_is_no_claim() {
    let stage = Stage::new();
    let names = ["a", "b", "c"];
    let take = |fault| {
        let fs = Faulty::new(Arc::new(Disk), fault);
        let place = stage.place_over(Arc::new(fs.clone()), 1);
        let ours = Intent::new(&place, &manifest(&names), 1);
        let taken = ours.write(T.after(60 * SECOND));
        (taken, fs.count(), ours)
    };
    let (taken, operations, ours) = take(None);
    taken.unwrap();
    ours.clear().unwrap();
    // The last four make, write, date and rename the last member's file.
    for at in operations - 3..=operations {
        let (taken, _, ours) = take(Some((at, Fault::Tear)));
        assert_eq!(taken.unwrap_err().kind(), Kind::Storage);
        assert!(!ours.in_progress().unwrap());
        assert!(stage.names().is_empty(), "{:?}", stage.names());
    }
}

#[test]
fn a_rider_that_cannot_be_removed_does_not_keep_the_others() {
    let stage = Stage::new();
    let names = ["a", "b", "c"];
    stage.cooldown(&names).write().unwrap();
    let fs = Faulty::new(Arc::new(Disk), Some((OPENING + 1, Fault::Fail)));
    let place = stage.place_over(Arc::new(fs), 1);
    let cooldown = CoolDown::new(&place, &manifest(&names), CoolDownParams::default());
    assert!(cooldown.clear().is_err());
    assert_eq!(stage.names(), [".a.cooldown.json"]);

    let clear = |fault| {
        let stage = Stage::new();
        let fs = Faulty::new(Arc::new(Disk), fault);
        let place = stage.place_over(Arc::new(fs.clone()), 1);
        let intent = Intent::new(&place, &manifest(&names), 1);
        intent.write(T.after(SECOND)).unwrap();
        let before = fs.count();
        (intent.clear().is_ok(), stage.names(), before)
    };
    let (_, _, before) = clear(None);
    let failed = clear(Some((before + 1, Fault::Fail)));
    assert_eq!(failed, (false, vec![".a.intent.json".to_owned()], before));
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_rider_holds_it_cools_no_longer_than_the_maximum(bytes in riderlike()) {
        let stage = Stage::new();
        stage.put(".a.cooldown.json", bytes);
        let cooldown = stage.cooldown(&["a"]);
        prop_assert!(cooldown.remaining().unwrap() <= 3_600 * SECOND);
        let attempts = cooldown.attempts().unwrap();
        stage.clock.advance(3_600 * SECOND);
        prop_assert_eq!(cooldown.remaining().unwrap(), Duration::ZERO);
        prop_assert_eq!(cooldown.write().unwrap(), attempts.saturating_add(1));
        prop_assert_eq!(stage.cooldown(&["a"]).attempts().unwrap(), attempts.saturating_add(1));
    }

    #[test]
    fn whatever_a_rider_holds_it_is_not_our_claim(bytes in riderlike()) {
        let stage = Stage::new();
        stage.put(".a.intent.json", &bytes);
        let ours = stage.intent(1, &["a"]);
        prop_assert!(!ours.verify().unwrap());
        ours.clear().unwrap();
        prop_assert_eq!(std::fs::read(stage.path(".a.intent.json")).unwrap(), bytes);
        let taken = ours.write(T.after(SECOND));
        prop_assert_eq!(taken.is_ok(), ours.verify().unwrap());
        prop_assert!(ours.in_progress().unwrap());
    }
}
