//! How long files cool, and what a count outlives.

use super::*;

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
}
