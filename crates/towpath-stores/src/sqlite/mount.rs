//! Refuses file systems that come over the network: the shared memory, the locks and the doorbell of a
//! store only hold among the processes of one kernel.

use std::path::Path;

use towpath_core::Result;

/// The magic numbers of file systems that other machines can write to, from Linux's `magic.h` and the
/// file systems' own sources.
#[cfg(target_os = "linux")]
const NETWORK: [(u32, &str); 14] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xfe53_4d42, "SMB2"),
    (0xff53_4d42, "CIFS"),
    (0x0102_1997, "9p"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x0116_1970, "GFS2"),
    (0x786f_4256, "a VirtualBox shared folder"),
];

#[cfg(target_os = "linux")]
pub(super) fn refuse_network(directory: &Path) -> Result<()> {
    use towpath_core::{Error, Kind};

    // A file system that does not tell what it is may well work; SQLite will say if it does not.
    let Ok(found) = rustix::fs::statfs(directory) else {
        return Ok(());
    };
    // The type has another width on every architecture; the numbers have 32 bits on all.
    let Some(name) = network_name(found.f_type as u32) else {
        return Ok(());
    };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let full = directory
        .canonicalize()
        .unwrap_or_else(|_| directory.to_owned());
    let mount = mount_of(&mounts, &full).unwrap_or_else(|| full.display().to_string());
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "{} is on {name} (mounted at {mount}), where processes cannot share memory; \
             put the store on a disk of this machine",
            directory.display()
        ),
    ))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn refuse_network(_directory: &Path) -> Result<()> {
    // Elsewhere there is no common way to ask; SQLite's own locks then fail with an error of theirs.
    Ok(())
}

#[cfg(target_os = "linux")]
fn network_name(magic: u32) -> Option<&'static str> {
    let known = NETWORK.iter().find(|(number, _)| *number == magic);
    known.map(|(_, name)| *name)
}

/// The mount point that `path` is under: the longest one that it starts with, in the text of
/// `/proc/self/mountinfo`. Of two mounts on one point the later hides the earlier.
#[cfg(target_os = "linux")]
fn mount_of(mountinfo: &str, path: &Path) -> Option<String> {
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescaped)
        .filter(|point| path.starts_with(point))
        .max_by_key(String::len)
}

/// The kernel writes space, tab, newline and backslash in octal.
#[cfg(target_os = "linux")]
fn unescaped(point: &str) -> String {
    point
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_known_network_file_systems_are_refused() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(network_name(0xff53_4d42), Some("CIFS"));
        // ext4, tmpfs, overlay, btrfs, xfs, FUSE.
        let local = [
            0xef53,
            0x0102_1994,
            0x794c_7630,
            0x9123_683e,
            0x5846_5342,
            0x6573_5546,
        ];
        assert!(local.iter().all(|magic| network_name(*magic).is_none()));
    }

    #[test]
    fn the_mount_point_is_the_longest_that_the_path_is_under() {
        let mounts = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      22 21 0:5 / /srv rw - nfs4 host:/x rw\n\
                      23 22 0:6 / /srv/my\\040data rw - nfs4 host:/y rw\n\
                      broken line\n";
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(
                mount_of(mounts, Path::new(path)).as_deref(),
                expected,
                "{path}"
            );
        };
        check("/home/x", Some("/"));
        check("/srv/jobs", Some("/srv"));
        check("/srvother/jobs", Some("/"));
        check("/srv/my data/jobs", Some("/srv/my data"));
        check("relative", None);
    }
}
