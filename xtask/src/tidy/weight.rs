//! How many crates a user of the facade takes on: those in its normal and build graph with default
//! features, on the machine at hand. Our own crates are not counted; all others are, each version by itself.

use std::collections::BTreeSet;

use anyhow::Result;

use super::tree::Tree;
use super::verdict::{Finding, Verdict};
use crate::program::{Echo, Program};

const CRATES_MAX: usize = 60;

pub(super) fn check(tree: &Tree) -> Result<Verdict> {
    let graph =
        Program::cargo("tree --quiet -p towpath -e normal,build --prefix none --format {p}")
            .run(Echo::OnFailure)?;
    let ours: Vec<&str> = tree
        .metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let count = foreign_crates(&graph, &ours).len();
    let findings = too_heavy(count).into_iter().collect();
    Ok(Verdict {
        findings,
        note: format!("{count} crates besides our own, {CRATES_MAX} allowed"),
    })
}

/// The crates in the output of `cargo tree`, one for each name and version, without our own.
fn foreign_crates<'g>(graph: &'g str, ours: &[&str]) -> BTreeSet<(&'g str, &'g str)> {
    graph
        .lines()
        .filter_map(|line| {
            // `syn v3.0.9 (proc-macro) (*)`: what follows the version is about this place in the graph.
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?))
        })
        .filter(|(name, version)| is_version(version) && !ours.contains(name))
        .collect()
}

/// Tells the lines of the graph from warnings that cargo prints among them.
fn is_version(word: &str) -> bool {
    word.strip_prefix('v')
        .is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
}

fn too_heavy(count: usize) -> Option<Finding> {
    (count > CRATES_MAX).then(|| {
        Finding::new(
            "towpath",
            format!("brings {count} crates besides our own with default features, {CRATES_MAX} are allowed; see `cargo tree -p towpath -e normal,build`"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_counts_once_and_our_own_not_at_all() {
        let graph = "warning: virtual workspace\n\
                     towpath v0.1.0 (/checkout/crates/towpath)\n\
                     towpath-core v0.1.0 (/checkout/crates/towpath-core)\n\
                     serde v1.0.2\n\
                     serde_derive v1.0.2 (proc-macro)\n\
                     serde v1.0.2 (*)\n\
                     syn v2.0.1\n\
                     syn v3.0.9\n";
        let crates = foreign_crates(graph, &["towpath", "towpath-core"]);
        assert_eq!(crates.len(), 4, "{crates:?}");
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        assert_eq!(too_heavy(CRATES_MAX), None);
        assert!(too_heavy(CRATES_MAX + 1).is_some());
    }
}
