//! A ratchet on length: functions over 70 lines and files over 800 lines of code are listed in
//! `xtask/lengths.txt`, and none may appear there or grow unseen.
//!
//! A flat list of equal items may well be long; the list is where such a decision is visible. One that
//! became shorter fails as well, so that the list follows it down.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result};

use super::measure::measure;
use super::tree::{SourceFile, Tree};
use super::verdict::{Finding, Verdict};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 800;
const LIST: &str = "xtask/lengths.txt";
const LIST_HEAD: &str = "\
# Functions over 70 lines (`path::function lines`) and files over 800 lines of code (`path lines`).
# `cargo xtask tidy` fails when one appears, grows or shrinks; `cargo xtask tidy --bless` writes the list.
";

/// Lines by `path` of a file or `path::function`.
type Lengths = BTreeMap<String, usize>;

pub(super) fn check(tree: &Tree) -> Result<Verdict> {
    let (measured, mut findings) = measure_all(tree.rust_files());
    let listed = parse_list(
        tree.files
            .iter()
            .find(|file| file.path == LIST)
            .map_or("", |file| &file.text),
    )?;
    // A file that cannot be read has no lengths; the list is right about it for all we know.
    if findings.is_empty() {
        findings = compare(&measured, &listed);
    }
    Ok(Verdict {
        findings,
        note: format!("{} long functions and files listed", listed.len()),
    })
}

/// Writes the list anew.
pub(super) fn bless(tree: &mut Tree) -> Result<()> {
    let (measured, findings) = measure_all(tree.rust_files());
    if let Some(unreadable) = findings.first() {
        anyhow::bail!("the list was not written: {unreadable}");
    }
    let text = format_list(&measured);
    std::fs::write(tree.root().join(LIST), &text)
        .with_context(|| format!("failed to write {LIST}"))?;
    tree.replace(LIST, text);
    Ok(())
}

/// The long ones among `files`, and a finding for each file that is not Rust.
fn measure_all<'f>(files: impl Iterator<Item = &'f SourceFile>) -> (Lengths, Vec<Finding>) {
    let mut lengths = Lengths::new();
    let mut findings = Vec::new();
    for file in files {
        match measure(&file.text) {
            Err(error) => findings.push(Finding::new(&file.path, format!("{error:#}"))),
            Ok(measures) => {
                if measures.code_lines > FILE_LINES_MAX {
                    lengths.insert(file.path.clone(), measures.code_lines);
                }
                let long = measures
                    .functions
                    .iter()
                    .filter(|(_, lines)| **lines > FUNCTION_LINES_MAX);
                lengths
                    .extend(long.map(|(name, lines)| (format!("{}::{name}", file.path), *lines)));
            }
        }
    }
    (lengths, findings)
}

fn compare(measured: &Lengths, listed: &Lengths) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, &lines) in measured {
        let message = match listed.get(name) {
            None => format!(
                "has {lines} lines; split it where a piece has a name a reader would look for"
            ),
            Some(&allowed) if lines > allowed => {
                format!("grew from {allowed} to {lines} lines; long ones must not grow")
            }
            Some(&allowed) if lines < allowed => {
                format!(
                    "has {lines} lines, {allowed} are listed; lower it: `cargo xtask tidy --bless`"
                )
            }
            Some(_) => continue,
        };
        findings.push(Finding::new(name, message));
    }
    let gone = listed.keys().filter(|name| !measured.contains_key(*name));
    findings.extend(gone.map(|name| {
        Finding::new(
            name,
            "is listed and no longer long; take it out: `cargo xtask tidy --bless`",
        )
    }));
    findings
}

fn parse_list(text: &str) -> Result<Lengths> {
    let mut lengths = Lengths::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
    {
        let wrong = || format!("{LIST}: `{line}` is not a name and a number of lines");
        // The number is the last word: names such as `<Queue as Display>::fmt` have blanks of their own.
        let (name, lines) = line.rsplit_once(' ').with_context(wrong)?;
        lengths.insert(name.to_owned(), lines.parse().with_context(wrong)?);
    }
    Ok(lengths)
}

fn format_list(lengths: &Lengths) -> String {
    let mut text = LIST_HEAD.to_owned();
    for (name, lines) in lengths {
        writeln!(text, "{name} {lines}").expect("a String takes any text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(entries: &[(&str, usize)]) -> Lengths {
        entries
            .iter()
            .map(|(name, lines)| ((*name).to_owned(), *lines))
            .collect()
    }

    fn check(measured: &[(&str, usize)], listed: &[(&str, usize)], expected: &[&str]) {
        let findings = compare(&lengths(measured), &lengths(listed));
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, expected) in findings.iter().zip(expected) {
            assert!(finding.to_string().starts_with(expected), "{finding}");
        }
    }

    #[test]
    fn the_ratchet_holds_in_both_directions() {
        check(&[("a.rs::f", 80)], &[("a.rs::f", 80)], &[]);
        check(&[("a.rs::f", 80)], &[], &["a.rs::f: has 80 lines; split"]);
        check(
            &[("a.rs::f", 81)],
            &[("a.rs::f", 80)],
            &["a.rs::f: grew from 80 to 81"],
        );
        check(
            &[("a.rs::f", 79)],
            &[("a.rs::f", 80)],
            &["a.rs::f: has 79 lines, 80 are listed; lower"],
        );
        check(
            &[],
            &[("a.rs", 900)],
            &["a.rs: is listed and no longer long"],
        );
    }

    #[test]
    fn only_long_functions_and_files_are_measured() {
        let function = |lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
        let at_limit = SourceFile::new("at.rs", &function(FUNCTION_LINES_MAX));
        let over_limit = SourceFile::new("over.rs", &function(FUNCTION_LINES_MAX + 1));
        let long = SourceFile::new("long.rs", &"const A: u8 = 1;\n".repeat(FILE_LINES_MAX + 1));
        let (measured, findings) = measure_all([&at_limit, &over_limit, &long].into_iter());
        assert_eq!(measured, lengths(&[("over.rs::f", 71), ("long.rs", 801)]));
        assert_eq!(findings, []);
    }

    #[test]
    fn a_file_that_is_not_rust_is_a_finding() {
        let (_, findings) = measure_all([&SourceFile::new("a.rs", "fn {")].into_iter());
        assert!(
            findings[0].to_string().starts_with("a.rs: is not Rust"),
            "{findings:?}"
        );
    }

    #[test]
    fn the_list_survives_writing_and_reading() {
        let long = lengths(&[("a.rs::<Queue as Display>::fmt", 71), ("b.rs", 900)]);
        assert_eq!(parse_list(&format_list(&long)).unwrap(), long);
        assert!(parse_list("a.rs::f many\n").is_err());
    }
}
