//! What people see of claims and cooldowns in a directory, and what they may take away.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use towpath_coord::liveness::Life;
use towpath_coord::{
    CLAIM_TIME, Cancel, Clear, CoolDown, CoolDownParams, Intent, Manifest, Wait, claims,
    clear_claims, clear_cooldowns, cooldowns,
};
use towpath_core::{Clock as _, Kind};

use crate::stage::Stage;

fn place(stage: &Stage, pid: u32) -> towpath_coord::Place {
    let disk = std::sync::Arc::new(towpath_coord::fs::Disk);
    stage.place_over(pid, disk).unwrap()
}

#[test]
fn claims_are_listed_and_live_ones_are_cleared_only_on_purpose() {
    let stage = Stage::new();
    let (ours, theirs) = (place(&stage, 1), place(&stage, 2));
    assert!(claims(&ours).unwrap().riders.is_empty());
    let odd = OsString::from_vec(b"\xff\n\x1b".to_vec());
    let manifest = Manifest::new([OsString::from("map.png"), odd.clone()]).unwrap();
    let intent = Intent::new(&theirs, &manifest, 7);
    intent.write(stage.clock.now().after(CLAIM_TIME)).unwrap();
    std::fs::write(stage.directory.path().join(".spoilt.intent.json"), "{").unwrap();

    let found = claims(&ours).unwrap();
    assert!(!found.is_cut);
    let names: Vec<_> = found.riders.iter().map(|file| file.name.clone()).collect();
    assert_eq!(names, [OsString::from("map.png"), "spoilt".into(), odd]);
    let [first, spoilt, _] = &found.riders[..] else {
        panic!("three")
    };
    assert_eq!((first.life, first.remaining), (Life::Alive, CLAIM_TIME));
    let claim = first.claim.as_ref().unwrap();
    assert_eq!(
        (claim.fence, claim.owner.as_ref().unwrap().pid),
        (Some(7), 2)
    );
    assert!(spoilt.claim.is_none() && spoilt.life == Life::Unknown);

    let clear =
        |names: &[OsString], which| clear_claims(&ours, names, which, Wait::No, &Cancel::new());
    let error = clear(&names, Clear::Lapsed).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState, "{error}");
    assert!(error.to_string().contains("process 2 on here"), "{error}");
    assert_eq!(
        claims(&ours).unwrap().riders.len(),
        3,
        "nothing was cleared"
    );
    stage.kill(2);
    assert_eq!(claims(&ours).unwrap().riders[0].remaining, Duration::ZERO);
    assert_eq!(clear(&names[..1], Clear::Lapsed).unwrap(), 1);
    assert_eq!(clear(&names, Clear::Any).unwrap(), 2);
    assert_eq!(clear(&names, Clear::Any).unwrap(), 0);
    assert!(claims(&ours).unwrap().riders.is_empty());
}

#[test]
fn cooldowns_are_listed_by_the_given_parameters_and_cleared_under_the_lock() {
    let stage = Stage::new();
    let place = place(&stage, 1);
    let (params, manifest) = (CoolDownParams::default(), Manifest::new(["a"]).unwrap());
    let cooldown = CoolDown::new(&place, &manifest, params);
    for _ in 0..2 {
        cooldown.write().unwrap();
    }
    std::fs::write(stage.directory.path().join(".b.cooldown.json"), "no").unwrap();
    let found = cooldowns(&place, params).unwrap().riders;
    assert_eq!(found[0].failures.unwrap().attempts, 2);
    assert_eq!(found[0].remaining, params.wait(2));
    assert!(found[1].failures.is_none() && found[1].remaining <= params.wait(1));

    let mut lock = stage.lock(2);
    assert!(lock.acquire(false, false).unwrap());
    let names: Vec<OsString> = vec!["a".into(), "b".into(), "c".into()];
    let clear = |names: &[OsString]| clear_cooldowns(&place, names, Wait::No, &Cancel::new());
    assert_eq!(clear(&names).unwrap_err().kind(), Kind::Unavailable);
    assert!(lock.release().unwrap());
    assert_eq!(clear(&["../a".into()]).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(clear(&names).unwrap(), 2);
    assert!(!cooldown.in_progress().unwrap());
}
