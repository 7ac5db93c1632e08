//! Who has claimed files, for how long, and what a claim outlives.

use super::*;

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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

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
