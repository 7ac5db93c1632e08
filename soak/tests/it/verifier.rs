//! The verifier finds what is wrong in records that somebody made up, and nothing in those that are right.

use towpath::FailReason;
use towpath_soak::journal::{Event, Kind, Name};
use towpath_soak::mix::Mix;
use towpath_soak::verify::{Chronicle, Fault, History, Span, Standing, Tally, Verifier};

const SECOND: u64 = 1_000_000;

/// One record of the only message, in this process, under this number of claims.
fn seen(kind: Kind, process: u16, number: u32, at: u64) -> Event {
    let (name, mix, since) = (Name::of(1, 1), Mix::Quick, at);
    Event {
        name,
        kind,
        mix,
        process,
        number,
        at,
        since,
    }
}

fn accepted() -> Event {
    seen(Kind::Accepted, 1, 50, SECOND)
}

/// A whole run: began, ended, settled.
fn run(process: u16, claims: u32, from: u64) -> [Event; 3] {
    [
        seen(Kind::Began, process, claims, from),
        seen(Kind::Ended, process, claims, from + 10),
        seen(Kind::Settled, process, claims, from + 20),
    ]
}

fn judged(chronicle: &Chronicle, events: &[Event], standing: Standing) -> Tally {
    let mut verifier = Verifier::new(chronicle);
    verifier.judge(&History::of(&mut events.to_vec()), standing);
    verifier.tally
}

#[track_caller]
fn check(chronicle: &Chronicle, events: &[Event], standing: Standing, expected: &[Fault]) -> Tally {
    let tally = judged(chronicle, events, standing);
    let found: Vec<_> = tally.faults.keys().copied().collect();
    assert_eq!(found, expected, "{:?}", tally.faults);
    tally
}

fn killed(process: u16, at: u64) -> Chronicle {
    let mut chronicle = Chronicle::default();
    chronicle.died(Span {
        process,
        from: at,
        to: at + 1_000,
    });
    chronicle
}

fn frozen(process: u16, from: u64, to: u64) -> Chronicle {
    let mut chronicle = Chronicle::default();
    chronicle.froze(Span { process, from, to });
    chronicle
}

#[test]
fn a_message_that_ran_once_and_succeeded_is_right() {
    let mut events = vec![accepted()];
    events.extend(run(2, 1, 2 * SECOND));
    let tally = check(&Chronicle::default(), &events, Standing::Succeeded, &[]);
    assert_eq!(
        (
            tally.messages.accepted,
            tally.messages.succeeded,
            tally.messages.runs,
            tally.messages.settled
        ),
        (1, 1, 1, 1)
    );
}

#[test]
fn a_lost_message_is_found() {
    check(
        &Chronicle::default(),
        &[accepted()],
        Standing::Unknown,
        &[Fault::Lost],
    );
    check(
        &Chronicle::default(),
        &[accepted()],
        Standing::Unfinished,
        &[Fault::Unfinished],
    );
}

#[test]
fn a_message_that_nobody_heard_to_be_accepted_may_be_gone() {
    let began = seen(Kind::Began, 2, 1, SECOND);
    check(&killed(1, SECOND), &[began], Standing::Unknown, &[]);
}

#[test]
fn an_undone_settle_is_found() {
    let mut events = vec![accepted()];
    events.extend(run(2, 1, 2 * SECOND));
    check(
        &Chronicle::default(),
        &events,
        Standing::Unfinished,
        &[Fault::Undone, Fault::Unfinished],
    );
    // Also when the message ran again and succeeded then, whatever happened to the processes.
    events.extend(run(3, 2, 5 * SECOND));
    let faults = [Fault::Undone, Fault::RanAgainUnexplained];
    check(
        &killed(2, 4 * SECOND),
        &events,
        Standing::Succeeded,
        &faults,
    );
    check(
        &frozen(2, 3 * SECOND, 9 * SECOND),
        &events,
        Standing::Succeeded,
        &faults,
    );
}

#[test]
fn a_second_run_that_nothing_explains_is_found() {
    let first = [
        accepted(),
        seen(Kind::Began, 2, 1, 2 * SECOND),
        seen(Kind::Ended, 2, 1, 2 * SECOND + 10),
    ];
    let mut events = first.to_vec();
    events.extend(run(3, 2, 5 * SECOND));
    let faults = [Fault::RanAgainUnexplained];
    check(&Chronicle::default(), &events, Standing::Succeeded, &faults);
    // The death of another process, or one that came later, explains nothing.
    check(
        &killed(3, 4 * SECOND),
        &events,
        Standing::Succeeded,
        &faults,
    );
    check(
        &killed(2, 6 * SECOND),
        &events,
        Standing::Succeeded,
        &faults,
    );
    check(
        &frozen(3, 4 * SECOND, 9 * SECOND),
        &events,
        Standing::Succeeded,
        &faults,
    );
    check(
        &frozen(2, 6 * SECOND, 9 * SECOND),
        &events,
        Standing::Succeeded,
        &faults,
    );
    let tally = check(&killed(2, 4 * SECOND), &events, Standing::Succeeded, &[]);
    assert_eq!(
        (
            tally.messages.again_killed,
            tally.recovery.quantiles().max_ms
        ),
        (1, 1_000.0)
    );
}

#[test]
fn a_recovery_while_somebody_was_frozen_counts_apart() {
    let mut events = vec![accepted(), seen(Kind::Began, 2, 1, 2 * SECOND)];
    events.extend(run(3, 2, 5 * SECOND));
    let mut chronicle = killed(2, 3 * SECOND);
    let tally = check(&chronicle, &events, Standing::Succeeded, &[]);
    assert_eq!(tally.recovery.quantiles().count, 1);
    chronicle.froze(Span {
        process: 4,
        from: 4 * SECOND,
        to: 9 * SECOND,
    });
    let tally = check(&chronicle, &events, Standing::Succeeded, &[]);
    assert_eq!(tally.recovery_frozen.quantiles().count, 1);
    assert_eq!(tally.recovery.quantiles().count, 0);
}

#[test]
fn a_retry_explains_a_second_run_if_it_was_asked_for() {
    let mut events = vec![
        accepted(),
        seen(Kind::Began, 2, 1, 2 * SECOND),
        seen(Kind::AskedRetry, 2, 1, 3 * SECOND),
    ];
    events.extend(run(3, 2, 5 * SECOND));
    let tally = check(&Chronicle::default(), &events, Standing::Succeeded, &[]);
    assert_eq!(tally.messages.again_asked, 1);
}

#[test]
fn the_same_token_twice_is_found() {
    let mut events = vec![accepted(), seen(Kind::Began, 2, 1, 2 * SECOND)];
    events.extend(run(3, 1, 5 * SECOND));
    check(
        &killed(2, 3 * SECOND),
        &events,
        Standing::Succeeded,
        &[Fault::RanAgainUnexplained],
    );
}

#[test]
fn runs_at_the_same_time_are_found() {
    let first = [
        accepted(),
        seen(Kind::Began, 2, 1, 2 * SECOND),
        seen(Kind::Ended, 2, 1, 6 * SECOND),
    ];
    let mut events = first.to_vec();
    events.extend(run(3, 2, 5 * SECOND));
    let faults = [Fault::RanAgainUnexplained, Fault::RanTwiceAtOnce];
    check(&Chronicle::default(), &events, Standing::Succeeded, &faults);
    // Its end came after the kill that is to explain it: then it was no kill.
    check(
        &killed(2, 5 * SECOND - 1),
        &events,
        Standing::Succeeded,
        &[Fault::RanTwiceAtOnce],
    );
    // Over a freeze they may: the settle of the first is refused.
    let tally = check(
        &frozen(2, 3 * SECOND, 6 * SECOND),
        &events,
        Standing::Succeeded,
        &[],
    );
    assert_eq!(
        (tally.messages.again_frozen, tally.messages.late_ends),
        (1, 1)
    );
}

#[test]
fn a_run_before_the_kill_of_the_one_before_is_found() {
    let mut events = vec![accepted(), seen(Kind::Began, 2, 1, 2 * SECOND)];
    events.extend(run(3, 2, 5 * SECOND));
    let faults = [Fault::RanAgainUnexplained, Fault::RanTwiceAtOnce];
    check(
        &killed(2, 6 * SECOND),
        &events,
        Standing::Succeeded,
        &faults,
    );
}

#[test]
fn a_success_without_a_run_is_found() {
    check(
        &Chronicle::default(),
        &[accepted()],
        Standing::Succeeded,
        &[Fault::SucceededUnrun],
    );
}

#[test]
fn a_dead_letter_is_right_only_when_workers_were_lost() {
    let lost = Standing::Dead(FailReason::Lost);
    assert_eq!(
        check(&Chronicle::default(), &[accepted()], lost, &[])
            .messages
            .dead_lost,
        1
    );
    let rejected = Standing::Dead(FailReason::Rejected);
    check(
        &Chronicle::default(),
        &[accepted()],
        rejected,
        &[Fault::DeadUnexplained],
    );
}

#[test]
fn a_store_that_stood_still_explains_second_runs_of_everybody() {
    let mut events = vec![accepted(), seen(Kind::Began, 2, 1, 2 * SECOND)];
    events.extend(run(3, 2, 9 * SECOND));
    let mut chronicle = frozen(4, 3 * SECOND, 8 * SECOND);
    check(
        &chronicle,
        &events,
        Standing::Succeeded,
        &[Fault::RanAgainUnexplained],
    );
    chronicle.stood_still(Span {
        process: 4,
        from: 3 * SECOND,
        to: 8 * SECOND,
    });
    assert_eq!(
        check(&chronicle, &events, Standing::Succeeded, &[])
            .messages
            .again_still,
        1
    );
}
