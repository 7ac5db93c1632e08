//! The `examples` step: builds the facade's examples and runs each as on a fresh machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Message, MetadataCommand, PackageId, TargetKind};

use super::suite::{Servers, Started};
use crate::program::{Echo, Program};

/// An example shows one point; one that takes longer than this hangs.
const EXAMPLE_TIME_MAX: Duration = Duration::from_secs(60);

/// The tests step has built these already, with just these features; `cargo run -p towpath` would choose
/// other features for shared dependencies and compile them again.
const BUILD: &str = "build --workspace --all-features --examples";

struct Example {
    name: String,
    executable: PathBuf,
}

pub(super) fn run(servers: Servers, echo: Echo) -> Result<String> {
    let metadata = MetadataCommand::new().no_deps().exec()?;
    let facade = metadata
        .packages
        .iter()
        .find(|package| package.name == "towpath")
        .context("the workspace has no crate `towpath`")?;

    // Built first for people, then asked again, for free, where the executables are: the messages of the
    // first call stay readable when it fails.
    Program::cargo(BUILD).run(echo)?;
    let messages =
        Program::cargo(&format!("{BUILD} --quiet --message-format=json")).run(Echo::OnFailure)?;
    let examples = examples_of(&facade.id, &messages);
    if examples.is_empty() {
        bail!("there is no example in crates/towpath/examples");
    }

    let home = metadata
        .target_directory
        .as_std_path()
        .join("example-homes");
    // Only the URL changes from store to store; without one, each uses the store that it names itself.
    let servers = match servers {
        Servers::Ours => Some(Started::new()?),
        Servers::None => None,
    };
    let urls = servers.iter().flat_map(Started::urls);
    let stores: Vec<Option<String>> = [None, Some("memory:".to_owned())]
        .into_iter()
        .chain(urls.map(Some))
        .collect();
    for example in &examples {
        for store in &stores {
            run_one(example, &home, store.as_deref(), echo)?;
        }
    }
    let (examples, stores) = (examples.len(), stores.len());
    Ok(format!("{examples} run, on {stores} stores"))
}

fn examples_of(package: &PackageId, messages: &str) -> Vec<Example> {
    let artifact = |message| match message {
        Ok(Message::CompilerArtifact(artifact)) => Some(artifact),
        _ => None,
    };
    let mut examples: Vec<_> = Message::parse_stream(messages.as_bytes())
        .filter_map(artifact)
        .filter(|artifact| artifact.package_id == *package)
        .filter(|artifact| artifact.target.kind.contains(&TargetKind::Example))
        .filter_map(|artifact| {
            let executable = artifact.executable?.into_std_path_buf();
            Some(Example {
                name: artifact.target.name,
                executable,
            })
        })
        .collect();
    examples.sort_by(|a, b| a.name.cmp(&b.name));
    examples
}

/// Runs in an empty directory that is also the home, so that neither the checkout nor the state of the
/// person at the keyboard is read or written.
fn run_one(example: &Example, homes: &Path, store: Option<&str>, echo: Echo) -> Result<()> {
    let home = homes.join(&example.name);
    if home.exists() {
        std::fs::remove_dir_all(&home)?;
    }
    std::fs::create_dir_all(&home).with_context(|| format!("failed to make {}", home.display()))?;
    let program = Program::new(&example.executable, &format!("example {}", example.name));
    let program = match store {
        Some(url) => program.env("TOWPATH_STORE", url),
        None => program.env_remove("TOWPATH_STORE"),
    };
    program
        .current_dir(&home)
        .env("HOME", &home)
        .env("XDG_STATE_HOME", home.join("state"))
        .time_max(EXAMPLE_TIME_MAX)
        .run(echo)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(package: &str, kind: &str, name: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","package_id":"{package}","manifest_path":"/m/Cargo.toml","target":{{"kind":["{kind}"],"crate_types":["bin"],"name":"{name}","src_path":"/m/{name}.rs","edition":"2024","doctest":false,"test":false,"doc":false}},"profile":{{"opt_level":"0","debuginfo":0,"debug_assertions":true,"overflow_checks":true,"test":false}},"features":[],"filenames":["/t/{name}"],"executable":"/t/{name}","fresh":true}}"#
        )
    }

    #[test]
    fn only_the_examples_of_the_facade_are_run_in_order() {
        let messages = [
            artifact("facade", "example", "hello"),
            artifact("facade", "bin", "towpath"),
            artifact("other", "example", "bench"),
            artifact("facade", "example", "callbacks"),
        ]
        .join("\n");
        let package = PackageId {
            repr: "facade".to_owned(),
        };
        let examples = examples_of(&package, &messages);
        let names: Vec<_> = examples
            .iter()
            .map(|example| example.name.as_str())
            .collect();
        assert_eq!(names, ["callbacks", "hello"]);
        assert_eq!(examples[1].executable, Path::new("/t/hello"));
    }
}
