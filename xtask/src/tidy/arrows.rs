//! Which of our crates may depend on which. Cargo keeps the borders only as far as the manifests do; this
//! keeps the manifests.

use anyhow::Result;
use cargo_metadata::{DependencyKind, Metadata};

use super::tree::Tree;
use super::verdict::{Finding, Verdict};

/// What one crate may name of the others.
struct Arrow {
    from: &'static str,
    /// For its own code and its build script.
    to: &'static [&'static str],
    /// For its tests alone, besides `to`. The facade must never stand here: it depends on every lower
    /// crate, so a test of a lower crate would be linked with two copies of that crate, one built for the
    /// test and one for the facade, whose types are not the same. Tests that need the facade are tests of
    /// the facade. Only the macro has no types: its tests are programs that use the facade.
    tests_to: &'static [&'static str],
}

const ARROWS: &[Arrow] = &[
    Arrow {
        from: "towpath-core",
        to: &[],
        tests_to: &[],
    },
    Arrow {
        from: "towpath-macros",
        to: &[],
        tests_to: &["towpath"],
    },
    // Knows servers, and nothing of Towpath.
    Arrow {
        from: "towpath-servers",
        to: &[],
        tests_to: &[],
    },
    Arrow {
        from: "towpath-stores",
        to: &["towpath-core"],
        tests_to: &["towpath-servers"],
    },
    // The runtime knows stores by the trait alone; its tests need one that exists.
    Arrow {
        from: "towpath-runtime",
        to: &["towpath-core"],
        tests_to: &["towpath-stores"],
    },
    Arrow {
        from: "towpath-coord",
        to: &["towpath-core"],
        tests_to: &[],
    },
    Arrow {
        from: "towpath-flow",
        to: &["towpath-core", "towpath-coord", "towpath-runtime"],
        tests_to: &[],
    },
    Arrow {
        from: "towpath-commands",
        to: &[
            "towpath-core",
            "towpath-runtime",
            "towpath-coord",
            "towpath-flow",
        ],
        tests_to: &[],
    },
    Arrow {
        from: "towpath",
        to: &[
            "towpath-core",
            "towpath-stores",
            "towpath-runtime",
            "towpath-macros",
            "towpath-commands",
            "towpath-coord",
            "towpath-flow",
        ],
        tests_to: &["towpath-servers"],
    },
    Arrow {
        from: "towpath-cli",
        to: &["towpath"],
        tests_to: &["towpath-servers"],
    },
    // Linked with what it kills; `cargo xtask soak` builds and starts it, so that xtask itself stays small.
    Arrow {
        from: "towpath-soak",
        to: &["towpath", "towpath-servers"],
        tests_to: &[],
    },
    Arrow {
        from: "xtask",
        to: &["towpath-servers"],
        tests_to: &[],
    },
];

/// One dependency between two of our crates, as a manifest states it.
#[derive(Debug)]
struct Edge {
    from: String,
    to: String,
    kind: DependencyKind,
}

pub(super) fn check(tree: &Tree) -> Result<Verdict> {
    let crates: Vec<&str> = tree
        .metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let edges = edges(&tree.metadata, &crates);
    let unknown = crates
        .iter()
        .filter(|name| arrow(name).is_none())
        .map(|name| {
            Finding::new(
                *name,
                "is not in the table of arrows; say in xtask/src/tidy/arrows.rs what it may name",
            )
        });
    let findings = unknown.chain(edges.iter().filter_map(judge)).collect();
    Ok(Verdict {
        findings,
        note: format!("{} crates, {} arrows", crates.len(), edges.len()),
    })
}

fn edges(metadata: &Metadata, crates: &[&str]) -> Vec<Edge> {
    let mut edges = Vec::new();
    for package in &metadata.packages {
        let ours = package
            .dependencies
            .iter()
            .filter(|dependency| crates.contains(&dependency.name.as_str()));
        // A crate may name itself, to switch on features for its own tests.
        for dependency in ours.filter(|dependency| dependency.name != package.name.as_str()) {
            edges.push(Edge {
                from: package.name.to_string(),
                to: dependency.name.clone(),
                kind: dependency.kind,
            });
        }
    }
    edges
}

fn arrow(name: &str) -> Option<&'static Arrow> {
    ARROWS.iter().find(|arrow| arrow.from == name)
}

fn judge(edge: &Edge) -> Option<Finding> {
    let arrow = arrow(&edge.from)?;
    let to = edge.to.as_str();
    let is_for_tests = edge.kind == DependencyKind::Development;
    if arrow.to.contains(&to) || (is_for_tests && arrow.tests_to.contains(&to)) {
        return None;
    }
    let section = if is_for_tests {
        "dev-dependency"
    } else {
        "dependency"
    };
    let tests_to = if is_for_tests { arrow.tests_to } else { &[] };
    let allowed = match [arrow.to, tests_to].concat().as_slice() {
        [] => "none of our crates".to_owned(),
        names => names.join(", "),
    };
    Some(Finding::new(
        &edge.from,
        format!("has the {section} {to}; it may name {allowed} (xtask/src/tidy/arrows.rs)"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, kind: DependencyKind, is_allowed: bool) {
        let edge = Edge {
            from: from.to_owned(),
            to: to.to_owned(),
            kind,
        };
        assert_eq!(judge(&edge).is_none(), is_allowed, "{edge:?}");
    }

    #[test]
    fn arrows_point_down_only() {
        use DependencyKind::{Build, Normal};
        check("towpath-stores", "towpath-core", Normal, true);
        check("towpath-core", "towpath-stores", Normal, false);
        check("towpath-runtime", "towpath-stores", Normal, false);
        check("towpath-runtime", "towpath-stores", Build, false);
        check("towpath-cli", "towpath", Normal, true);
        check("towpath-cli", "towpath-core", Normal, false);
        check("xtask", "towpath-core", Normal, false);
    }

    #[test]
    fn tests_of_the_runtime_may_use_a_store_and_no_lower_crate_the_facade() {
        use DependencyKind::Development;
        check("towpath-runtime", "towpath-stores", Development, true);
        check("towpath-stores", "towpath-core", Development, true);
        for lower in [
            "towpath-core",
            "towpath-stores",
            "towpath-runtime",
            "towpath-commands",
        ] {
            check(lower, "towpath", Development, false);
        }
    }

    #[test]
    fn edges_are_read_from_the_manifests() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let full = dir.path().join(path);
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, text).unwrap();
        };
        let core =
            "[dependencies]\nstores = { path = \"../stores\", package = \"towpath-stores\" }";
        let stores = "[dev-dependencies]\ntowpath-stores = { path = \".\" }";
        write(
            "Cargo.toml",
            "[workspace]\nmembers = [\"core\", \"stores\"]\nresolver = \"3\"\n",
        );
        for (dir, dependencies) in [("core", core), ("stores", stores)] {
            write(
                &format!("{dir}/Cargo.toml"),
                &format!(
                    "[package]\nname = \"towpath-{dir}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{dependencies}\n"
                ),
            );
            write(&format!("{dir}/src/lib.rs"), "");
        }
        let metadata = cargo_metadata::MetadataCommand::new()
            .current_dir(dir.path())
            .no_deps()
            .exec()
            .unwrap();

        let edges = edges(&metadata, &["towpath-core", "towpath-stores"]);
        let findings: Vec<_> = edges
            .iter()
            .filter_map(judge)
            .map(|finding| finding.to_string())
            .collect();
        assert_eq!(edges.len(), 1, "{edges:?}");
        assert!(
            findings[0]
                .starts_with("towpath-core: has the dependency towpath-stores; it may name none"),
            "{findings:?}"
        );
    }

    #[test]
    fn the_table_has_no_cycle() {
        // Each crate may name only those that stand above it in the table, so it cannot have one.
        for (index, arrow) in ARROWS.iter().enumerate() {
            let tests_to = match arrow.from {
                "towpath-macros" => &[],
                _ => arrow.tests_to,
            };
            for to in arrow.to.iter().chain(tests_to) {
                assert!(
                    ARROWS[..index].iter().any(|above| above.from == *to),
                    "{} -> {to}",
                    arrow.from
                );
            }
        }
    }
}
