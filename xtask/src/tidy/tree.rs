//! The workspace as the rules see it: its crates, and the text of its files.
//!
//! The files are those git tracks, and new ones it does not ignore: a rule must not turn red only after
//! the commit. Binary files are left out.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

pub(crate) struct Tree {
    pub(crate) metadata: Metadata,
    pub(crate) files: Vec<SourceFile>,
}

pub(crate) struct SourceFile {
    /// From the root of the workspace, with `/` between its parts on every system.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Tree {
    /// Reads the workspace that `dir` is in.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let metadata = MetadataCommand::new().current_dir(dir).no_deps().exec()?;
        let files = read_files(metadata.workspace_root.as_std_path())?;
        Ok(Self { metadata, files })
    }

    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Keeps the tree true after a file was written.
    pub(crate) fn replace(&mut self, path: &str, text: String) {
        self.files.retain(|file| file.path != path);
        self.files.push(SourceFile {
            path: path.to_owned(),
            text,
        });
    }

    /// Our Rust files. The inputs of the macro's compile tests are data: they are wrong on purpose.
    pub(crate) fn rust_files(&self) -> impl Iterator<Item = &SourceFile> {
        self.files
            .iter()
            .filter(|file| file.path.ends_with(".rs") && !file.path.contains("/tests/ui/"))
    }
}

impl SourceFile {
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }
}

fn read_files(root: &Path) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for path in list_files(root)? {
        let full = root.join(&path);
        // Git still lists a file that was deleted but not yet committed as such; and a link has no text
        // of its own.
        if !full
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_file())
        {
            continue;
        }
        let bytes = std::fs::read(&full).with_context(|| format!("failed to read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(SourceFile { path, text });
        }
    }
    Ok(files)
}

fn list_files(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .context("failed to run git, which tells what the files of the project are")?;
    if !output.status.success() {
        bail!(
            "`git ls-files` failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let listed = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    let mut paths: Vec<_> = listed.split_terminator('\0').map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_those_of_the_next_commit() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| {
            let full = dir.path().join(path);
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, bytes).unwrap();
        };
        let git = |arguments: &[&str]| {
            let status = Command::new("git")
                .args(arguments)
                .current_dir(dir.path())
                .status();
            assert!(status.unwrap().success(), "git {arguments:?}");
        };
        git(&["init", "--quiet"]);
        write(".gitignore", b"target\n");
        write("tracked.md", b"a");
        write("deleted.md", b"a");
        git(&["add", "."]);
        std::fs::remove_file(dir.path().join("deleted.md")).unwrap();
        write("deep/new.md", b"a");
        write("target/ignored.md", b"a");
        write("picture.png", &[0x89, 0xff]);

        let files = read_files(dir.path()).unwrap();
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, [".gitignore", "deep/new.md", "tracked.md"]);
    }

    #[test]
    fn inputs_of_compile_tests_are_no_source_of_ours() {
        let paths = [
            "crates/towpath-macros/tests/ui/refused.rs",
            "crates/towpath-macros/src/lib.rs",
        ];
        let tree = Tree {
            metadata: MetadataCommand::new().no_deps().exec().unwrap(),
            files: paths.map(|path| SourceFile::new(path, "")).into(),
        };
        let rust: Vec<_> = tree.rust_files().map(|file| file.path.as_str()).collect();
        assert_eq!(rust, [paths[1]]);
    }
}
