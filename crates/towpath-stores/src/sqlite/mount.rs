//! Refuses file systems that come over the network: the shared memory, the locks and the doorbell of a
//! store only hold among the processes of one kernel.

use std::path::Path;

use towpath_core::Result;

#[cfg(target_os = "linux")]
pub(super) fn refuse_network(directory: &Path) -> Result<()> {
    use towpath_core::{Error, Kind, mount};

    // A file system that does not tell what it is may well work; SQLite will say if it does not.
    let Ok(found) = rustix::fs::statfs(directory) else {
        return Ok(());
    };
    // The type has another width on every architecture; the numbers have 32 bits on all.
    let Some(name) = mount::network_name(found.f_type as u32) else {
        return Ok(());
    };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let full = directory
        .canonicalize()
        .unwrap_or_else(|_| directory.to_owned());
    let mount = mount::mount_of(&mounts, &full).unwrap_or_else(|| full.display().to_string());
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
