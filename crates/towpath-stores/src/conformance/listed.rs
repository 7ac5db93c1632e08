//! Whether the list of the suite and the files of cases say the same.

use std::collections::BTreeSet;

/// The clauses and the sources of their cases.
const SOURCES: &[(&str, &str)] = &[
    ("audit", include_str!("audit.rs")),
    ("batches", include_str!("batches.rs")),
    ("callbacks", include_str!("callbacks.rs")),
    ("channels", include_str!("channels.rs")),
    ("claim", include_str!("claim.rs")),
    ("expire", include_str!("expire.rs")),
    ("kv", include_str!("kv.rs")),
    ("lease", include_str!("lease.rs")),
    ("limits", include_str!("limits.rs")),
    ("locks", include_str!("locks.rs")),
    ("look", include_str!("look.rs")),
    ("notes", include_str!("notes.rs")),
    ("order", include_str!("order.rs")),
    ("pause", include_str!("pause.rs")),
    ("promote", include_str!("promote.rs")),
    ("prune", include_str!("prune.rs")),
    ("races", include_str!("races.rs")),
    ("requeue", include_str!("requeue.rs")),
    ("rescue", include_str!("rescue.rs")),
    ("results", include_str!("results.rs")),
    ("revoke", include_str!("revoke.rs")),
    ("sets", include_str!("sets.rs")),
    ("settle", include_str!("settle.rs")),
    ("submit", include_str!("submit.rs")),
    ("time", include_str!("time.rs")),
    ("update", include_str!("update.rs")),
    ("wake", include_str!("wake.rs")),
];

/// Fails when a case is written and not listed, or a clause has no source here.
#[doc(hidden)]
pub fn check_listed(listed: &[(&str, &[&str])]) {
    let modules = include_str!("mod.rs").lines().filter_map(|line| {
        let name = line.strip_prefix("pub mod ")?;
        name.strip_suffix(';')
    });
    let sources: BTreeSet<&str> = SOURCES.iter().map(|(clause, _)| *clause).collect();
    assert_eq!(modules.collect::<BTreeSet<_>>(), sources, "clauses");

    let listed = listed
        .iter()
        .flat_map(|(clause, cases)| cases.iter().map(move |case| (*clause, *case)));
    let written = SOURCES
        .iter()
        .flat_map(|(clause, source)| cases(source).map(move |case| (*clause, case)));
    let (listed, written): (BTreeSet<_>, BTreeSet<_>) = (listed.collect(), written.collect());
    let missing: Vec<_> = written.difference(&listed).collect();
    assert!(missing.is_empty(), "not listed in suite.rs: {missing:?}");
}

/// The names of the cases in a source. (A case that is listed and not written does not compile.)
fn cases(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let name = line.strip_prefix("pub async fn ")?;
        name.split('(').next()
    })
}
