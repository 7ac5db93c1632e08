//! Towpath as its users see it.

#[cfg(all(unix, feature = "sqlite"))]
mod away;
#[cfg(all(unix, feature = "sqlite"))]
mod clocks;
#[cfg(all(unix, feature = "files"))]
mod deferred;
#[cfg(all(unix, feature = "sqlite"))]
mod disk;
mod hello;
#[cfg(all(unix, feature = "sqlite"))]
mod kills;
mod macros;
#[cfg(all(target_os = "linux", feature = "sqlite"))]
mod permissions;
#[cfg(all(
    target_os = "linux",
    feature = "redis",
    feature = "postgres",
    feature = "sqlite"
))]
mod servers;
mod testing;
