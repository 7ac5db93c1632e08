//! Each promise in `docs/guide/guarantees.md`, and each line of `what-happens-if.md` beside it, names the
//! test that holds it, by a link to the file with the name of the test in backticks:
//!
//! ```markdown
//! [`a_late_settle_is_refused`](../../crates/towpath-stores/src/conformance/lease.rs)
//! ```
//!
//! The function must exist in that file. Every link to a Rust file on these pages must have this form.

use anyhow::Result;
use proc_macro2::{TokenStream, TokenTree};

use super::links::{Link, links, resolve};
use super::tree::{SourceFile, Tree};
use super::verdict::{Finding, Verdict};

const PAGES: [&str; 2] = ["docs/guide/guarantees.md", "docs/guide/what-happens-if.md"];

pub(super) fn check(tree: &Tree) -> Result<Verdict> {
    let mut findings = Vec::new();
    let mut count = 0;
    for page in PAGES {
        let Some(found) = tree.files.iter().find(|file| file.path == page) else {
            findings.push(Finding::new(
                page,
                "does not exist; it says what we promise, and which test holds it",
            ));
            continue;
        };
        let named = links(&found.text)
            .into_iter()
            .filter(names_a_rust_file)
            .collect::<Vec<_>>();
        findings.extend(
            named
                .iter()
                .filter_map(|link| judge(page, link, &tree.files)),
        );
        if named.is_empty() {
            findings.push(Finding::new(
                page,
                "names no test; each promise is held by one",
            ));
        }
        count += named.len();
    }
    Ok(Verdict {
        findings,
        note: format!("{count} tests named"),
    })
}

fn names_a_rust_file(link: &Link) -> bool {
    !link.target.contains("://")
        && link
            .target
            .split('#')
            .next()
            .is_some_and(|path| path.ends_with(".rs"))
}

fn judge(page: &str, link: &Link, files: &[SourceFile]) -> Option<Finding> {
    let finding = |message: String| Some(Finding::at_line(page, link.line, message));
    let Some(test) = &link.code else {
        return finding(format!(
            "the link to `{}` names no test in backticks",
            link.target
        ));
    };
    // A link that leads nowhere is a finding of the rule `links`.
    let path = resolve(page, &link.target)?;
    let file = files.iter().find(|file| file.path == path)?;
    if defines(&file.text, test) {
        return None;
    }
    finding(format!("there is no test `{test}` in {path}"))
}

/// Whether `text` has a function of that name. Read as tokens, so that comments and strings do not count,
/// and tests inside macros such as `proptest!` do.
fn defines(text: &str, function: &str) -> bool {
    fn search(tokens: TokenStream, function: &str) -> bool {
        let mut follows_fn = false;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if follows_fn && ident == function => return true,
                TokenTree::Ident(ident) => follows_fn = ident == "fn",
                TokenTree::Group(group) if search(group.stream(), function) => return true,
                _ => follows_fn = false,
            }
        }
        false
    }
    text.parse().is_ok_and(|tokens| search(tokens, function))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST_FILE: &str = "\
// fn in_a_comment() {}
mod lease { #[test] fn late_settle_is_lost() { let a = \"fn in_a_string()\"; } }
proptest! { #[test] fn any_order_settles(a in 0..1) { } }
";

    fn check(markdown: &str, expected: Option<&str>) {
        let files = [SourceFile::new("crates/x/tests/it/lease.rs", TEST_FILE)];
        let links = links(markdown);
        assert!(links.iter().all(names_a_rust_file), "{markdown}");
        let found: Vec<_> = links
            .iter()
            .filter_map(|link| judge(PAGES[0], link, &files))
            .collect();
        let found = found.first().map(ToString::to_string);
        assert_eq!(found.is_some(), expected.is_some(), "{markdown}: {found:?}");
        if let (Some(found), Some(expected)) = (found, expected) {
            assert!(found.contains(expected), "{found}");
        }
    }

    #[test]
    fn a_named_test_must_exist() {
        check(
            "[`late_settle_is_lost`](../../crates/x/tests/it/lease.rs)",
            None,
        );
        check(
            "[`any_order_settles`](../../crates/x/tests/it/lease.rs)",
            None,
        );
        check(
            "[`gone`](../../crates/x/tests/it/lease.rs)",
            Some("there is no test `gone` in crates/x/tests/it/lease.rs"),
        );
        check(
            "[`in_a_comment`](../../crates/x/tests/it/lease.rs)",
            Some("no test `in_a_comment`"),
        );
        check(
            "[`in_a_string`](../../crates/x/tests/it/lease.rs)",
            Some("no test `in_a_string`"),
        );
    }

    #[test]
    fn a_link_to_rust_names_a_test() {
        check(
            "[the test](../../crates/x/tests/it/lease.rs)",
            Some("names no test in backticks"),
        );
    }
}
