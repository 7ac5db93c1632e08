//! What a journal answers to files that were cut, spoilt, or written on a disk that is full.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;
use towpath_coord::fs::faulty::{Fault, Faulty};
use towpath_coord::fs::{Disk, Fs, Open};
use towpath_coord::journal::{self, Durability, Journal, LINE_MAX};
use towpath_coord::liveness::Identity;
use towpath_core::Kind;

fn owner() -> Identity {
    Identity {
        host: "here".to_owned(),
        boot: "one".to_owned(),
        namespace: 1,
        pid: 2,
        started: 3,
    }
}

fn begin(fs: &dyn Fs, path: &Path, durability: Durability) -> towpath_core::Result<Journal> {
    let file = fs.open(path, Open::Create).expect("opened under no fault");
    Journal::begin(file, path, &owner(), durability)
}

fn resume(path: &Path) -> (Journal, journal::Reading) {
    let file = Disk.open(path, Open::Write).unwrap();
    Journal::resume(file, path, Durability::Process).unwrap()
}

/// A journal of a header and lines that say `1`, `"a\nb"` and so on; their bytes.
fn sample() -> (TempDir, PathBuf, Vec<u8>) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("journal");
    let mut journal = begin(&Disk, &path, Durability::Process).unwrap();
    for entry in ["one", "two\nlines", "000002 00000000 {}", "four"] {
        journal.append(&entry).unwrap();
    }
    let bytes = std::fs::read(&path).unwrap();
    (directory, path, bytes)
}

fn words(reading: &journal::Reading) -> Vec<(u64, String)> {
    let records = reading.records.iter();
    records
        .map(|record| (record.seq, record.parse().unwrap()))
        .collect()
}

#[test]
fn the_format_is_as_documented() {
    let (_directory, _path, bytes) = sample();
    let lines: Vec<_> = std::str::from_utf8(&bytes).unwrap().lines().collect();
    let header = r#"{"seq":0,"entry":{"format":1,"owner":{"host":"here","boot":"one","namespace":1,"pid":2,"started":3}}}"#;
    assert_eq!(&lines[0][16..], header);
    assert_eq!(lines[1], r#"000017 e73b7da4 {"seq":1,"entry":"one"}"#);
    let reading = journal::read(&bytes);
    assert_eq!(reading.header.as_ref().unwrap().owner, owner());
    assert_eq!(
        words(&reading)[1..3],
        [
            (2, "two\nlines".to_owned()),
            (3, "000002 00000000 {}".to_owned())
        ]
    );
    assert_eq!(
        (reading.damaged, reading.torn, reading.end),
        (0, false, bytes.len() as u64)
    );
}

#[test]
fn a_cut_anywhere_keeps_the_whole_lines_before_it_and_writing_goes_on() {
    let (_directory, path, bytes) = sample();
    let whole = words(&journal::read(&bytes));
    for cut in 0..=bytes.len() {
        let kept = &bytes[..cut];
        let lines = kept.iter().filter(|byte| **byte == b'\n').count();
        std::fs::write(&path, kept).unwrap();
        let (mut journal, reading) = resume(&path);
        assert_eq!(words(&reading), whole[..lines.saturating_sub(1)], "{cut}");
        assert_eq!(reading.header.is_some(), lines > 0, "{cut}");
        assert_eq!(reading.damaged, 0, "{cut}");
        assert_eq!(reading.torn, kept.last().is_some_and(|byte| *byte != b'\n'));
        journal.append(&"more").unwrap();
        let again = journal::read(&std::fs::read(&path).unwrap());
        assert_eq!((again.damaged, again.torn), (0, false), "{cut}");
        assert_eq!(words(&again).last().unwrap().1, "more", "{cut}");
        assert_eq!(again.records.len(), reading.records.len() + 1, "{cut}");
    }
}

#[test]
fn a_spoilt_byte_costs_its_line_and_never_makes_one() {
    let (_directory, _path, bytes) = sample();
    let whole = words(&journal::read(&bytes));
    for at in 0..bytes.len() {
        let of = bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        for bit in 0..8 {
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 1 << bit;
            let reading = journal::read(&spoilt);
            // A newline that is gone joins its line with the next one: both are lost.
            let lost = of..of + 1 + usize::from(bytes[at] == b'\n');
            let kept = whole
                .iter()
                .filter(|(seq, _)| !lost.contains(&(*seq as usize)));
            let kept: Vec<_> = kept.cloned().collect();
            assert_eq!(words(&reading), kept, "byte {at}, bit {bit}");
            assert_eq!(reading.header.is_some(), of > 0, "byte {at}, bit {bit}");
            assert!(reading.damaged > 0 || reading.torn, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn a_line_that_comes_twice_counts_once() {
    let (_directory, _path, bytes) = sample();
    let whole = journal::read(&bytes);
    let twice = journal::read(&[&bytes[..], &bytes[..]].concat());
    assert_eq!(twice.records, whole.records);
    assert_eq!(twice.damaged, 5);
}

#[test]
fn a_failed_write_leaves_nothing_behind_and_the_next_goes_on() {
    for durability in [Durability::Process, Durability::Power] {
        let run = |fault: Option<(u64, Fault)>| {
            let directory = TempDir::new().unwrap();
            let path = directory.path().join("journal");
            // Opening is operation 1.
            let fs = Faulty::new(Arc::new(Disk), fault);
            let mut promised = Vec::new();
            if let Ok(mut journal) = begin(&fs, &path, durability) {
                for word in ["a word of some length", "b", "c"] {
                    if journal.append(&word).is_ok() {
                        promised.push(word.to_owned());
                    }
                }
            }
            let reading = journal::read(&std::fs::read(&path).unwrap());
            let found: Vec<_> = words(&reading).into_iter().map(|(_, word)| word).collect();
            (fs.count(), promised, found, reading.damaged)
        };
        let (count, ..) = run(None);
        for n in 2..=count {
            for fault in [Fault::Fail, Fault::Tear] {
                let (_, promised, found, damaged) = run(Some((n, fault)));
                assert_eq!((&promised, damaged), (&found, 0), "{fault:?} at {n}");
            }
            for fault in [Fault::Die, Fault::DieTorn, Fault::DieAfter] {
                let (_, promised, found, damaged) = run(Some((n, fault)));
                assert_eq!(damaged, 0, "{fault:?} at {n}");
                assert!(found.starts_with(&promised), "{fault:?} at {n}");
                assert!(found.len() <= promised.len() + 1, "{fault:?} at {n}");
            }
        }
    }
}

#[test]
fn what_is_too_long_or_too_new_is_refused() {
    let (_directory, path, bytes) = sample();
    let (mut journal, _) = resume(&path);
    let error = journal.append(&"x".repeat(LINE_MAX)).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    let long = "x".repeat(LINE_MAX - 100);
    let full = std::iter::repeat_with(|| journal.append(&long))
        .take(20)
        .find_map(Result::err);
    assert_eq!(full.expect("20 MiB are too much").kind(), Kind::Storage);
    let (_, reading) = resume(&path);
    assert_eq!((reading.damaged, reading.torn), (0, false));

    let newer = r#"{"seq":0,"entry":{"format":2,"owner":{"host":"here","boot":"one","namespace":1,"pid":2,"started":3}}}"#;
    std::fs::write(&path, format!("000065 92113416 {newer}\n")).unwrap();
    let file = Disk.open(&path, Open::Write).unwrap();
    let refused = Journal::resume(file, &path, Durability::Process).unwrap_err();
    assert_eq!(refused.kind(), Kind::Incompatible);
}

#[test]
fn a_cleared_journal_keeps_its_header_and_its_numbers_go_on() {
    let (_directory, path, _bytes) = sample();
    std::fs::write(&path, "").unwrap();
    let mut journal = begin(&Disk, &path, Durability::Process).unwrap();
    journal.append(&1).unwrap();
    journal.clear().unwrap();
    assert_eq!(journal.append(&2).unwrap(), 2, "numbers go on");
    let reading = journal::read(&std::fs::read(&path).unwrap());
    assert_eq!((reading.records.len(), reading.header.is_some()), (1, true));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let reading = journal::read(&bytes);
        prop_assert!(reading.records.is_empty());
        prop_assert!(reading.end as usize <= bytes.len());
    }
}
