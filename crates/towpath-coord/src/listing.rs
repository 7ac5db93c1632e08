//! Which files of a directory are claimed or cooling, for people who look at it, and taking that away.
//!
//! A manifest is not written down anywhere, so this goes by the riders that are there: file by file. What is read is a
//! stranger's: names need not be text, and a rider that cannot be read is listed as such. To look locks nothing; to
//! clear takes the directory's lock, so that nobody claims or publishes meanwhile.
//!
//! Who dies while he clears has cleared a part, and the others stand as they stood.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::time::Duration;

use towpath_core::{Error, Kind, Result, Timestamp};

use crate::cooldown::{CoolDownParams, Failures};
use crate::event_lock::{EventLock, Steal};
use crate::intent::{CLAIM_TIME, Claim};
use crate::liveness::Life;
use crate::manifest::RiderKind;
use crate::place::{Place, storage};
use crate::rider::{Rider, read_beside, remove_beside};
use crate::wait::{Cancel, Wait};

/// Most names of a directory that are looked at.
pub const LISTED_MAX: usize = 65_536;

/// What was found beside the files of a directory, by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<T> {
    /// One for each file that has such a rider, in the order of the names.
    pub riders: Vec<T>,
    /// Whether the directory has more than [`LISTED_MAX`] names, so that some may be missing here.
    pub is_cut: bool,
}

/// A claim on a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedFile {
    /// The file's name.
    pub name: OsString,
    /// The claim; `None` when it cannot be read.
    pub claim: Option<Claim>,
    /// When it was written, or renewed.
    pub written: Timestamp,
    /// Whether its owner lives; unknown where it does not say who that is.
    pub life: Life,
    /// How long it is until it lapses; zero when it has, as when its owner is dead.
    pub remaining: Duration,
}

/// A file that is cooling, or was.
#[derive(Debug, Clone, PartialEq)]
pub struct CoolingFile {
    /// The file's name.
    pub name: OsString,
    /// What the rider says; `None` when it cannot be read.
    pub failures: Option<Failures>,
    /// When it was written.
    pub written: Timestamp,
    /// How long it is until the next attempt may begin, in the eyes of who makes it by the given parameters.
    pub remaining: Duration,
}

/// Which claims may be cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clear {
    /// Those that have lapsed; where another is among them nothing is cleared.
    Lapsed,
    /// Any. Who is making the files learns of it at his next renewal and publishes nothing.
    Any,
}

/// Lists the claims in a directory.
///
/// For whether certain files may be made, see [`Checkout::begin`](crate::Checkout::begin): this answers for people.
///
/// # Errors
///
/// [`Kind::NotFound`] when the directory is gone, [`Kind::Storage`] when it cannot be read.
///
/// # Examples
///
/// ```
/// use towpath_coord::{Begun, Cancel, Checkout, Clear, Manifest, Network, Place, Wait, World};
/// use towpath_coord::{claims, clear_claims};
///
/// let directory = tempfile::tempdir()?;
/// let place = Place::open(World::new(), directory.path(), Network::Refuse)?;
/// let checkout = Checkout::new(place.clone(), Manifest::new(["sky.fits"])?);
/// let Begun::Generating(_ours) = checkout.begin(Wait::No, &Cancel::new(), || None)? else {
///     unreachable!("nobody else is there")
/// };
/// let names: Vec<_> = claims(&place)?.riders.into_iter().map(|file| file.name).collect();
/// assert_eq!(names, ["sky.fits"]);
/// let clear = |which| clear_claims(&place, &names, which, Wait::No, &Cancel::new());
/// assert!(clear(Clear::Lapsed).is_err());
/// assert_eq!(clear(Clear::Any)?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn claims(place: &Place) -> Result<Found<ClaimedFile>> {
    listed(place, RiderKind::Intent, claim_on)
}

/// Lists what is cooling in a directory. How long a failure cools down is not written beside the file: whoever makes it
/// says so, and so does the caller here.
///
/// # Errors
///
/// As [`claims`].
pub fn cooldowns(place: &Place, params: CoolDownParams) -> Result<Found<CoolingFile>> {
    listed(place, RiderKind::CoolDown, |place, name| {
        cooldown_of(place, name, params)
    })
}

/// Takes the claims on these files away, under the directory's lock; answers how many there were.
///
/// # Errors
///
/// [`Kind::WrongState`] when one has not lapsed and only such are to be cleared; nothing is cleared then.
/// [`Kind::Unavailable`] when the lock was not free in time, [`Kind::Stopped`] when the wait for it was called off,
/// [`Kind::Invalid`] for a name with `/`, [`Kind::Storage`] when the directory cannot be read or written.
pub fn clear_claims(
    place: &Place,
    names: &[OsString],
    which: Clear,
    wait: Wait,
    cancel: &Cancel,
) -> Result<usize> {
    cleared(place, RiderKind::Intent, names, (wait, cancel), |name| {
        let found = claim_on(place, name)?;
        let Some(file) = found.filter(|file| file.remaining > Duration::ZERO) else {
            return Ok(());
        };
        if which == Clear::Any {
            return Ok(());
        }
        let owner = file.claim.and_then(|claim| claim.owner);
        let owner = owner.map_or("somebody unknown".to_owned(), |owner| {
            format!("process {} on {}", owner.pid, owner.host)
        });
        let text = format!("{name:?} is claimed by {owner}, who may be making it");
        Err(Error::new(Kind::WrongState, text))
    })
}

/// Forgets the failures of these files, under the directory's lock; answers how many had some.
///
/// # Errors
///
/// As [`clear_claims`].
pub fn clear_cooldowns(
    place: &Place,
    names: &[OsString],
    wait: Wait,
    cancel: &Cancel,
) -> Result<usize> {
    cleared(
        place,
        RiderKind::CoolDown,
        names,
        (wait, cancel),
        |_| Ok(()),
    )
}

fn listed<T>(
    place: &Place,
    kind: RiderKind,
    look: impl Fn(&Place, &OsStr) -> Result<Option<T>>,
) -> Result<Found<T>> {
    let directory = place.directory();
    let names = place.world.fs.list(directory, LISTED_MAX);
    let names = names.map_err(|error| storage(directory, "list", error))?;
    let is_cut = names.len() == LISTED_MAX;
    let mut members: Vec<_> = names.iter().filter_map(|name| kind.member(name)).collect();
    members.sort_unstable();
    let riders = members
        .into_iter()
        .filter_map(|name| look(place, &name).transpose());
    Ok(Found {
        riders: riders.collect::<Result<_>>()?,
        is_cut,
    })
}

fn cleared(
    place: &Place,
    kind: RiderKind,
    names: &[OsString],
    (wait, cancel): (Wait, &Cancel),
    check: impl Fn(&OsStr) -> Result<()>,
) -> Result<usize> {
    if let Some(name) = names.iter().find(|name| name.as_bytes().contains(&b'/')) {
        let text = format!("file name {name:?} holds '/'; name files of the directory itself");
        return Err(Error::invalid(text));
    }
    let mut lock = EventLock::new(place.clone());
    if !lock.acquire_within(wait, Steal::Expired, cancel)? {
        let text = format!("the lock of {} is held", place.directory().display());
        return Err(Error::new(Kind::Unavailable, text));
    }
    let done = lock.publish(|| {
        names.iter().try_for_each(|name| check(name))?;
        names.iter().try_fold(0, |count, name| {
            Ok(count + usize::from(remove_beside(place, kind, name)?))
        })
    });
    let released = lock.release();
    let count = done?;
    released?;
    Ok(count)
}

fn claim_on(place: &Place, name: &OsStr) -> Result<Option<ClaimedFile>> {
    let found = |claim: Option<Claim>, written: Timestamp| {
        let world = &place.world;
        let owner = claim.as_ref().and_then(|claim| claim.owner.as_ref());
        let life = owner.map_or(Life::Unknown, |owner| world.processes.life(owner));
        let remaining = match &claim {
            Some(claim) => claim.remaining(world),
            None => written.after(CLAIM_TIME).since(world.clock.now()),
        };
        Some(ClaimedFile {
            name: name.to_owned(),
            claim,
            written,
            life,
            remaining,
        })
    };
    Ok(
        match read_beside(place, RiderKind::Intent, name, Claim::from_json)? {
            Rider::Missing => None,
            Rider::Unreadable { modified } => found(None, modified),
            Rider::Read { is, modified } => found(Some(is), modified),
        },
    )
}

fn cooldown_of(place: &Place, name: &OsStr, params: CoolDownParams) -> Result<Option<CoolingFile>> {
    let found = |failures: Option<Failures>, written: Timestamp| {
        let (attempts, last) = failures.map_or((1, written), |told| (told.attempts, told.last));
        let now = place.world.clock.now();
        // What claims to have failed in a time to come counts from when it was written; that too may be to come.
        let from = last.min(written).min(now);
        Some(CoolingFile {
            name: name.to_owned(),
            failures,
            written,
            remaining: from.after(params.wait(attempts)).since(now),
        })
    };
    Ok(
        match read_beside(place, RiderKind::CoolDown, name, Failures::from_json)? {
            Rider::Missing => None,
            Rider::Unreadable { modified } => found(None, modified),
            Rider::Read { is, modified } => found(Some(is), modified),
        },
    )
}

impl RiderKind {
    /// The file that a rider of that name stands beside.
    fn member(self, name: &OsStr) -> Option<OsString> {
        let empty = self.beside(OsStr::new(""));
        let suffix = empty.as_bytes().strip_prefix(b".")?;
        let inner = name.as_bytes().strip_prefix(b".")?.strip_suffix(suffix)?;
        (!inner.is_empty()).then(|| OsString::from_vec(inner.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rider_is_known_by_its_name() {
        let check = |name: &[u8], intent: Option<&[u8]>, cooldown: Option<&[u8]>| {
            let member = |kind: RiderKind| kind.member(OsStr::from_bytes(name));
            let expected =
                |member: Option<&[u8]>| member.map(|name| OsString::from_vec(name.into()));
            assert_eq!(member(RiderKind::Intent), expected(intent), "{name:?}");
            assert_eq!(member(RiderKind::CoolDown), expected(cooldown), "{name:?}");
        };
        check(b".a.intent.json", Some(b"a"), None);
        check(b".a.cooldown.json", None, Some(b"a"));
        check(
            b"..a.intent.json.intent.json",
            Some(b".a.intent.json"),
            None,
        );
        check(b".\xff\n.cooldown.json", None, Some(b"\xff\n"));
        check(b".intent.json", None, None);
        check(b"..intent.json", None, None);
        check(b"a.intent.json", None, None);
        check(b".json", None, None);
        check(b"", None, None);
    }
}
