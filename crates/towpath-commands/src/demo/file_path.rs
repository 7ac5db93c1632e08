//! Paths as they travel in messages and as they are shown.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::output::escape;

/// A path that survives JSON: text where it is UTF-8, else its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum FilePath {
    /// A path that is UTF-8.
    Text(String),
    /// Any other.
    Bytes {
        /// The path as the system has it.
        bytes: Vec<u8>,
    },
}

impl From<&Path> for FilePath {
    fn from(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => FilePath::Text(text.to_owned()),
            None => FilePath::Bytes {
                bytes: bytes(path).to_vec(),
            },
        }
    }
}

impl From<&FilePath> for PathBuf {
    fn from(path: &FilePath) -> Self {
        match path {
            FilePath::Text(text) => text.into(),
            #[cfg(unix)]
            FilePath::Bytes { bytes } => {
                use std::os::unix::ffi::OsStrExt as _;
                std::ffi::OsStr::from_bytes(bytes).into()
            }
            #[cfg(not(unix))]
            FilePath::Bytes { bytes } => String::from_utf8_lossy(bytes).into_owned().into(),
        }
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&PathBuf::from(self)))
    }
}

/// A path as one harmless line; bytes that are no text as `\xNN`.
pub(super) fn shown(path: &Path) -> String {
    let mut shown = String::new();
    for chunk in bytes(path).utf8_chunks() {
        shown.push_str(&escape::line(chunk.valid()));
        shown.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    shown
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn every_path_survives_json_and_is_shown_on_one_line() {
        let check = |path: &[u8], json: &str, people: &str| {
            let path = Path::new(OsStr::from_bytes(path));
            let travelling = FilePath::from(path);
            assert_eq!(serde_json::to_string(&travelling).unwrap(), json);
            let arrived: FilePath = serde_json::from_str(json).unwrap();
            assert_eq!(PathBuf::from(&arrived), path);
            assert_eq!(arrived.to_string(), people);
        };
        check(b"a/\xc3\xbc.txt", "\"a/ü.txt\"", "a/ü.txt");
        check(
            b"new\nline\x1b[2J",
            "\"new\\nline\\u001b[2J\"",
            "new\\nline\\u{1b}[2J",
        );
        check(b"a\xffb", "{\"bytes\":[97,255,98]}", "a\\xffb");
    }
}
