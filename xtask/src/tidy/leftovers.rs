//! What must not stay behind: code that is not done, tests that do not run, switched-off lints, notes to
//! oneself, and paths that exist on one machine only.
//!
//! A line that has to break the rule says why at its end: `// tidy: the generated code may not …`.

use anyhow::Result;

use super::tree::{SourceFile, Tree};
use super::verdict::{Finding, Verdict};

struct Leftover {
    needle: &'static str,
    applies_to: AppliesTo,
    instead: &'static str,
}

#[derive(PartialEq)]
enum AppliesTo {
    Rust,
    AllText,
}

/// The needles are written in two pieces, so that this file does not find itself.
const LEFTOVERS: &[Leftover] = &[
    rust(
        concat!("todo", "!("),
        "write the code, or leave the function out",
    ),
    rust(
        concat!("unimplemented", "!("),
        "write the code, or return an error that says what cannot be done",
    ),
    rust(concat!("dbg", "!("), "use `tracing`, or nothing"),
    rust(
        concat!("#[", "ignore"),
        "choose slow tests by an environment variable, and repair or remove broken ones",
    ),
    rust(
        concat!("#[", "allow("),
        "use `#[expect(lint, reason = \"…\")]`, which tells when it is no longer needed",
    ),
    rust(
        concat!("#![", "allow("),
        "use `#![expect(lint, reason = \"…\")]`, which tells when it is no longer needed",
    ),
    text(concat!("FIX", "ME"), "repair it, or open an issue"),
    text(concat!("XX", "X"), "repair it, or open an issue"),
    text(
        concat!("/work", "/"),
        "this path exists on one machine only",
    ),
    text(
        concat!("/root", "/"),
        "this path exists on one machine only",
    ),
];

const fn rust(needle: &'static str, instead: &'static str) -> Leftover {
    Leftover {
        needle,
        applies_to: AppliesTo::Rust,
        instead,
    }
}

const fn text(needle: &'static str, instead: &'static str) -> Leftover {
    Leftover {
        needle,
        applies_to: AppliesTo::AllText,
        instead,
    }
}

pub(super) fn check(tree: &Tree) -> Result<Verdict> {
    let findings = tree.files.iter().flat_map(find).collect();
    Ok(Verdict {
        findings,
        note: format!("{} text files", tree.files.len()),
    })
}

fn find(file: &SourceFile) -> Vec<Finding> {
    let is_rust = file.path.ends_with(".rs");
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        if is_rust && is_explained(line) {
            continue;
        }
        let found = LEFTOVERS
            .iter()
            .filter(|leftover| is_rust || leftover.applies_to == AppliesTo::AllText)
            .filter(|leftover| contains_word(line, leftover.needle));
        for leftover in found {
            let message = format!("`{}` is left over: {}", leftover.needle, leftover.instead);
            findings.push(Finding::at_line(&file.path, index + 1, message));
        }
    }
    findings
}

fn is_explained(line: &str) -> bool {
    line.rsplit_once("// tidy:")
        .is_some_and(|(_, reason)| !reason.trim().is_empty())
}

/// Whether `needle` stands in `line` by itself, not as a piece of a longer word or path.
fn contains_word(line: &str, needle: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(needle).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + needle.len()..].chars().next();
        let joins_before = match needle.chars().next() {
            // `network/` and `../work/` are other places than the one at the root of the disk.
            Some('/') => before.is_some_and(|c| is_word(c) || ".-~}>*".contains(c)),
            Some('#') => false,
            _ => before.is_some_and(is_word),
        };
        let joins_after = needle.ends_with(is_word) && after.is_some_and(is_word);
        !joins_before && !joins_after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, line: &str, count: usize) {
        let findings = find(&SourceFile::new(path, line));
        assert_eq!(findings.len(), count, "{line}: {findings:?}");
    }

    #[test]
    fn each_leftover_is_found() {
        for leftover in LEFTOVERS {
            check(
                "crates/x/src/lib.rs",
                &format!("let a = \"{} b\";", leftover.needle),
                1,
            );
        }
    }

    #[test]
    fn code_leftovers_are_looked_for_in_code_only() {
        check("CONTRIBUTING.md", concat!("No `todo", "!()` stays."), 0);
        check("CONTRIBUTING.md", concat!("FIX", "ME: say more"), 1);
    }

    #[test]
    fn a_piece_of_a_longer_word_is_no_leftover() {
        check("a.rs", concat!("my_todo", "!(1)"), 0);
        check("a.rs", concat!("tmp.XX", "XXXX"), 0);
        check("a.rs", concat!("AFFIX", "MENT"), 0);
        check(
            "a.md",
            concat!("see ../work", "/notes and src/work", "/x"),
            0,
        );
        check(
            "a.md",
            concat!("in `/work", "/x` and file:///root", "/y"),
            2,
        );
    }

    #[test]
    fn an_ignored_test_with_a_reason_is_found_too() {
        check("a.rs", concat!("#[", "ignore = \"slow\"]"), 1);
    }

    #[test]
    fn a_line_that_says_why_is_left_alone() {
        check(
            "a.rs",
            concat!("#[", "allow(x)] // tidy: users switch the lint on or off"),
            0,
        );
        check("a.rs", concat!("#[", "allow(x)] // tidy:"), 1);
    }

    #[test]
    fn the_finding_names_the_line() {
        let findings = find(&SourceFile::new(
            "a.rs",
            concat!("fn a() {\n    dbg", "!(1);\n}\n"),
        ));
        assert!(
            findings[0].to_string().starts_with("a.rs:2: "),
            "{}",
            findings[0]
        );
    }
}
