//! Which store is meant, and whether it is safe to run command lines from it.
//!
//! In this order: `--store URL`, the variable `TOWPATH_STORE`, the store that the app was made with,
//! and for the program `towpath` itself the SQLite file `towpath.db` in the user's state directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use towpath_core::store::{Bare, Schema, Yardstick};
use towpath_core::url::Scheme;
use towpath_core::{Error, Kind, Store, StoreUrl};
use towpath_runtime::App;

use crate::exit::{Failure, Result};

/// The variable that names the store.
pub(crate) const VARIABLE: &str = "TOWPATH_STORE";
/// The directory and the file of the default store, within the user's state directory.
const DEFAULT: (&str, &str) = ("towpath", "towpath.db");

/// Opens the store that a URL names.
pub type Open = fn(&StoreUrl) -> towpath_core::Result<Arc<dyn Store>>;

/// Opens a bare loop over the engine of the store that a URL names, if there is one.
pub type Yard = fn(&StoreUrl, Bare) -> towpath_core::Result<Option<Box<dyn Yardstick>>>;

/// The migrations of the store that a URL names, if it has any that somebody applies by hand.
pub type Migrations = fn(&StoreUrl) -> towpath_core::Result<Option<Box<dyn Schema>>>;

/// What a program has before its command line was read.
pub(crate) enum Base {
    /// An app with a store of its own.
    App(Box<App>),
    /// No app; the default store is a file of the user's.
    StateDirectory,
}

impl Base {
    /// The app on the store that is meant, and the URL by which it was named.
    pub(crate) fn open(self, flag: Option<&str>, open: Open) -> Result<(App, Option<StoreUrl>)> {
        let named = named(flag)?;
        let opened = match &named {
            Some(url) => Some(open(url)?),
            None => None,
        };
        let app = match (self, opened) {
            (Base::App(app), None) => *app,
            (Base::App(app), Some(store)) => app.on(store),
            (Base::StateDirectory, Some(store)) => App::new(store),
            (Base::StateDirectory, None) => App::new(open(&default_store()?)?),
        };
        Ok((app, named))
    }
}

impl Base {
    /// The URL of the store that is meant, which is not opened.
    pub(crate) fn url(self, flag: Option<&str>) -> Result<StoreUrl> {
        match (named(flag)?, self) {
            (Some(url), _) => Ok(url),
            (None, Base::App(app)) => Ok(app.store().url().parse()?),
            (None, Base::StateDirectory) => default_store(),
        }
    }
}

/// The store that the flag names, else the variable.
pub(crate) fn named(flag: Option<&str>) -> Result<Option<StoreUrl>> {
    match flag {
        Some(url) => parse("--store", url).map(Some),
        None => from_variable(std::env::var_os(VARIABLE)),
    }
}

fn parse(origin: &str, url: &str) -> Result<StoreUrl> {
    // The parser shows of a URL only what cannot hold a secret; the command line is not shown.
    url.parse().map_err(|e: Error| e.about(origin).into())
}

fn from_variable(value: Option<std::ffi::OsString>) -> Result<Option<StoreUrl>> {
    match value {
        None => Ok(None),
        Some(value) if value.is_empty() => Ok(None),
        Some(value) => match value.to_str() {
            Some(url) => parse(VARIABLE, url).map(Some),
            None => Err(Failure::usage(format!("{VARIABLE} is not UTF-8"))),
        },
    }
}

/// The SQLite file of the user, its directory made for him alone.
fn default_store() -> Result<StoreUrl> {
    let Some(directory) = user_state() else {
        return Err(
            Failure::usage("neither XDG_STATE_HOME nor a home directory is known")
                .hint("name a store with --store sqlite:PATH"),
        );
    };
    create_private(&directory).map_err(|e| {
        let text = format!("the directory {} cannot be made: {e}", directory.display());
        Failure::from(Error::new(Kind::Storage, text)).hint("name a store with --store sqlite:PATH")
    })?;
    let path = directory.join(DEFAULT.1);
    match path.to_str() {
        Some(path) => Ok(StoreUrl::sqlite(path)),
        None => Err(Failure::usage(format!(
            "the path of the default store is not UTF-8: {}",
            path.display()
        ))
        .hint("name a store with --store sqlite:PATH")),
    }
}

/// Where this program keeps what it keeps for the user; not made yet.
pub(crate) fn user_state() -> Option<PathBuf> {
    let state = state_directory(std::env::var_os("XDG_STATE_HOME"), std::env::home_dir());
    state.map(|state| state.join(DEFAULT.0))
}

/// The XDG base directory of state; a relative one is to be ignored, says its specification.
fn state_directory(xdg: Option<std::ffi::OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let xdg = xdg.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.filter(|path| path.is_absolute());
    xdg.or_else(|| home.map(|home| home.join(".local").join("state")))
}

/// Makes a directory for the caller alone, unless it is there.
pub(crate) fn create_private(directory: &Path) -> std::io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(directory) {
        // Another process was faster.
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Whether only the caller can write to the store: an SQLite file in a directory that belongs to him
/// and that nobody else may enter. Then its messages come from him, and running their command lines
/// gives nobody anything that he does not have.
pub(crate) fn is_private(store: &dyn Store) -> bool {
    let Ok(url) = store.url().parse::<StoreUrl>() else {
        return false;
    };
    url.scheme() == Scheme::Sqlite && directory_is_private(Path::new(url.path()))
}

#[cfg(unix)]
fn directory_is_private(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    // Where a link leads to another directory, that one counts. The file may not be there yet.
    let directory = match file.canonicalize() {
        Ok(file) => file.parent().map(Path::to_owned),
        Err(_) => match file.parent() {
            Some(parent) if parent.as_os_str().is_empty() => std::env::current_dir().ok(),
            Some(parent) => parent.canonicalize().ok(),
            None => None,
        },
    };
    let metadata = directory.and_then(|directory| directory.metadata().ok());
    metadata.is_some_and(|metadata| {
        metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o777 == 0o700
    })
}

#[cfg(not(unix))]
fn directory_is_private(_file: &Path) -> bool {
    // Who may write where cannot be told from the mode here: it has to be said.
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_is_absolute() {
        let check = |xdg: Option<&str>, home: Option<&str>, expected: Option<&str>| {
            let found = state_directory(xdg.map(Into::into), home.map(Into::into));
            assert_eq!(found, expected.map(PathBuf::from));
        };
        check(Some("/x"), Some("/h"), Some("/x"));
        check(Some("x"), Some("/h"), Some("/h/.local/state"));
        check(Some(""), Some("/h"), Some("/h/.local/state"));
        check(None, None, None);
        check(None, Some("h"), None);
    }

    #[test]
    fn the_variable_is_named_in_its_errors_and_no_secret_is() {
        let failure = from_variable(Some("mysql://u:hunter2@h/db".into())).unwrap_err();
        let report = failure.report();
        assert!(report.contains("TOWPATH_STORE"), "{report}");
        assert!(!report.contains("hunter2"), "{report}");
        assert!(from_variable(Some("".into())).unwrap().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_store_is_private_only_in_a_directory_of_mode_0700() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("jobs.db");
        let mode = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(directory.path(), permissions).unwrap();
        };
        mode(0o755);
        assert!(!directory_is_private(&file));
        mode(0o700);
        assert!(directory_is_private(&file));
        let linked = tempfile::tempdir().unwrap();
        std::fs::set_permissions(linked.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let target = linked.path().join("elsewhere.db");
        std::fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(&target, &file).unwrap();
        assert!(!directory_is_private(&file), "the link leads out of it");
        assert!(!directory_is_private(Path::new(
            "/no/such/directory/jobs.db"
        )));
    }

    #[cfg(unix)]
    #[test]
    fn the_default_directory_is_made_for_the_caller_alone() {
        use std::os::unix::fs::MetadataExt as _;
        let state = tempfile::tempdir().unwrap();
        let directory = state.path().join("a").join("towpath");
        create_private(&directory).unwrap();
        create_private(&directory).unwrap();
        assert_eq!(directory.metadata().unwrap().mode() & 0o777, 0o700);
    }
}
