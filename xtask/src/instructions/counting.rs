//! Counts: builds the program `instructions` of the stores, runs it under callgrind, and reads what that
//! has written down.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::{Message, TargetKind};

use super::kept::Counts;
use crate::program::{Echo, Program};

/// Built with the release profile, as users build it.
const BUILD: &str = "bench --no-run -p towpath-stores --bench instructions";
const STORES: [&str; 2] = ["memory", "sqlite"];
/// The function of the program before and after each of its phases.
const MARK: &str = "towpath_instructions_mark";

pub(super) fn count(echo: Echo) -> Result<Counts> {
    // Built first for people, then asked again, for free, where the executable is.
    Program::cargo(BUILD).run(echo)?;
    let messages = Program::cargo(&format!("{BUILD} --quiet --message-format=json"));
    let executable = executable_in(&messages.run(Echo::OnFailure)?)?;
    let mut counts = Counts::new();
    for store in STORES {
        let directory = tempfile::tempdir()?;
        let said = callgrind(&executable, store, directory.path(), echo)?;
        let totals = totals_in(directory.path())?;
        let phases = phases_in(&said)?;
        let counted = per_message(&phases, &totals).with_context(|| format!("on store {store}"))?;
        for (phase, count) in phases.iter().zip(counted) {
            let verbs = counts.entry(store.to_owned()).or_default();
            let batches = verbs.entry(phase.verb.clone()).or_default();
            batches.insert(phase.batch, count);
        }
    }
    Ok(counts)
}

fn executable_in(messages: &str) -> Result<PathBuf> {
    let artifact = Message::parse_stream(messages.as_bytes()).find_map(|message| match message {
        Ok(Message::CompilerArtifact(artifact))
            if artifact.target.kind.contains(&TargetKind::Bench) =>
        {
            artifact.executable
        }
        _ => None,
    });
    let executable = artifact.context("cargo has built no program `instructions`")?;
    Ok(executable.into_std_path_buf())
}

/// Runs the program on a store; answers what it printed. The counts are in files of `directory`.
fn callgrind(executable: &Path, store: &str, directory: &Path, echo: Echo) -> Result<String> {
    let out = directory.join("out").display().to_string();
    Program::new("valgrind", &format!("valgrind … instructions {store}"))
        .args([
            "--quiet",
            "--tool=callgrind",
            // Waking a thread takes the system as long as it takes; the waiter's spinning is not ours.
            "--fair-sched=yes",
            &format!("--dump-before={MARK}"),
            &format!("--callgrind-out-file={out}"),
        ])
        .args([executable])
        .args([store])
        .run(echo)
}

/// One phase of the program: a verb on so many messages, some at a time.
#[derive(Debug, PartialEq, Eq)]
struct Phase {
    verb: String,
    batch: u32,
    messages: u64,
}

fn phases_in(said: &str) -> Result<Vec<Phase>> {
    let phase = |line: &str| {
        let [verb, batch, messages] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Phase {
            verb: verb.to_owned(),
            batch: batch.parse().ok()?,
            messages: messages.parse().ok()?,
        })
    };
    let phases: Vec<_> = said.lines().filter_map(phase).collect();
    ensure!(!phases.is_empty(), "the program names no phase: {said:?}");
    Ok(phases)
}

/// What was counted between one mark and the next, in order.
fn totals_in(directory: &Path) -> Result<Vec<u64>> {
    let mut totals = Vec::new();
    for part in 1.. {
        let path = directory.join(format!("out.{part}"));
        if !path.exists() {
            break;
        }
        let text = std::fs::read_to_string(&path)?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let total = total.with_context(|| format!("part {part} of callgrind has no total"))?;
        totals.push(total.trim().parse()?);
    }
    Ok(totals)
}

/// The first total is of what came before the first mark; from then on those of a phase and those of
/// what came between two phases take turns.
fn per_message(phases: &[Phase], totals: &[u64]) -> Result<Vec<u64>> {
    if totals.len() < phases.len() * 2 {
        let (phases, totals) = (phases.len(), totals.len());
        bail!("callgrind has seen {totals} marks where {phases} phases set two each");
    }
    let of_phases = totals.iter().skip(1).step_by(2);
    let counted = phases.iter().zip(of_phases);
    Ok(counted
        .map(|(phase, total)| total / phase.messages)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(verb: &str, batch: u32, messages: u64) -> Phase {
        Phase {
            verb: verb.to_owned(),
            batch,
            messages,
        }
    }

    #[test]
    fn each_phase_gets_what_was_counted_between_its_marks() {
        let phases = phases_in("submit 1 10\nsomething else\nsettle+claim 100 200\n").unwrap();
        assert_eq!(
            phases,
            [phase("submit", 1, 10), phase("settle+claim", 100, 200)]
        );
        let counted = per_message(&phases, &[7_777, 1_000, 8_888, 4_000, 9_999]).unwrap();
        assert_eq!(counted, [100, 20]);
    }

    #[test]
    fn a_mark_that_was_not_seen_is_told() {
        let error = per_message(&[phase("submit", 1, 10)], &[7_777]).unwrap_err();
        assert!(
            error.to_string().contains("1 marks where 1 phases"),
            "{error}"
        );
        assert!(phases_in("").is_err());
    }

    #[test]
    fn totals_are_read_in_order_until_there_are_no_more() {
        let directory = tempfile::tempdir().unwrap();
        for (part, total) in [(1, 5), (2, 60), (10, 700)] {
            let text = format!("version: 1\nfn=(1) main\n1 4\ntotals: {total}\n");
            std::fs::write(directory.path().join(format!("out.{part}")), text).unwrap();
        }
        assert_eq!(totals_in(directory.path()).unwrap(), [5, 60]);
    }
}
