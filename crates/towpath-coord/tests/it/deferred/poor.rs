//! A file system that lacks something.

use std::ffi::OsString;
use std::io::{ErrorKind, Result};
use std::path::Path;
use std::time::SystemTime;

use towpath_coord::fs::{Disk, Fs, Handle, Open, Stat};

/// Files that have no names to begin with are not known here.
#[derive(Debug)]
pub(super) struct Poor {
    /// Whether files can be removed.
    pub(super) can_remove: bool,
}

impl Fs for Poor {
    fn open(&self, path: &Path, how: Open) -> Result<Box<dyn Handle>> {
        Disk.open(path, how)
    }
    fn open_unnamed(&self, _: &Path) -> Result<Box<dyn Handle>> {
        Err(ErrorKind::Unsupported.into())
    }
    fn name(&self, file: &dyn Handle, path: &Path) -> Result<()> {
        Disk.name(file, path)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        Disk.rename(from, to)
    }
    fn rename_new(&self, from: &Path, to: &Path) -> Result<()> {
        Disk.rename_new(from, to)
    }
    fn remove_file(&self, path: &Path) -> Result<()> {
        match self.can_remove {
            true => Disk.remove_file(path),
            false => Err(ErrorKind::PermissionDenied.into()),
        }
    }
    fn create_dir(&self, path: &Path) -> Result<()> {
        Disk.create_dir(path)
    }
    fn remove_dir(&self, path: &Path) -> Result<()> {
        Disk.remove_dir(path)
    }
    fn list(&self, directory: &Path, max: usize) -> Result<Vec<OsString>> {
        Disk.list(directory, max)
    }
    fn stat(&self, path: &Path) -> Result<Stat> {
        Disk.stat(path)
    }
    fn touch(&self, path: &Path, time: SystemTime) -> Result<()> {
        Disk.touch(path, time)
    }
    fn sync_dir(&self, directory: &Path) -> Result<()> {
        Disk.sync_dir(directory)
    }
    fn network(&self, directory: &Path) -> Result<Option<String>> {
        Disk.network(directory)
    }
    fn is_local(&self, directory: &Path) -> Result<bool> {
        Disk.is_local(directory)
    }
}
