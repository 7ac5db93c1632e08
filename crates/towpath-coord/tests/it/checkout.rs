//! Files that are made once: who may make them, what is published, and what is left when somebody dies in between.

mod crashes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use towpath_coord::fs::faulty::{Fault, Faulty};
use towpath_coord::fs::{Disk, Fs};
use towpath_coord::{
    Begun, CLAIM_TIME, Cancel, Checkout, CoolDownParams, Generating, Growth, Manifest, Network,
    Place, Refusal, Wait, World,
};
use towpath_core::{Error, Kind};

use crate::stage::{Stage, until};

const NAMES: [&str; 3] = ["map.fits", "map.json", "map.png"];
const BASE: Duration = Duration::from_secs(60);

fn params() -> CoolDownParams {
    CoolDownParams {
        base: BASE,
        increment: Duration::ZERO,
        maximum: BASE,
        growth: Growth::Additive,
    }
}

fn checkout_over(stage: &Stage, pid: u32, fs: Arc<dyn Fs>) -> Result<Checkout, Error> {
    let place = stage.place_over(pid, fs)?;
    Ok(Checkout::new(place, Manifest::new(NAMES).unwrap()).cooldown(params()))
}

fn checkout(stage: &Stage, pid: u32) -> Checkout {
    checkout_over(stage, pid, Arc::new(Disk)).unwrap()
}

fn begin(checkout: &Checkout) -> Result<Begun, Error> {
    checkout.begin(Wait::No, &Cancel::new(), || None)
}

fn ours(checkout: &Checkout) -> Generating {
    match begin(checkout).unwrap() {
        Begun::Generating(ours) => *ours,
        Begun::Refused(why) => panic!("{why:?}"),
    }
}

fn refused(checkout: &Checkout) -> Refusal {
    match begin(checkout).unwrap() {
        Begun::Generating(_) => panic!("it is ours"),
        Begun::Refused(why) => why,
    }
}

/// Makes the files, each saying `text`.
fn make(generating: &Generating, text: &str) {
    for name in NAMES {
        std::fs::write(generating.part(name.as_ref()).unwrap(), text).unwrap();
    }
}

/// What the published files say.
fn published(stage: &Stage) -> Vec<Option<String>> {
    let path = |name| -> PathBuf { stage.directory.path().join(name) };
    let read = |name| std::fs::read_to_string(path(name)).ok();
    NAMES.into_iter().map(read).collect()
}

fn all(text: &str) -> Vec<Option<String>> {
    vec![Some(text.to_owned()); NAMES.len()]
}

/// What is in the directory beside the files and the guard.
fn left_over(stage: &Stage) -> Vec<String> {
    let names = std::fs::read_dir(stage.directory.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let known = |name: &String| NAMES.contains(&&**name) || name == ".towpath.guard";
    names.filter(|name| !known(name)).collect()
}

#[test]
fn one_makes_them_and_all_are_published_at_once() {
    let stage = Stage::new();
    let (one, other) = (checkout(&stage, 1), checkout(&stage, 2));
    let generating = ours(&one);
    assert_eq!(
        refused(&other),
        Refusal::Claimed {
            remaining: CLAIM_TIME
        }
    );
    make(&generating, "new");
    assert_eq!(published(&stage), [None, None, None]);
    assert_eq!(generating.part("other".as_ref()), None);
    generating.commit().unwrap();
    assert_eq!(published(&stage), all("new"));
    assert!(left_over(&stage).is_empty(), "{:?}", left_over(&stage));
}

#[test]
fn a_failure_cools_down_and_a_success_ends_that() {
    let stage = Stage::new();
    let checkout = checkout(&stage, 1);
    make(&ours(&checkout), "dropped");
    assert_eq!(published(&stage), [None, None, None]);
    assert_eq!(refused(&checkout), Refusal::Cooling { remaining: BASE });
    stage.clock.advance(BASE);
    ours(&checkout).fail().unwrap();
    assert_eq!(refused(&checkout), Refusal::Cooling { remaining: BASE });
    stage.clock.advance(BASE);
    let generating = ours(&checkout);
    make(&generating, "new");
    generating.commit().unwrap();
    drop(ours(&checkout));
    assert_eq!(published(&stage), all("new"));
}

#[test]
fn who_withdraws_has_not_failed() {
    let stage = Stage::new();
    let checkout = checkout(&stage, 1);
    let generating = ours(&checkout);
    make(&generating, "dropped");
    generating.withdraw().unwrap();
    assert!(left_over(&stage).is_empty(), "{:?}", left_over(&stage));
    drop(ours(&checkout));
}

#[test]
fn what_a_dead_maker_has_left_is_removed_also_where_the_files_are_there() {
    let stage = Stage::new();
    let (dead, next) = (checkout(&stage, 1), checkout(&stage, 2));
    let generating = ours(&dead);
    make(&generating, "half");
    std::mem::forget(generating);
    stage.kill(1);
    let vetoed = next.begin(Wait::No, &Cancel::new(), || Some("already made".to_owned()));
    assert!(matches!(
        vetoed.unwrap(),
        Begun::Refused(Refusal::Vetoed(_))
    ));
    let cooldowns = NAMES.map(|name| format!(".{name}.cooldown.json"));
    let mut left = left_over(&stage);
    left.sort_unstable();
    assert_eq!(left, cooldowns, "the failure is counted");
}

#[test]
fn a_success_of_who_heeds_no_cooldown_ends_it_for_those_who_do() {
    let stage = Stage::new();
    let heeding = checkout(&stage, 1);
    ours(&heeding).fail().unwrap();
    let place = stage.place_over(2, Arc::new(Disk)).unwrap();
    let generating = ours(&Checkout::new(place, Manifest::new(NAMES).unwrap()));
    make(&generating, "new");
    generating.commit().unwrap();
    assert!(left_over(&stage).is_empty(), "{:?}", left_over(&stage));
    drop(ours(&heeding));
}

#[test]
fn a_record_that_a_loss_of_power_has_emptied_keeps_nobody_from_making_one_file() {
    let one = |stage: &Stage, pid, fs| {
        let manifest = Manifest::new([NAMES[0]]).unwrap();
        Ok::<_, Error>(Checkout::new(stage.place_over(pid, fs)?, manifest))
    };
    let make_it = |checkout: &Checkout, text| {
        let Begun::Generating(generating) = begin(checkout)? else {
            panic!("nobody else is there")
        };
        std::fs::write(generating.part(NAMES[0].as_ref()).unwrap(), text).unwrap();
        generating.commit()
    };
    // Ends the world at every operation, until behind one of them the record is there.
    let dead_with_record = |at| {
        let stage = Stage::new();
        let fs = Arc::new(Faulty::new(Arc::new(Disk), Some((at, Fault::DieAfter))));
        let _the_world_ended = one(&stage, 1, fs).and_then(|it| make_it(&it, "new"));
        let mut left = left_over(&stage).into_iter();
        let name = left.find(|name| name.starts_with(".towpath-publish-"))?;
        Some((stage.directory.path().join(name), stage))
    };
    let (record, stage) = (1..200).find_map(dead_with_record).unwrap();
    std::fs::write(record, "").unwrap();
    stage.kill(1);
    make_it(&one(&stage, 2, Arc::new(Disk)).unwrap(), "newer").unwrap();
    assert_eq!(published(&stage)[0].as_deref(), Some("newer"));
    assert!(left_over(&stage).is_empty(), "{:?}", left_over(&stage));
}

#[test]
fn who_commits_without_a_file_has_failed_and_published_nothing() {
    let stage = Stage::new();
    let checkout = checkout(&stage, 1);
    let generating = ours(&checkout);
    std::fs::write(generating.part(NAMES[0].as_ref()).unwrap(), "one").unwrap();
    let error = generating.commit().unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
    assert_eq!(published(&stage), [None, None, None]);
    assert_eq!(refused(&checkout), Refusal::Cooling { remaining: BASE });
}

#[test]
fn a_directory_in_place_of_a_file_is_refused_and_keeps_nobody() {
    let stage = Stage::new();
    let checkout = checkout(&stage, 1);
    let wrong = |generating: &Generating| {
        make(generating, "new");
        let part = generating.part(NAMES[0].as_ref()).unwrap();
        std::fs::remove_file(&part).unwrap();
        std::fs::create_dir(&part).unwrap();
        std::fs::write(part.join("inside"), "").unwrap();
    };
    let generating = ours(&checkout);
    wrong(&generating);
    assert_eq!(generating.commit().unwrap_err().kind(), Kind::Invalid);
    assert_eq!(
        left_over(&stage).len(),
        NAMES.len(),
        "cooldowns: {:?}",
        left_over(&stage)
    );
    stage.clock.advance(BASE);
    // Left behind by a process that was killed.
    wrong(&ours_of_dead(&stage));
    assert_eq!(refused(&checkout), Refusal::Cooling { remaining: BASE });
    stage.clock.advance(BASE);
    make(&ours(&checkout), "new");
    assert_eq!(left_over(&stage).len(), NAMES.len());
}

/// The files are begun by a process that dies without a word.
fn ours_of_dead(stage: &Stage) -> std::mem::ManuallyDrop<Generating> {
    let generating = ours(&checkout(stage, 2));
    stage.kill(2);
    std::mem::ManuallyDrop::new(generating)
}

#[test]
fn a_veto_is_asked_first_and_a_busy_directory_is_told() {
    let stage = Stage::new();
    let one = checkout(&stage, 1);
    let vetoed = one.begin(Wait::No, &Cancel::new(), || Some("by hand".to_owned()));
    let is_vetoed =
        |begun| matches!(begun, Begun::Refused(Refusal::Vetoed(why)) if why == "by hand");
    assert!(is_vetoed(vetoed.unwrap()));
    let mut lock = stage.lock(2);
    assert!(lock.acquire(false, false).unwrap());
    assert_eq!(refused(&one), Refusal::Busy);
}

#[test]
fn who_was_paused_beyond_his_claim_publishes_nothing() {
    let stage = Stage::new();
    let (one, other) = (checkout(&stage, 1), checkout(&stage, 2));
    let paused = ours(&one);
    make(&paused, "old");
    stage.clock.advance(CLAIM_TIME);
    // A claim that lapsed counts as a failure.
    assert_eq!(refused(&other), Refusal::Cooling { remaining: BASE });
    stage.clock.advance(BASE);
    let generating = ours(&other);
    make(&generating, "new");
    assert_eq!(paused.renew().unwrap_err().kind(), Kind::LeaseLost);
    let late = paused.commit().unwrap_err();
    assert!(
        [Kind::LeaseLost, Kind::NotFound].contains(&late.kind()),
        "{late}"
    );
    generating.commit().unwrap();
    assert_eq!(published(&stage), all("new"));
}

#[test]
fn a_renewed_claim_lasts_from_its_renewal() {
    let stage = Stage::new();
    let (one, other) = (checkout(&stage, 1), checkout(&stage, 2));
    let generating = ours(&one);
    for _ in 0..3 {
        stage.clock.advance(CLAIM_TIME - Duration::from_secs(1));
        generating.renew().unwrap();
        assert!(matches!(refused(&other), Refusal::Claimed { .. }));
    }
    make(&generating, "new");
    generating.commit().unwrap();
    assert_eq!(published(&stage), all("new"));
}

#[test]
fn a_kept_claim_is_renewed_and_its_loss_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let claim = Duration::from_millis(60);
    let checkout = || {
        let place = Place::open(World::new(), directory.path(), Network::Refuse).unwrap();
        Checkout::new(place, Manifest::new(["map.png"]).unwrap()).claim(claim)
    };
    let rider = directory.path().join(".map.png.intent.json");
    let written = || std::fs::read(&rider).unwrap();
    let making = ours(&checkout()).keep().unwrap();
    let part = making.part("map.png".as_ref()).unwrap();
    assert!(part.to_string_lossy().ends_with(".png"), "{part:?}");
    std::fs::write(&part, "new").unwrap();
    for _ in 0..2 {
        let before = written();
        until("it was not renewed", || written() != before);
    }
    assert!(!making.is_lost());
    making.commit().unwrap();
    assert_eq!(
        std::fs::read(directory.path().join("map.png")).unwrap(),
        b"new"
    );

    let making = ours(&checkout()).keep().unwrap();
    std::fs::write(making.part("map.png".as_ref()).unwrap(), "newer").unwrap();
    // As `towpath dir intents clear` does.
    std::fs::remove_file(&rider).unwrap();
    until("the loss was not noticed", || making.is_lost());
    assert_eq!(making.commit().unwrap_err().kind(), Kind::LeaseLost);
    assert_eq!(
        std::fs::read(directory.path().join("map.png")).unwrap(),
        b"new"
    );
}

#[test]
fn a_kept_claim_is_given_up_by_a_failure_and_by_a_drop() {
    let stage = Stage::new();
    let checkout = checkout(&stage, 1);
    ours(&checkout).keep().unwrap().fail().unwrap();
    assert_eq!(refused(&checkout), Refusal::Cooling { remaining: BASE });
    stage.clock.advance(BASE);
    drop(ours(&checkout).keep().unwrap());
    assert_eq!(refused(&checkout), Refusal::Cooling { remaining: BASE });
    assert!(!stage.directory.path().join(".map.png.intent.json").exists());
}

/// A whole life; answers whether `commit` has said yes.
fn life(stage: &Stage, fs: Arc<dyn Fs>) -> Result<bool, Error> {
    let Begun::Generating(generating) = begin(&checkout_over(stage, 1, fs)?)? else {
        return Ok(false);
    };
    make(&generating, "new");
    generating.commit()?;
    Ok(true)
}

#[test]
fn whenever_a_process_dies_all_files_are_the_old_or_the_new_and_somebody_can_go_on() {
    let prepare = || {
        let stage = Stage::new();
        for name in NAMES {
            std::fs::write(stage.directory.path().join(name), "old").unwrap();
        }
        stage
    };
    let counting = Arc::new(Faulty::new(Arc::new(Disk), None));
    assert!(life(&prepare(), counting.clone()).unwrap());
    for at in 1..=counting.count() {
        for fault in [Fault::Die, Fault::DieTorn, Fault::DieAfter] {
            let stage = prepare();
            let fs = Arc::new(Faulty::new(Arc::new(Disk), Some((at, fault))));
            let promised = life(&stage, fs.clone()).is_ok_and(|promised| promised);
            assert!(fs.struck());
            stage.kill(1);
            let next = checkout(&stage, 2);
            let begun = begin(&next).unwrap();
            let seen = published(&stage);
            assert!(
                seen == all("old") || seen == all("new"),
                "{fault:?} at {at}: {seen:?}"
            );
            assert!(
                !promised || seen == all("new"),
                "{fault:?} at {at}: a commit was undone"
            );
            let generating = match begun {
                Begun::Generating(generating) => *generating,
                Begun::Refused(why) => {
                    assert_eq!(
                        why,
                        Refusal::Cooling { remaining: BASE },
                        "{fault:?} at {at}"
                    );
                    assert_eq!(
                        seen,
                        all("old"),
                        "{fault:?} at {at}: a success was counted as a failure"
                    );
                    stage.clock.advance(BASE);
                    ours(&next)
                }
            };
            make(&generating, "newest");
            generating.commit().unwrap();
            assert_eq!(published(&stage), all("newest"));
            assert!(
                left_over(&stage).is_empty(),
                "{fault:?} at {at}: {:?}",
                left_over(&stage)
            );
        }
    }
}

#[test]
fn whatever_fails_nothing_is_published_in_part_for_good() {
    let stage = Stage::new();
    let counting = Arc::new(Faulty::new(Arc::new(Disk), None));
    assert!(life(&stage, counting.clone()).unwrap());
    for at in 1..=counting.count() {
        for fault in [Fault::Fail, Fault::Tear] {
            let stage = Stage::new();
            let fs = Arc::new(Faulty::new(Arc::new(Disk), Some((at, fault))));
            let _failed_or_not = life(&stage, fs);
            // Whatever could not be given up lapses.
            stage.clock.advance(CLAIM_TIME + BASE);
            let next = checkout(&stage, 2);
            let begun = begin(&next).unwrap();
            let seen = published(&stage);
            let none = vec![None; NAMES.len()];
            assert!(
                seen == none || seen == all("new"),
                "{fault:?} at {at}: {seen:?}"
            );
            drop(begun);
            stage.clock.advance(BASE);
            let generating = ours(&next);
            make(&generating, "newest");
            generating.commit().unwrap();
            assert!(
                left_over(&stage).is_empty(),
                "{fault:?} at {at}: {:?}",
                left_over(&stage)
            );
        }
    }
}
