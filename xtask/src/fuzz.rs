//! `cargo xtask fuzz`: runs the fuzz targets one after the other, each for some minutes.
//!
//! They need a nightly compiler and cargo-fuzz, so no check runs them. What a target has learnt stays in
//! `fuzz/corpus`, and what it has found in `fuzz/artifacts`; git ignores both. `fuzz/seeds` is where it begins.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::program::{Echo, Program};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only these targets (all of them when none is named).
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long each target runs, in minutes.
    #[arg(long, default_value_t = 10)]
    minutes: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let known = targets()?;
    if let Some(unknown) = arguments.targets.iter().find(|name| !known.contains(name)) {
        bail!(
            "no fuzz target is called `{unknown}`; the targets are {}",
            known.join(", ")
        );
    }
    if !cargo_fuzz("--version").probe() {
        bail!(
            "cargo-fuzz or the nightly toolchain is missing; `rustup toolchain install nightly` and \
             `cargo install cargo-fuzz` install them"
        );
    }
    let wanted = |name: &&String| arguments.targets.is_empty() || arguments.targets.contains(name);
    for target in known.iter().filter(wanted) {
        println!("── {target}: {} minutes", arguments.minutes);
        run_one(target, arguments.minutes)?;
    }
    Ok(())
}

/// Stops at what it finds; cargo-fuzz has then said how to see it again.
fn run_one(target: &str, minutes: u32) -> Result<()> {
    let corpus = directory().join("corpus").join(target);
    std::fs::create_dir_all(&corpus)
        .with_context(|| format!("failed to make {}", corpus.display()))?;
    let mut fuzzer = vec![
        format!("-max_total_time={}", u64::from(minutes) * 60),
        "-rss_limit_mb=2048".to_owned(),
        "-timeout=25".to_owned(),
        // A thread that is just ending when the leaks are looked for is taken for one.
        "-detect_leaks=0".to_owned(),
    ];
    let dictionary = directory()
        .join("dictionaries")
        .join(format!("{target}.dict"));
    if dictionary.exists() {
        fuzzer.push(format!("-dict={}", dictionary.display()));
    }
    cargo_fuzz("run")
        .args([target])
        .args([corpus, directory().join("seeds").join(target)])
        .args(["--"])
        .args(fuzzer)
        // The compiler of SQLite registers its constants twice, which is harmless.
        .env("ASAN_OPTIONS", "detect_odr_violation=0")
        .run(Echo::Live)
        .map(drop)
}

fn cargo_fuzz(verb: &str) -> Program {
    let words = ["run", "nightly", "cargo", "fuzz", verb];
    // We ourselves run under another toolchain, whose cargo must not be taken.
    Program::new("rustup", &format!("cargo +nightly fuzz {verb}"))
        .args(words)
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN")
        .current_dir(&directory())
}

/// The names of the files in `fuzz/fuzz_targets`.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory().join("fuzz_targets"))? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        names.extend(stem.map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds_and_stands_in_the_manifest() {
        let manifest = std::fs::read_to_string(directory().join("Cargo.toml")).unwrap();
        let targets = targets().unwrap();
        assert!(!targets.is_empty());
        for target in targets {
            assert!(
                manifest.contains(&format!("name = \"{target}\"")),
                "{target}"
            );
            let seeds = std::fs::read_dir(directory().join("seeds").join(&target));
            assert!(
                seeds.is_ok_and(|mut seeds| seeds.next().is_some()),
                "{target}"
            );
        }
    }

    #[test]
    fn an_unknown_target_is_refused_with_the_known_ones() {
        let arguments = Arguments {
            targets: vec!["nothing".to_owned()],
            minutes: 1,
        };
        let error = run(&arguments).unwrap_err().to_string();
        assert!(
            error.starts_with("no fuzz target is called `nothing`; the targets are codecs"),
            "{error}"
        );
    }
}
