//! Each source file opens with a `//!` head that says what the file is responsible for.

use anyhow::Result;

use super::tree::Tree;
use super::verdict::{Finding, Verdict};

pub(super) fn check(tree: &Tree) -> Result<Verdict> {
    let sources: Vec<_> = tree
        .rust_files()
        .filter(|file| is_source(&file.path))
        .collect();
    let findings = sources
        .iter()
        .filter(|file| !has_head(&file.text))
        .map(|file| {
            Finding::at_line(
                &file.path,
                1,
                "opens without a `//!` head; say what the file is for",
            )
        })
        .collect();
    Ok(Verdict {
        findings,
        note: format!("{} source files", sources.len()),
    })
}

/// `crates/*/src` and `xtask/src`; tests and examples may open as they like.
fn is_source(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        ["crates", _, "src", ..] | ["xtask", "src", ..]
    )
}

fn has_head(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first
        .strip_prefix("//!")
        .is_some_and(|words| !words.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_the_first_line_and_has_words() {
        assert!(has_head("//! Retry delays.\n"));
        assert!(!has_head("//!\n//! Retry delays.\n"));
        assert!(!has_head("\n//! Retry delays.\n"));
        assert!(!has_head("// Retry delays.\n"));
        assert!(!has_head("use std::fmt;\n"));
        assert!(!has_head(""));
    }

    #[test]
    fn only_source_files_need_one() {
        assert!(is_source("crates/towpath-core/src/lib.rs"));
        assert!(is_source("crates/towpath-stores/src/sqlite/claim.rs"));
        assert!(is_source("xtask/src/main.rs"));
        assert!(!is_source("crates/towpath/examples/hello.rs"));
        assert!(!is_source("crates/towpath-core/tests/it/main.rs"));
    }
}
