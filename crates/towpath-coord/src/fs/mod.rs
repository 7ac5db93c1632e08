//! The operations on files that the protocols of this crate consist of.
//!
//! Everything goes through [`Fs`] and [`Handle`], so that a test can end the world at any of them
//! (`faulty`). Read [`Fs`], then `disk` for how Linux does it.

mod disk;
#[cfg(any(test, feature = "faulty"))]
pub mod faulty;
mod mount;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::SystemTime;

pub use disk::Disk;

/// How a file is opened. Nothing is ever followed that is a symbolic link, or inherited by a child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// For reading; it must be there.
    Read,
    /// For reading and writing; it must be there.
    Write,
    /// For reading and writing; made unless it is there.
    Create,
    /// For reading and writing; made, and must not have been there.
    CreateNew,
}

/// Which lock of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Beside others of this kind.
    Shared,
    /// Alone.
    Exclusive,
}

/// Which file it is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The device that it is on.
    pub device: u64,
    /// Its number there. A number is given to another file once this one is gone.
    pub inode: u64,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A plain file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, a socket, a device.
    Other,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Which one it is.
    pub id: FileId,
    /// What it is.
    pub sort: Sort,
    /// When it was last written, or touched.
    pub modified: SystemTime,
    /// In bytes.
    pub len: u64,
    /// The number of the user whom it belongs to.
    pub owner: u32,
    /// The permission bits.
    pub mode: u32,
    /// How many names it has.
    pub links: u64,
}

/// A directory tree, as the protocols see it. Paths are of this process; relative ones are of its working directory.
///
/// Every call is one operation that either happens or does not. Errors are those of the operating system.
pub trait Fs: fmt::Debug + Send + Sync + 'static {
    /// Opens a file. A new one belongs to its user alone (mode 0600).
    ///
    /// # Errors
    ///
    /// As `open(2)`: `NotFound`, `AlreadyExists`, `PermissionDenied`, and such.
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn Handle>>;

    /// Makes a file in a directory that has no name yet, and is gone with its handle unless it is [named](Fs::name).
    ///
    /// # Errors
    ///
    /// `Unsupported` where the file system has no such files.
    fn open_unnamed(&self, directory: &Path) -> io::Result<Box<dyn Handle>>;

    /// Gives a file that has no name this one.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is something of that name: nothing is replaced.
    fn name(&self, file: &dyn Handle, path: &Path) -> io::Result<()>;

    /// Gives a file another name in one step; what had that name is gone.
    ///
    /// # Errors
    ///
    /// As `rename(2)`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// As [`rename`](Fs::rename), but replaces nothing.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is something of that name.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file's name away.
    ///
    /// # Errors
    ///
    /// As `unlink(2)`.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory that belongs to its user alone (mode 0700).
    ///
    /// # Errors
    ///
    /// As `mkdir(2)`.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// As `rmdir(2)`: `DirectoryNotEmpty` among them.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, in no order. At most `max`; the rest is left out.
    ///
    /// # Errors
    ///
    /// As `opendir(3)`.
    fn list(&self, directory: &Path, max: usize) -> io::Result<Vec<OsString>>;

    /// What is at a path; a symbolic link is not followed.
    ///
    /// # Errors
    ///
    /// As `lstat(2)`.
    fn stat(&self, path: &Path) -> io::Result<Stat>;

    /// Sets the time at which a file or directory was last written.
    ///
    /// # Errors
    ///
    /// As `utimensat(2)`.
    fn touch(&self, path: &Path, time: SystemTime) -> io::Result<()>;

    /// Waits until the names in a directory would outlive a loss of power.
    ///
    /// # Errors
    ///
    /// As `fsync(2)`.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;

    /// The network file system that a directory is on, by name and mount; `None` for a disk of this machine.
    ///
    /// # Errors
    ///
    /// As `statfs(2)`.
    fn network(&self, directory: &Path) -> io::Result<Option<String>>;

    /// Whether the file system of a directory is one of a machine on which locks are known to hold. Where it is not they
    /// are tried before they are relied on.
    ///
    /// # Errors
    ///
    /// As `statfs(2)`.
    fn is_local(&self, directory: &Path) -> io::Result<bool>;
}

/// An open file. Its locks are gone with it, and it is closed when it is dropped.
pub trait Handle: fmt::Debug + Send + Sync {
    /// What is there from this byte on, at most `max` bytes.
    ///
    /// # Errors
    ///
    /// As `pread(2)`.
    fn read_at(&self, offset: u64, max: usize) -> io::Result<Vec<u8>>;

    /// Writes these bytes there. When it fails some of them may have been written.
    ///
    /// # Errors
    ///
    /// As `pwrite(2)`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file, or fills it up with zeros.
    ///
    /// # Errors
    ///
    /// As `ftruncate(2)`.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Waits until what was written would outlive a loss of power.
    ///
    /// # Errors
    ///
    /// As `fdatasync(2)`.
    fn sync(&self) -> io::Result<()>;

    /// Locks the file against other handles, of this process too, if that can be done at once; answers whether it
    /// was.
    ///
    /// # Errors
    ///
    /// As `flock(2)`.
    fn try_lock(&self, lock: Lock) -> io::Result<bool>;

    /// As [`try_lock`](Handle::try_lock), waiting for others.
    ///
    /// # Errors
    ///
    /// As `flock(2)`.
    fn lock(&self, lock: Lock) -> io::Result<()>;

    /// Gives the lock up.
    ///
    /// # Errors
    ///
    /// As `flock(2)`.
    fn unlock(&self) -> io::Result<()>;

    /// What is known of it.
    ///
    /// # Errors
    ///
    /// As `fstat(2)`.
    fn stat(&self) -> io::Result<Stat>;

    /// The handle itself, for the [`Fs`] that has opened it.
    fn as_any(&self) -> &dyn std::any::Any;
}
