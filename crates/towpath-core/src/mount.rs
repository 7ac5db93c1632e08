//! Which file systems come over the network, and where they are mounted: on them neither locks nor shared memory hold
//! among all who can write.
//!
//! Public for the crates that work on files; not covered by semver.

use std::path::Path;

/// The magic numbers of file systems that other machines can write to, from Linux's `magic.h` and the
/// file systems' own sources.
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

/// Those of file systems that belong to one machine and on which locks are known to hold, from the same source: ext2 to
/// ext4, XFS, Btrfs, Bcachefs, F2FS, ZFS, tmpfs, ramfs, overlayfs.
const LOCAL: [u32; 9] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0xca45_1a4e,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0x0102_1994,
    0x8584_58f6,
    0x794c_7630,
];

/// Whether locks are known to hold on the file system of this magic number. Of others, those of FUSE for instance, it is
/// not known where what is written goes.
pub fn is_local(magic: u32) -> bool {
    LOCAL.contains(&magic)
}

/// The network file system of this magic number; `None` for one that belongs to a machine, or is not known.
pub fn network_name(magic: u32) -> Option<&'static str> {
    let known = NETWORK.iter().find(|(number, _)| *number == magic);
    known.map(|(_, name)| *name)
}

/// The mount point that `path` is under: the longest one that it starts with, in the text of
/// `/proc/self/mountinfo`. Of two mounts on one point the later hides the earlier.
pub fn mount_of(mountinfo: &str, path: &Path) -> Option<String> {
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescaped)
        .filter(|point| path.starts_with(point))
        .max_by_key(String::len)
}

/// The kernel writes space, tab, newline and backslash in octal.
fn unescaped(point: &str) -> String {
    point
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_network_file_systems_are_refused() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(network_name(0xff53_4d42), Some("CIFS"));
        assert!(LOCAL.iter().all(|magic| network_name(*magic).is_none()));
        let fuse = 0x6573_5546;
        assert!(network_name(fuse).is_none() && !is_local(fuse));
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
