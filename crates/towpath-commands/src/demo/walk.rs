//! Finds the files of a directory, within limits.

use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};

/// Directories that hold what tools have made, often more than all the rest.
const SKIPPED: [&str; 2] = [".git", "target"];
/// Most directories that wait to be read: a tree may be far wider than it has files.
const DIRECTORIES_MAX: usize = 100_000;
/// Of so many unreadable directories the names are kept.
const NAMES_KEPT: usize = 3;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Regular files, in no order.
    pub(super) files: Vec<PathBuf>,
    /// Whether there is more than was taken.
    pub(super) more: bool,
    /// How many directories could not be read.
    pub(super) unreadable: usize,
    /// Some of them, and why.
    pub(super) unreadable_names: Vec<(PathBuf, io::Error)>,
}

/// Finds at most `files_max` regular files under `root`, without [`SKIPPED`] directories and without
/// following symbolic links. Ends early when it is `interrupted`.
///
/// # Errors
///
/// When `root` itself cannot be read. What cannot be read below it is noted.
pub(super) fn walk(
    root: &Path,
    files_max: usize,
    interrupted: impl Fn() -> bool,
) -> io::Result<Walk> {
    let mut walk = Walk::default();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if directory == root => return Err(error),
            Err(error) => {
                walk.note(directory, error);
                continue;
            }
        };
        for entry in entries {
            if interrupted() {
                walk.more = true;
                return Ok(walk);
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    walk.note(directory, error);
                    break;
                }
            };
            match kind(&entry) {
                Found::File if walk.files.len() == files_max => {
                    walk.more = true;
                    return Ok(walk);
                }
                Found::File => walk.files.push(entry.path()),
                Found::Directory if directories.len() == DIRECTORIES_MAX => walk.more = true,
                Found::Directory => directories.push(entry.path()),
                Found::Other => {}
            }
        }
    }
    Ok(walk)
}

enum Found {
    File,
    Directory,
    /// Links, pipes, devices; and what was gone before we looked.
    Other,
}

fn kind(entry: &DirEntry) -> Found {
    match entry.file_type() {
        Ok(kind) if kind.is_file() => Found::File,
        Ok(kind) if kind.is_dir() && !SKIPPED.iter().any(|name| entry.file_name() == *name) => {
            Found::Directory
        }
        _ => Found::Other,
    }
}

impl Walk {
    fn note(&mut self, directory: PathBuf, error: io::Error) {
        self.unreadable += 1;
        if self.unreadable_names.len() < NAMES_KEPT {
            self.unreadable_names.push((directory, error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        dir
    }

    fn names(root: &Path, walk: &Walk) -> Vec<String> {
        let name = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
        let mut names: Vec<_> = walk.files.iter().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn files_at_any_depth_are_found_and_what_tools_made_is_not() {
        let files = [
            "a",
            "b/c/d",
            ".git/x",
            "b/target/x",
            "b/.hidden",
            "e/target",
        ];
        let dir = tree(&files);
        let walk = walk(dir.path(), 100, || false).unwrap();
        // A file may be named so.
        assert_eq!(
            names(dir.path(), &walk),
            ["a", "b/.hidden", "b/c/d", "e/target"]
        );
        assert!(!walk.more);
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_are_not_followed() {
        let dir = tree(&["b/a"]);
        std::os::unix::fs::symlink("..", dir.path().join("b/loop")).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("b/link")).unwrap();
        let walk = walk(dir.path(), 100, || false).unwrap();
        assert_eq!(names(dir.path(), &walk), ["b/a"]);
    }

    #[test]
    fn there_is_a_limit_and_it_is_told() {
        let dir = tree(&["a", "b", "c"]);
        let limited = walk(dir.path(), 2, || false).unwrap();
        assert_eq!((limited.files.len(), limited.more), (2, true));
        let all = walk(dir.path(), 3, || false).unwrap();
        assert_eq!((all.files.len(), all.more), (3, false));
        let none = walk(dir.path(), 3, || true).unwrap();
        assert_eq!((none.files.len(), none.more), (0, true));
    }

    #[test]
    fn a_root_that_is_not_there_is_an_error() {
        let dir = tree(&[]);
        assert!(walk(&dir.path().join("missing"), 1, || false).is_err());
    }

    #[test]
    fn of_many_unreadable_directories_a_few_are_named() {
        let mut walk = Walk::default();
        for _ in 0..5 {
            walk.note(PathBuf::from("x"), io::ErrorKind::PermissionDenied.into());
        }
        assert_eq!((walk.unreadable, walk.unreadable_names.len()), (5, 3));
    }
}
