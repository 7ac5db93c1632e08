//! Files of the operating system.

use std::any::Any;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::{FileId, Fs, Handle, Lock, Open, Sort, Stat, mount};

/// The files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

#[derive(Debug)]
struct Plain(File);

impl Fs for Disk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn Handle>> {
        let mut options = OpenOptions::new();
        options.read(true).write(how != Open::Read);
        options.create(how == Open::Create);
        options.create_new(how == Open::CreateNew);
        // Close-on-exec is what the standard library sets; a link could lead anywhere; a fifo would have us wait.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
        Ok(Box::new(Plain(options.open(path)?)))
    }

    fn open_unnamed(&self, directory: &Path) -> io::Result<Box<dyn Handle>> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Box::new(Plain(File::from(file))))
    }

    fn name(&self, file: &dyn Handle, path: &Path) -> io::Result<()> {
        let Some(Plain(file)) = file.as_any().downcast_ref::<Plain>() else {
            return Err(io::Error::other("a handle of another layer"));
        };
        // To link by the descriptor itself takes a privilege; by its place in /proc it takes none.
        use std::os::fd::AsRawFd as _;
        let open = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(rustix::fs::linkat(
            CWD,
            open,
            CWD,
            path,
            AtFlags::SYMLINK_FOLLOW,
        )?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Network file systems do not know the flag.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rename_by_link(from, to),
            renamed => Ok(renamed?),
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn list(&self, directory: &Path, max: usize) -> io::Result<Vec<OsString>> {
        let entries = fs::read_dir(directory)?.take(max);
        entries.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(stat_of(&fs::symlink_metadata(path)?))
    }

    fn touch(&self, path: &Path, time: SystemTime) -> io::Result<()> {
        let since = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let time = Timespec {
            tv_sec: since.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: since.subsec_nanos().into(),
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        Ok(rustix::fs::utimensat(
            CWD,
            path,
            &times,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    fn network(&self, directory: &Path) -> io::Result<Option<String>> {
        mount::network(directory)
    }

    fn is_local(&self, directory: &Path) -> io::Result<bool> {
        mount::is_local(directory)
    }
}

/// A second name replaces nothing either. Who died between the two steps has left the file with both names, and it is for
/// the next one to take the first away.
fn rename_by_link(from: &Path, to: &Path) -> io::Result<()> {
    let stat = |path| fs::symlink_metadata(path).map(|found| stat_of(&found));
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if stat(from)?.id != stat(to)?.id {
                return Err(error);
            }
        }
        linked => linked?,
    }
    fs::remove_file(from)
}

impl Handle for Plain {
    fn read_at(&self, offset: u64, max: usize) -> io::Result<Vec<u8>> {
        let (mut read, mut block) = (Vec::new(), [0; 16 * 1024]);
        while read.len() < max {
            let want = block.len().min(max - read.len());
            match self
                .0
                .read_at(&mut block[..want], offset + read.len() as u64)
            {
                Ok(0) => break,
                Ok(count) => read.extend_from_slice(&block[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        let operation = match lock {
            Lock::Shared => FlockOperation::NonBlockingLockShared,
            Lock::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        match rustix::fs::flock(&self.0, operation) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn lock(&self, lock: Lock) -> io::Result<()> {
        let operation = match lock {
            Lock::Shared => FlockOperation::LockShared,
            Lock::Exclusive => FlockOperation::LockExclusive,
        };
        loop {
            match rustix::fs::flock(&self.0, operation) {
                Err(rustix::io::Errno::INTR) => {}
                locked => return Ok(locked?),
            }
        }
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(rustix::fs::flock(&self.0, FlockOperation::Unlock)?)
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&self.0.metadata()?))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn stat_of(found: &fs::Metadata) -> Stat {
    Stat {
        id: FileId {
            device: found.dev(),
            inode: found.ino(),
        },
        sort: match found.file_type() {
            kind if kind.is_file() => Sort::File,
            kind if kind.is_dir() => Sort::Directory,
            _ => Sort::Other,
        },
        modified: found.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        len: found.len(),
        owner: found.uid(),
        mode: found.mode() & 0o7777,
        links: found.nlink(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_by_link_replaces_nothing_and_goes_on_where_it_was_left() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let (from, to, taken) = (path("from"), path("to"), path("taken"));
        fs::write(&from, "ours").expect("room on the disk");
        fs::write(&taken, "theirs").expect("room on the disk");
        let refused = rename_by_link(&from, &taken).expect_err("it is taken");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        fs::hard_link(&from, &to).expect("as one that died in between");
        rename_by_link(&from, &to).expect("it is the same file");
        assert!(!from.exists());
        assert_eq!(fs::read(&to).expect("it is there"), b"ours");
        assert_eq!(fs::read(&taken).expect("it is there"), b"theirs");
    }
}
