//! The files that are to be made: where they are, and how the command learns where to write them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use towpath_coord::Manifest;

use crate::exit::{Failure, Result};

/// The files, in the order in which they were named.
#[derive(Debug, Clone)]
pub(super) struct Outs {
    /// Absolute, so that the command may go where it likes.
    pub(super) directory: PathBuf,
    pub(super) names: Vec<OsString>,
    /// As they were named, for people.
    pub(super) shown: Vec<String>,
    pub(super) manifest: Manifest,
}

impl Outs {
    /// Checks what was named: files of one directory, which is there.
    pub(super) fn of(files: &[PathBuf]) -> Result<Self> {
        let mut directory: Option<(PathBuf, &Path)> = None;
        let mut names = Vec::new();
        for file in files {
            let (parent, name) = split(file)?;
            match &directory {
                None => directory = Some((parent, file)),
                Some((first, _)) if *first == parent => {}
                Some((_, first)) => {
                    let text = format!(
                        "{} and {} are in two directories; what is made together is in one",
                        first.display(),
                        file.display()
                    );
                    return Err(Failure::usage(text));
                }
            }
            names.push(name);
        }
        let manifest = Manifest::new(&names)?;
        let Some((directory, _)) = directory else {
            return Err(Failure::usage("no file is named"));
        };
        let shown = files.iter().map(|file| file.display().to_string());
        Ok(Self {
            shown: shown.collect(),
            directory,
            names,
            manifest,
        })
    }

    /// Whether all files are there.
    pub(super) fn are_there(&self) -> bool {
        self.names
            .iter()
            .all(|name| self.directory.join(name).exists())
    }

    /// All of them in a line, for people; many are cut.
    pub(super) fn in_words(&self) -> String {
        const TOLD: usize = 3;
        let first = self.shown[..self.shown.len().min(TOLD)].join(", ");
        match self.shown.len().saturating_sub(TOLD) {
            0 => first,
            more => format!("{first} and {more} more"),
        }
    }
}

/// The directory of a file, in full, and the file's name in it.
fn split(file: &Path) -> Result<(PathBuf, OsString)> {
    let name = file
        .file_name()
        .filter(|_| !file.as_os_str().as_bytes().ends_with(b"/"));
    let Some(name) = name else {
        let text = format!("{:?} does not name a file", file.display().to_string());
        return Err(Failure::usage(text));
    };
    let parent = file.parent().unwrap_or(Path::new(""));
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let directory = parent.canonicalize().map_err(|error| {
        let text = format!(
            "the directory of {} cannot be used: {error}",
            file.display()
        );
        Failure::usage(text).hint(format!("make it: mkdir -p {}", parent.display()))
    })?;
    if directory.join(name).is_dir() {
        let text = format!(
            "{} is a directory; name the file in it that is to be made",
            file.display()
        );
        return Err(Failure::usage(text));
    }
    Ok((directory, name.to_owned()))
}

/// The command's arguments with `{out}`, `{out1}`, `{out2}`… replaced by the paths to write to.
pub(super) fn filled(argv: &[OsString], parts: &[PathBuf]) -> Result<Vec<OsString>> {
    argv.iter().map(|arg| filled_one(arg, parts)).collect()
}

fn filled_one(arg: &OsStr, parts: &[PathBuf]) -> Result<OsString> {
    let (mut rest, mut filled) = (arg.as_bytes(), Vec::new());
    while let Some(at) = rest.windows(4).position(|bytes| bytes == b"{out") {
        let (before, from) = rest.split_at(at);
        filled.extend_from_slice(before);
        let digits = from[4..].iter().take_while(|byte| byte.is_ascii_digit());
        let end = 4 + digits.count();
        let is_placeholder = from.get(end) == Some(&b'}');
        if is_placeholder {
            let part = part_of(&from[4..end], parts)?;
            filled.extend_from_slice(part.as_os_str().as_bytes());
            rest = &from[end + 1..];
        } else {
            filled.extend_from_slice(&from[..4]);
            rest = &from[4..];
        }
    }
    filled.extend_from_slice(rest);
    Ok(OsString::from_vec(filled))
}

fn part_of<'a>(digits: &[u8], parts: &'a [PathBuf]) -> Result<&'a Path> {
    let digits = String::from_utf8_lossy(digits);
    let number = if digits.is_empty() {
        Some(1)
    } else {
        digits.parse::<usize>().ok()
    };
    let part = number
        .and_then(|number| number.checked_sub(1))
        .and_then(|index| parts.get(index));
    part.map(PathBuf::as_path).ok_or_else(|| {
        let count = parts.len();
        Failure::usage(format!(
            "there is no {{out{digits}}}: {count} files are named, {{out1}} to {{out{count}}}"
        ))
    })
}

/// The variables that say the same.
pub(super) fn variables(parts: &[PathBuf]) -> impl Iterator<Item = (String, &Path)> {
    let first = parts
        .first()
        .map(|part| ("TOWPATH_OUT".to_owned(), part.as_path()));
    let numbered = parts.iter().zip(1..);
    first.into_iter().chain(
        numbered
            .map(|(part, number): (_, usize)| (format!("TOWPATH_OUT_{number}"), part.as_path())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_wherever_they_stand() {
        let parts: Vec<PathBuf> = vec!["/d/a".into(), "/d/b".into()];
        let check = |arg: &str, expected: &str| {
            assert_eq!(filled_one(arg.as_ref(), &parts).unwrap(), expected);
        };
        check("{out}", "/d/a");
        check("--output={out2}", "--output=/d/b");
        check("{out1}{out2}{out}", "/d/a/d/b/d/a");
        check("{{out}}", "{/d/a}");
        for same in [
            "", "out", "{outer}", "{out", "{out1", "{ou", "{out 1}", "{OUT}", "{}",
        ] {
            check(same, same);
        }
        let odd = OsStr::from_bytes(b"\xff{out}\xfe");
        assert_eq!(filled_one(odd, &parts).unwrap().as_bytes(), b"\xff/d/a\xfe");
        for wrong in ["{out0}", "{out3}", "{out99999999999999999999999}"] {
            let report = filled_one(wrong.as_ref(), &parts).unwrap_err().report();
            assert!(report.contains("{out1} to {out2}"), "{report}");
        }
    }

    #[test]
    fn the_first_has_a_variable_without_a_number_too() {
        let parts: Vec<PathBuf> = vec!["/d/a".into(), "/d/b".into()];
        let told: Vec<_> = variables(&parts)
            .map(|(name, part)| format!("{name}={}", part.display()))
            .collect();
        assert_eq!(
            told,
            [
                "TOWPATH_OUT=/d/a",
                "TOWPATH_OUT_1=/d/a",
                "TOWPATH_OUT_2=/d/b"
            ]
        );
    }

    #[test]
    fn files_are_of_one_directory_that_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::create_dir(path("sub")).unwrap();
        let outs = Outs::of(&[path("b"), path("sub/../a")]).unwrap();
        assert_eq!(outs.names, ["b", "a"]);
        assert!(!outs.are_there());
        for (files, part) in [
            (vec![path("a"), path("sub/b")], "in two directories"),
            (vec![path("none/a")], "mkdir -p"),
            (vec![path("sub")], "is a directory"),
            (vec![path("a/")], "does not name a file"),
            (vec![path("..")], "does not name a file"),
            (vec![path("a"), path("a")], "twice"),
            (vec![path(".lock")], "is kept"),
        ] {
            let report = Outs::of(&files).unwrap_err().report();
            assert!(report.contains(part), "{files:?}: {report}");
        }
    }
}
