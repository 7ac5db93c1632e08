//! The table of rules, and the two ways to run them: `cargo xtask tidy` tells about each rule, the step
//! of `cargo xtask test` only whether all hold.

use std::path::Path;

use anyhow::{Result, bail};

use super::tree::Tree;
use super::verdict::Verdict;
use super::{arrows, heads, leftovers, lengths, links, promises, weight};

#[derive(clap::Args)]
#[command(after_help = rules_help())]
pub(crate) struct Arguments {
    /// Write today's lengths to xtask/lengths.txt, then check. A number that grew is seen in the diff.
    #[arg(long)]
    bless: bool,
}

struct Rule {
    name: &'static str,
    about: &'static str,
    check: fn(&Tree) -> Result<Verdict>,
}

const RULES: &[Rule] = &[
    Rule {
        name: "arrows",
        about: "crates depend on each other only as the table in arrows.rs allows",
        check: arrows::check,
    },
    Rule {
        name: "weight",
        about: "the facade with default features brings at most 60 crates",
        check: weight::check,
    },
    Rule {
        name: "heads",
        about: "each source file opens with a `//!` head",
        check: heads::check,
    },
    Rule {
        name: "leftovers",
        about: "nothing half done and no path of one machine stays behind",
        check: leftovers::check,
    },
    Rule {
        name: "lengths",
        about: "no long function or file appears or grows (xtask/lengths.txt)",
        check: lengths::check,
    },
    Rule {
        name: "links",
        about: "each relative link in Markdown leads to a file",
        check: links::check,
    },
    Rule {
        name: "promises",
        about: "each test named in docs/guide/guarantees.md exists",
        check: promises::check,
    },
];

/// `cargo xtask tidy`.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut tree = Tree::read(Path::new("."))?;
    if arguments.bless {
        lengths::bless(&mut tree)?;
    }
    let mut breaches = 0;
    for rule in RULES {
        let verdict = (rule.check)(&tree)?;
        let outcome = if verdict.findings.is_empty() {
            "ok"
        } else {
            "BROKEN"
        };
        println!("{:<10} {outcome:<6}  {}", rule.name, verdict.note);
        print_findings(&verdict);
        breaches += verdict.findings.len();
    }
    fail_if_any(breaches)
}

/// The `tidy` step: silent about rules that hold. Returns a note for its one line.
pub(crate) fn check() -> Result<String> {
    let tree = Tree::read(Path::new("."))?;
    let mut breaches = 0;
    for rule in RULES {
        let verdict = (rule.check)(&tree)?;
        if !verdict.findings.is_empty() {
            println!("rule `{}` is broken: {}", rule.name, rule.about);
            print_findings(&verdict);
        }
        breaches += verdict.findings.len();
    }
    fail_if_any(breaches)?;
    Ok(format!(
        "{} rules over {} files",
        RULES.len(),
        tree.files.len()
    ))
}

fn print_findings(verdict: &Verdict) {
    for finding in &verdict.findings {
        println!("  {finding}");
    }
}

fn fail_if_any(breaches: usize) -> Result<()> {
    match breaches {
        0 => Ok(()),
        1 => bail!("one breach of our rules, named above"),
        _ => bail!("{breaches} breaches of our rules, named above"),
    }
}

fn rules_help() -> String {
    let lines = RULES
        .iter()
        .map(|rule| format!("  {:<10} {}\n", rule.name, rule.about));
    format!("Rules:\n{}", lines.collect::<String>())
}
