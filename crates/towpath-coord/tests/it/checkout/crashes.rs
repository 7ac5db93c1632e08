//! Who fails, withdraws, renews or goes on after somebody else dies at every operation; then another begins.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use towpath_coord::CoolDown;

use super::*;

/// All deaths there are: before an operation, which is behind the one before it, and in the midst of a write.
const DEATH: Fault = Fault::DieTorn;

/// What a process does until it dies; an error where it has died in the midst.
type Act = fn(&Stage, &Checkout) -> Result<(), Error>;

/// The files are there, and one failure was counted long enough ago for the next attempt.
fn prepared() -> Stage {
    let stage = Stage::new();
    for name in NAMES {
        std::fs::write(stage.directory.path().join(name), "old").unwrap();
    }
    ours(&checkout(&stage, 9)).fail().unwrap();
    stage.clock.advance(BASE);
    stage
}

/// What a process that died has left.
#[derive(Debug)]
struct Left {
    /// Failures in a row that are counted.
    counted: u32,
    /// Whether there is a claim on any of the files: one failure that is not counted yet.
    is_claimed: bool,
    /// Whether the files are as good as published.
    is_recorded: bool,
}

impl Left {
    fn on(stage: &Stage) -> Self {
        let names = left_over(stage);
        let any = |fits: fn(&String) -> bool| names.iter().any(fits);
        Self {
            counted: counted(stage),
            is_claimed: any(|name| name.ends_with(".intent.json")),
            is_recorded: any(|name| name.starts_with(".towpath-publish-")),
        }
    }

    /// How many failures the next to begin is to know of.
    fn owed(&self) -> u32 {
        match self.is_recorded {
            true => 0,
            false => self.counted + u32::from(self.is_claimed),
        }
    }
}

fn counted(stage: &Stage) -> u32 {
    let place = stage.place_over(9, Arc::new(Disk)).unwrap();
    let cooldown = CoolDown::new(&place, &Manifest::new(NAMES).unwrap(), params());
    cooldown.attempts().unwrap()
}

/// Plays a process that may die; whether its act ended well, how many operations there were, and whether all were done.
fn play(stage: &Stage, pid: u32, act: Act, fault: Option<(u64, Fault)>) -> (bool, Faulty) {
    let fs = Faulty::new(Arc::new(Disk), fault);
    let done = checkout_over(stage, pid, Arc::new(fs.clone())).and_then(|it| act(stage, &it));
    (done.is_ok(), fs)
}

fn at_every_operation(act: Act, mut check: impl FnMut(&Stage, bool, &str)) {
    let (done, fs) = play(&prepared(), 1, act, None);
    assert!(done);
    for at in 1..=fs.count() {
        let stage = prepared();
        let (done, fs) = play(&stage, 1, act, Some((at, DEATH)));
        assert!(fs.struck());
        check(&stage, done, &format!("a death at {at}"));
    }
}

/// Another begins: nobody's claim keeps him, and what cools down does so for no longer than it should.
fn next_begins(stage: &Stage, pid: u32, owed: u32, when: &str) -> Generating {
    let next = checkout(stage, pid);
    let begun = begin(&next).unwrap();
    assert_eq!(counted(stage), owed, "{when}");
    match begun {
        Begun::Generating(generating) => *generating,
        Begun::Refused(why) => {
            let cooling = Refusal::Cooling { remaining: BASE };
            assert_eq!(why, cooling, "{when}");
            stage.clock.advance(BASE);
            ours(&next)
        }
    }
}

/// He makes the files, and nothing of anybody is left beside them.
fn next_ends(stage: &Stage, generating: Generating, when: &str) {
    make(&generating, "newest");
    generating.commit().unwrap();
    assert_eq!(published(stage), all("newest"), "{when}");
    let left = left_over(stage);
    assert!(left.is_empty(), "{when}: {left:?}");
}

fn begun(checkout: &Checkout) -> Result<Generating, Error> {
    match begin(checkout)? {
        Begun::Generating(generating) => {
            make(&generating, "dropped");
            Ok(*generating)
        }
        Begun::Refused(why) => panic!("nobody else is there, and {why:?}"),
    }
}

fn fails(_: &Stage, checkout: &Checkout) -> Result<(), Error> {
    begun(checkout)?.fail()
}

fn drops(_: &Stage, checkout: &Checkout) -> Result<(), Error> {
    begun(checkout).map(drop)
}

fn withdraws(_: &Stage, checkout: &Checkout) -> Result<(), Error> {
    begun(checkout)?.withdraw()
}

fn renews_and_fails(stage: &Stage, checkout: &Checkout) -> Result<(), Error> {
    let generating = begun(checkout)?;
    stage.clock.advance(CLAIM_TIME / 2);
    generating.renew()?;
    // The thread sleeps for a third of the time of the claim, which is longer than this takes.
    generating.keep()?.fail()
}

fn commits(_: &Stage, checkout: &Checkout) -> Result<(), Error> {
    let generating = begun(checkout)?;
    make(&generating, "new");
    generating.commit()
}

/// `told` is what is counted when the act says that it has ended well; a drop says nothing.
fn ends_without_files(act: Act, counts: RangeInclusive<u32>, told: Option<u32>) {
    at_every_operation(act, |stage, done, when| {
        let left = Left::on(stage);
        assert!(counts.contains(&left.counted), "{when}: {left:?}");
        if let Some(told) = told.filter(|_| done) {
            assert!(!left.is_claimed, "{when}: {left:?}");
            assert_eq!(left.counted, told, "{when}");
        }
        stage.kill(1);
        let generating = next_begins(stage, 2, left.owed(), when);
        assert_eq!(published(stage), all("old"), "{when}");
        next_ends(stage, generating, when);
    });
}

#[test]
fn whenever_who_fails_dies_the_next_knows_what_is_owed_and_goes_on() {
    ends_without_files(fails, 1..=2, Some(2));
}

#[test]
fn whenever_who_drops_dies_the_next_knows_what_is_owed_and_goes_on() {
    ends_without_files(drops, 1..=2, None);
}

#[test]
fn whenever_who_withdraws_dies_he_is_counted_by_nobody_but_the_next() {
    ends_without_files(withdraws, 1..=1, Some(1));
}

#[test]
fn whenever_who_renews_dies_his_claim_ends_with_him() {
    ends_without_files(renews_and_fails, 1..=2, Some(2));
}

#[test]
fn a_claim_once_made_counts_once_or_once_too_often_wherever_its_maker_dies() {
    // From the return of `begin` on there is a failure to count.
    let counting = Faulty::new(Arc::new(Disk), None);
    let stage = prepared();
    let generating = begun(&checkout_over(&stage, 1, Arc::new(counting.clone())).unwrap());
    let begins = counting.count();
    drop(generating);
    for (act, is_withdrawal) in [
        (fails as Act, false),
        (drops, false),
        (renews_and_fails, false),
        (withdraws, true),
    ] {
        let (_, fs) = play(&prepared(), 1, act, None);
        for at in begins + 1..=fs.count() {
            let stage = prepared();
            play(&stage, 1, act, Some((at, DEATH)));
            let left = Left::on(&stage);
            let is_withdrawn = is_withdrawal && !left.is_claimed;
            let owed = left.owed();
            assert!(is_withdrawn || (2..=3).contains(&owed), "{at}: {left:?}");
        }
    }
}

#[test]
fn who_is_not_known_to_be_dead_keeps_nobody_beyond_his_claim() {
    for act in [fails as Act, drops, withdraws, renews_and_fails, commits] {
        at_every_operation(act, |stage, _, when| {
            stage.clock.advance(CLAIM_TIME);
            let generating = next_begins(stage, 2, Left::on(stage).owed(), when);
            let seen = published(stage);
            assert!(seen == all("old") || seen == all("new"), "{when}: {seen:?}");
            generating.withdraw().unwrap();
        });
    }
}

fn begins(_: &Stage, checkout: &Checkout) -> Result<(), Error> {
    match begin(checkout)? {
        Begun::Generating(generating) => {
            // He dies without a word, if not before.
            std::mem::forget(generating);
            Ok(())
        }
        Begun::Refused(_) => Ok(()),
    }
}

/// The deaths of an act that leave different names, and so different work to the next.
fn different_deaths(act: Act, is_recorded: bool) -> Vec<u64> {
    let (mut seen, mut deaths) = (HashSet::new(), Vec::new());
    let (_, fs) = play(&prepared(), 1, act, None);
    for at in 1..=fs.count() {
        let stage = prepared();
        play(&stage, 1, act, Some((at, DEATH)));
        if Left::on(&stage).is_recorded != is_recorded {
            continue;
        }
        let digits = |name: String| name.replace(|any: char| any.is_ascii_hexdigit(), "");
        let mut names: Vec<_> = left_over(&stage).into_iter().map(digits).collect();
        names.sort_unstable();
        if seen.insert((names, published(&stage), counted(&stage))) {
            deaths.push(at);
        }
    }
    deaths
}

/// The first dies in his act, with or without a record of what is to be published, the second at every operation of his
/// begin, and the third goes on. How often a failure was counted once too often.
fn two_die_one_after_the_other(act: Act, is_recorded: bool) -> usize {
    let firsts = different_deaths(act, is_recorded);
    assert!(!firsts.is_empty());
    let mut counted_twice = 0;
    for first in firsts {
        let after_first = || {
            let stage = prepared();
            play(&stage, 1, act, Some((first, DEATH)));
            stage.kill(1);
            stage
        };
        let (done, fs) = play(&after_first(), 2, begins, None);
        assert!(done);
        for at in 1..=fs.count() {
            let stage = after_first();
            let owed = Left::on(&stage).owed();
            play(&stage, 2, begins, Some((at, DEATH)));
            stage.kill(2);
            let left = Left::on(&stage);
            let when = format!("one dies at {first}, the other at {at}: {left:?}");
            // Never less; the second may die behind the count of the first, or behind a claim of his own.
            assert!((owed..=owed + 1).contains(&left.owed()), "{when}");
            counted_twice += usize::from(left.owed() > owed);
            let generating = next_begins(&stage, 3, left.owed(), &when);
            let expected = all(if is_recorded { "new" } else { "old" });
            assert_eq!(published(&stage), expected, "{when}");
            // That he could commit is seen elsewhere, and waits for the disk.
            generating.withdraw().unwrap();
            let left = left_over(&stage).into_iter();
            let left: Vec<_> = left
                .filter(|name| !name.ends_with(".cooldown.json"))
                .collect();
            assert!(left.is_empty(), "{when}: {left:?}");
        }
    }
    counted_twice
}

#[test]
fn who_dies_finishing_what_a_dead_one_has_published_leaves_it_to_the_third() {
    two_die_one_after_the_other(commits, true);
}

#[test]
fn who_dies_sweeping_behind_a_dead_one_leaves_it_to_the_third() {
    let counted_twice = two_die_one_after_the_other(fails, false);
    assert!(
        counted_twice > 0,
        "nobody died behind the count of a failure"
    );
}
