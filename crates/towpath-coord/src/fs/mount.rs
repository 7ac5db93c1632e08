//! Which file systems other machines can write to: locks and renames only hold among the processes of one kernel.

use std::io;
use std::path::Path;

/// The network file system that a directory is on, and its mount.
#[cfg(target_os = "linux")]
pub(super) fn network(directory: &Path) -> io::Result<Option<String>> {
    let found = rustix::fs::statfs(directory)?;
    // The type has another width on every architecture; the numbers have 32 bits on all.
    let Some(name) = towpath_core::mount::network_name(found.f_type as u32) else {
        return Ok(None);
    };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let full = directory
        .canonicalize()
        .unwrap_or_else(|_| directory.to_owned());
    let point = towpath_core::mount::mount_of(&mounts, &full);
    let point = point.unwrap_or_else(|| full.display().to_string());
    Ok(Some(format!("{name} mounted at {point}")))
}

/// Whether locks are known to hold in a directory.
#[cfg(target_os = "linux")]
pub(super) fn is_local(directory: &Path) -> io::Result<bool> {
    let found = rustix::fs::statfs(directory)?;
    Ok(towpath_core::mount::is_local(found.f_type as u32))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_local(_directory: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Elsewhere there is no common way to ask.
#[cfg(not(target_os = "linux"))]
pub(super) fn network(_directory: &Path) -> io::Result<Option<String>> {
    Ok(None)
}
