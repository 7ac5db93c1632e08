//! Each relative link in the Markdown files at the root and under `docs/` leads to a file of the project.

use std::ops::Range;

use anyhow::Result;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use super::tree::{SourceFile, Tree};
use super::verdict::{Finding, Verdict};

/// One link of a Markdown file.
pub(super) struct Link {
    pub(super) target: String,
    /// What stands in backticks in the text of the link.
    pub(super) code: Option<String>,
    pub(super) line: usize,
}

pub(super) fn check(tree: &Tree) -> Result<Verdict> {
    let paths: Vec<&str> = tree.files.iter().map(|file| file.path.as_str()).collect();
    let pages: Vec<_> = tree
        .files
        .iter()
        .filter(|file| is_page(&file.path))
        .collect();
    let findings = pages.iter().flat_map(|page| broken(page, &paths)).collect();
    Ok(Verdict {
        findings,
        note: format!("{} Markdown files", pages.len()),
    })
}

/// Pages inside the crates are left to rustdoc, which knows links to items.
fn is_page(path: &str) -> bool {
    path.ends_with(".md") && (!path.contains('/') || path.starts_with("docs/"))
}

fn broken(page: &SourceFile, paths: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for link in links(&page.text)
        .into_iter()
        .filter(|link| is_relative(&link.target))
    {
        let is_found =
            resolve(&page.path, &link.target).is_some_and(|target| is_present(&target, paths));
        if !is_found {
            let message = format!("the link `{}` leads to no file of the project", link.target);
            findings.push(Finding::at_line(&page.path, link.line, message));
        }
    }
    findings
}

pub(super) fn links(markdown: &str) -> Vec<Link> {
    let mut links = Vec::new();
    let mut open: Option<Link> = None;
    for (event, range) in Parser::new(markdown).into_offset_iter() {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                let target = dest_url.into_string();
                open = Some(Link {
                    target,
                    code: None,
                    line: line_of(markdown, &range),
                });
            }
            Event::Code(code) => {
                if let Some(link) = &mut open {
                    link.code = Some(code.into_string());
                }
            }
            Event::End(TagEnd::Link | TagEnd::Image) => links.extend(open.take()),
            _ => {}
        }
    }
    links
}

fn line_of(text: &str, range: &Range<usize>) -> usize {
    text[..range.start].matches('\n').count() + 1
}

/// Neither an address with a scheme, nor a place on the same page.
fn is_relative(target: &str) -> bool {
    let scheme_end = target.find(':').unwrap_or(usize::MAX);
    let path_start = target.find(['/', '#', '?']).unwrap_or(usize::MAX);
    !target.starts_with('#') && scheme_end >= path_start
}

/// The path of `target` from the root, as seen from `page`; `None` when it leads out of the project.
pub(super) fn resolve(page: &str, target: &str) -> Option<String> {
    let target = target.split(['#', '?']).next().unwrap_or_default();
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A file, or a directory with files in it.
fn is_present(target: &str, paths: &[&str]) -> bool {
    let target = target.trim_end_matches('/');
    let is_inside = |path: &&str| {
        path.strip_prefix(target)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    target.is_empty() || paths.contains(&target) || paths.iter().any(is_inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: &[&str] = &[
        "README.md",
        "docs/guide/quickstart.md",
        "crates/towpath/examples/hello.rs",
    ];

    fn check(page: &str, markdown: &str, expected: &[&str]) {
        let findings: Vec<_> = broken(&SourceFile::new(page, markdown), PATHS)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, expected) in findings.iter().zip(expected) {
            assert!(finding.starts_with(expected), "{finding}");
        }
    }

    #[test]
    fn links_to_files_and_directories_hold() {
        check(
            "README.md",
            "[q](docs/guide/quickstart.md#first) [d](docs/guide) [e](./docs/)",
            &[],
        );
        check(
            "docs/guide/quickstart.md",
            "[r](../../README.md)\n\n[h]: ../../crates/towpath/examples/hello.rs\n[h]",
            &[],
        );
    }

    #[test]
    fn links_to_nothing_are_found_with_their_line() {
        check(
            "README.md",
            "one\n\n[q](docs/quickstart.md)",
            &["README.md:3: the link `docs/quickstart.md`"],
        );
        check(
            "README.md",
            "![picture](docs/life.svg)",
            &["README.md:1: the link `docs/life.svg`"],
        );
        check(
            "docs/guide/quickstart.md",
            "[out](../../../other/README.md)",
            &["docs/guide/quickstart.md:1"],
        );
        check("README.md", "[root](/README.md)", &["README.md:1"]);
        check("README.md", "[half](docs/gui)", &["README.md:1"]);
    }

    #[test]
    fn other_addresses_and_code_are_left_alone() {
        check(
            "README.md",
            "[a](https://example.com/x.md) [b](mailto:a@example.com) [c](#words)",
            &[],
        );
        check(
            "README.md",
            "```\n[q](nowhere.md)\n```\n`[q](nowhere.md)`",
            &[],
        );
    }
}
