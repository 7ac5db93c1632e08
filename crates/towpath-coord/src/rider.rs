//! Small JSON files beside the members of a manifest: `.{NAME}.cooldown.json`, `.{NAME}.intent.json`.
//!
//! A rider is read as a stranger's: bounded, no link followed, keys that we do not know kept. It is written aside and
//! renamed, so a reader sees the former one or the new one, whole. Nothing is synced: a rider that a loss of power has
//! emptied is unreadable, and what its kind makes of that is safe.
//!
//! What is written for a manifest is written member by member, in the order of the names. Whoever writes may die:
//!
//! ```text
//!   make the temporary file      an empty file of a name of its own, which nobody reads
//!   write and date it            the same, with a part or all of the bytes
//!   rename it over the rider     the new rider; the members before have it, those behind it the former one
//! ```
//!
//! So kinds of riders must make sense when members disagree. A temporary file says in its name who makes it; the next
//! to write in the directory takes it away once that process is dead, or after an hour where that cannot be told.
//!
//! Two writers at once are the caller's to prevent: he holds the directory's lock.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use towpath_core::{Error, Kind, Result, Timestamp};

use crate::fs::{Open, Sort};
use crate::liveness::{Identity, Life};
use crate::manifest::{Manifest, RESERVED, RiderKind};
use crate::place::{Place, storage};

/// What is read of a rider, in bytes; ours have a few hundred.
pub(crate) const LEN_MAX: usize = 64 * 1024;

/// Names of a directory that are looked through for temporary files.
const NAMES_MAX: usize = 10_000;

/// When a temporary file of a process that cannot be seen is taken for left behind. Making one takes milliseconds.
const LEFT_BEHIND: Duration = Duration::from_secs(60 * 60);

/// The text of a boot's id in a temporary file's name, in bytes; the kernel's have 36.
const BOOT_MAX: usize = 64;

/// A rider's keys; the values as they stand, to the last digit.
type Fields = BTreeMap<String, Box<RawValue>>;

/// The riders of one kind beside one manifest.
#[derive(Debug, Clone)]
pub(crate) struct Riders {
    pub(crate) place: Place,
    manifest: Manifest,
    kind: RiderKind,
}

/// What stands beside a member.
#[derive(Debug)]
pub(crate) enum Rider<T> {
    Missing,
    /// There is something, and it does not read as a rider.
    Unreadable {
        modified: Timestamp,
    },
    Read {
        is: T,
        modified: Timestamp,
    },
}

impl Riders {
    pub(crate) fn new(place: &Place, manifest: &Manifest, kind: RiderKind) -> Self {
        Self {
            place: place.clone(),
            manifest: manifest.clone(),
            kind,
        }
    }

    pub(crate) fn members(&self) -> impl ExactSizeIterator<Item = &OsStr> {
        self.manifest.names()
    }

    fn path(&self, member: &OsStr) -> PathBuf {
        self.place.path(self.kind.beside(member))
    }

    pub(crate) fn read<T>(
        &self,
        member: &OsStr,
        parse: fn(&[u8]) -> Result<T>,
    ) -> Result<Rider<T>> {
        let path = self.path(member);
        let Some((json, modified)) = bytes(&self.place, &path)? else {
            return Ok(Rider::Missing);
        };
        match json.and_then(|json| parse(&json)) {
            Ok(is) => Ok(Rider::Read { is, modified }),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a rider cannot be read; the next one replaces it");
                Ok(Rider::Unreadable { modified })
            }
        }
    }

    /// Writes a member's rider; keys of the former one that `ours` does not have are kept.
    pub(crate) fn write(&self, member: &OsStr, ours: &impl Serialize) -> Result<()> {
        let path = self.path(member);
        let former = bytes(&self.place, &path)?.and_then(|(json, _)| json.ok());
        let json = merged(former.as_deref(), ours)?;
        let aside = self.place.path(temporary(&self.place.world.processes.me()));
        self.replace(&aside, &path, &json).map_err(|error| {
            // Nobody reads it, and whoever writes next finds it.
            let _left_behind = self.place.world.fs.remove_file(&aside);
            storage(&path, "write", error)
        })
    }

    fn replace(&self, aside: &Path, path: &Path, json: &[u8]) -> io::Result<()> {
        let world = &self.place.world;
        world.fs.open(aside, Open::CreateNew)?.write_at(json, 0)?;
        // By the clock that is also in the rider, which need not be that of the file system.
        world.fs.touch(aside, world.clock.now().to_system_time())?;
        world.fs.rename(aside, path)
    }

    /// Removes a member's rider; that there is none is fine.
    pub(crate) fn remove(&self, member: &OsStr) -> Result<()> {
        let path = self.path(member);
        match self.place.world.fs.remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(storage(&path, "remove", error))
            }
            _ => Ok(()),
        }
    }

    /// Removes the riders of all members; one that cannot be removed does not keep the others.
    pub(crate) fn clear(&self) -> Result<()> {
        let removed = self.members().map(|member| self.remove(member));
        removed.fold(Ok(()), Result::and)
    }

    /// The time from which what a rider says is counted, when it says `told`.
    ///
    /// A time to come was written under a clock that was wrong, and must not hold until then. No rider tells of what was
    /// later than its last writing, so the earlier of the two counts; where both are to come, the file is marked as
    /// written now, and will count from now at every later look. Its contents are left alone, so this needs no lock.
    pub(crate) fn counted_from(
        &self,
        member: &OsStr,
        told: Timestamp,
        modified: Timestamp,
    ) -> Timestamp {
        let world = &self.place.world;
        let (now, from) = (world.clock.now(), told.min(modified));
        if from > now {
            // Where it cannot be marked, the next look starts anew: that waits longer, never shorter.
            let _unmarked = world.fs.touch(&self.path(member), now.to_system_time());
        }
        from.min(now)
    }

    /// Takes away temporary files that were left behind. It is no error if that fails: nobody reads them.
    pub(crate) fn collect(&self) {
        if let Ok(names) = self.place.world.fs.list(self.place.directory(), NAMES_MAX) {
            collect(&self.place, &names);
        }
    }
}

/// Takes away those of these files that are temporary ones and were left behind.
pub(crate) fn collect(place: &Place, names: &[OsString]) {
    let world = &place.world;
    let me = world.processes.me();
    for (name, maker) in names
        .iter()
        .filter_map(|name| Some((name, maker(name, &me)?)))
    {
        let path = place.path(name);
        // The name of the machine is not in the file's: what another start made may be another machine's.
        let life = match maker.boot == boot_text(&me) {
            true => world.processes.life(&Identity {
                boot: me.boot.clone(),
                ..maker
            }),
            false => Life::Unknown,
        };
        let left = match life {
            Life::Alive => false,
            Life::Dead => true,
            Life::Unknown => world.fs.stat(&path).is_ok_and(|stat| {
                Timestamp::from(stat.modified).after(LEFT_BEHIND) <= world.clock.now()
            }),
        };
        if left {
            let _gone_or_not = world.fs.remove_file(&path);
        }
    }
}

/// The bytes of a rider, or why there are none though it is there, and when it was written.
fn bytes(place: &Place, path: &Path) -> Result<Option<(Result<Vec<u8>>, Timestamp)>> {
    let fs = &place.world.fs;
    let refused = |why: String| Err(Error::new(Kind::Codec, why));
    let file = match fs.open(path, Open::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            // A link, or another user's file, is there for good, unlike an error of the disk.
            let stat = match fs.stat(path) {
                Ok(stat) => stat,
                Err(gone) if gone.kind() == ErrorKind::NotFound => return Ok(None),
                Err(_) => return Err(storage(path, "open", error)),
            };
            if stat.sort == Sort::File && error.kind() != ErrorKind::PermissionDenied {
                return Err(storage(path, "open", error));
            }
            return Ok(Some((refused(error.to_string()), stat.modified.into())));
        }
    };
    let stat = file
        .stat()
        .map_err(|error| storage(path, "look at", error))?;
    let modified = stat.modified.into();
    if stat.sort != Sort::File {
        return Ok(Some((refused("it is no plain file".to_owned()), modified)));
    }
    let read = file.read_at(0, LEN_MAX + 1);
    let read = read.map_err(|error| storage(path, "read", error))?;
    let json = match read.len() > LEN_MAX {
        true => refused(format!("it is larger than {LEN_MAX} bytes")),
        false => Ok(read),
    };
    Ok(Some((json, modified)))
}

/// Reads the rider beside one file, whatever manifest it is of.
pub(crate) fn read_beside<T>(
    place: &Place,
    kind: RiderKind,
    member: &OsStr,
    parse: fn(&[u8]) -> Result<T>,
) -> Result<Rider<T>> {
    let Some((json, modified)) = bytes(place, &place.path(kind.beside(member)))? else {
        return Ok(Rider::Missing);
    };
    Ok(match json.and_then(|json| parse(&json)) {
        Ok(is) => Rider::Read { is, modified },
        Err(_) => Rider::Unreadable { modified },
    })
}

/// Removes the rider beside one file, whatever manifest it is of; answers whether there was one.
pub(crate) fn remove_beside(place: &Place, kind: RiderKind, member: &OsStr) -> Result<bool> {
    let path = place.path(kind.beside(member));
    match place.world.fs.remove_file(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        removed => removed
            .map(|()| true)
            .map_err(|error| storage(&path, "remove", error)),
    }
}

/// The name of a temporary file that `me` makes.
fn temporary(me: &Identity) -> OsString {
    let Identity {
        namespace,
        pid,
        started,
        ..
    } = me;
    let (boot, random) = (boot_text(me), fastrand::u64(..));
    format!("{RESERVED}-rider.{boot}.{namespace}.{pid}.{started}.{random:016x}.tmp").into()
}

/// The id of the boot, fit for a name.
fn boot_text(me: &Identity) -> &str {
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    match me.boot.len() <= BOOT_MAX && me.boot.bytes().all(fit) {
        true => &me.boot,
        false => "unfit",
    }
}

/// Who makes the temporary file of that name, on the machine of `me`; `None` for other files.
fn maker(name: &OsStr, me: &Identity) -> Option<Identity> {
    let told = name
        .to_str()?
        .strip_prefix(RESERVED)?
        .strip_prefix("-rider.")?;
    let parts: Vec<_> = told.strip_suffix(".tmp")?.split('.').collect();
    let [boot, namespace, pid, started, _random] = parts[..] else {
        return None;
    };
    Some(Identity {
        host: me.host.clone(),
        boot: boot.to_owned(),
        namespace: namespace.parse().ok()?,
        pid: pid.parse().ok()?,
        started: started.parse().ok()?,
    })
}

/// The keys of a rider that is a JSON object; of a key that is there twice the later.
pub(crate) fn fields(json: &[u8]) -> Result<Fields> {
    serde_json::from_slice(json).map_err(|error| unreadable(error.to_string()).with_source(error))
}

/// What is said of bytes that are no rider.
pub(crate) fn unreadable(why: impl Into<String>) -> Error {
    Error::new(Kind::Codec, why)
}

/// The JSON of `ours`, with what else the former rider held, unless that would be more than is read again.
fn merged(former: Option<&[u8]>, ours: &impl Serialize) -> Result<Vec<u8>> {
    let ours = encode(ours)?;
    let Some(mut all) = former.and_then(|json| fields(json).ok()) else {
        return Ok(ours);
    };
    all.extend(fields(&ours)?);
    let whole = encode(&all)?;
    match whole.len() > LEN_MAX {
        true => {
            tracing::warn!(
                "keys of a rider that are not ours were dropped: it would pass {LEN_MAX} bytes"
            );
            Ok(ours)
        }
        false => Ok(whole),
    }
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| unreadable(error.to_string()).with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_others_are_kept_to_the_last_digit() {
        let check = |former: Option<&str>, expected: &str| {
            let ours = BTreeMap::from([("b", 2), ("d", 4)]);
            let json = merged(former.map(str::as_bytes), &ours).expect("plain values");
            assert_eq!(String::from_utf8_lossy(&json), expected);
        };
        check(None, r#"{"b":2,"d":4}"#);
        check(
            Some(r#"{"c": 1.500, "b": "old"}"#),
            r#"{"b":2,"c":1.500,"d":4}"#,
        );
        check(
            Some(r#"{"a": 123456789012345678901234567890, "c": {"x": [ ]}}"#),
            r#"{"a":123456789012345678901234567890,"b":2,"c":{"x": [ ]},"d":4}"#,
        );
        for unreadable in ["", "17", "[1]", "{\"a\": 1", "{} {}", "\u{feff}{}"] {
            check(Some(unreadable), r#"{"b":2,"d":4}"#);
        }
        // What would be too large to be read again is not written.
        let padding = "x".repeat(LEN_MAX - 8);
        check(Some(&format!(r#"{{"a":"{padding}"}}"#)), r#"{"b":2,"d":4}"#);
    }

    #[test]
    fn a_temporary_file_says_who_makes_it() {
        let me = Identity {
            host: "here".to_owned(),
            boot: "7c9e6679-7425-40de-944b-e07fc1f90ae7".to_owned(),
            namespace: u64::MAX,
            pid: u32::MAX,
            started: u64::MAX,
        };
        let name = temporary(&me);
        assert!(name.len() <= 255 && name.to_string_lossy().starts_with('.'));
        assert_eq!(maker(&name, &me), Some(me.clone()));
        assert_ne!(temporary(&me), name);
        let odd = Identity {
            boot: "../x".repeat(100),
            ..me.clone()
        };
        assert!(!temporary(&odd).to_string_lossy().contains('/'));
        for other in [
            "",
            ".towpath-guard",
            ".towpath-rider.b.1.2.3.tmp",
            ".towpath-rider.b.1.-2.3.f.tmp",
        ] {
            assert_eq!(maker(OsStr::new(other), &me), None, "{other}");
        }
    }
}
